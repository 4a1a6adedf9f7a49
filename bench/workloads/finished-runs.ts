import { drive } from "../load.ts";
import { liveHeapMb, rssMb } from "../memory.ts";
import { EngineSubject } from "../subject.ts";
import type { Workload } from "./workload.ts";

/** Runs that have ended must leave nothing in the engine that ran them. */
export const finishedRuns: Workload = {
  name: "memory",
  titles: { memory: "heap that finished runs leave" },
  rounds: 1,
  stores: ["sqlite", "postgres"],
  bare: false,
  async measure(setting, span) {
    await using subject = await EngineSubject.open(setting);
    const run = (): Promise<void> => subject.runSequence(1);
    const n = setting.quick ? 20_000 : 100_000;
    await drive(10_000, 500, run);
    const before = await liveHeapMb();
    await span.begin();
    const { seconds, p50Ms, p99Ms } = await drive(n, 500, run);
    await span.end();
    const value = (await liveHeapMb()) - before;
    const seen = { stepsPerSecond: n / seconds, p50Ms, p99Ms, rssMb: rssMb() };
    return [{ metric: "memory", n, concurrency: 500, value, unit: "MB", better: "lower", ...seen }];
  },
};
