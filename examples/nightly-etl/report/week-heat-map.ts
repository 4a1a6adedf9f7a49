/** A heat map: lateness by day of the week and hour of departure. */
import type { Summary } from "../summary.ts";
import type { Figure } from "./figure.ts";
import { clock, count, percent, WEEKDAYS } from "./format.ts";
import { hint, label, tag } from "./svg.ts";

const WIDTH = 540;
const [LEFT, TOP] = [44, 8];
const [FIRST_HOUR, LAST_HOUR] = [6, 22];
const CELL_HEIGHT = 41;
/** Cells of fewer flights stay empty. */
const LEAST_FLIGHTS = 30;

export function weekHeatMap({ byWeekdayHour }: Summary): Figure {
  const cells = byWeekdayHour.filter(
    ({ hour, flights }) => hour >= FIRST_HOUR && hour <= LAST_HOUR && flights >= LEAST_FLIGHTS,
  );
  const most = Math.max(...cells.map(({ lateShare }) => lateShare));
  const step = (WIDTH - LEFT - 4) / (LAST_HOUR - FIRST_HOUR + 1);
  const marks = cells.map(({ weekday, hour, flights, lateShare }) =>
    tag(
      "rect",
      {
        class: "heat",
        x: LEFT + (hour - FIRST_HOUR) * step + 1,
        y: TOP + (weekday - 1) * CELL_HEIGHT + 1,
        width: step - 2,
        height: CELL_HEIGHT - 2,
        rx: 3,
        "fill-opacity": (0.06 + 0.94 * (lateShare / most) ** 1.4).toFixed(2),
      },
      hint(`${WEEKDAYS[weekday - 1]} ${clock(hour)}: ${percent(lateShare)} of ${count(flights)} flights late`),
    ),
  );
  const days = WEEKDAYS.map((name, i) =>
    label(LEFT - 8, TOP + i * CELL_HEIGHT + CELL_HEIGHT / 2 + 4, name, { class: "tick", "text-anchor": "end" }),
  );
  const bottom = TOP + WEEKDAYS.length * CELL_HEIGHT;
  const hours = [6, 8, 10, 12, 14, 16, 18, 20, 22].map((hour) =>
    label(LEFT + (hour - FIRST_HOUR + 0.5) * step, bottom + 16, String(hour).padStart(2, "0"), {
      class: "tick",
      "text-anchor": "middle",
    }),
  );
  const worst = cells.reduce((a, b) => (a.lateShare > b.lateShare ? a : b));
  const best = cells.reduce((a, b) => (a.lateShare < b.lateShare ? a : b));
  return {
    id: "by-week",
    title: `The worst hour of the week is ${WEEKDAYS[worst.weekday - 1]} ${clock(worst.hour)}, the best ${WEEKDAYS[best.weekday - 1]} ${clock(best.hour)}`,
    about:
      "Share of late flights by weekday and local hour of departure. The darker or brighter the colour, the more are late.",
    width: WIDTH,
    height: bottom + 44,
    marks: [...marks, ...days, ...hours, legend(bottom + 36, most)].join(""),
    table: {
      head: ["Departure", ...WEEKDAYS],
      rows: Array.from({ length: LAST_HOUR - FIRST_HOUR + 1 }, (_, i) => [
        clock(FIRST_HOUR + i),
        ...WEEKDAYS.map((_, day) => {
          const cell = cells.find(({ weekday, hour }) => weekday === day + 1 && hour === FIRST_HOUR + i);
          return cell === undefined ? "" : percent(cell.lateShare);
        }),
      ]),
    },
  };
}

function legend(y: number, most: number): string {
  const boxes = Array.from({ length: 6 }, (_, i) =>
    tag("rect", {
      class: "heat",
      x: LEFT + 54 + i * 26,
      y: y - 10,
      width: 24,
      height: 12,
      rx: 2,
      "fill-opacity": (0.06 + 0.94 * (i / 5) ** 1.4).toFixed(2),
    }),
  );
  return [
    label(LEFT, y, "0% late", { class: "tick" }),
    ...boxes,
    label(LEFT + 54 + 6 * 26 + 4, y, percent(most), { class: "tick" }),
  ].join("");
}
