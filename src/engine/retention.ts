/**
 * Retention: deletes runs that ended long ago, and what is remembered of messages that nobody asks about any more. A few runs at a time,
 * each in a transaction of its own, with pauses in between, so that the store is never held.
 *
 * Owner: whoever opened the engine. Several engines on one store may do the same work; a run is deleted once.
 */
import { type Duration, durationMs } from "../core/duration.ts";
import type { RunStatus } from "../core/status.ts";
import type { RunFilter, RunRow, Store } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import type { CancelTimer, Clock } from "./clock.ts";

/** How long runs are kept after their end, by workflow; `default` for all others. Without either they are kept for ever. */
export interface RetentionRules {
  readonly default: number | undefined;
  readonly byWorkflow: ReadonlyMap<string, number>;
}

/** What retention needs. */
export interface RetentionHost {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
}

const FIRST_SWEEP_MS = 60_000;
const SWEEP_EVERY_MS = 3_600_000;
const BATCH = 100;
const BETWEEN_BATCHES_MS = 100;
/** How long answers to updates and keys of messages are remembered. */
const ANSWERS_KEPT_MS = 7 * 86_400_000;

const CLOSED: readonly RunStatus[] = [
  "completed",
  "failed",
  "cancelled",
  "terminated",
  "timed_out",
  "continued_as_new",
];

/**
 * The rules of workflows and of `open({ retention })`, which counts more.
 *
 * @throws PerdureError `INVALID_ARGUMENT` for what is no duration.
 */
export function retentionRules(
  workflows: readonly AnyWorkflow[],
  options: Readonly<Record<string, Duration | undefined>> = {},
): RetentionRules {
  const byWorkflow = new Map<string, number>();
  for (const { name, retentionMs } of workflows) if (retentionMs !== undefined) byWorkflow.set(name, retentionMs);
  let byDefault: number | undefined;
  for (const [name, duration] of Object.entries(options)) {
    if (duration === undefined) continue;
    const ms = durationMs(duration, `retention of ${name}`);
    if (name === "default") byDefault = ms;
    else byWorkflow.set(name, ms);
  }
  return { default: byDefault, byWorkflow };
}

export class Retention {
  readonly #host: RetentionHost;
  readonly #rules: RetentionRules;
  #timer: CancelTimer | undefined;
  #sweeping: Promise<void> | undefined;
  #stopped = false;
  #wake = (): void => {};

  constructor(host: RetentionHost, rules: RetentionRules) {
    this.#host = host;
    this.#rules = rules;
  }

  /** Sweeps after a minute, then every hour. */
  start(): void {
    this.#next(FIRST_SWEEP_MS);
  }

  #next(ms: number): void {
    if (this.#stopped) return;
    this.#timer = this.#host.clock.after(ms, () => {
      this.#sweeping = this.#sweep().finally(() => {
        this.#sweeping = undefined;
        this.#next(SWEEP_EVERY_MS);
      });
    });
  }

  async #sweep(): Promise<void> {
    const { store, clock, log } = this.#host;
    try {
      const now = clock.now();
      await store.forgetAnswers(now - ANSWERS_KEPT_MS);
      let deleted = 0;
      for (const [workflow, ms] of this.#rules.byWorkflow)
        deleted += await this.#delete({ workflow, closedBefore: now - ms }, () => true);
      const { default: ms, byWorkflow } = this.#rules;
      if (ms !== undefined)
        deleted += await this.#delete({ closedBefore: now - ms }, ({ workflow }) => !byWorkflow.has(workflow));
      if (deleted > 0) log.info({ deleted }, "deleted runs whose retention is over");
    } catch (error) {
      if (!this.#stopped) log.warn({ error: String(error) }, "deleting old runs failed; trying again later");
    }
  }

  async #delete(filter: Omit<RunFilter, "limit">, meant: (row: RunRow) => boolean): Promise<number> {
    const { store } = this.#host;
    let deleted = 0;
    let before: number | undefined;
    for (;;) {
      if (this.#stopped) return deleted;
      const page = { ...filter, status: CLOSED, limit: BATCH, ...(before !== undefined && { before }) };
      const rows = await store.list(page);
      for (const row of rows) {
        if (this.#stopped) return deleted;
        if (meant(row) && (await store.remove(row.run))) deleted++;
      }
      if (rows.length < BATCH) return deleted;
      before = rows.at(-1)!.run;
      await this.#rest();
    }
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#host.clock.after(BETWEEN_BATCHES_MS, resolve);
      this.#wake = (): void => {
        cancel();
        resolve();
      };
    });
  }

  /** Resolves when nothing is being deleted any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.();
    this.#wake();
    await this.#sweeping;
  }
}
