/**
 * Settles tasks: what ends while a settlement is under way forms the next one. The answer may be lost; asking again is safe, as a task
 * that is settled is no longer this engine's.
 *
 * Owner: the task desk.
 */
import { isPerdureError } from "../core/errors.ts";
import { toFailure } from "../core/failure.ts";
import type { ClaimedTask, Lease, Store, TaskEnd } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { Clock } from "./clock.ts";
import { foreignOutcome } from "./foreign-outcome.ts";

/** What settling needs from the engine. */
export interface TaskEndsHost {
  readonly store: Pick<Store, "settleTasks">;
  readonly clock: Clock;
  readonly log: Logger;
  lease(): Lease | undefined;
  /** Runs got outcomes: their engines are to look. */
  hint(): void;
}

const MOST_AT_ONCE = 500;
const FIRST_BACKOFF_MS = 20;
const MAX_BACKOFF_MS = 2000;

export class TaskEnds {
  readonly #host: TaskEndsHost;
  #waiting: TaskEnd[] = [];
  /** Those whose fate is being asked for or not known yet. */
  #sent: readonly TaskEnd[] = [];
  #idle: (() => void)[] = [];
  #settling = false;

  constructor(host: TaskEndsHost) {
    this.#host = host;
  }

  get busy(): boolean {
    return this.#settling;
  }

  /** Whether the end of a task is on its way. */
  has(run: number, command: number): boolean {
    const same = (end: TaskEnd): boolean => end.run === run && end.command === command;
    return this.#waiting.some(same) || this.#sent.some(same);
  }

  add({ run, command, generation, attempt }: ClaimedTask, data: string): void {
    this.#waiting.push({ run, command, generation, attempt, data, at: this.#host.clock.now() });
    if (!this.#settling) void this.#settleAll();
  }

  /** Forgets everything: the lease is gone, and the tasks with it. */
  clear(): void {
    this.#waiting = [];
  }

  /** Resolves when nothing is on its way any more. */
  async settled(): Promise<void> {
    if (this.#settling) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #settleAll(): Promise<void> {
    this.#settling = true;
    // What else ends in this pass of the event loop goes along.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      this.#sent = this.#waiting.splice(0, MOST_AT_ONCE);
      await this.#settle(this.#sent);
      this.#sent = [];
    }
    this.#settling = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #settle(ends: readonly TaskEnd[], backoffMs = FIRST_BACKOFF_MS): Promise<void> {
    const lease = this.#host.lease();
    if (lease === undefined) return;
    try {
      const settled = await this.#host.store.settleTasks(lease, ends);
      if (settled.some(Boolean)) this.#host.hint();
    } catch (error) {
      if (isPerdureError(error, "LEASE_LOST") || lease !== this.#host.lease()) return;
      if (isPerdureError(error, "INTERNAL")) await this.#oneByOne(ends, error);
      else {
        this.#host.log.warn({ error: String(error) }, "telling runs how their tasks ended failed; trying again");
        await new Promise<void>((resolve) => void this.#host.clock.after(backoffMs, resolve));
        await this.#settle(ends, Math.min(backoffMs * 2, MAX_BACKOFF_MS));
      }
    }
  }

  /** Rule 16: an outcome that the store cannot keep hurts only its own task, which then fails. */
  async #oneByOne(ends: readonly TaskEnd[], error: Error): Promise<void> {
    if (ends.length > 1) {
      for (const end of ends) await this.#settle([end]);
      return;
    }
    const [{ run: u, command: c, generation: g, attempt: a }] = ends as [TaskEnd];
    const refused = foreignOutcome({ c, g, a, u, e: { ...toFailure(error), fatal: true } });
    if (ends[0]!.data !== refused) await this.#settle([{ ...ends[0]!, data: refused }]);
    else this.#host.log.error({ run: u, command: c, error: error.message }, "the store refuses the end of a task");
  }
}
