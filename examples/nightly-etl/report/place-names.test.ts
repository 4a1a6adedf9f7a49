import { describe, expect, it } from "vitest";
import { placeNames } from "./place-names.ts";

describe("placeNames", () => {
  it("writes a name to the right of its circle", () => {
    const at = [100, 100] as const;
    const [name] = placeNames([{ text: "SEA", at, gap: 8 }], [{ at, radius: 5 }]);
    expect(name).toMatchObject({ text: "SEA", x: 108 });
  });

  it("moves a name to the left when another circle is in the way", () => {
    const at = [100, 100] as const;
    const circles = [
      { at, radius: 5 },
      { at: [115, 100] as const, radius: 5 },
    ];
    const [name] = placeNames([{ text: "EWR", at, gap: 8 }], circles);
    expect(name?.x).toBeLessThan(100);
  });

  it("leaves out a name that has no place", () => {
    const at = [100, 100] as const;
    expect(
      placeNames(
        [{ text: "JFK", at, gap: 8 }],
        [
          { at, radius: 5 },
          { at: [101, 101], radius: 60 },
        ],
      ),
    ).toEqual([]);
  });
});
