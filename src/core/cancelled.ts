/** How workflow code and activities learn that the run was cancelled. */
import { isError, readKey } from "./foreign.ts";

/** What pending waits of a cancelled run or scope reject with. */
export class CancelledError extends Error {
  override readonly name: string = "CancelledError";
  readonly code: string = "CANCELLED";
  /** The reason given to `cancel`, or what else it was. */
  readonly reason: string;

  constructor(reason: string) {
    super(reason === "" ? "cancelled" : `cancelled: ${reason}`);
    this.reason = reason;
  }
}

/** How many causes of an error are looked at. */
const MAX_CAUSES = 64;

/** Whether an error is, or was caused by, a cancellation. A child that failed has failed, whatever was cancelled in it. */
export function isCancellation(error: unknown): boolean {
  let current = error;
  for (let depth = 0; depth < MAX_CAUSES && isError(current); depth++) {
    if (readKey(current, "code") === "RUN_FAILED") return false;
    if (readKey(current, "name") === "CancelledError") return true;
    current = readKey(current, "cause");
  }
  return false;
}

/** What `wf.scope(…, { timeout })` rejects with when the time is up. */
export class ScopeTimeoutError extends Error {
  override readonly name: string = "TimeoutError";
  readonly code: string = "SCOPE_TIMEOUT";

  constructor(limit: string, cause: unknown) {
    super(`the scope took longer than ${limit}`, { cause });
  }
}
