/** Closed-loop load: a number of callers, each starting its next run when its last one is done. */
import { percentile } from "./measurement.ts";

/** How a load went. */
export interface LoadResult {
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Calls `run` `n` times, `concurrency` at a time. */
export async function drive(n: number, concurrency: number, run: () => Promise<void>): Promise<LoadResult> {
  const latencies = new Float64Array(n);
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < n) {
      const index = next++;
      const startedAt = performance.now();
      await run();
      latencies[index] = performance.now() - startedAt;
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: Math.min(concurrency, n) }, caller));
  const seconds = (performance.now() - startedAt) / 1000;
  const all = [...latencies];
  return { seconds, p50Ms: percentile(all, 0.5), p99Ms: percentile(all, 0.99) };
}
