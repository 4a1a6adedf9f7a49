/** Another process holds the lock: waiting for it, which callers never see unless it takes beyond all patience. */
import { PerdureError } from "../../core/errors.ts";

/** How long SQLite itself waits for a lock; short, so that the gaps of a busy committer are not slept through. */
export const BUSY_TIMEOUT_MS = 5;
const PATIENCE_MS = 60_000;

/** Whether SQLite says that somebody else holds the lock. */
export function isBusy(error: unknown): boolean {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  if (typeof code === "string" && code.startsWith("SQLITE_BUSY")) return true;
  return typeof errcode === "number" && (errcode & 0xff) === 5;
}

/** Runs `work` again as long as it fails busy. It must have left nothing behind then. */
export function retryBusy<T>(work: () => T): T {
  const since = performance.now();
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (performance.now() - since > PATIENCE_MS) {
        throw new PerdureError(
          "UNAVAILABLE",
          `another process has held the write lock of the SQLite store for ${PATIENCE_MS / 1000} s: find it (a long transaction of a database tool?) and end it`,
          { cause: error },
        );
      }
      pause(1);
    }
  }
}

const NEVER = new Int32Array(new SharedArrayBuffer(4));

/** Stops this thread. Only for the store's own thread. */
export function pause(ms: number): void {
  Atomics.wait(NEVER, 0, 0, ms);
}
