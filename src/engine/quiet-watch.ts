/**
 * Notices a run that waits for something foreign (rule 11): nothing of the engine's is pending, and the function has not
 * returned. Judged after a grace period, because deterministic code may still be on its way through microtasks.
 */
import type { Blockage } from "../core/ending.ts";
import type { CancelTimer, Clock } from "./clock.ts";

const GRACE_MS = 5000;

export class QuietWatch {
  readonly #clock: Clock;
  #cancel: CancelTimer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `found` after the grace period if the run `isQuiet` then. */
  start(workflow: string, isQuiet: () => boolean, found: (blockage: Blockage) => void): void {
    this.#cancel ??= this.#clock.after(GRACE_MS, () => {
      this.#cancel = undefined;
      if (isQuiet()) found({ reason: "nondurable_await", message: messageFor(workflow) });
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

function messageFor(workflow: string): string {
  return `workflow ${JSON.stringify(workflow)} waits for something that is not from wf (a fetch, a timer, a promise nobody settles): nothing of the engine's is pending and the function has not returned. Move that work into an activity or wf.step(…).`;
}
