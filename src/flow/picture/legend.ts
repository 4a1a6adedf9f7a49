/** The legend under a picture: which drawing stands for which kind of step. */
import type { FlowStep } from "../model.ts";
import { KIND_ICONS } from "./icons.ts";
import { textWidth } from "./text-fit.ts";
import { line } from "./text-line.ts";
import type { Theme } from "./theme.ts";
import { element, type Xml } from "./xml.ts";

const LEGEND_SIZE = 11;

/** Height of the legend. */
export const LEGEND_HEIGHT = 12;

const KIND_WORDS: Readonly<Record<FlowStep["kind"], string>> = {
  task: "task",
  agent: "agent",
  signal: "waits for a signal",
  timer: "waits for a time",
};

function kindsOf(steps: readonly FlowStep[]): FlowStep["kind"][] {
  return (Object.keys(KIND_WORDS) as FlowStep["kind"][]).filter((kind) => steps.some((step) => step.kind === kind));
}

/** Width of the legend of these steps. */
export function legendWidth(steps: readonly FlowStep[]): number {
  return kindsOf(steps).reduce((width, kind) => width + legendEntryWidth(kind), 0);
}

function legendEntryWidth(kind: FlowStep["kind"]): number {
  return Math.ceil(textWidth(KIND_WORDS[kind], LEGEND_SIZE, 0.9)) + 36;
}

/** Draws the legend of the kinds that occur. */
export function drawLegend(steps: readonly FlowStep[], theme: Theme): Xml[] {
  let x = 0;
  return kindsOf(steps).flatMap((kind) => {
    const left = x;
    x += legendEntryWidth(kind);
    return [
      element("path", {
        transform: `translate(${left} -1) scale(0.8)`,
        d: KIND_ICONS[kind],
        fill: "none",
        stroke: theme.kinds[kind].strong,
        "stroke-width": 1.5,
        "stroke-linecap": "round",
        "stroke-linejoin": "round",
      }),
      line(KIND_WORDS[kind], left + 19, 9.5, { size: LEGEND_SIZE, fill: theme.muted }),
    ];
  });
}
