/** Memory as the process sees it. Heap is measured after garbage collection, as resident memory says little. */

/** Resident memory now, in MB. */
export function rssMb(): number {
  return Math.round(process.memoryUsage.rss() / 1e6);
}

/** What is alive on the heap, in MB. Needs `--expose-gc`. */
export async function liveHeapMb(): Promise<number> {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error("heap cannot be measured: start Node with --expose-gc");
  for (let pass = 0; pass < 3; pass++) {
    await new Promise((resolve) => setImmediate(resolve));
    gc();
  }
  return process.memoryUsage().heapUsed / 1e6;
}
