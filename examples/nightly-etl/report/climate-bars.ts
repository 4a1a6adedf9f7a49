/** Pairs of bars: what a month is usually like at a place, and how late its flights were. */
import type { ClimateFigures, Summary } from "../summary.ts";
import type { Figure } from "./figure.ts";
import { count, MONTHS, percent } from "./format.ts";
import { linear, ticks } from "./scale.ts";
import { hint, label, tag } from "./svg.ts";

const [WIDTH, HEIGHT] = [540, 288];
const [LEFT, TOP, BOTTOM, GAP] = [44, 62, 34, 26];

const SERIES: readonly { readonly name: string; readonly of: keyof ClimateFigures; readonly class: string }[] = [
  { name: "days with rain or snow", of: "wetShare", class: "class-1" },
  { name: "days with snow", of: "snowShare", class: "class-0" },
  { name: "late departing flights", of: "lateShare", class: "late" },
];

export function climateBars({ climate }: Summary): Figure {
  const stations = [...new Set(climate.map(({ station }) => station))];
  const most = Math.max(0.1, ...climate.flatMap((row) => [row.wetShare, row.snowShare, row.lateShare]));
  const y = linear([0, most], [HEIGHT - BOTTOM, TOP]);
  const panel = (WIDTH - LEFT - GAP * (stations.length - 1)) / Math.max(1, stations.length);
  const grid = ticks(0, most, 4).map((share) =>
    [
      tag("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(share), y2: y(share) }),
      label(LEFT - 8, y(share) + 4, percent(share), { class: "tick", "text-anchor": "end" }),
    ].join(""),
  );
  const panels = stations.map((station, i) => {
    const rows = climate.filter((row) => row.station === station);
    const left = LEFT + i * (panel + GAP);
    return label(left, TOP - 14, station, { class: "value strong" }) + bars(rows, left, panel, y);
  });
  return {
    id: "by-climate",
    title: headline(climate),
    about:
      "Weather records of the two cities begin in 2012, the flights are of 2001: so this compares what the months of 2012–2015 were like with the flights of 2001. It shows no cause.",
    width: WIDTH,
    height: HEIGHT,
    marks: [legend(), ...grid, ...panels].join(""),
    table: {
      head: ["Station and month", "Rain or snow", "Snow", "Departures", "Late"],
      rows: climate.map((row) => [
        `${row.station}, ${MONTHS[row.month - 1]}`,
        percent(row.wetShare),
        percent(row.snowShare),
        count(row.flights),
        percent(row.lateShare, 1),
      ]),
    },
  };
}

function bars(rows: readonly ClimateFigures[], left: number, width: number, y: (share: number) => number): string {
  const group = width / Math.max(1, rows.length);
  const bar = Math.min(22, (group - 14) / SERIES.length);
  return rows
    .map((row, i) => {
      const middle = left + (i + 0.5) * group;
      const marks = SERIES.map((series, j) => {
        const share = Number(row[series.of]);
        const at = middle + (j - SERIES.length / 2) * bar;
        const said = `${row.station}, ${MONTHS[row.month - 1]}: ${percent(share, 1)} ${series.name}`;
        return (
          tag(
            "rect",
            { class: series.class, x: at + 1, width: bar - 2, y: y(share), height: y(0) - y(share), rx: 2 },
            hint(said),
          ) +
          label(at + bar / 2, y(share) - 5, (share * 100).toFixed(0), { class: "tick small", "text-anchor": "middle" })
        );
      });
      const month = label(middle, y(0) + 18, MONTHS[row.month - 1]!.slice(0, 3), {
        class: "tick",
        "text-anchor": "middle",
      });
      return marks.join("") + month;
    })
    .join("");
}

function legend(): string {
  let x = LEFT;
  return SERIES.map((series) => {
    const at = x;
    x += 34 + series.name.length * 6.6;
    return (
      tag("rect", { class: series.class, x: at, y: 6, width: 14, height: 14, rx: 3 }) +
      label(at + 20, 18, series.name, { class: "tick" })
    );
  }).join("");
}

function headline(climate: readonly ClimateFigures[]): string {
  const [worst] = climate.toSorted((a, b) => b.lateShare - a.lateShare);
  if (worst === undefined) return "No flights from places with weather records";
  return `${worst.station} in ${MONTHS[worst.month - 1]}: ${percent(worst.lateShare)} of departing flights arrived late`;
}
