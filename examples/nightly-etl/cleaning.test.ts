import { describe, expect, it } from "vitest";
import { cleanFlights, readTime } from "./cleaning.ts";
import type { Airport, MergedFlight, Place, RawFlight } from "./records.ts";

const SEA: Place = { iata: "SEA", city: "Seattle", state: "WA", latitude: 47.449, longitude: -122.309 };
const LAX: Place = { iata: "LAX", city: "Los Angeles", state: "CA", latitude: 33.943, longitude: -118.408 };
const AIRPORTS: readonly Airport[] = [SEA, LAX].map((place) => ({ ...place, name: place.iata, country: "USA" }));

const merged = (raw: Partial<RawFlight> = {}, known: Partial<MergedFlight> = {}): MergedFlight => ({
  flight: {
    source: "operations",
    departed: "2001-01-15T08:00",
    origin: "SEA",
    destination: "LAX",
    miles: "954",
    delay: "-4",
    ...raw,
  },
  origin: SEA,
  destination: LAX,
  climate: null,
  routeVolume: null,
  ...known,
});

const rulesFor = (record: MergedFlight): unknown => cleanFlights([record], AIRPORTS).quality.counts;

describe("cleanFlights", () => {
  it("leaves a good record as it is", () => {
    const { flights, quality } = cleanFlights([merged()], AIRPORTS);
    expect(flights).toMatchObject([{ key: "2001-01-15T08:00 SEA-LAX -4", miles: 954, arrivalDelay: -4, origin: SEA }]);
    expect(quality).toEqual({ read: 1, kept: 1, removed: 0, counts: {} });
  });

  it.each([
    ["unreadable time", merged({ departed: "2001-02-30T08:00" })],
    ["unknown airport", merged({ origin: "XXX" }, { origin: null })],
    ["origin is destination", merged({ destination: "sea" }, { destination: SEA })],
    ["no delay", merged({ delay: "" })],
    ["impossible distance", merged({ miles: "9540" })],
  ])("removes a record for: %s", (rule, record) => {
    const { flights, rejected, quality } = cleanFlights([record], AIRPORTS);
    expect(flights).toEqual([]);
    expect(rejected).toEqual([{ rule, record: record.flight }]);
    expect(quality).toEqual({ read: 1, kept: 0, removed: 1, counts: { [rule]: 1 } });
  });

  it("keeps the first of two records of the same flight, whatever their notation", () => {
    const again = merged({ source: "feed", departed: "2001/01/15 08:00", origin: "sea" });
    const { flights, quality } = cleanFlights([merged(), again], AIRPORTS);
    expect(flights.map(({ source }) => source)).toEqual(["operations"]);
    expect(quality.counts).toEqual({ duplicate: 1 });
  });

  it("counts what it rewrites", () => {
    expect(rulesFor(merged({ departed: "2001/01/15 08:00" }))).toEqual({ "time rewritten": 1 });
    expect(rulesFor(merged({ destination: " lax" }))).toEqual({ "airport code rewritten": 1 });
  });

  it("fills in the state of an airport from the nearest one that has it", () => {
    const boeingField: Place = { iata: "BFI", city: null, state: null, latitude: 47.53, longitude: -122.302 };
    const { flights, quality } = cleanFlights([merged({ origin: "BFI" }, { origin: boeingField })], AIRPORTS);
    expect(flights[0]?.origin.state).toBe("WA");
    expect(quality.counts).toEqual({ "state filled in": 1 });
  });
});

describe("readTime", () => {
  it("reads both notations and refuses what no calendar has", () => {
    expect(readTime("2001/03/01 06:55")).toBe("2001-03-01T06:55");
    expect(readTime("2001-03-01T06:55")).toBe("2001-03-01T06:55");
    for (const text of ["2001-02-29T06:55", "2001-03-01T24:10", "2001-13-01T06:55", "yesterday", ""]) {
      expect(readTime(text)).toBeUndefined();
    }
  });
});
