/** TopoJSON, as far as maps of states need it: arcs shared between neighbours, delta-coded whole numbers. */

/** The part of a TopoJSON file that is read. */
export interface Topology {
  readonly transform: { readonly scale: readonly [number, number]; readonly translate: readonly [number, number] };
  readonly arcs: readonly (readonly (readonly [number, number])[])[];
  readonly objects: { readonly states: { readonly geometries: readonly Geometry[] } };
}

type Ring = readonly number[];

type Geometry =
  | { readonly type: "Polygon"; readonly id: number; readonly arcs: readonly Ring[] }
  | { readonly type: "MultiPolygon"; readonly id: number; readonly arcs: readonly (readonly Ring[])[] };

/** Longitude and latitude in degrees. */
export type LonLat = readonly [longitude: number, latitude: number];

/** The border of a state: closed rings. */
export interface Outline {
  /** Number of the state in the federal register (FIPS). */
  readonly id: number;
  readonly rings: readonly (readonly LonLat[])[];
}

/** Finest detail worth keeping, in degrees. */
const DETAIL = 0.06;

/** Borders of all states, thinned to what a map of a page's width can show. Neighbours keep a common border. */
export function stateOutlines(topology: Topology): Outline[] {
  const arcs = topology.arcs.map((_, i) => thin(decodeArc(topology, i)));
  return topology.objects.states.geometries.map((geometry) => {
    const rings = geometry.type === "Polygon" ? geometry.arcs : geometry.arcs.flat();
    return { id: geometry.id, rings: rings.map((ring) => joinArcs(arcs, ring)).filter((ring) => ring.length > 3) };
  });
}

function decodeArc({ arcs, transform }: Topology, index: number): LonLat[] {
  let [x, y] = [0, 0];
  return (arcs[index] ?? []).map(([dx, dy]) => {
    x += dx;
    y += dy;
    const lon = x * transform.scale[0] + transform.translate[0];
    const lat = y * transform.scale[1] + transform.translate[1];
    return [Math.round(lon * 1000) / 1000, Math.round(lat * 1000) / 1000];
  });
}

/** Drops points that lie close to the one before them; both ends stay, so that arcs still meet. */
function thin(points: readonly LonLat[]): LonLat[] {
  const kept: LonLat[] = [];
  for (const [i, point] of points.entries()) {
    const last = kept.at(-1);
    const near = last !== undefined && Math.hypot(point[0] - last[0], point[1] - last[1]) < DETAIL;
    if (!near || i === points.length - 1) kept.push(point);
  }
  return kept;
}

/** A ring of arcs one after the other; `~i` stands for arc `i` backwards. The point where two meet is kept once. */
function joinArcs(arcs: readonly (readonly LonLat[])[], ring: Ring): LonLat[] {
  return ring.flatMap((index, position) => {
    const arc = arcs[index < 0 ? ~index : index] ?? [];
    const points = index < 0 ? arc.toReversed() : arc;
    return position === 0 ? points : points.slice(1);
  });
}
