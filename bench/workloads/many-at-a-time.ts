import { drive } from "../load.ts";
import type { Measurement } from "../measurement.ts";
import { rssMb } from "../memory.ts";
import type { Setting } from "../setting.ts";
import { openSubject } from "../subject.ts";
import { concurrencies, type Span, type Workload } from "./workload.ts";

interface Throughput {
  readonly metric: string;
  readonly steps: number;
  readonly runs: number;
  readonly unit: "steps/s" | "runs/s";
}

/** W2: durable steps per second. */
export const manyAtATime: Workload = {
  name: "W2",
  titles: { W2: "10-step runs, many at a time" },
  rounds: 3,
  stores: ["sqlite", "memory", "postgres"],
  bare: true,
  bestConcurrency: true,
  measure: (setting, span) => throughput(setting, span, { metric: "W2", steps: 10, runs: 10_000, unit: "steps/s" }),
};

/** W4: runs per second, when a run is as small as it can be. */
export const oneStepRuns: Workload = {
  name: "W4",
  titles: { W4: "one-step runs, many at a time" },
  rounds: 3,
  stores: ["sqlite", "memory", "postgres"],
  bare: true,
  bestConcurrency: true,
  measure: (setting, span) => throughput(setting, span, { metric: "W4", steps: 1, runs: 20_000, unit: "runs/s" }),
};

async function throughput(
  setting: Setting,
  span: Span,
  { metric, steps, runs, unit }: Throughput,
): Promise<Measurement[]> {
  await using subject = await openSubject(setting);
  const run = (): Promise<void> => subject.runSequence(steps);
  const n = setting.quick ? runs / 5 : runs;
  await drive(n / 2, 200, run);
  await span.begin();
  const measurements: Measurement[] = [];
  for (const concurrency of concurrencies(setting)) {
    const { seconds, p50Ms, p99Ms } = await drive(n, concurrency, run);
    const stepsPerSecond = (n * steps) / seconds;
    const value = unit === "steps/s" ? stepsPerSecond : n / seconds;
    const seen = { stepsPerSecond, p50Ms, p99Ms, rssMb: rssMb() };
    measurements.push({ metric, n, concurrency, value, unit, better: "higher", ...seen });
  }
  await span.end();
  return measurements;
}
