import { type Activity, activity, type Workflow, workflow } from "perdure";
import { rssMb } from "../memory.ts";
import { EngineSubject } from "../subject.ts";
import type { Workload } from "./workload.ts";

const CHILDREN = 1000;
const STEPS = 1000;
const AT_A_TIME = 500;

const count: Activity<number, number> = activity("count", async (n: number) => n);

const branch: Workflow<number, number> = workflow("branch", async (wf, steps: number) => {
  let sum = 0;
  for (let i = 0; i < steps; i++) sum += await wf.call(count, 1);
  return sum;
});

const tree: Workflow<[children: number, steps: number], number> = workflow(
  "tree",
  async (wf, [children, steps]: [number, number]) => {
    const sums = await wf.map(Array<number>(children).fill(steps), branch, { concurrency: AT_A_TIME });
    return sums.reduce((all, one) => all + one, 0);
  },
);

/** 1M: a run whose children do a million steps. */
export const children: Workload = {
  name: "1M",
  titles: { "1M": "1,000 children of 1,000 steps" },
  rounds: 1,
  stores: ["sqlite", "memory", "postgres"],
  bare: false,
  async measure(setting, span) {
    await using subject = await EngineSubject.open(setting, [branch, tree]);
    await (await subject.engine.start(tree, [10, 100])).result();
    await span.begin();
    const [n, steps] = setting.quick ? [100, 100] : [CHILDREN, STEPS];
    const began = performance.now();
    const sum = await (await subject.engine.start(tree, [n, steps])).result();
    const seconds = (performance.now() - began) / 1000;
    await span.end();
    if (sum !== n * steps) throw new Error(`the children did ${sum} steps instead of ${n * steps}`);
    const seen = { stepsPerSecond: sum / seconds, rssMb: rssMb() };
    return [{ metric: "1M", n: sum, concurrency: AT_A_TIME, value: seconds, unit: "s", better: "lower", ...seen }];
  },
};
