/** The card of one step: its size before the layout, its drawing after. */
import type { StepStatus } from "../../core/status.ts";
import type { FlowStep } from "../model.ts";
import { CHIP_ROW, chipRows, drawChips } from "./chips.ts";
import { KIND_ICONS, STATUS_ICONS } from "./icons.ts";
import type { PlacedBox } from "./layout.ts";
import { detailOf, fullText } from "./step-text.ts";
import { fitText, textWidth } from "./text-fit.ts";
import { line } from "./text-line.ts";
import type { Theme, Tone } from "./theme.ts";
import { element, type Xml } from "./xml.ts";

const MIN_WIDTH = 196;
const MAX_WIDTH = 344;
const HEIGHT = 58;
const PADDING = 13;
const ICON = 32;
const TEXT_LEFT = PADDING + ICON + 12;
const BADGE_ROOM = 22;
const TITLE_SIZE = 13.5;
const DETAIL_SIZE = 11.5;
/** Width of semi-bold letters compared with regular ones. */
const BOLD = 1.12;

/** Width that all cards of a picture share: enough for the longest line, within reason. */
export function cardWidth(steps: readonly FlowStep[]): number {
  const needed = steps.flatMap((step) => [
    textWidth(step.id, TITLE_SIZE, BOLD) + BADGE_ROOM,
    textWidth(detailOf(step), DETAIL_SIZE),
  ]);
  const longest = needed.reduce((most, width) => Math.max(most, width), 0);
  return Math.ceil(Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, TEXT_LEFT + longest + PADDING)));
}

/** Height of a step's card at a width. */
export function cardHeight(step: FlowStep, width: number): number {
  const rows = chipRows(step, width - 2 * PADDING).length;
  return HEIGHT + (rows > 0 ? rows * CHIP_ROW + 4 : 0);
}

/** Draws a step's card where the layout put it. */
export function drawCard(step: FlowStep, box: PlacedBox, theme: Theme, status: StepStatus | undefined): Xml {
  const tone = status === undefined ? undefined : theme.statuses[status];
  const faded = status === "skipped" || status === "cancelled";
  const textRoom = box.width - TEXT_LEFT - PADDING;
  const title = fitText(step.id, textRoom - (tone === undefined ? 0 : BADGE_ROOM), TITLE_SIZE, {
    factor: BOLD,
    cut: "middle",
  });
  const detail = fitText(detailOf(step), textRoom, DETAIL_SIZE, { cut: step.kind === "timer" ? "end" : "middle" });
  return element(
    "g",
    { transform: `translate(${Math.round(box.x * 2) / 2} ${Math.round(box.y * 2) / 2})` },
    element("title", {}, `${fullText(step)}${status === undefined ? "" : `\nstatus: ${status.replaceAll("_", " ")}`}`),
    ...frame(box, theme, tone, status),
    element(
      "g",
      { opacity: faded ? 0.6 : undefined },
      ...icon(step, theme),
      line(title, TEXT_LEFT, 25, { size: TITLE_SIZE, fill: theme.text, weight: 600 }),
      line(detail, TEXT_LEFT, 43, { size: DETAIL_SIZE, fill: theme.muted }),
      ...chipRows(step, box.width - 2 * PADDING).flatMap((row, i) =>
        drawChips(row, PADDING, HEIGHT - 2 + i * CHIP_ROW, theme),
      ),
    ),
    tone === undefined || status === undefined ? undefined : badge(status, tone, theme, box.width),
  );
}

function frame(box: PlacedBox, theme: Theme, tone: Tone | undefined, status: StepStatus | undefined): Xml[] {
  const quiet = status === undefined || status === "pending";
  const dashed = status === "skipped" || status === "cancelled";
  const shape = { width: box.width, height: box.height, rx: 10 };
  return [
    ...(dashed ? [] : [element("rect", { ...shape, y: 1.5, fill: theme.shadow, "fill-opacity": 0.07 })]),
    element("rect", {
      ...shape,
      fill: tone?.pale ?? theme.card,
      stroke: quiet ? theme.border : tone?.strong,
      "stroke-width": status === "running" || status === "failed" ? 2 : 1.2,
      "stroke-dasharray": dashed ? "5 4" : undefined,
    }),
  ];
}

function icon(step: FlowStep, theme: Theme): Xml[] {
  const { strong, pale } = theme.kinds[step.kind];
  return [
    element("rect", { x: PADDING, y: PADDING, width: ICON, height: ICON, rx: 9, fill: pale }),
    element("path", {
      transform: `translate(${PADDING + 7} ${PADDING + 7}) scale(1.125)`,
      d: KIND_ICONS[step.kind],
      fill: "none",
      stroke: strong,
      "stroke-width": 1.35,
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
    }),
  ];
}

function badge(status: StepStatus, tone: Tone, theme: Theme, width: number): Xml {
  return element(
    "g",
    { transform: `translate(${width - PADDING - 15} 11)` },
    element("circle", { cx: 8, cy: 8, r: 8, fill: tone.strong }),
    element("path", {
      d: STATUS_ICONS[status],
      fill: status === "running" ? theme.card : "none",
      stroke: theme.card,
      "stroke-width": 1.7,
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
    }),
  );
}
