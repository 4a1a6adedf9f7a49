/** A flow as a picture: self-contained SVG without scripts, styles or foreign fonts, for light and dark surroundings. */
import { digest } from "../../core/digest.ts";
import type { StepStatus } from "../../core/status.ts";
import type { FlowDefinition, FlowStep } from "../model.ts";
import { planFlow } from "../plan.ts";
import { arrowHeads, drawLabel, drawLink, type EdgeLook, edgeLook, type FlowLink, linkOf } from "./arrow.ts";
import { cardHeight, cardWidth, drawCard } from "./card.ts";
import { type Layout, layOut } from "./layout.ts";
import { drawLegend, LEGEND_HEIGHT, legendWidth } from "./legend.ts";
import { drawableSteps, edgesOf, type FlowEdge } from "./step-text.ts";
import { fitText, wrapText } from "./text-fit.ts";
import { line } from "./text-line.ts";
import { THEMES, type Theme } from "./theme.ts";
import { element, renderXml, tidy, type Xml } from "./xml.ts";

/** How a picture looks and what it shows beside the definition. */
export interface SvgOptions {
  /** State of steps in a run, by id. Steps left out are shown as pending once any is given. */
  readonly status?: Readonly<Record<string, StepStatus>>;
  /** Default `light`. */
  readonly theme?: "light" | "dark";
}

const MARGIN = 28;
const MIN_INNER_WIDTH = 300;
const NAME_SIZE = 17;
const DESCRIPTION_SIZE = 12.5;
const DESCRIPTION_LINE = 18;
const FACE = '"Segoe UI", "SF Pro Text", -apple-system, Roboto, "Helvetica Neue", Arial, "Liberation Sans", sans-serif';

/**
 * Draws a flow: a card for each step, top to bottom, dashed arrows where a step starts on a timeout or an error. The same
 * definition always gives the same text.
 *
 * @example
 * writeFileSync("etl.svg", flowToSvg(definition, { theme: "dark", status: { extract: "completed" } }));
 */
export function flowToSvg(definition: FlowDefinition, options: SvgOptions = {}): string {
  const theme = THEMES[options.theme ?? "light"];
  const steps = drawableSteps(definition);
  const width = cardWidth(steps);
  const boxes = steps.map((step) => ({ id: step.id, width, height: cardHeight(step, width) }));
  const layout = layOut(boxes, edgesOf(definition).map(linkOf));
  const header = drawHeader(definition, theme, Math.max(layout.width, MIN_INNER_WIDTH));
  const innerWidth = Math.max(layout.width, MIN_INNER_WIDTH, legendWidth(steps));
  const graphLeft = MARGIN + (innerWidth - layout.width) / 2;
  const graphTop = MARGIN + header.height + 22;
  const legendTop = graphTop + layout.height + 24;
  const id = `flow-${digest(JSON.stringify(definition))}-${options.theme ?? "light"}`;
  const picture = element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      width: Math.ceil(innerWidth + 2 * MARGIN),
      height: Math.ceil(legendTop + LEGEND_HEIGHT + MARGIN - 7),
      viewBox: `0 0 ${Math.ceil(innerWidth + 2 * MARGIN)} ${Math.ceil(legendTop + LEGEND_HEIGHT + MARGIN - 7)}`,
      role: "img",
      "aria-labelledby": `${id}-title ${id}-desc`,
      "font-family": FACE,
    },
    element("title", { id: `${id}-title` }, `Flow ${definition.name}`),
    element("desc", { id: `${id}-desc` }, inWords(definition)),
    element("defs", {}, ...arrowHeads(id, theme)),
    element("rect", { width: "100%", height: "100%", fill: theme.background }),
    element("g", { transform: `translate(${MARGIN} ${MARGIN})` }, ...header.lines),
    element(
      "g",
      { transform: `translate(${tidy(graphLeft)} ${tidy(graphTop)})` },
      ...drawGraph(layout, steps, theme, options.status, id),
    ),
    element("g", { transform: `translate(${MARGIN} ${tidy(legendTop)})` }, ...drawLegend(steps, theme)),
  );
  return `${renderXml(picture)}\n`;
}

function drawHeader(definition: FlowDefinition, theme: Theme, width: number): { lines: Xml[]; height: number } {
  const name = fitText(definition.name, width, NAME_SIZE, { factor: 1.08 });
  const words = wrapText(definition.description ?? "", width, DESCRIPTION_SIZE, 3);
  const lines = [
    line(name, 0, 15, { size: NAME_SIZE, fill: theme.text, weight: 700 }),
    ...words.map((text, i) => line(text, 0, 37 + i * DESCRIPTION_LINE, { size: DESCRIPTION_SIZE, fill: theme.muted })),
  ];
  return { lines, height: 20 + words.length * DESCRIPTION_LINE };
}

function drawGraph(
  layout: Layout<FlowLink>,
  steps: readonly FlowStep[],
  theme: Theme,
  status: SvgOptions["status"],
  id: string,
): Xml[] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const statusOf = (step: string): StepStatus | undefined =>
    status === undefined ? undefined : Object.hasOwn(status, step) ? status[step] : "pending";
  const look = (edge: FlowEdge): EdgeLook => edgeLook(edge, theme, statusOf);
  // Arrows that were taken lie above those that were not.
  const links = [...layout.links].sort((a, b) => look(a.link.edge).rank - look(b.link.edge).rank);
  return [
    ...links.map((placed) => drawLink(placed, look(placed.link.edge), id)),
    ...layout.boxes.map((box) => drawCard(byId.get(box.id)!, box, theme, statusOf(box.id))),
    ...links.flatMap((placed) => drawLabel(placed, look(placed.link.edge), theme)),
  ];
}

/** The picture for those who do not see it. */
function inWords(definition: FlowDefinition): string {
  const plan = planFlow(definition);
  const levels = plan.levels.map((ids) => ids.join(", ")).join("; then ");
  const branches = plan.branches.map(({ from, to, on }) => ` On ${on} of ${from}, ${to} starts.`).join("");
  return `${definition.description ?? ""} ${plan.order.length} steps: ${levels}.${branches}`.trim();
}
