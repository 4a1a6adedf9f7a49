/** How workflow code and activities learn that the run was cancelled. */

/** What pending waits of a cancelled run reject with. */
export class CancelledError extends Error {
  override readonly name: string = "CancelledError";
  readonly code: string = "CANCELLED";
  /** The reason given to `cancel`. */
  readonly reason: string;

  constructor(reason: string) {
    super(reason === "" ? "the run was cancelled" : `the run was cancelled: ${reason}`);
    this.reason = reason;
  }
}

/** Whether an error is, or was caused by, a cancellation. */
export function isCancellation(error: unknown): boolean {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (current.name === "CancelledError") return true;
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
