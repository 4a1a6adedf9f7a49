import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Box, type Link, layOut, type PlacedBox, type Point } from "./layout.ts";

const box = (id: string, height = 60): Box => ({ id, width: 200, height });
const link = (from: string, to: string): Link => ({ from, to, port: "dependency" });

describe("a layout", () => {
  it("is empty without boxes", () => {
    expect(layOut([], [])).toEqual({ boxes: [], links: [], width: 0, height: 0 });
  });

  it("puts boxes below those that lead to them", () => {
    const { boxes } = layOut([box("a"), box("b"), box("c")], [link("a", "b"), link("b", "c"), link("a", "c")]);
    const [a, b, c] = boxes as [PlacedBox, PlacedBox, PlacedBox];
    expect(b.y).toBeGreaterThan(a.y + a.height);
    expect(c.y).toBeGreaterThan(b.y + b.height);
  });

  it("keeps boxes side by side in the order they were given", () => {
    const names = ["one", "two", "three", "four"];
    const links = names.flatMap((name) => [link("first", name), link(name, "last")]);
    const { boxes } = layOut([box("first"), ...names.map((name) => box(name)), box("last")], links);
    const placed = boxes.filter(({ id }) => names.includes(id)).sort((a, b) => a.x - b.x);
    expect(placed.map(({ id }) => id)).toEqual(names);
  });

  it("gives labels a place between the boxes they belong to", () => {
    const links = [{ ...link("a", "b"), port: "timeout", label: { width: 60, height: 18 } }, link("a", "b")];
    const { boxes, links: placed } = layOut([box("a"), box("b")], links);
    const { labelAt } = placed[0]!;
    expect(labelAt!.y - 9).toBeGreaterThan(boxes[0]!.y + boxes[0]!.height);
    expect(labelAt!.y + 9).toBeLessThan(boxes[1]!.y);
    expect(placed[1]!.labelAt).toBeUndefined();
    expect(placed[0]!.points[0]!.x).not.toBe(placed[1]!.points[0]!.x);
  });

  it("ends for cycles", () => {
    expect(layOut([box("a"), box("b")], [link("a", "b"), link("b", "a")]).boxes).toHaveLength(2);
  });

  it("lets no boxes overlap and leads no edge through one", () => {
    fc.assert(
      fc.property(anyGraph, ({ boxes, links }) => {
        const layout = layOut(boxes, links);
        for (const [i, a] of layout.boxes.entries()) {
          expect(a.x).toBeGreaterThanOrEqual(0);
          expect(a.x + a.width).toBeLessThanOrEqual(layout.width + 0.01);
          expect(a.y + a.height).toBeLessThanOrEqual(layout.height + 0.01);
          for (const b of layout.boxes.slice(i + 1)) expect(overlap(a, b)).toBe(false);
        }
        for (const { points } of layout.links) {
          for (const point of sampled(points)) expect(layout.boxes.some((each) => inside(each, point))).toBe(false);
        }
      }),
      { numRuns: 60 },
    );
  });
});

const anyGraph: fc.Arbitrary<{ boxes: Box[]; links: Link[] }> = fc
  .array(fc.tuple(fc.array(fc.nat(), { maxLength: 3 }), fc.constantFrom(60, 60, 84, 108)), {
    minLength: 1,
    maxLength: 18,
  })
  .map((rows) => ({
    boxes: rows.map(([, height], i) => box(`b${i}`, height)),
    links: rows.flatMap(([numbers], i) =>
      i === 0 ? [] : [...new Set(numbers.map((n) => n % i))].map((from) => link(`b${from}`, `b${i}`)),
    ),
  }));

function overlap(a: PlacedBox, b: PlacedBox): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function inside({ x, y, width, height }: PlacedBox, point: Point): boolean {
  const edge = 0.5;
  return point.x > x + edge && point.x < x + width - edge && point.y > y + edge && point.y < y + height - edge;
}

/** Points of the curve that is vertical at each of the given ones. */
function sampled(points: readonly Point[]): Point[] {
  return points.slice(1).flatMap((end, i) => {
    const start = points[i]!;
    const middle = (start.y + end.y) / 2;
    return Array.from({ length: 21 }, (_, n) => {
      const t = n / 20;
      const blend = (a: number, b: number, c: number, d: number): number =>
        (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t ** 2 * c + t ** 3 * d;
      return { x: blend(start.x, start.x, end.x, end.x), y: blend(start.y, middle, middle, end.y) };
    });
  });
}
