import { describe, expect, it } from "vitest";
import { greatCircleMiles, regionOf } from "./geography.ts";

const SEATTLE = { latitude: 47.449, longitude: -122.309 };
const NEW_YORK = { latitude: 40.64, longitude: -73.779 };

describe("greatCircleMiles", () => {
  it("is the same both ways, and nothing to the same place", () => {
    expect(greatCircleMiles(SEATTLE, NEW_YORK)).toBeCloseTo(2415, 0);
    expect(greatCircleMiles(NEW_YORK, SEATTLE)).toBeCloseTo(greatCircleMiles(SEATTLE, NEW_YORK), 6);
    expect(greatCircleMiles(SEATTLE, SEATTLE)).toBe(0);
  });
});

describe("regionOf", () => {
  it("knows states; everything else is a territory", () => {
    expect(["WA", "TX", "IL", "NY", "PR", null].map(regionOf)).toEqual([
      "West",
      "South",
      "Midwest",
      "Northeast",
      "Territories",
      "Territories",
    ]);
  });
});
