/**
 * What has to be over before a run ends: sagas at work, which are undone first. Owner: the run's machine.
 *
 * Deterministic: what is unfinished ends by events like everything else, so that the run ends at the same event on replay.
 */
import type { Ending } from "./ending.ts";

export class Unfinished {
  readonly #work = new Set<Promise<unknown>>();
  /** How the function ended meanwhile. */
  lastWord: Ending | undefined;

  get any(): boolean {
    return this.#work.size > 0;
  }

  /** `over` is called when there is nothing unfinished any more and the function has ended. */
  add(work: Promise<unknown>, over: (lastWord: Ending) => void): void {
    this.#work.add(work);
    const ended = (): void => {
      this.#work.delete(work);
      if (!this.any && this.lastWord !== undefined) over(this.lastWord);
    };
    work.then(ended, ended);
  }
}
