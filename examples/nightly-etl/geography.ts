/** Positions on the globe and the regions of the United States. */

/** Degrees; north and east are positive. */
export interface Position {
  readonly latitude: number;
  readonly longitude: number;
}

const EARTH_RADIUS_MILES = 3958.8;
const RADIANS = Math.PI / 180;

/** Length of the shortest way between two places on the globe. */
export function greatCircleMiles(from: Position, to: Position): number {
  const [a, b] = [from.latitude * RADIANS, to.latitude * RADIANS];
  const half = Math.sin((b - a) / 2) ** 2;
  const turn = Math.sin(((to.longitude - from.longitude) * RADIANS) / 2) ** 2;
  return 2 * EARTH_RADIUS_MILES * Math.asin(Math.sqrt(half + Math.cos(a) * Math.cos(b) * turn));
}

/** The four regions of the Census Bureau. */
const REGIONS: Readonly<Record<string, string>> = {
  Northeast: "CT ME MA NH NJ NY PA RI VT",
  Midwest: "IL IN IA KS MI MN MO NE ND OH SD WI",
  South: "AL AR DC DE FL GA KY LA MD MS NC OK SC TN TX VA WV",
  West: "AK AZ CA CO HI ID MT NM NV OR UT WA WY",
};

const REGION_OF: ReadonlyMap<string, string> = new Map(
  Object.entries(REGIONS).flatMap(([region, states]) => states.split(" ").map((state) => [state, region])),
);

/** Region of a state by its two letters; what is no state is a territory. */
export function regionOf(state: string | null): string {
  return (state === null ? undefined : REGION_OF.get(state)) ?? "Territories";
}
