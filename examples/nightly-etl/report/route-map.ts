/** A map: the busiest routes as arcs, airports as circles coloured by lateness. */
import type { AirportFigures, RouteFigures, Summary } from "../summary.ts";
import type { LonLat, Outline } from "../topology.ts";
import type { Figure } from "./figure.ts";
import { count, minutes, percent } from "./format.ts";
import { placeNames } from "./place-names.ts";
import { albersUsa, type Point, partOf } from "./projection.ts";
import { linear } from "./scale.ts";
import { hint, label, rounded, tag } from "./svg.ts";

const [WIDTH, HEIGHT] = [1100, 640];
const ROUTES = 160;
/** Airports with fewer departures have no circle unless a shown route ends there. */
const LEAST_DEPARTURES = 40;
const NAMES = 26;
/** The colours run from this share of late flights to that. */
const [FEW_LATE, MANY_LATE] = [0.12, 0.34];

export function routeMap({ airports, routes, totals }: Summary, outlines: readonly Outline[]): Figure {
  const project = albersUsa(WIDTH, HEIGHT);
  const at = new Map(airports.map((one) => [one.iata, project(partOf(one.state), [one.longitude, one.latitude])]));
  const shown = routes.slice(0, ROUTES);
  const ends = new Set(shown.flatMap(({ from, to }) => [from, to]));
  const circles = airports.filter(({ iata, flights }) => flights >= LEAST_DEPARTURES || ends.has(iata));
  const radius = linear([0, Math.sqrt(airports[0]?.flights ?? 1)], [1.5, 13]);
  const states = outlines.map(({ id, rings }) =>
    tag("path", {
      class: "state",
      d: rings.map((ring) => ringPath(ring.map((place) => project(partOf(id), place)))).join(""),
    }),
  );
  const most = shown[0]?.flights ?? 1;
  const arcs = shown.toReversed().map((route) => arc(route, at, most));
  const dots = circles.map((airport) => dot(airport, at.get(airport.iata)!, radius(Math.sqrt(airport.flights))));
  const names = placeNames(
    circles
      .slice(0, NAMES)
      .map(({ iata, flights }) => ({ text: iata, at: at.get(iata)!, gap: radius(Math.sqrt(flights)) + 3 })),
    circles.map(({ iata, flights }) => ({ at: at.get(iata)!, radius: radius(Math.sqrt(flights)) })),
  ).map(({ text, x, y }) => label(x, y, text, { class: "value strong halo" }));
  const [top] = routes;
  return {
    id: "map",
    title: `${count(totals.routes)} routes; the busiest is ${top?.from}–${top?.to}`,
    about: `The ${shown.length} busiest routes: the wider the arc, the more flights. Circles are airports: size shows departures, colour the share of late ones. Alaska, Hawaii and the Caribbean are moved and not to scale.`,
    width: WIDTH,
    height: HEIGHT,
    wide: true,
    marks: [...states, tag("g", { class: "arcs" }, ...arcs), ...dots, ...names, ...insetNames(project), legend()].join(
      "",
    ),
    table: {
      head: ["Route", "Flights", "Late", "Mean delay", "Flights in 2008"],
      rows: routes
        .slice(0, 25)
        .map((route) => [
          `${route.from}–${route.to}`,
          count(route.flights),
          percent(route.lateShare, 1),
          minutes(route.meanDelay, 1),
          route.flights2008 === 0 ? "" : count(route.flights2008),
        ]),
    },
  };
}

function ringPath(points: readonly Point[]): string {
  return `M${points.map(([x, y]) => `${rounded(x)} ${rounded(y)}`).join("L")}Z`;
}

/** An arc that bends to the north, more so the longer it is. */
function arc(route: RouteFigures, at: ReadonlyMap<string, Point>, most: number): string {
  const [a, b] = [at.get(route.from), at.get(route.to)];
  if (a === undefined || b === undefined) return "";
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
  const [x, y] = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2 - length * 0.18];
  const weight = route.flights / most;
  const said = `${route.from}–${route.to}: ${count(route.flights)} flights, ${percent(route.lateShare)} late, ${minutes(route.meanDelay, 1)} on average`;
  return tag(
    "path",
    {
      class: "arc",
      d: `M${rounded(a[0])} ${rounded(a[1])}Q${rounded(x)} ${rounded(y)} ${rounded(b[0])} ${rounded(b[1])}`,
      "stroke-width": (0.6 + 4.4 * weight ** 1.3).toFixed(2),
      "stroke-opacity": (0.16 + 0.6 * weight).toFixed(2),
    },
    hint(said),
  );
}

function dot({ iata, city, flights, lateShare, meanDelay }: AirportFigures, [cx, cy]: Point, r: number): string {
  const said = `${iata}, ${city ?? ""}: ${count(flights)} departures, ${percent(lateShare)} late, ${minutes(meanDelay, 1)} on average`;
  return tag("circle", { class: "airport", cx, cy, r, style: `fill:${tone(lateShare)}` }, hint(said));
}

/** From the colour of punctual to that of late flights; the page's style gives both. */
function tone(lateShare: number): string {
  const share = Math.min(1, Math.max(0, (lateShare - FEW_LATE) / (MANY_LATE - FEW_LATE)));
  return `color-mix(in oklab,var(--late) ${(share * 100).toFixed(0)}%,var(--plain))`;
}

/** Where the names of the moved parts stand. */
const INSETS: readonly { readonly name: string; readonly state: string; readonly at: LonLat }[] = [
  { name: "Alaska", state: "AK", at: [-145, 55.2] },
  { name: "Hawaii", state: "HI", at: [-158.5, 19.3] },
  { name: "Puerto Rico", state: "PR", at: [-66, 17.1] },
];

function insetNames(project: ReturnType<typeof albersUsa>): string[] {
  return INSETS.map(({ name, state, at }) => {
    const [x, y] = project(partOf(state), at);
    return label(x, y, name, { class: "tick", "text-anchor": "middle" });
  });
}

function legend(): string {
  const [x, y] = [WIDTH * 0.575, HEIGHT - 34];
  const steps = 24;
  const colours = Array.from({ length: steps }, (_, i) =>
    tag("rect", {
      x: x + i * 8,
      y,
      width: 8.3,
      height: 9,
      style: `fill:${tone(FEW_LATE + (i / (steps - 1)) * (MANY_LATE - FEW_LATE))}`,
    }),
  );
  return [
    label(x, y - 8, "departures that arrive late", { class: "tick" }),
    ...colours,
    label(x, y + 24, `${percent(FEW_LATE)} or less`, { class: "tick" }),
    label(x + steps * 8, y + 24, `${percent(MANY_LATE)} or more`, { class: "tick", "text-anchor": "end" }),
  ].join("");
}
