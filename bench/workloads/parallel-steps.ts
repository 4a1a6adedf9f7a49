import { drive } from "../load.ts";
import { rssMb } from "../memory.ts";
import { openSubject } from "../subject.ts";
import type { Workload } from "./workload.ts";

const STEPS = 1000;

/** W3: one wide run. */
export const parallelSteps: Workload = {
  name: "W3",
  titles: { W3: "one run of 1,000 parallel steps" },
  rounds: 3,
  stores: ["sqlite", "memory", "postgres"],
  bare: true,
  async measure(setting, span) {
    await using subject = await openSubject(setting);
    const run = (): Promise<void> => subject.runFanOut(STEPS);
    await drive(setting.quick ? 5 : 10, 1, run);
    await span.begin();
    const n = setting.quick ? 5 : 21;
    const { seconds, p50Ms, p99Ms } = await drive(n, 1, run);
    await span.end();
    const stepsPerSecond = (n * STEPS) / seconds;
    const seen = { stepsPerSecond, p50Ms, p99Ms, rssMb: rssMb() };
    return [{ metric: "W3", n, concurrency: 1, value: p50Ms, unit: "ms", better: "lower", ...seen }];
  },
};
