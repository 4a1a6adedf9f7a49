/** The arrows between cards: what they look like, what they say, how they bend. */
import type { StepStatus } from "../../core/status.ts";
import type { Link, PlacedLink, Point } from "./layout.ts";
import type { FlowEdge } from "./step-text.ts";
import { textWidth } from "./text-fit.ts";
import { line } from "./text-line.ts";
import type { Theme } from "./theme.ts";
import { element, tidy, type Xml } from "./xml.ts";

const LABEL_SIZE = 10.5;
const LABEL_HEIGHT = 18;
const HEAD = 9;
/** How far a line leaves its box before it bends. */
const STRAIGHT = 4;

/** An edge of a flow, as the layout places it. */
export interface FlowLink extends Link {
  readonly edge: FlowEdge;
}

/** The link that the layout places for an edge. */
export function linkOf(edge: FlowEdge): FlowLink {
  const { from, to, on } = edge;
  if (on === undefined) return { from, to, port: "dependency", edge };
  const width = Math.ceil(textWidth(`on ${on}`, LABEL_SIZE, 1.05) + 14);
  return { from, to, port: on, edge, label: { width, height: LABEL_HEIGHT } };
}

/** The look of one arrow. */
export interface EdgeLook {
  readonly tone: string;
  readonly colour: string;
  readonly dashed: boolean;
  readonly faded: boolean;
  /** Arrows of a higher rank lie above. */
  readonly rank: number;
}

/** How an edge looks, given what is known of the steps at its ends. */
export function edgeLook(edge: FlowEdge, theme: Theme, statusOf: (step: string) => StepStatus | undefined): EdgeLook {
  const target = statusOf(edge.to);
  const source = statusOf(edge.from);
  const known = target !== undefined;
  const finished = edge.on === undefined ? source === "completed" || source === "failed" : source !== "pending";
  const taken = known && finished && target !== "pending" && target !== "skipped";
  const tone = edge.on ?? (taken ? "taken" : "plain");
  const colour = edge.on !== undefined ? theme.branches[edge.on].strong : taken ? theme.edgeTaken : theme.edge;
  return { tone, colour, dashed: edge.on !== undefined, faded: known && !taken, rank: taken ? 1 : 0 };
}

/** The arrow heads of a picture, one for each colour; `id` keeps those of several pictures on one page apart. */
export function arrowHeads(id: string, theme: Theme): Xml[] {
  const colours = {
    plain: theme.edge,
    taken: theme.edgeTaken,
    timeout: theme.branches.timeout.strong,
    error: theme.branches.error.strong,
  };
  return Object.entries(colours).map(([tone, colour]) =>
    element(
      "marker",
      {
        id: `${id}-${tone}`,
        viewBox: "0 0 10 10",
        refX: 9,
        refY: 5,
        markerWidth: HEAD,
        markerHeight: HEAD,
        markerUnits: "userSpaceOnUse",
        orient: "auto",
      },
      element("path", { d: "M0 0.8 10 5 0 9.2 2.2 5Z", fill: colour }),
    ),
  );
}

/** Draws the line of an arrow. */
export function drawLink(placed: PlacedLink<FlowLink>, look: EdgeLook, id: string): Xml {
  return element("path", {
    d: curve(placed.points),
    fill: "none",
    stroke: look.colour,
    "stroke-width": 1.6,
    "stroke-dasharray": look.dashed ? "5 4" : undefined,
    opacity: look.faded ? 0.45 : undefined,
    "marker-end": `url(#${id}-${look.tone})`,
  });
}

/** A line that is vertical at each of the points and bends softly between them; it ends straight, for the arrow's sake. */
function curve(points: readonly Point[]): string {
  const start = points.slice(0, 1).map(({ x, y }) => ({ x: tidy(x), y: y + STRAIGHT }));
  const way = points.map(({ x, y }) => ({ x: tidy(x), y }));
  const end = way.splice(-1).flatMap(({ x, y }) => [
    { x, y: y - 1 - HEAD },
    { x, y: y - 1 },
  ]);
  const passed = [...way.slice(0, 1), ...start, ...way.slice(1), ...end];
  return passed.reduce((path, { x, y }, i) => {
    const before = passed[i - 1];
    if (before === undefined) return `M${x} ${tidy(y)}`;
    if (before.x === x) return `${path}L${x} ${tidy(y)}`;
    const middle = tidy((before.y + y) / 2);
    return `${path}C${before.x} ${middle} ${x} ${middle} ${x} ${tidy(y)}`;
  }, "");
}

/** Draws what an arrow says, if it says anything. */
export function drawLabel({ link, labelAt }: PlacedLink<FlowLink>, look: EdgeLook, theme: Theme): Xml[] {
  if (labelAt === undefined || link.label === undefined || link.edge.on === undefined) return [];
  const { width, height } = link.label;
  const tone = theme.branches[link.edge.on];
  const text = line(`on ${link.edge.on}`, labelAt.x, labelAt.y + 3.7, {
    size: LABEL_SIZE,
    fill: tone.strong,
    weight: 500,
    anchor: "middle",
  });
  const pill = element("rect", {
    x: labelAt.x - width / 2,
    y: labelAt.y - height / 2,
    width,
    height,
    rx: height / 2,
    fill: tone.pale,
  });
  return [element("g", { opacity: look.faded ? 0.6 : undefined }, pill, text)];
}
