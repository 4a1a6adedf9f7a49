import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { Measurement } from "../measurement.ts";
import { ask } from "../postgres-server.ts";
import { StorePlace } from "../store-place.ts";
import type { Milestone, TakeoverTask } from "../takeover-process.ts";
import type { Workload } from "./workload.ts";

const RUNS = 1000;
const STEPS = 10;

/**
 * W6: a process is killed in the middle of its runs; from the start of the next one until all are done. In SQLite the next one sees at
 * once that the other is gone. In PostgreSQL it waits until the lease has expired; what comes after that is counted apart.
 */
export const takeover: Workload = {
  name: "W6",
  titles: {
    W6: "1,000 runs, SIGKILL, until all are done",
    "W6 expired": "1,000 runs, from the lease's expiry on",
  },
  rounds: 3,
  stores: ["sqlite", "postgres"],
  bare: false,
  async measure({ store, server, durability }, span) {
    await using place = await StorePlace.make(store, server);
    const task = { address: place.address, durability, runs: RUNS, steps: STEPS };
    const first = spawnProcess({ ...task, role: "victim" });
    await milestone(first, "in-flight");
    first.kill("SIGKILL");
    await once(first, "exit");
    const expiresAt = store === "postgres" ? await expiry(place.address) : undefined;
    await span.begin();
    const startedAt = performance.now();
    const second = spawnProcess({ ...task, role: "successor" });
    const { rssMb } = await milestone(second, "done");
    const doneAt = performance.now();
    await span.end();
    await once(second, "exit");
    const seen = { n: RUNS, concurrency: RUNS, unit: "ms", better: "lower", rssMb } as const;
    const measurements: Measurement[] = [{ metric: "W6", value: doneAt - startedAt, ...seen }];
    if (expiresAt !== undefined) measurements.push({ metric: "W6 expired", value: doneAt - expiresAt, ...seen });
    return measurements;
  },
};

/** When the lease of the killed engine expires, on this process's clock. */
async function expiry(url: string): Promise<number> {
  const sql =
    "select (extract(epoch from max(expires) - clock_timestamp()) * 1000)::float8 as left from perdure.engines";
  const [row] = await ask<{ left: number }>(url, sql);
  return performance.now() + row!.left;
}

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
