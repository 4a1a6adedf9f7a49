import { setTimeout as delay } from "node:timers/promises";
import { drive } from "../load.ts";
import { liveHeapMb, rssMb } from "../memory.ts";
import { EngineSubject } from "../subject.ts";
import { nap } from "../workflows.ts";
import type { Workload } from "./workload.ts";

/** W5: runs that sleep for an hour, until none is active any more, and what they leave on the heap. */
export const parkedRuns: Workload = {
  name: "W5",
  titles: { W5: "sleeping runs until all are parked", "W5 heap": "heap they leave behind" },
  rounds: 3,
  stores: ["sqlite", "memory", "postgres"],
  bare: false,
  async measure(setting, span) {
    await using subject = await EngineSubject.open(setting);
    const { engine } = subject;
    const n = setting.quick ? 2000 : 10_000;
    await drive(1000, 200, () => subject.runSequence(1));
    const heapBefore = await liveHeapMb();
    await span.begin();
    const startedAt = performance.now();
    await Promise.all(Array.from({ length: n }, async () => void (await engine.start(nap))));
    while (engine.inMemory.active > 0) await delay(2);
    const seconds = (performance.now() - startedAt) / 1000;
    await span.end();
    const heapLeft = (await liveHeapMb()) - heapBefore;
    const seen = { n, concurrency: n, better: "lower", rssMb: rssMb() } as const;
    return [
      { metric: "W5", value: seconds, unit: "s", ...seen },
      { metric: "W5 heap", value: heapLeft, unit: "MB", ...seen },
    ];
  },
};
