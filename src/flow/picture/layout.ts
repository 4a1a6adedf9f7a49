/**
 * Places boxes in layers and leads edges around them. dagre decides layers, order and coordinates; the edges are drawn anew
 * from its way points, because they should leave at the bottom, arrive at the top and pass between boxes straight.
 */
import { layout as dagreLayout, Graph } from "@dagrejs/dagre";

/** A box to place. */
export interface Box {
  readonly id: string;
  readonly width: number;
  readonly height: number;
}

/** A connection to draw. Edges with another `port` leave and arrive at their own points of a box. */
export interface Link {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  /** Room for a label on the way. */
  readonly label?: { readonly width: number; readonly height: number };
}

/** A point of the drawing. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A placed box; `x`, `y` are its upper left corner. */
export interface PlacedBox extends Box, Point {}

/** A link with the points it passes, in order, top to bottom; it runs vertically through each of them. */
export interface PlacedLink<L extends Link> {
  readonly link: L;
  readonly points: readonly Point[];
  /** Centre of the label. */
  readonly labelAt?: Point;
}

/** A finished drawing, from (0, 0). */
export interface Layout<L extends Link> {
  readonly boxes: readonly PlacedBox[];
  readonly links: readonly PlacedLink<L>[];
  readonly width: number;
  readonly height: number;
}

const BOX_GAP = 32;
const EDGE_GAP = 22;
const LAYER_GAP = 58;
const PORT_GAP = 30;
/** Beyond this many boxes, good layers take too long; simple ones do. */
const LARGE = 250;

/** A horizontal strip that holds the boxes of one layer. */
interface Band {
  top: number;
  bottom: number;
}

/** Lays out boxes and links. Links must join boxes that are given; cycles are allowed. */
export function layOut<L extends Link>(boxes: readonly Box[], links: readonly L[]): Layout<L> {
  if (boxes.length === 0) return { boxes: [], links: [], width: 0, height: 0 };
  const graph = new Graph({ multigraph: true });
  graph.setGraph({
    rankdir: "TB",
    nodesep: BOX_GAP,
    edgesep: EDGE_GAP,
    ranksep: LAYER_GAP,
    rankalign: "top",
    ranker: boxes.length > LARGE ? "longest-path" : "network-simplex",
  });
  // Names of our own: an id may be any text, also one that dagre uses itself.
  const names = new Map(boxes.map(({ id }, i) => [id, `box${i}`]));
  for (const { id, width, height } of boxes) graph.setNode(names.get(id)!, { width, height });
  for (const [i, { from, to, label }] of links.entries()) {
    graph.setEdge(
      names.get(from)!,
      names.get(to)!,
      { weight: label === undefined ? 2 : 1, labelpos: "c", ...label },
      String(i),
    );
  }
  dagreLayout(graph);
  const placed = boxes.map((box): PlacedBox => {
    const { x, y } = graph.node(names.get(box.id)!) as Point;
    return { ...box, x: x - box.width / 2, y: y - box.height / 2 };
  });
  const bands = bandsOf(placed);
  const ports = portsOf(placed, links);
  const drawn = links.map((link, i): PlacedLink<L> => {
    const edge = graph.edge(names.get(link.from)!, names.get(link.to)!, String(i)) as Partial<Point> & {
      points: Point[];
    };
    const labelAt = link.label !== undefined && edge.x !== undefined ? { x: edge.x, y: edge.y! } : undefined;
    const between = waypoints(edge.points.slice(1, -1), bands, labelAt);
    const points = [...ports.start(i), ...between, ...ports.end(i)];
    return { link, points, ...(labelAt !== undefined && { labelAt }) };
  });
  return framed(placed, drawn, readsBackwards(placed));
}

/** Whether boxes side by side stand mostly in the opposite of the order they were given in. */
function readsBackwards(boxes: readonly PlacedBox[]): boolean {
  let backwards = 0;
  for (const [i, box] of boxes.entries()) {
    for (const later of boxes.slice(i + 1)) {
      if (later.y < box.y + box.height && box.y < later.y + later.height) backwards += later.x < box.x ? 1 : -1;
    }
  }
  return backwards > 0;
}

function bandsOf(boxes: readonly PlacedBox[]): Band[] {
  const bands: Band[] = [];
  for (const box of [...boxes].sort((a, b) => a.y + a.height / 2 - (b.y + b.height / 2))) {
    const last = bands.at(-1);
    if (last !== undefined && box.y < last.bottom) {
      last.top = Math.min(last.top, box.y);
      last.bottom = Math.max(last.bottom, box.y + box.height);
    } else bands.push({ top: box.y, bottom: box.y + box.height });
  }
  return bands;
}

/** Between boxes of a layer a link runs straight from the top of the layer to its bottom; elsewhere only labels hold it. */
function waypoints(points: readonly Point[], bands: readonly Band[], labelAt: Point | undefined): Point[] {
  return points.flatMap(({ x, y }) => {
    const band = bands.find(({ top, bottom }) => y >= top && y <= bottom);
    if (band !== undefined) {
      return [
        { x, y: band.top },
        { x, y: band.bottom },
      ];
    }
    return labelAt !== undefined && Math.abs(labelAt.y - y) < 1 ? [labelAt] : [];
  });
}

/** Where links leave and reach their boxes: one point for each kind of link, ordered by where they come from or go to. */
function portsOf(
  boxes: readonly PlacedBox[],
  links: readonly Link[],
): { start(link: number): Point[]; end(link: number): Point[] } {
  const byId = new Map(boxes.map((box) => [box.id, box]));
  const bands = bandsOf(boxes);
  const centre = (id: string): number => byId.get(id)!.x + byId.get(id)!.width / 2;
  const place = (own: "from" | "to", link: number): { x: number; box: PlacedBox; band: Band } => {
    const other = own === "from" ? "to" : "from";
    const { [own]: id, port } = links[link]!;
    const box = byId.get(id)!;
    const kinds = new Map<string, number[]>();
    for (const each of links) {
      if (each[own] === id) kinds.set(each.port, [...(kinds.get(each.port) ?? []), centre(each[other])]);
    }
    const mean = (xs: readonly number[]): number => xs.reduce((sum, x) => sum + x, 0) / xs.length;
    const order = [...kinds].sort(([, a], [, b]) => mean(a) - mean(b)).map(([kind]) => kind);
    const x = centre(id) + (order.indexOf(port) - (order.length - 1) / 2) * PORT_GAP;
    return { x, box, band: bands.find(({ top, bottom }) => box.y >= top && box.y < bottom)! };
  };
  return {
    start: (link) => {
      const { x, box, band } = place("from", link);
      const bottom = box.y + box.height;
      return bottom < band.bottom
        ? [
            { x, y: bottom },
            { x, y: band.bottom },
          ]
        : [{ x, y: bottom }];
    },
    end: (link) => {
      const { x, box, band } = place("to", link);
      return band.top < box.y
        ? [
            { x, y: band.top },
            { x, y: box.y },
          ]
        : [{ x, y: box.y }];
    },
  };
}

/** Moves everything so that it begins at (0, 0); `mirrored` also exchanges left and right. */
function framed<L extends Link>(
  boxes: readonly PlacedBox[],
  links: readonly PlacedLink<L>[],
  mirrored: boolean,
): Layout<L> {
  const xs = boxes.flatMap((box) => [box.x, box.x + box.width]);
  const ys = boxes.flatMap((box) => [box.y, box.y + box.height]);
  for (const { link, points, labelAt } of links) {
    for (const point of points) xs.push(point.x - 2, point.x + 2);
    for (const point of points) ys.push(point.y);
    if (labelAt !== undefined) xs.push(labelAt.x - link.label!.width / 2, labelAt.x + link.label!.width / 2);
  }
  const left = min(xs);
  const right = max(xs);
  const top = min(ys);
  const moved = ({ x, y }: Point, width = 0): Point => ({ x: mirrored ? right - x - width : x - left, y: y - top });
  return {
    boxes: boxes.map((box) => ({ ...box, ...moved(box, box.width) })),
    links: links.map(({ link, points, labelAt }) => ({
      link,
      points: points.map((point) => moved(point)),
      ...(labelAt !== undefined && { labelAt: moved(labelAt) }),
    })),
    width: right - left,
    height: max(ys) - top,
  };
}

function min(values: readonly number[]): number {
  return values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
}

function max(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
}
