import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { StorePlace } from "../store-place.ts";
import type { Milestone, TakeoverTask } from "../takeover-process.ts";
import type { Workload } from "./workload.ts";

const RUNS = 1000;
const STEPS = 10;

/** W6: a process is killed in the middle of its runs; from the start of the next one until all are done. */
export const takeover: Workload = {
  name: "W6",
  titles: { W6: "1,000 runs, SIGKILL, until all are done" },
  rounds: 5,
  stores: ["sqlite", "postgres"],
  bare: false,
  async measure({ store, durability }, span) {
    using place = new StorePlace(store);
    const task = { address: place.address, durability, runs: RUNS, steps: STEPS };
    const first = spawnProcess({ ...task, role: "victim" });
    await milestone(first, "in-flight");
    first.kill("SIGKILL");
    await once(first, "exit");
    await span.begin();
    const startedAt = performance.now();
    const second = spawnProcess({ ...task, role: "successor" });
    const { rssMb } = await milestone(second, "done");
    const value = performance.now() - startedAt;
    await span.end();
    await once(second, "exit");
    return [{ metric: "W6", n: RUNS, concurrency: RUNS, value, unit: "ms", better: "lower", rssMb }];
  },
};

function spawnProcess(task: TakeoverTask): ChildProcess {
  return fork(new URL("../takeover-process.js", import.meta.url), [JSON.stringify(task)], { execArgv: [] });
}

/** Resolves when the process has got there, and rejects if it ends before. */
function milestone(process: ChildProcess, wanted: Milestone["reached"]): Promise<Milestone> {
  return new Promise((resolve, reject) => {
    process.once("exit", (code, signal) =>
      reject(new Error(`the process ended before "${wanted}": ${code ?? signal}`)),
    );
    process.on("message", (message) => {
      if ((message as Milestone).reached === wanted) resolve(message as Milestone);
    });
  });
}
