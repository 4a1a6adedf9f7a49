/**
 * The write lock of the database: every write happens while it is held, and it is taken before anything is read for the write.
 *
 * It is also what several processes share, and SQLite hands it to whoever asks at the right moment. A committer that takes it
 * again at once starves the others, so after {@link BURST_MS} of writes without a gap it is left free for {@link YIELD_MS} -
 * if another process is there; alone, nothing is given away.
 */
import { pause } from "./busy.ts";
import type { Connection, Statement } from "./driver.ts";

const BURST_MS = 50;
const YIELD_MS = 5;
const LOOK_MS = 1000;

/** The lock of one connection. */
export class WriteLock {
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #rollback: Statement;
  readonly #company: () => boolean;
  #burstSince = 0;
  #freeSince = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #others = false;

  /** `company` says whether another process uses the database; it is asked at most once a second. */
  constructor(db: Connection, company: () => boolean) {
    this.#begin = db.prepare("begin immediate");
    this.#commit = db.prepare("commit");
    this.#rollback = db.prepare("rollback");
    this.#company = company;
  }

  /** Runs `work` in a transaction: committed if it returns, rolled back if it throws. */
  hold<T>(work: () => T): T {
    this.take();
    try {
      const result = work();
      this.commit();
      return result;
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** Begins a transaction, to be ended by {@link commit} or {@link release}. Fails busy when somebody else holds the lock. */
  take(): void {
    this.#yield();
    this.#begin.run([]);
  }

  commit(): void {
    this.#commit.run([]);
    this.#freeSince = performance.now();
  }

  /** Rolls back. */
  release(): void {
    try {
      this.#rollback.run([]);
    } catch {
      // SQLite has rolled back by itself, as it does when the disk is full.
    }
  }

  #yield(): void {
    const now = performance.now();
    if (now - this.#freeSince >= YIELD_MS) this.#burstSince = now;
    if (now - this.#burstSince < BURST_MS) return;
    if (this.#inCompany(now)) pause(YIELD_MS);
    this.#burstSince = performance.now();
  }

  #inCompany(now: number): boolean {
    if (now - this.#lookedAt >= LOOK_MS) {
      this.#lookedAt = now;
      this.#others = this.#company();
    }
    return this.#others;
  }
}
