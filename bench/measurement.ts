/** What a workload measured, and how several rounds of it become one result. */

/** One number, with what was seen beside it. A metric's name is the workload's, and a word more where it has several. */
export interface Measurement {
  readonly metric: string;
  /** Runs, or steps where there is only one run. */
  readonly n: number;
  readonly concurrency: number;
  readonly value: number;
  readonly unit: string;
  /** Which way is better. */
  readonly better: "higher" | "lower";
  readonly stepsPerSecond?: number;
  /** Percentiles of a whole run, start to result. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly rssMb: number;
}

/** The value below which a share of the values lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The middle value. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** Three digits are more than a benchmark knows. */
export function rounded(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toFixed(2));
}

/**
 * One measurement per metric: the median of its rounds for each concurrency, and of those the best. A median is a measurement
 * that was made, so its percentiles belong to its value.
 */
export function summarise(rounds: readonly (readonly Measurement[])[]): Measurement[] {
  const all = rounds.flat();
  const best = new Map<string, Measurement>();
  for (const same of groups(all, ({ metric, concurrency }) => `${metric} ${concurrency}`)) {
    const middle = [...same].sort((a, b) => a.value - b.value)[same.length >> 1]!;
    const known = best.get(middle.metric);
    if (known === undefined || isBetter(middle, known)) best.set(middle.metric, middle);
  }
  return [...best.values()];
}

function isBetter(one: Measurement, other: Measurement): boolean {
  return one.better === "higher" ? one.value > other.value : one.value < other.value;
}

function groups<T>(items: readonly T[], key: (item: T) => string): T[][] {
  const found = new Map<string, T[]>();
  for (const item of items) {
    const group = found.get(key(item));
    if (group === undefined) found.set(key(item), [item]);
    else group.push(item);
  }
  return [...found.values()];
}
