/** Bars of shares: punctuality by distance. */
import { DELAY_CLASSES } from "../enrichment.ts";
import type { Summary } from "../summary.ts";
import type { Figure } from "./figure.ts";
import { count, percent } from "./format.ts";
import { hint, label, tag } from "./svg.ts";

const [WIDTH, ROW] = [540, 50];
const [LEFT, RIGHT, TOP] = [132, 4, 40];
/** Narrower parts have no number inside. */
const LEAST_NUMBER = 34;

export function bandBars({ byBand }: Summary): Figure {
  const height = TOP + byBand.length * ROW + 8;
  const span = WIDTH - LEFT - RIGHT;
  const rows = byBand.map(({ band, flights }, i) => {
    const all = sum(flights);
    let x = LEFT;
    const parts = flights.map((number, part) => {
      const width = (number / (all || 1)) * span;
      const at = x;
      x += width;
      const share = percent(number / (all || 1));
      return [
        tag(
          "rect",
          {
            class: `class-${part}`,
            x: at + 0.75,
            width: Math.max(0, width - 1.5),
            y: TOP + i * ROW + 4,
            height: ROW - 10,
            rx: 3,
          },
          hint(`${band}, ${DELAY_CLASSES[part]?.name}: ${count(number)} of ${count(all)} flights (${share})`),
        ),
        width >= LEAST_NUMBER
          ? label(at + width / 2, TOP + i * ROW + ROW / 2 + 3, share, {
              class: `inside-${part}`,
              "text-anchor": "middle",
            })
          : "",
      ].join("");
    });
    return [
      label(LEFT - 10, TOP + i * ROW + ROW / 2 - 2, band, { class: "value", "text-anchor": "end" }),
      label(LEFT - 10, TOP + i * ROW + ROW / 2 + 13, `${count(all)} flights`, {
        class: "tick small",
        "text-anchor": "end",
      }),
      ...parts,
    ].join("");
  });
  const late = byBand.map(({ flights }) => sum(flights.slice(2)) / (sum(flights) || 1));
  const worst = late.indexOf(Math.max(...late));
  const best = late.indexOf(Math.min(...late));
  return {
    id: "by-distance",
    title: `Flights of ${byBand[worst]!.band} are late most often (${percent(late[worst]!)}), of ${byBand[best]!.band} least (${percent(late[best]!)})`,
    about:
      "Share of flights that arrived early, on time (less than 15 minutes late), late and very late (an hour or more), by distance.",
    width: WIDTH,
    height,
    marks: [legend(), ...rows].join(""),
    table: {
      head: ["Distance", "Flights", ...DELAY_CLASSES.map(({ name }) => name)],
      rows: byBand.map(({ band, flights }) => [
        band,
        count(sum(flights)),
        ...flights.map((number) => percent(number / (sum(flights) || 1), 1)),
      ]),
    },
  };
}

function legend(): string {
  let x = LEFT;
  return DELAY_CLASSES.map(({ name }, i) => {
    const at = x;
    x += 36 + name.length * 7;
    return (
      tag("rect", { class: `class-${i}`, x: at, y: 10, width: 14, height: 14, rx: 3 }) +
      label(at + 20, 22, name, { class: "tick" })
    );
  }).join("");
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
