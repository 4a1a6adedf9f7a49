/**
 * Retention: deletes runs that ended long ago, archived first if that is wanted, and what is remembered of messages that nobody asks
 * about any more.
 *
 * Owner: whoever opened the engine. Of the engines of a store one does it at a time (`store.takeTurn`), and of those with the same rules
 * only one in each interval. That saves work and nothing depends on it: a run is deleted once, and archived at least once.
 */
import { createHash } from "node:crypto";
import type { ClosedStatus } from "../core/status.ts";
import type { Store } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { KeptMs } from "../workflow/retention.ts";
import type { CancelTimer, Clock } from "./clock.ts";
import { type Archive, type Collected, Collector, type Pace, type Wanted } from "./collector.ts";
import type { RetentionRules } from "./retention-rules.ts";

/** What retention needs. */
export interface RetentionHost {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** A name no other engine has. */
  readonly holder: string;
  readonly archive?: Archive | undefined;
}

const FIRST_SWEEP_MS = 60_000;
const SWEEP_EVERY_MS = 3_600_000;
const MIN_SWEEP_EVERY_MS = 1000;
/** Nothing is kept longer than it should be by more than this share. */
const LATENESS = 0.1;
/** A sweep whose engine has died is in nobody's way after this. */
const TURN_MS = 60_000;
const RENEW_TURN_MS = 15_000;
/** How soon to ask again when another engine is sweeping. */
const ASK_AGAIN_MS = 30_000;
/** Answers and keys that are forgotten in one go: others write in between. */
const FORGOTTEN_AT_ONCE = 1000;
/** How long answers to updates and keys of messages are remembered. */
const ANSWERS_KEPT_MS = 7 * 86_400_000;

const JOB = "retention";

export class Retention {
  readonly #host: RetentionHost;
  readonly #rules: RetentionRules;
  readonly #everyMs: number;
  /** The turn that engines with the same rules share. */
  readonly #job: string;
  #timer: CancelTimer | undefined;
  #sweeping: Promise<void> | undefined;
  #stopped = false;
  #holds = false;
  #wake = (): void => {};

  constructor(host: RetentionHost, rules: RetentionRules) {
    this.#host = host;
    this.#rules = rules;
    this.#everyMs = interval(rules);
    this.#job = `${JOB} ${digest(rules)}`;
  }

  /** Sweeps after a minute, then every hour; more often if something is kept for less than ten hours. */
  start(): void {
    this.#next(Math.min(FIRST_SWEEP_MS, this.#everyMs));
  }

  #next(ms: number): void {
    if (this.#stopped) return;
    this.#timer = this.#host.clock.after(ms, () => {
      this.#sweeping = this.#sweep().then((again) => {
        this.#sweeping = undefined;
        this.#next(again);
      });
    });
  }

  /** Answers when to look again. */
  async #sweep(): Promise<number> {
    try {
      this.#holds = await this.#turn(this.#job, Math.round(this.#everyMs * (1 - LATENESS)));
      if (!this.#holds) return this.#everyMs;
      if (!(await this.#turn(JOB, TURN_MS))) return Math.min(ASK_AGAIN_MS, this.#everyMs);
      try {
        await this.#collect();
      } finally {
        await this.#turn(JOB, 0);
      }
    } catch (error) {
      if (!this.#stopped)
        this.#host.log.warn(
          { error: String(error) },
          `deleting old runs failed, it is tried again later: ${(error as Error).message}`,
        );
    }
    return this.#everyMs;
  }

  #turn(job: string, ttlMs: number): Promise<boolean> {
    const { store, clock, holder } = this.#host;
    return store.takeTurn({ job, holder, ttlMs, at: clock.now() });
  }

  async #collect(): Promise<void> {
    const { store, clock, log, archive } = this.#host;
    const now = clock.now();
    let forgotten: number;
    do forgotten = await store.forgetAnswers(now - ANSWERS_KEPT_MS, FORGOTTEN_AT_ONCE);
    while (forgotten > 0 && !this.#stopped);
    const collector = new Collector(store, archive);
    const pace = this.#pace();
    for (const wanted of wantedBy(this.#rules, now)) if (!this.#stopped) await collector.collect(wanted, pace);
    this.#tell(collector.collected, log);
  }

  #tell({ deleted, archived, refused, error }: Collected, log: Logger): void {
    if (deleted > 0) log.info({ deleted, archived }, "deleted runs whose retention is over");
    if (refused > 0)
      log.warn(
        { refused, error: String(error) },
        `the archive refused runs, which therefore stay: ${error?.message ?? "no reason was given"}`,
      );
  }

  #pace(): Pace {
    const { clock } = this.#host;
    let renewedAt = clock.monotonic();
    return {
      rest: (ms) => this.#rest(ms),
      monotonic: () => clock.monotonic(),
      goOn: async () => {
        if (this.#stopped) return false;
        if (clock.monotonic() - renewedAt < RENEW_TURN_MS) return true;
        renewedAt = clock.monotonic();
        return this.#turn(JOB, TURN_MS);
      },
    };
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#host.clock.after(ms, resolve);
      this.#wake = (): void => {
        cancel();
        resolve();
      };
    });
  }

  /** Resolves when nothing is being deleted any more. Another engine may take over at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.();
    this.#wake();
    await this.#sweeping;
    if (this.#holds) await this.#turn(this.#job, 0).catch(() => undefined);
  }
}

/** What the rules say is too old now: one question for each span of time. */
function* wantedBy({ default: byDefault, byWorkflow }: RetentionRules, now: number): Generator<Wanted> {
  for (const [workflow, kept] of byWorkflow)
    for (const [ms, status] of spansOf(kept)) yield { workflow, status, closedBefore: now - ms };
  for (const [ms, status] of spansOf(byDefault ?? {}))
    yield { status, closedBefore: now - ms, meant: ({ workflow }) => !byWorkflow.has(workflow) };
}

function spansOf(kept: KeptMs): Map<number, ClosedStatus[]> {
  const spans = new Map<number, ClosedStatus[]>();
  for (const [status, ms] of Object.entries(kept) as [ClosedStatus, number][])
    spans.set(ms, [...(spans.get(ms) ?? []), status]);
  return spans;
}

function interval({ default: byDefault, byWorkflow }: RetentionRules): number {
  const spans = [byDefault ?? {}, ...byWorkflow.values()].flatMap((kept) => Object.values(kept));
  return Math.max(MIN_SWEEP_EVERY_MS, Math.min(SWEEP_EVERY_MS, ...spans.map((ms) => Math.round(ms * LATENESS))));
}

function digest({ default: byDefault, byWorkflow }: RetentionRules): string {
  const rules = [...byWorkflow].sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify([byDefault ?? null, rules]))
    .digest("hex")
    .slice(0, 16);
}
