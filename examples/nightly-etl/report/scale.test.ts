import { describe, expect, it } from "vitest";
import { linear, ticks } from "./scale.ts";

describe("ticks", () => {
  it("are round and stay inside", () => {
    expect(ticks(0, 0.49, 5)).toEqual([0, 0.1, 0.2, 0.3, 0.4]);
    expect(ticks(-3, 28, 5)).toEqual([0, 10, 20]);
    expect(ticks(0, 3040, 4)).toEqual([0, 1000, 2000, 3000]);
  });

  it("are one for a span of nothing", () => {
    expect(ticks(7, 7, 5)).toEqual([7]);
  });
});

describe("linear", () => {
  it("maps ends to ends, also upside down", () => {
    const y = linear([0, 10], [300, 20]);
    expect([y(0), y(5), y(10)]).toEqual([300, 160, 20]);
  });
});
