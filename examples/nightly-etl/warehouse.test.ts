import type Database from "libsql";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { enrichFlight } from "./enrichment.ts";
import type { Airport, EnrichedFlight } from "./records.ts";
import { summarize } from "./summary.ts";
import { type Batch, loadBatch, openWarehouse } from "./warehouse.ts";

const airports: Airport[] = [
  {
    iata: "SEA",
    name: "Seattle-Tacoma",
    city: "Seattle",
    state: "WA",
    country: "USA",
    latitude: 47.4,
    longitude: -122.3,
  },
  {
    iata: "LAX",
    name: "Los Angeles",
    city: "Los Angeles",
    state: "CA",
    country: "USA",
    latitude: 33.9,
    longitude: -118.4,
  },
  { iata: "OLM", name: "Olympia", city: "Olympia", state: "WA", country: "USA", latitude: 47, longitude: -122.9 },
];

function flight(departedAt: string, from: number, to: number, arrivalDelay: number): EnrichedFlight {
  return enrichFlight({
    key: `${departedAt} ${from} ${to}`,
    source: "feed",
    departedAt,
    origin: airports[from]!,
    destination: airports[to]!,
    miles: 954,
    arrivalDelay,
    climate: null,
    routeVolume: null,
  });
}

const batch: Batch = {
  key: "batch-1",
  run: "night-1",
  loadedAt: "2026-01-01T00:00:00.000Z",
  flights: [
    flight("2001-01-01T08:00", 0, 1, -5),
    flight("2001-01-01T08:30", 1, 0, 20),
    flight("2001-01-02T21:00", 0, 1, 75),
  ],
  airports,
  weather: [],
  routes: [{ origin: "LAX", destination: "SEA", flights: 100 }],
};

let db: Database.Database;
beforeEach(() => {
  db = openWarehouse(":memory:");
});
afterEach(() => {
  db.close();
});

const count = (from: string): number | undefined => {
  const [row] = db.prepare(`SELECT count(*) AS rows FROM ${from}`).all() as { rows: number }[];
  return row?.rows;
};

describe("loadBatch", () => {
  it("loads flights with the airports and days they refer to", () => {
    expect(loadBatch(db, batch)).toEqual({ inserted: 3, known: 0, total: 3 });
    expect(count("dim_airport")).toBe(2);
    expect(count("dim_date")).toBe(2);
  });

  it("answers a load that was already committed with its first result", () => {
    const first = loadBatch(db, batch);
    expect(loadBatch(db, batch)).toEqual(first);
    expect(count("load_batch")).toBe(1);
  });

  it("brings flights of an earlier load up to date and counts them as known", () => {
    loadBatch(db, batch);
    const later = { ...batch, key: "batch-2", flights: [{ ...batch.flights[0]!, distanceBand: "new band" }] };
    expect(loadBatch(db, later)).toEqual({ inserted: 0, known: 1, total: 3 });
    expect(count("fact_flight WHERE distance_band = 'new band'")).toBe(1);
  });

  it("leaves nothing of a load that fails half-way", () => {
    const stranger = { ...airports[0]!, iata: "XXX" };
    const broken = { ...batch, flights: [...batch.flights, { ...batch.flights[0]!, key: "bad", origin: stranger }] };
    expect(() => loadBatch(db, broken)).toThrow();
    expect(["fact_flight", "load_batch", "dim_airport"].map(count)).toEqual([0, 0, 0]);
  });
});

describe("summarize", () => {
  it("counts flights and lateness by hour, day, route and airport", () => {
    loadBatch(db, batch);
    const summary = summarize(db);
    expect(summary.totals).toMatchObject({ flights: 3, medianDelay: 20, airports: 2, routes: 1, miles: 3 * 954 });
    expect(summary.byHour).toEqual([
      { hour: 8, flights: 2, lateShare: 0.5, meanDelay: 7.5 },
      { hour: 21, flights: 1, lateShare: 1, meanDelay: 75 },
    ]);
    expect(summary.byDay.map(({ date, flights }) => [date, flights])).toEqual([
      ["2001-01-01", 2],
      ["2001-01-02", 1],
    ]);
    expect(summary.routes).toMatchObject([{ from: "LAX", to: "SEA", flights: 3, flights2008: 100 }]);
    expect(summary.airports.map(({ iata, flights }) => [iata, flights])).toEqual([
      ["SEA", 2],
      ["LAX", 1],
    ]);
  });

  it("puts every flight into exactly one step of the distribution", () => {
    const far = [flight("2001-01-03T08:00", 0, 1, -300), flight("2001-01-03T09:00", 0, 1, 900)];
    loadBatch(db, { ...batch, flights: [...batch.flights, ...far] });
    const { byDelay } = summarize(db);
    expect(byDelay.reduce((sum, { flights }) => sum + flights, 0)).toBe(5);
    expect([byDelay[0]?.flights, byDelay.at(-1)?.flights]).toEqual([1, 1]);
  });
});
