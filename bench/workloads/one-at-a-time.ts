import { drive } from "../load.ts";
import { rssMb } from "../memory.ts";
import { openSubject } from "../subject.ts";
import type { Workload } from "./workload.ts";

const STEPS = 10;

/** W1: what one caller waits for, with nothing else to do. */
export const oneAtATime: Workload = {
  name: "W1",
  titles: { W1: "10-step runs, one at a time" },
  rounds: 3,
  stores: ["sqlite", "memory", "postgres"],
  bare: true,
  async measure(setting, span) {
    await using subject = await openSubject(setting);
    const run = (): Promise<void> => subject.runSequence(STEPS);
    await drive(setting.quick ? 50 : 100, 1, run);
    await span.begin();
    const n = setting.quick ? 100 : 300;
    const { seconds, p50Ms, p99Ms } = await drive(n, 1, run);
    await span.end();
    const stepsPerSecond = (n * STEPS) / seconds;
    return [
      {
        metric: "W1",
        n,
        concurrency: 1,
        value: p50Ms,
        unit: "ms p50",
        better: "lower",
        stepsPerSecond,
        p50Ms,
        p99Ms,
        rssMb: rssMb(),
      },
    ];
  },
};
