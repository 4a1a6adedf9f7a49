/**
 * The map of the United States: Albers' equal-area conic projection, with Alaska, Hawaii and the islands of the Caribbean
 * moved into the free corners. Each part has its own two standard parallels.
 */
import type { LonLat } from "../topology.ts";

export type Point = readonly [x: number, y: number];

/** Which part of the map a place belongs to. */
export type Part = "mainland" | "alaska" | "hawaii" | "caribbean";

interface Cone {
  readonly parallels: readonly [number, number];
  readonly meridian: number;
  /** Longitude and latitude that lie at `at`. */
  readonly center: LonLat;
  /** In shares of the map's scale, from its middle. */
  readonly at: Point;
  readonly zoom: number;
}

const PARTS: Readonly<Record<Part, Cone>> = {
  mainland: { parallels: [29.5, 45.5], meridian: -96, center: [-96.2, 38.3], at: [0, 0], zoom: 1 },
  alaska: { parallels: [55, 65], meridian: -154, center: [-152, 62], at: [-0.324, 0.175], zoom: 0.33 },
  hawaii: { parallels: [8, 18], meridian: -157, center: [-157.3, 20.6], at: [-0.19, 0.222], zoom: 1.15 },
  caribbean: { parallels: [8, 18], meridian: -66, center: [-65.9, 18.1], at: [0.37, 0.222], zoom: 1.15 },
};

const RADIANS = Math.PI / 180;

/** A projection onto a map of this size: longitude and latitude to a point. */
export function albersUsa(width: number, height: number): (part: Part, place: LonLat) => Point {
  const scale = width * 1.17;
  const cones = Object.fromEntries(Object.entries(PARTS).map(([name, cone]) => [name, placed(cone, scale)])) as Record<
    Part,
    (place: LonLat) => Point
  >;
  return (part, place) => {
    const [x, y] = cones[part](place);
    return [width / 2 + x, height * 0.48 + y];
  };
}

function placed({ parallels, meridian, center, at, zoom }: Cone, scale: number): (place: LonLat) => Point {
  const project = conic(parallels, meridian);
  const [x0, y0] = project(center);
  return (place) => {
    const [x, y] = project(place);
    return [((x - x0) * zoom + at[0]) * scale, ((y0 - y) * zoom + at[1]) * scale];
  };
}

/** On a globe of radius 1; `y` grows to the north. */
function conic([south, north]: readonly [number, number], meridian: number): (place: LonLat) => Point {
  const n = (Math.sin(south * RADIANS) + Math.sin(north * RADIANS)) / 2;
  const c = Math.cos(south * RADIANS) ** 2 + 2 * n * Math.sin(south * RADIANS);
  return ([longitude, latitude]) => {
    const radius = Math.sqrt(c - 2 * n * Math.sin(latitude * RADIANS)) / n;
    const angle = n * (((((longitude - meridian + 180) % 360) + 360) % 360) - 180) * RADIANS;
    return [radius * Math.sin(angle), -radius * Math.cos(angle)];
  };
}

const PART_OF: Readonly<Record<string, Part>> = {
  AK: "alaska",
  "2": "alaska",
  HI: "hawaii",
  "15": "hawaii",
  PR: "caribbean",
  VI: "caribbean",
  "72": "caribbean",
  "78": "caribbean",
};

/** Part of a state by its letters or its number. */
export function partOf(state: string | number | null): Part {
  return PART_OF[String(state)] ?? "mainland";
}
