import { describe, expect, it } from "vitest";
import { enrichFlight } from "./enrichment.ts";
import type { CleanFlight } from "./records.ts";

const flight: CleanFlight = {
  key: "k",
  source: "feed",
  departedAt: "2001-02-25T21:05",
  origin: { iata: "SEA", city: "Seattle", state: "WA", latitude: 47.449, longitude: -122.309 },
  destination: { iata: "SJU", city: "San Juan", state: "PR", latitude: 18.439, longitude: -66.002 },
  miles: 999,
  arrivalDelay: 15,
  climate: null,
  routeVolume: null,
};

describe("enrichFlight", () => {
  it("adds the parts of the date", () => {
    expect(enrichFlight(flight)).toMatchObject({ dateKey: 20010225, hour: 21, weekday: 7 });
  });

  it("puts limits into the upper class", () => {
    const classes = [-1, 0, 14, 15, 59, 60].map((arrivalDelay) => enrichFlight({ ...flight, arrivalDelay }).delayClass);
    expect(classes).toEqual(["early", "on time", "on time", "late", "late", "very late"]);
    expect(enrichFlight(flight).distanceBand).toBe("500–999 mi");
    expect(enrichFlight({ ...flight, miles: 1000 }).distanceBand).toBe("1,000–1,999 mi");
  });

  it("adds the regions and the way around the globe", () => {
    const { originRegion, destinationRegion, greatCircleMiles } = enrichFlight(flight);
    expect([originRegion, destinationRegion]).toEqual(["West", "Territories"]);
    expect(greatCircleMiles).toBeGreaterThan(3500);
    expect(greatCircleMiles).toBeLessThan(3800);
  });
});
