import { activity, workflow } from "perdure";
import type { Measurement } from "../measurement.ts";
import { median } from "../measurement.ts";
import { rssMb } from "../memory.ts";
import { EngineSubject } from "../subject.ts";
import type { Workload } from "./workload.ts";

const STEPS = 10_000;
const WINDOW = 1000;
const WINDOWS = { first: 0, middle: (STEPS - WINDOW) / 2, last: STEPS - WINDOW };

let times = new Float64Array(STEPS + 1);

const timed = activity("timed", async (i: number) => {
  times[i] = performance.now();
  return { ok: true, i };
});

const longRun = workflow("long-run", async (wf, steps: number) => {
  for (let i = 0; i <= steps; i++) await wf.call(timed, i);
});

/** One long run: what a step costs at its beginning, in the middle and at its end. */
export const longRuns: Workload = {
  name: "long",
  titles: {
    long: "10,000-step run: dearest / first 1,000",
    "long first": "a step of the first 1,000",
    "long middle": "a step of the middle 1,000",
    "long last": "a step of the last 1,000",
  },
  rounds: 1,
  stores: ["sqlite", "memory", "postgres"],
  bare: false,
  async measure(setting, span) {
    await using subject = await EngineSubject.open(setting, [longRun]);
    const run = async (steps: number): Promise<void> => {
      times = new Float64Array(STEPS + 1);
      await (await subject.engine.start(longRun, steps)).result();
    };
    await run(2 * WINDOW);
    await span.begin();
    const seen: number[][] = [];
    for (let round = 0; round < (setting.quick ? 1 : 3); round++) {
      await run(STEPS);
      seen.push(Object.values(WINDOWS).map((from) => ((times[from + WINDOW]! - times[from]!) / WINDOW) * 1000));
    }
    await span.end();
    return measurements(seen);
  },
};

function measurements(seen: readonly number[][]): Measurement[] {
  const [first, middle, last] = [0, 1, 2].map((window) => median(seen.map((costs) => costs[window]!))) as [
    number,
    number,
    number,
  ];
  const ratio = median(seen.map((costs) => Math.max(costs[1]!, costs[2]!) / costs[0]!));
  const common = { n: STEPS, concurrency: 1, better: "lower", rssMb: rssMb() } as const;
  return [
    { metric: "long", value: ratio, unit: "x", stepsPerSecond: 1e6 / ((first + middle + last) / 3), ...common },
    { metric: "long first", value: first, unit: "µs", ...common },
    { metric: "long middle", value: middle, unit: "µs", ...common },
    { metric: "long last", value: last, unit: "µs", ...common },
  ];
}
