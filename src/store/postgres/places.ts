/**
 * Whoever needs a connection of a pool stands in line here, first come first served, so that the limit on making a connection does not
 * count the time others were using it: many callers at once are no sign that the database is away.
 */
import { PerdureError } from "../../core/errors.ts";

/** Who has waited this long is told that the database does not keep up. */
const PATIENCE_MS = 60_000;

export class Places {
  #free: number;
  readonly #line = new Set<() => void>();

  constructor(places: number) {
    this.#free = places;
  }

  /** Resolves when there is a place; `giveBack` it. @throws PerdureError UNAVAILABLE after a minute */
  async take(): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const called = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#line.delete(called);
        reject(tooSlow(this.#line.size));
      }, PATIENCE_MS);
      timer.unref();
      this.#line.add(called);
    });
  }

  giveBack(): void {
    const [next] = this.#line;
    if (next === undefined) this.#free++;
    else {
      this.#line.delete(next);
      next();
    }
  }
}

function tooSlow(waiting: number): PerdureError {
  return new PerdureError(
    "UNAVAILABLE",
    `no connection was free for ${PATIENCE_MS / 1000} s, and ${waiting} more wait; ask less at a time, or give the store more connections (?pool=)`,
  );
}
