/** The small remarks at the foot of a card: its condition, how it joins, what an error does. */
import type { FlowStep } from "../model.ts";
import { type Remark, remarksOf } from "./step-text.ts";
import { textWidth } from "./text-fit.ts";
import { line } from "./text-line.ts";
import type { Theme } from "./theme.ts";
import { element, type Xml } from "./xml.ts";

const CHIP_SIZE = 10.5;
const CHIP_HEIGHT = 18;
const CHIP_GAP = 6;
/** Letters of the fixed-width face are all this wide, in units of their size. */
const MONO_UNIT = 0.62;
const MONO_FACE = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace';

/** Height of one row of chips, with the space below it. */
export const CHIP_ROW: number = CHIP_HEIGHT + CHIP_GAP;

/** A remark with the text that fits and the width it takes. */
export interface Chip {
  readonly kind: Remark["kind"];
  readonly text: string;
  readonly width: number;
}

/** The remarks on a step as chips, as many to a row as fit into `room`. */
export function chipRows(step: FlowStep, room: number): Chip[][] {
  const rows: Chip[][] = [];
  for (const remark of remarksOf(step)) {
    const chip = chipOf(remark, room);
    const last = rows.at(-1);
    const used = last?.reduce((sum, each) => sum + each.width + CHIP_GAP, 0) ?? Number.POSITIVE_INFINITY;
    if (last !== undefined && used + chip.width <= room) last.push(chip);
    else rows.push([chip]);
  }
  return rows;
}

function chipOf({ kind, text }: Remark, room: number): Chip {
  const inner = room - 14;
  if (kind !== "when") return { kind, text, width: Math.ceil(textWidth(text, CHIP_SIZE) + 14) };
  const letters = Array.from(text);
  const most = Math.floor(inner / (CHIP_SIZE * MONO_UNIT));
  const shown = letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : text;
  return { kind, text: shown, width: Math.ceil(Array.from(shown).length * CHIP_SIZE * MONO_UNIT + 14) };
}

/** Draws a row of chips from its upper left corner. */
export function drawChips(row: readonly Chip[], left: number, y: number, theme: Theme): Xml[] {
  let x = left;
  return row.flatMap((chip) => {
    const start = x;
    x += chip.width + CHIP_GAP;
    const rect = element("rect", {
      x: start,
      y,
      width: chip.width,
      height: CHIP_HEIGHT,
      rx: 5,
      fill: theme.background,
      stroke: theme.border,
    });
    const face = chip.kind === "when" ? MONO_FACE : undefined;
    const look = { size: CHIP_SIZE, fill: theme.muted, face, anchor: "middle" as const };
    return [rect, line(chip.text, start + chip.width / 2, y + 12.5, look)];
  });
}
