/** A workload's result, and its two forms: a line of JSON and a row of a table. */
import { createRequire } from "node:module";
import { type Measurement, rounded } from "./measurement.ts";
import type { Setting } from "./setting.ts";
import { meets, type Target, targetOf } from "./targets.ts";

const { version } = createRequire(import.meta.url)("perdure/package.json") as { version: string };

/** One metric of one subject. */
export interface Result {
  readonly subject: Setting["subject"];
  readonly store: Setting["store"];
  readonly title: string;
  readonly measurement: Measurement;
  /** Engine only. */
  readonly target: Target | undefined;
  /** The engine's speed as a share of the bare design's. */
  readonly share: number | undefined;
}

/** Joins measurements of the engine with those of the bare design from the same minutes. */
export function results(
  store: Setting["store"],
  titles: Readonly<Record<string, string>>,
  engine: readonly Measurement[],
  bare: readonly Measurement[],
): Result[] {
  const title = ({ metric }: Measurement): string => titles[metric] ?? metric;
  const ofEngine = engine.map((measurement): Result => {
    const limit = bare.find(({ metric }) => metric === measurement.metric);
    const target = targetOf(store, measurement.metric);
    const share = limit === undefined ? undefined : shareOf(measurement, limit);
    return { subject: "perdure", store, title: title(measurement), measurement, target, share };
  });
  const ofBare = bare.map(
    (measurement): Result => ({
      subject: "bare",
      store,
      title: title(measurement),
      measurement,
      target: undefined,
      share: undefined,
    }),
  );
  return [...ofEngine, ...ofBare];
}

function shareOf(engine: Measurement, bare: Measurement): number {
  return engine.better === "higher" ? engine.value / bare.value : bare.value / engine.value;
}

/** A result as one line of JSON. */
export function jsonLine({ subject, store, title, measurement, share }: Result): string {
  const { metric, n, concurrency, value, unit, stepsPerSecond, p50Ms, p99Ms, rssMb } = measurement;
  return JSON.stringify({
    engine: subject === "perdure" ? "perdure" : "bare design",
    version,
    store,
    work: `${metric.split(" ")[0]} ${title}`,
    n,
    concurrency,
    value: rounded(value),
    unit,
    steps_s: stepsPerSecond === undefined ? null : Math.round(stepsPerSecond),
    p50_ms: p50Ms === undefined ? null : rounded(p50Ms),
    p99_ms: p99Ms === undefined ? null : rounded(p99Ms),
    rss_mb: rssMb,
    ...(share !== undefined && { share_of_bare: rounded(share) }),
  });
}

export const TABLE_HEAD: string = row([
  "",
  "work",
  "measured",
  "target",
  "",
  "of bare",
  "at once",
  "p50",
  "p99",
  "RSS",
]);

/** A result as a row of the table under {@link TABLE_HEAD}. */
export function tableRow({ subject, title, measurement, target, share }: Result): string {
  const { metric, value, unit, concurrency, p50Ms, p99Ms, rssMb } = measurement;
  const verdict = target === undefined ? "" : meets(measurement, target) ? "pass" : "FAIL";
  return row([
    metric.split(" ")[0]!,
    subject === "perdure" ? title : "  bare design",
    `${readable(value)} ${unit}`,
    target === undefined ? "" : `${target.is === "at least" ? ">=" : "<="} ${readable(target.limit)}`,
    verdict,
    share === undefined ? "" : `${Math.round(share * 100)}%`,
    String(concurrency),
    milliseconds(p50Ms),
    milliseconds(p99Ms),
    `${rssMb} MB`,
  ]);
}

function row(cells: readonly string[]): string {
  const [name, work, ...numbers] = cells;
  const widths = [16, 10, 4, 7, 7, 9, 9, 7];
  return `${name!.padEnd(6)} ${work!.padEnd(40)} ${numbers.map((cell, i) => cell.padStart(widths[i]!)).join(" ")}`;
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? "" : `${readable(value)} ms`;
}

function readable(value: number): string {
  return rounded(value).toLocaleString("en-US");
}
