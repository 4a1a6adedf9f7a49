import { describe, expect, it } from "vitest";
import { albersUsa, partOf } from "./projection.ts";

const project = albersUsa(1100, 640);

describe("albersUsa", () => {
  it("keeps west left of east and north above south", () => {
    const [seattle, miami] = [project("mainland", [-122.3, 47.4]), project("mainland", [-80.3, 25.8])];
    expect(seattle[0]).toBeLessThan(miami[0]);
    expect(seattle[1]).toBeLessThan(miami[1]);
  });

  it.each([
    ["Seattle", "WA", -122.3, 47.4],
    ["Miami", "FL", -80.3, 25.8],
    ["Boston", "MA", -71, 42.4],
    ["Anchorage", "AK", -150, 61.2],
    ["Adak, beyond the date line's meridian", "AK", 179, 52],
    ["Honolulu", "HI", -157.9, 21.3],
    ["San Juan", "PR", -66, 18.4],
  ])("places %s on the map", (_name, state, longitude, latitude) => {
    const [x, y] = project(partOf(state), [longitude, latitude]);
    expect(x).toBeGreaterThan(0);
    expect(x).toBeLessThan(1100);
    expect(y).toBeGreaterThan(0);
    expect(y).toBeLessThan(640);
  });
});
