import { describe, expect, it } from "vitest";
import { stateOutlines, type Topology } from "./topology.ts";

/** Two squares side by side that share the border between them. */
const topology: Topology = {
  transform: { scale: [1, 1], translate: [100, 10] },
  arcs: [
    [
      [1, 0],
      [0, 1],
    ],
    [
      [1, 1],
      [-1, 0],
      [0, -1],
      [1, 0],
    ],
    [
      [1, 0],
      [1, 0],
      [0, 1],
      [-1, 0],
    ],
  ],
  objects: {
    states: {
      geometries: [
        { type: "Polygon", id: 1, arcs: [[0, 1]] },
        { type: "MultiPolygon", id: 2, arcs: [[[2, ~0]]] },
      ],
    },
  },
};

describe("stateOutlines", () => {
  it("joins arcs to closed rings, forwards and backwards", () => {
    const [west, east] = stateOutlines(topology);
    expect(west).toEqual({
      id: 1,
      rings: [
        [
          [101, 10],
          [101, 11],
          [100, 11],
          [100, 10],
          [101, 10],
        ],
      ],
    });
    expect(east?.rings[0]).toEqual([
      [101, 10],
      [102, 10],
      [102, 11],
      [101, 11],
      [101, 10],
    ]);
  });
});
