/** Names on a map: each where it covers no circle and no other name. */
import type { Point } from "./projection.ts";

interface Name {
  readonly text: string;
  readonly at: Point;
  /** Distance from the point to the name. */
  readonly gap: number;
}

interface Circle {
  readonly at: Point;
  readonly radius: number;
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const CHARACTER_WIDTH = 10;
const CHARACTER_HEIGHT = 13;

/** Finds a place for each name, the first ones first; a name that finds none is left out. */
export function placeNames(
  names: readonly Name[],
  circles: readonly Circle[],
): { readonly text: string; readonly x: number; readonly y: number }[] {
  const taken: Box[] = [];
  return names.flatMap(({ text, at, gap }) => {
    const others = circles.filter((circle) => circle.at !== at).map(around);
    const box = boxes(text, at, gap).find((one) => ![...taken, ...others].some((other) => overlap(one, other)));
    if (box === undefined) return [];
    taken.push(box);
    return [{ text, x: box.left, y: box.bottom - 2 }];
  });
}

/** Right, left, above, below. */
function boxes(text: string, [x, y]: Point, gap: number): Box[] {
  const [width, half] = [text.length * CHARACTER_WIDTH, CHARACTER_HEIGHT / 2];
  const at = (left: number, top: number): Box => ({ left, top, right: left + width, bottom: top + CHARACTER_HEIGHT });
  return [
    at(x + gap, y - half),
    at(x - gap - width, y - half),
    at(x - width / 2, y - gap - CHARACTER_HEIGHT),
    at(x - width / 2, y + gap),
  ];
}

function around({ at: [x, y], radius }: Circle): Box {
  return { left: x - radius, top: y - radius, right: x + radius, bottom: y + radius };
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
