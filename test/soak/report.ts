/** What a soak found: a table, a picture, and whether the store stayed as fast and as small as it should. */
import type { Sample } from "./sampler.ts";

/** The end of a soak. */
export interface Outcome {
  readonly store: string;
  readonly storage: string;
  readonly runs: number;
  readonly seconds: number;
  /** Runs per second in the second eighth, when everything is warm, and in the last. */
  readonly early: number;
  readonly late: number;
  /** Bytes at half time, and the most there were after that. */
  readonly halfBytes: number;
  readonly mostBytes: number;
  /** Callers that were told UNAVAILABLE and asked again. */
  readonly impatient: number;
  readonly bloat: Readonly<Record<string, number>>;
  /** How the archive and the store stand when retention has caught up. */
  readonly archived: { readonly lines: number; readonly runs: number; readonly left: number; readonly seconds: number };
  readonly samples: readonly Sample[];
}

export function rateBetween(samples: readonly Sample[], from: number, to: number): number {
  const total = samples.at(-1)?.done ?? 0;
  const at = (share: number): Sample | undefined => samples.find(({ done }) => done >= total * share);
  const [a, b] = [at(from), at(to)];
  return a === undefined || b === undefined || a === b ? 0 : (b.done - a.done) / (b.at - a.at);
}

const MAX_LOSS = 0.2;
const MAX_GROWTH = 1.25;

/** What is wrong, in words. */
export function complaints({ early, late, halfBytes, mostBytes, archived }: Outcome): string[] {
  if (early === 0 || late === 0)
    return [
      "too short to be judged: start more runs (--runs), keep them for less (--retention), or look more often (--sample)",
    ];
  const found: string[] = [];
  if (late < early * (1 - MAX_LOSS)) found.push(`it got slower: ${rate(early)} at first, ${rate(late)} at last`);
  if (mostBytes > halfBytes * MAX_GROWTH)
    found.push(`it grew on: ${mb(halfBytes)} at half time, ${mb(mostBytes)} later`);
  if (archived.left > 0) found.push(`${archived.left} runs are left that should have been deleted`);
  return found;
}

export function summary(outcome: Outcome): string[] {
  const { store, storage, runs, seconds, early, late, halfBytes, mostBytes, bloat, archived, samples, impatient } =
    outcome;
  const last = samples.at(-1)!;
  const lines = [
    `${store}, ${storage}: ${runs.toLocaleString("en")} runs in ${seconds.toFixed(0)} s, ${rate(runs / seconds)}`,
    early === 0
      ? "throughput   too short to say how it went"
      : `throughput   ${rate(early)} in the second eighth, ${rate(late)} in the last (${percent(late / early - 1)})`,
    `size         ${mb(halfBytes)} at half time, at most ${mb(mostBytes)} later (${percent(mostBytes / halfBytes - 1)})`,
    `memory       ${last.rssMb.toFixed(0)} MB resident, heap ${last.heapMb.toFixed(0)} MB`,
    `questions    ${question(samples, "find")}, ${question(samples, "list")}, ${question(samples, "claim")}`,
    `archive      ${archived.lines.toLocaleString("en")} lines of ${archived.runs.toLocaleString("en")} runs; ${archived.left} runs left ${archived.seconds.toFixed(1)} s after the last had ended`,
  ];
  if (impatient > 0) lines.push(`impatience   ${impatient} callers were told UNAVAILABLE and asked again`);
  for (const { name, bytes, indexBytes, live, dead, vacuums } of last.tables.slice(0, 8))
    lines.push(
      `  ${name.padEnd(18)} ${mb(bytes).padStart(9)} + indexes ${mb(indexBytes).padStart(9)}  live ${live.toLocaleString("en").padStart(9)}  dead ${dead.toLocaleString("en").padStart(9)}  vacuumed ${vacuums}  ${bloat[name] === undefined ? "" : `empty ${bloat[name].toFixed(0)}%`}`,
    );
  return lines;
}

function question(samples: readonly Sample[], name: "find" | "list" | "claim"): string {
  const early = median(samples.slice(1, Math.ceil(samples.length / 4) + 1).map((sample) => sample[name]));
  const late = median(samples.slice(-Math.ceil(samples.length / 4)).map((sample) => sample[name]));
  return `${name} ${early.toFixed(2)} ms, later ${late.toFixed(2)} ms`;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

export function line({ at, done, perSecond, bytes, rows, dead, rssMb, heapMb, find, list, claim }: Sample): string {
  const numbers = `${at.toFixed(0).padStart(5)} s ${done.toLocaleString("en").padStart(10)} runs ${rate(perSecond).padStart(12)}`;
  const size = `${mb(bytes).padStart(9)} live ${rows.toFixed(0).padStart(7)} dead ${dead.toFixed(0).padStart(8)}`;
  return `${numbers} ${size} rss ${rssMb.toFixed(0)} heap ${heapMb.toFixed(0)} MB  find ${find.toFixed(1)} list ${list.toFixed(1)} claim ${claim.toFixed(1)} ms`;
}

function rate(perSecond: number): string {
  return `${Math.round(perSecond).toLocaleString("en")} runs/s`;
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
}

function percent(share: number): string {
  return `${share >= 0 ? "+" : ""}${(share * 100).toFixed(0)}%`;
}

const WIDTH = 760;
const HEIGHT = 150;
const LEFT = 70;

/** Throughput and sizes over time. */
export function picture({ samples, store }: Outcome): string {
  const end = samples.at(-1)?.at ?? 1;
  const curves: [string, string, (sample: Sample) => number][] = [
    ["runs/s", "#2563eb", ({ perSecond }) => perSecond],
    ["size in MB", "#b45309", ({ bytes }) => bytes / 1e6],
    ["resident memory in MB", "#15803d", ({ rssMb }) => rssMb],
  ];
  const parts = curves.map(([name, colour, of], index) => {
    const values = samples.map(of);
    const most = Math.max(1, ...values);
    const top = 40 + index * (HEIGHT + 40);
    const points = samples.map(
      ({ at }, i) =>
        `${(LEFT + (at / end) * (WIDTH - LEFT - 20)).toFixed(1)},${(top + HEIGHT - (values[i]! / most) * HEIGHT).toFixed(1)}`,
    );
    return `<text x="${LEFT}" y="${top - 8}">${name}</text>
<text x="${LEFT - 8}" y="${top + 10}" text-anchor="end">${Math.round(most).toLocaleString("en")}</text>
<text x="${LEFT - 8}" y="${top + HEIGHT}" text-anchor="end">0</text>
<path d="M${LEFT} ${top}V${top + HEIGHT}H${WIDTH - 20}" fill="none" stroke="#999"/>
<polyline points="${points.join(" ")}" fill="none" stroke="${colour}" stroke-width="1.5"/>`;
  });
  const title = `${store}: ${(samples.at(-1)?.done ?? 0).toLocaleString("en")} runs in ${end.toFixed(0)} s`;
  const height = 40 + curves.length * (HEIGHT + 40);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">
<title>${title}</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="${LEFT}" y="18">${title}</text>
${parts.join("\n")}
</svg>
`;
}
