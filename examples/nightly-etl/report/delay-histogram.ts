/** A histogram: how early or late flights arrive. */
import { DELAY_CLASSES } from "../enrichment.ts";
import { DELAY_STEP, LEAST_DELAY, MOST_DELAY, type Summary } from "../summary.ts";
import type { Figure } from "./figure.ts";
import { count, percent } from "./format.ts";
import { linear, ticks } from "./scale.ts";
import { hint, label, tag } from "./svg.ts";

const [WIDTH, HEIGHT] = [540, 300];
const [LEFT, RIGHT, TOP, BOTTOM] = [48, 12, 40, 34];

export function delayHistogram({ byDelay, totals }: Summary): Figure {
  const hourLate = byDelay.reduce((sum, { from, flights }) => (from >= 60 ? sum + flights : sum), 0);
  const most = Math.max(...byDelay.map(({ flights }) => flights));
  const x = linear([LEAST_DELAY, MOST_DELAY + DELAY_STEP], [LEFT, WIDTH - RIGHT]);
  const y = linear([0, most * 1.04], [HEIGHT - BOTTOM, TOP]);
  const grid = ticks(0, most, 4).map((flights) =>
    [
      tag("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(flights), y2: y(flights) }),
      label(LEFT - 8, y(flights) + 4, count(flights), { class: "tick", "text-anchor": "end" }),
    ].join(""),
  );
  const columns = byDelay.map(({ from, flights }) =>
    tag(
      "rect",
      {
        class: `class-${classIndex(from)}`,
        x: x(from) + 0.75,
        width: x(DELAY_STEP) - x(0) - 1.5,
        y: y(flights),
        height: y(0) - y(flights),
        rx: 1.5,
      },
      hint(`${spanText(from)}: ${count(flights)} flights (${percent(flights / totals.flights, 1)})`),
    ),
  );
  const axis = [-30, 0, 15, 30, 60, 90, 120].map((delay) =>
    label(x(delay), HEIGHT - BOTTOM + 18, delay === MOST_DELAY ? `${delay}+` : String(delay).replace("-", "−"), {
      class: "tick",
      "text-anchor": "middle",
    }),
  );
  const limit = [
    tag("line", { class: "limit", x1: x(15), x2: x(15), y1: TOP - 16, y2: y(0) }),
    label(x(15) + 8, TOP - 6, `late: ${percent(totals.lateShare, 1)} of flights`, { class: "value strong" }),
    label(x(15) - 8, TOP - 6, `on time: ${percent(1 - totals.lateShare, 1)}`, { class: "value", "text-anchor": "end" }),
  ];
  return {
    id: "by-delay",
    title: `Half of all flights arrive ${median(totals.medianDelay)}; ${percent(hourLate / totals.flights)} are an hour late or more`,
    about: "Flights by arrival delay in minutes, in steps of five. Less than 15 minutes counts as on time.",
    width: WIDTH,
    height: HEIGHT,
    marks: [...grid, ...columns, ...axis, ...limit].join(""),
    table: {
      head: ["Arrival delay", "Flights", "Share"],
      rows: byDelay.map(({ from, flights }) => [spanText(from), count(flights), percent(flights / totals.flights, 1)]),
    },
  };
}

function median(delay: number): string {
  if (delay < 0) return `at least ${-delay} ${delay === -1 ? "minute" : "minutes"} early`;
  return delay === 0 ? "on the minute or earlier" : `within ${delay} ${delay === 1 ? "minute" : "minutes"}`;
}

function spanText(from: number): string {
  const text = (value: number): string => String(value).replace("-", "−");
  if (from === LEAST_DELAY) return `before ${text(from + DELAY_STEP)} min`;
  if (from === MOST_DELAY) return `${from} min and more`;
  return `${text(from)} to ${text(from + DELAY_STEP - 1)} min`;
}

function classIndex(delay: number): number {
  return DELAY_CLASSES.findIndex(({ below }) => delay < below);
}
