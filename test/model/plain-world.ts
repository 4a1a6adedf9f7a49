/** Time and runs of the model: everything happens when it is due, nothing is kept, nothing ever breaks. */
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import type { PlainRun } from "./plain-run.ts";

export class PlainWorld {
  readonly clock: VirtualClock = new VirtualClock();
  readonly runs: Map<string, PlainRun> = new Map();
  /** Attempts that began, as `time workflowId/id#attempt`. */
  readonly begun: string[] = [];
  /** Two things were due in one millisecond: which comes first is nobody's business. */
  ambiguous = false;
  #lastAt = Number.NaN;
  #timers = 0;

  get busy(): boolean {
    return this.#timers > 0;
  }

  /** Something happens now that has no cause within the world. */
  happens(): void {
    if (this.clock.now() === this.#lastAt) this.ambiguous = true;
    this.#lastAt = this.clock.now();
  }

  after(ms: number, then: () => void): () => void {
    this.#timers++;
    let over = false;
    const end = (): boolean => {
      if (over) return false;
      over = true;
      this.#timers--;
      return true;
    };
    const cancel = this.clock.after(ms, () => {
      if (!end()) return;
      this.happens();
      then();
    });
    const due = this.clock.now() + ms;
    return () => {
      if (!end()) return;
      cancel();
      if (due === this.clock.now()) this.ambiguous = true;
    };
  }

  /** What is asked for in a turn begins when the turn is over. */
  soon(then: () => void): void {
    setImmediate(then);
  }

  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}
