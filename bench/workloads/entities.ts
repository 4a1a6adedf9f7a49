import { entity } from "perdure";
import { drive } from "../load.ts";
import { liveHeapMb, rssMb } from "../memory.ts";
import { EngineSubject } from "../subject.ts";
import type { Workload } from "./workload.ts";

const counter = entity("counter", {
  state: { count: 0 },
  on: {
    add: (state, n: number) => {
      state.count += n;
    },
  },
});

/** Long-lived runs that wait for messages: what so many of them leave on the heap, and how long one takes to answer. */
export const entities: Workload = {
  name: "entities",
  titles: { entities: "an update of a parked entity", "entities heap": "heap that parked entities leave" },
  rounds: 1,
  stores: ["sqlite", "memory", "postgres"],
  bare: false,
  async measure(setting, span) {
    await using subject = await EngineSubject.open(setting, [counter]);
    const { engine } = subject;
    const n = setting.quick ? 5000 : 100_000;
    const add = async (key: number): Promise<void> => void (await engine.entity(counter, String(key)).add(1));
    let next = 0;
    await drive(2000, 200, () => add(next++));
    const heapBefore = await liveHeapMb();
    await drive(n, 500, () => add(next++));
    const heapLeft = (await liveHeapMb()) - heapBefore;
    await span.begin();
    // Every 97th: none of them is warm.
    let key = 0;
    const { p50Ms, p99Ms } = await drive(setting.quick ? 50 : 500, 1, () => {
      key += 97;
      return add(key);
    });
    await span.end();
    const seen = { n, concurrency: 1, better: "lower", rssMb: rssMb() } as const;
    return [
      { metric: "entities", value: p50Ms, unit: "ms", ...seen, p50Ms, p99Ms },
      { metric: "entities heap", value: heapLeft, unit: "MB", ...seen },
    ];
  },
};
