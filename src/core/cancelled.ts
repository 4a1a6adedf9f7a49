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
