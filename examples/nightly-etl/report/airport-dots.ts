/** Dots on lines: how late flights from the busiest airports are. */
import type { Summary } from "../summary.ts";
import type { Figure } from "./figure.ts";
import { count, minutes, percent } from "./format.ts";
import { linear, ticks } from "./scale.ts";
import { hint, label, tag } from "./svg.ts";

const AIRPORTS = 20;
const [WIDTH, ROW] = [540, 25];
const [LEFT, RIGHT, TOP, BOTTOM] = [178, 44, 26, 22];

export function airportDots({ airports, totals }: Summary): Figure {
  const rows = airports.slice(0, AIRPORTS).toSorted((a, b) => b.lateShare - a.lateShare);
  const height = TOP + rows.length * ROW + BOTTOM;
  const most = Math.max(...rows.map(({ lateShare }) => lateShare));
  const x = linear([0, most], [LEFT, WIDTH - RIGHT]);
  const grid = ticks(0, most, 5).map((share) =>
    [
      tag("line", { class: "grid", x1: x(share), x2: x(share), y1: TOP, y2: height - BOTTOM }),
      label(x(share), height - 6, percent(share), { class: "tick", "text-anchor": "middle" }),
    ].join(""),
  );
  const mean = [
    tag("line", { class: "limit", x1: x(totals.lateShare), x2: x(totals.lateShare), y1: TOP - 6, y2: height - BOTTOM }),
    label(x(totals.lateShare), TOP - 12, `all airports ${percent(totals.lateShare, 1)}`, {
      class: "tick",
      "text-anchor": "middle",
    }),
  ];
  const marks = rows.map(({ iata, city, flights, lateShare, meanDelay }, i) => {
    const y = TOP + (i + 0.5) * ROW;
    const tone = lateShare > totals.lateShare ? "late" : "plain";
    const said = `${iata} ${city ?? ""}: ${percent(lateShare, 1)} of ${count(flights)} departures late, ${minutes(meanDelay, 1)} on average`;
    return tag(
      "g",
      {},
      hint(said),
      label(12, y + 4, iata, { class: "value strong" }),
      label(56, y + 4, shortened(city ?? ""), { class: "tick" }),
      tag("line", { class: `stem ${tone}`, x1: LEFT, x2: x(lateShare), y1: y, y2: y }),
      tag("circle", { class: tone, cx: x(lateShare), cy: y, r: 5.5 }),
      label(x(lateShare) + 11, y + 4, percent(lateShare), { class: "value halo" }),
    );
  });
  const [worst, best] = [rows[0]!, rows.at(-1)!];
  return {
    id: "by-airport",
    title: `Of the ${rows.length} busiest airports, ${worst.city ?? worst.iata} (${worst.iata}) is late most often, ${best.city ?? best.iata} (${best.iata}) least`,
    about: "Share of late flights by airport of departure.",
    width: WIDTH,
    height,
    marks: [...grid, ...mean, ...marks].join(""),
    table: {
      head: ["Airport", "City", "Departures", "Late", "Mean delay"],
      rows: rows.map((row) => [
        row.iata,
        row.city ?? "",
        count(row.flights),
        percent(row.lateShare, 1),
        minutes(row.meanDelay, 1),
      ]),
    },
  };
}

function shortened(city: string): string {
  return city.length > 18 ? `${city.slice(0, 17)}…` : city;
}
