/** Columns: how many flights are late at each hour of departure. */
import type { Summary } from "../summary.ts";
import type { Figure } from "./figure.ts";
import { clock, count, minutes, percent } from "./format.ts";
import { linear, ticks } from "./scale.ts";
import { hint, label, tag } from "./svg.ts";

const [WIDTH, HEIGHT] = [540, 300];
const [LEFT, RIGHT, TOP, BOTTOM] = [44, 8, 24, 34];
/** Hours with fewer flights say nothing. */
const LEAST_FLIGHTS = 50;
/** The hour at which the day begins: what leaves after midnight belongs to the evening before. */
const FIRST_HOUR = 5;

export function hourColumns({ byHour }: Summary): Figure {
  const hours = byHour
    .filter(({ flights }) => flights >= LEAST_FLIGHTS)
    .toSorted((a, b) => dayOrder(a.hour) - dayOrder(b.hour));
  const top = Math.max(...hours.map(({ lateShare }) => lateShare));
  const y = linear([0, top * 1.05], [HEIGHT - BOTTOM, TOP]);
  const step = (WIDTH - LEFT - RIGHT) / hours.length;
  const grid = ticks(0, top * 1.05, 5).map((share) =>
    [
      tag("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(share), y2: y(share) }),
      label(LEFT - 8, y(share) + 4, percent(share), { class: "tick", "text-anchor": "end" }),
    ].join(""),
  );
  const columns = hours.map(({ hour, flights, lateShare, meanDelay }, i) => {
    const x = LEFT + i * step;
    const peak = lateShare === top;
    const said = `${clock(hour)}: ${percent(lateShare, 1)} of ${count(flights)} flights late, ${minutes(meanDelay, 1)} on average`;
    return [
      tag(
        "rect",
        {
          class: peak ? "late" : "plain",
          x: x + 2,
          width: step - 4,
          y: y(lateShare),
          height: y(0) - y(lateShare),
          rx: 2,
        },
        hint(said),
      ),
      i === 0 || peak
        ? label(x + step / 2, y(lateShare) - 6, percent(lateShare), {
            class: peak ? "value strong" : "value",
            "text-anchor": "middle",
          })
        : "",
      i % 2 === 0
        ? label(x + step / 2, HEIGHT - BOTTOM + 18, String(hour).padStart(2, "0"), {
            class: "tick",
            "text-anchor": "middle",
          })
        : "",
    ].join("");
  });
  const best = hours.reduce((a, b) => (a.lateShare < b.lateShare ? a : b));
  const worst = hours.reduce((a, b) => (a.lateShare > b.lateShare ? a : b));
  return {
    id: "by-hour",
    title: `Leave early: ${percent(best.lateShare)} late at ${clock(best.hour)}, ${percent(worst.lateShare)} at ${clock(worst.hour)}`,
    about: `Share of flights that arrived 15 minutes late or later, by the local hour at which they really left: what leaves after midnight often is an evening flight that waited. Hours with fewer than ${LEAST_FLIGHTS} flights are left out.`,
    width: WIDTH,
    height: HEIGHT,
    marks: [...grid, ...columns].join(""),
    table: {
      head: ["Departure", "Flights", "Late", "Mean delay"],
      rows: hours.map((row) => [
        clock(row.hour),
        count(row.flights),
        percent(row.lateShare, 1),
        minutes(row.meanDelay, 1),
      ]),
    },
  };
}

function dayOrder(hour: number): number {
  return (hour + 24 - FIRST_HOUR) % 24;
}
