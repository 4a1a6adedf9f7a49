/** Benchmarks on a machine that others use too: begin when they pause. */
import { cpus } from "node:os";
import { setTimeout as delay } from "node:timers/promises";

const LOOK_MS = 1000;
const QUIET_SHARE = 0.1;
const LONGEST_MS = 60_000;

/** Resolves once nearly all processors were idle for a second, or after a minute. */
export async function quietMoment(): Promise<void> {
  const until = performance.now() + LONGEST_MS;
  do {
    const before = processorTime();
    await delay(LOOK_MS);
    const after = processorTime();
    if (after.busy - before.busy < (after.all - before.all) * QUIET_SHARE) return;
  } while (performance.now() < until);
}

function processorTime(): { readonly busy: number; readonly all: number } {
  let all = 0;
  let idle = 0;
  for (const { times } of cpus()) {
    for (const ms of Object.values(times)) all += ms;
    idle += times.idle;
  }
  return { busy: all - idle, all };
}
