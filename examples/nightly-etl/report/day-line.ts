/** A line over bars: the delay of each day, and of the week around it. */
import type { Summary } from "../summary.ts";
import type { Figure } from "./figure.ts";
import { count, day, minutes, percent } from "./format.ts";
import { linear, ticks } from "./scale.ts";
import { hint, label, rounded, tag } from "./svg.ts";

const [WIDTH, HEIGHT] = [1100, 270];
const [LEFT, RIGHT, TOP, BOTTOM] = [52, 10, 30, 32];
/** How many of the worst days are named. */
const NAMED = 4;

export function dayLine({ byDay }: Summary): Figure {
  const means = byDay.map(({ meanDelay }) => meanDelay);
  const [least, most] = [Math.min(0, ...means), Math.max(...means)];
  const step = (WIDTH - LEFT - RIGHT) / byDay.length;
  const x = (i: number): number => LEFT + (i + 0.5) * step;
  const y = linear([least, most], [HEIGHT - BOTTOM, TOP]);
  const grid = ticks(least, most, 5).map((value) =>
    [
      tag("line", { class: value === 0 ? "axis" : "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
      label(LEFT - 8, y(value) + 4, minutes(value).replace(" min", ""), { class: "tick", "text-anchor": "end" }),
    ].join(""),
  );
  const worst = byDay.toSorted((a, b) => b.meanDelay - a.meanDelay).slice(0, NAMED);
  const bars = byDay.map((row, i) => {
    const [from, to] = [y(Math.max(0, row.meanDelay)), y(Math.min(0, row.meanDelay))];
    const said = `${day(row.date)}: ${minutes(row.meanDelay, 1)} on average, ${percent(row.lateShare)} of ${count(row.flights)} flights late`;
    return tag(
      "rect",
      {
        class: worst.includes(row) ? "late" : "soft",
        x: x(i) - step / 2 + 1,
        width: step - 2,
        y: from,
        height: Math.max(1, to - from),
        rx: 1.5,
      },
      hint(said),
    );
  });
  const path = weekMeans(means)
    .map((value, i) => `${i === 0 ? "M" : "L"}${rounded(x(i))} ${rounded(y(value))}`)
    .join("");
  const names = byDay.flatMap((row, i) =>
    worst.includes(row) && !nextToWorse(byDay, i)
      ? [
          label(x(i), y(row.meanDelay) - 8, `${day(row.date)}: ${minutes(row.meanDelay)}`, {
            class: "value strong halo",
            "text-anchor": "middle",
          }),
        ]
      : [],
  );
  const dates = byDay.flatMap((row, i) =>
    /-(01|15)$/.test(row.date)
      ? [
          label(x(i), HEIGHT - BOTTOM + 20, day(row.date), {
            class: "tick",
            "text-anchor": i === 0 ? "start" : "middle",
          }),
        ]
      : [],
  );
  return {
    id: "by-day",
    title: `${day(worst[0]!.date)} was the worst day: ${minutes(worst[0]!.meanDelay)} on average`,
    about:
      "Mean arrival delay of each day in minutes (bars) and of the seven days around it (line). The four worst days are marked.",
    width: WIDTH,
    height: HEIGHT,
    wide: true,
    marks: [...grid, ...bars, tag("path", { class: "line", d: path }), ...names, ...dates].join(""),
    table: {
      head: ["Day", "Flights", "Mean delay", "Late"],
      rows: byDay.map((row) => [day(row.date), count(row.flights), minutes(row.meanDelay, 1), percent(row.lateShare)]),
    },
  };
}

/** Mean of the seven days around each day; fewer at both ends. */
function weekMeans(values: readonly number[]): number[] {
  return values.map((_, i) => {
    const week = values.slice(Math.max(0, i - 3), i + 4);
    return week.reduce((sum, value) => sum + value, 0) / week.length;
  });
}

/** Whether a day near it is worse, so that two names would cover each other. */
function nextToWorse(days: Summary["byDay"], i: number): boolean {
  const own = days[i]!.meanDelay;
  return days.some((other, j) => j !== i && Math.abs(j - i) < 7 && other.meanDelay > own);
}
