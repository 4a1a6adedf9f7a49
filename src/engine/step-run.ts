/**
 * One step in flight: its attempts, time limits and retries, until it has an outcome.
 *
 * Owner: the run's actor. An attempt that settles in the turn it was started costs no timer, no AbortController and no row;
 * what lasts is noticed by `linger`, called once per pass of the event loop. Failed attempts live in one row (rule 33) and are
 * folded into the outcome. Invariant I5: exactly one of `onCompleted`/`onFailed` is called, and none after `stop`.
 */

import { type Failure, toFailure } from "../core/failure.ts";
import type { Command } from "../core/machine.ts";
import { backoffMs, isRetryable } from "../core/retry-policy.ts";
import { invalidOutput, type StandardSchemaV1, validated } from "../core/schema.ts";
import type { AttemptRow } from "../store/store.ts";
import { type ActivityContext, outputOf } from "../workflow/activity.ts";
import type { Around } from "./around.ts";
import type { CancelTimer, Clock } from "./clock.ts";
import type { StepSpec } from "./command-spec.ts";
import type { ForeignOutcome } from "./foreign-outcome.ts";

/** What a step in flight needs from its run. */
export interface StepHost {
  readonly clock: Clock;
  /** Stands around every attempt, if anybody does. */
  readonly around: Around | undefined;
  /**
   * False when the lease may be lost (rule 20), a limit is reached or somebody stopped it: no attempt may start. `admitted` is called
   * when it may.
   */
  mayStart(step: StepRun): boolean;
  /** What held the step back does not any more. */
  admitted(step: StepRun): void;
  /** Builds what the activity sees and decodes its input, secrets filled in. */
  prepare(step: StepRun): { input: unknown; context: ActivityContext };
  /** Runs a transactional step in the store. */
  transact(step: StepRun): Promise<unknown>;
  /** A token that settles this attempt from outside. */
  completionToken(step: StepRun): string;
  /** Calls `linger` in the next pass of the event loop. */
  watch(step: StepRun): void;
  /** Text that is the same for this step on every engine. */
  jitterSeed(step: StepRun): string;
  onCompleted(step: StepRun, value: unknown): void;
  onFailed(step: StepRun, failure: Failure): void;
  /** Any engine that serves its queue may run the attempt: a task is to be written. */
  onHandOut(step: StepRun): void;
  /** The row of this step changed and is to be kept. */
  onRow(step: StepRun, why: "journal" | "retry" | "heartbeat"): void;
  /** The next attempt starts at `due`: call `begin` then. */
  onWaiting(step: StepRun, due: number): void;
}

/** A claim on one of the places that a limit leaves. */
export interface PlaceTicket {
  /** Gives the place back, or leaves the line. */
  end(): void;
}

/** Steps that last this long get a row, so that people see them and a crash counts as a lost attempt. */
const JOURNAL_AFTER_MS = 1000;
const LOST = "ATTEMPT_LOST";
/** Stands for the number of the attempt in rows of steps that wait for their first one to be let in. */
const NEVER_STARTED = 0;

export class StepRun {
  readonly command: Command<StepSpec>;
  readonly #host: StepHost;
  #controller: AbortController | undefined;
  #timers: CancelTimer[] = [];
  /** Why the last attempt was stopped. */
  #stopped: Error | undefined;
  /** `external`: the attempt goes on outside of this engine. */
  #state: "idle" | "running" | "waiting" | "external" | "done" = "idle";
  /** The running attempt is going to be settled from outside. */
  #later = false;
  /** The attempt that goes on outside is a task of a queue. */
  #task = false;
  /** Number of the attempt that runs or runs next. */
  attempt = 1;
  firstAt = 0;
  startedAt = 0;
  nextAt: number | null = null;
  lastFailure: Failure | undefined;
  /** Details of the last heartbeat, encoded. */
  heartbeatText: string | null = null;
  /** Whether the store has a row of this step. */
  hasRow = false;
  /** Set while the step waits for a place, or has one, that others want, too. */
  ticket: PlaceTicket | undefined = undefined;
  /** Since when the step has been held back; 0 when it is not. */
  heldAt = 0;

  constructor(command: Command<StepSpec>, host: StepHost) {
    this.command = command;
    this.#host = host;
  }

  get running(): boolean {
    return this.#state === "running";
  }

  /** Whether none of its attempts has been started or planned. */
  get fresh(): boolean {
    return this.firstAt === 0;
  }

  /** Whether the attempt goes on outside of this engine. */
  get elsewhere(): boolean {
    return this.#state === "external";
  }

  /** Whether the attempt is a task that others run. */
  get handedOut(): boolean {
    return this.#state === "external" && this.#task;
  }

  get done(): boolean {
    return this.#state === "done";
  }

  /** Takes over what an earlier engine left: its attempts count, and one that was running when it died is lost. */
  restore(row: AttemptRow): void {
    this.hasRow = true;
    if (row.attempt === NEVER_STARTED) return;
    this.attempt = row.attempt;
    this.firstAt = row.firstAt;
    this.nextAt = row.nextAt;
    this.lastFailure = row.error === null ? undefined : (JSON.parse(row.error) as Failure);
    this.heartbeatText = row.details;
    // What a transaction came to is in the store: the same attempt asks for it, and works only if there is nothing (rule 32).
    if (row.startedAt === null || this.command.spec.transaction !== undefined) return;
    this.startedAt = row.startedAt;
    if (row.task === true) this.#awaitTask();
    else if (row.external === true) this.#leave(row.nextAt ?? undefined);
    else {
      this.#state = "running";
      this.#failed(lostAttempt(row.attempt), true);
    }
  }

  /** The row as it stands. */
  row(): AttemptRow {
    const { id, kind, name, label } = this.command;
    return {
      command: id,
      kind,
      name: label ?? name,
      attempt: this.fresh ? NEVER_STARTED : this.attempt,
      startedAt: this.#state === "running" || this.#state === "external" ? this.startedAt : null,
      firstAt: this.fresh ? this.heldAt : this.firstAt,
      nextAt: this.nextAt,
      error: this.lastFailure === undefined ? null : JSON.stringify(this.lastFailure),
      details: this.heartbeatText,
      ...(this.#state === "external" && { external: true as const }),
      ...(this.#state === "external" && this.#task && { task: true as const }),
    };
  }

  /** The row of the first attempt, written before it starts. */
  planned(): AttemptRow {
    const now = this.#host.clock.now();
    this.firstAt = now;
    this.hasRow = true;
    return { ...this.row(), startedAt: now };
  }

  /** Starts the attempt, or waits until it is due. */
  begin(): void {
    if (this.#state === "external" && this.nextAt !== null && this.nextAt <= this.#host.clock.now()) this.#overdue();
    if (this.#state !== "idle" && this.#state !== "waiting") return;
    const now = this.#host.clock.now();
    if (this.nextAt !== null && this.nextAt > now) {
      this.#state = "waiting";
      this.#host.onWaiting(this, this.nextAt);
      return;
    }
    this.nextAt = null;
    if (!this.#host.mayStart(this)) {
      this.#state = "idle";
      if (this.heldAt === 0) this.heldAt = now;
      return;
    }
    this.heldAt = 0;
    this.startedAt = now;
    if (this.firstAt === 0) this.firstAt = now;
    if (this.command.spec.queue !== undefined) {
      this.#awaitTask();
      this.#host.onHandOut(this);
      return;
    }
    this.#state = "running";
    this.#run(this.attempt);
  }

  /** What held it back does not any more. */
  admitted(): void {
    this.#host.admitted(this);
  }

  #run(attempt: number): void {
    let result: unknown;
    let pending: PromiseLike<unknown> | undefined;
    try {
      const { input, context } = this.#host.prepare(this);
      const { around } = this.#host;
      const { kind, name } = this.command;
      result =
        around === undefined
          ? this.#carryOut(input, context)
          : around({ kind, name, input, context }, () => this.#carryOut(input, context));
      if (isThenable(result)) pending = Promise.resolve(result);
    } catch (error) {
      this.#failed(toFailure(error));
      return;
    }
    if (pending === undefined) {
      this.#completed(result);
      return;
    }
    pending.then(
      (value) => this.#current(attempt) && this.#completed(value),
      (error: unknown) => this.#current(attempt) && this.#failed(toFailure(error)),
    );
    this.#host.watch(this);
  }

  #carryOut(input: unknown, context: ActivityContext): unknown {
    const { transaction, run, config } = this.command.spec;
    if (transaction !== undefined) return this.#host.transact(this);
    const result = run(input as never, context);
    return config.output === undefined ? result : this.#valid(config.output, result);
  }

  /** What the activity returned, as its schema gives it; of an attempt that goes on elsewhere it is nothing. */
  async #valid(schema: StandardSchemaV1, result: unknown): Promise<unknown> {
    const value = await result;
    return this.#later ? undefined : validated(schema, value, outputOf(this.command.name), invalidOutput);
  }

  #current(attempt: number): boolean {
    return this.#state === "running" && this.attempt === attempt;
  }

  /** Called a pass of the event loop after the attempt began: if it still runs, its limits are armed. */
  linger(): void {
    if (this.#state !== "running" || this.#timers.length > 0) return;
    const { timeoutMs, totalTimeoutMs, heartbeatTimeoutMs } = this.command.spec.config;
    const elapsed = this.#host.clock.now() - this.startedAt;
    // The store limits transactions: only it knows what one came to.
    const limited = this.command.spec.transaction === undefined;
    if (limited)
      this.#arm(timeoutMs - elapsed, () =>
        this.#timedOut(`the attempt took longer than its timeout of ${timeoutMs} ms`, "TIMEOUT"),
      );
    const left = limited ? totalTimeoutMs - (this.#host.clock.now() - this.firstAt) : Number.POSITIVE_INFINITY;
    if (Number.isFinite(left)) {
      this.#arm(left, () => this.#timedOut(totalText(totalTimeoutMs), "TOTAL_TIMEOUT"));
    }
    if (Number.isFinite(heartbeatTimeoutMs)) this.#armHeartbeat(heartbeatTimeoutMs);
    if (!this.hasRow) this.#arm(JOURNAL_AFTER_MS - elapsed, () => this.#host.onRow(this, "journal"));
    else this.#host.onRow(this, "journal");
  }

  #arm(ms: number, callback: () => void): void {
    if (!Number.isFinite(ms)) return;
    const attempt = this.attempt;
    this.#timers.push(this.#host.clock.after(Math.max(0, ms), () => this.#current(attempt) && callback()));
  }

  #lastBeat = 0;
  #armHeartbeat(limitMs: number): void {
    const since = Math.max(this.#lastBeat, this.startedAt);
    this.#arm(since + limitMs - this.#host.clock.now(), () => {
      const silent = this.#host.clock.now() - Math.max(this.#lastBeat, this.startedAt);
      if (silent >= limitMs)
        this.#timedOut(`no heartbeat for ${silent} ms, allowed are ${limitMs}`, "HEARTBEAT_TIMEOUT");
      else this.#armHeartbeat(limitMs);
    });
  }

  #lastBeatRow = 0;
  /** The activity says it is alive. Details are kept at most once a second, and with every failed attempt. */
  heartbeat(attempt: number, text: string | null): void {
    if (!this.#current(attempt)) return;
    const now = this.#host.clock.now();
    this.#lastBeat = now;
    if (text === null) return;
    this.heartbeatText = text;
    if (now - this.#lastBeatRow < JOURNAL_AFTER_MS) return;
    this.#lastBeatRow = now;
    this.#host.onRow(this, "heartbeat");
  }

  /** Details of a heartbeat that came another way. */
  takeDetails(text: string): void {
    this.heartbeatText = text;
  }

  #timedOut(message: string, code: string): void {
    const failure: Failure = {
      name: "TimeoutError",
      message,
      code,
      ...(code === "TOTAL_TIMEOUT" && { fatal: true as const }),
    };
    this.#failed(failure);
  }

  // ---- attempts that end elsewhere -------------------------------------------------------------------------------------

  /** The attempt will be settled from outside. @returns the token to do it with */
  completeLater(attempt: number): string {
    if (!this.#current(attempt)) throw new Error("this attempt is over: completeLater has to be called while it runs");
    this.#later = true;
    return this.#host.completionToken(this);
  }

  /** The function has returned, the attempt goes on: nothing of it is left here but its row and its limits. */
  #leave(noLaterThan = Number.POSITIVE_INFINITY): void {
    this.#disarm(undefined);
    this.#state = "external";
    this.#later = false;
    const { timeoutMs, totalTimeoutMs } = this.command.spec.config;
    const due = Math.min(this.startedAt + timeoutMs, this.firstAt + totalTimeoutMs, noLaterThan);
    this.nextAt = Number.isFinite(due) ? due : null;
    this.#host.onRow(this, "journal");
    this.#host.onWaiting(this, due);
  }

  /** Whoever runs the task sees to the limits of the attempt; those of all attempts together are seen to here. */
  #awaitTask(): void {
    this.#disarm(undefined);
    this.#state = "external";
    this.#task = true;
    const due = this.firstAt + this.command.spec.config.totalTimeoutMs;
    this.nextAt = Number.isFinite(due) ? due : null;
    this.#host.onWaiting(this, due);
  }

  #overdue(): void {
    const { totalTimeoutMs } = this.command.spec.config;
    if (this.#task) {
      this.#timedOut(totalText(totalTimeoutMs), "TOTAL_TIMEOUT");
      return;
    }
    const limitMs = this.nextAt! - this.startedAt;
    this.#timedOut(`nobody completed the attempt within its timeout of ${limitMs} ms`, "TIMEOUT");
  }

  /** Somebody settled an attempt from outside: true when it is this one and its outcome is that of the step. */
  settledElsewhere({ a, e, s, l }: ForeignOutcome): boolean {
    if (a !== this.attempt || (this.#state !== "external" && this.#state !== "running")) return false;
    if (l !== undefined) {
      if (!this.#task) return false;
      this.startedAt = s ?? this.startedAt;
      this.#task = false;
      this.#leave(this.startedAt + l);
      return false;
    }
    if (e === undefined) return true;
    this.#failed(e);
    return false;
  }

  /** Starts the next attempt now, whatever the back-off says. */
  hurry(): void {
    if (this.#state !== "idle" && this.#state !== "waiting") return;
    this.nextAt = null;
    this.begin();
  }

  #completed(value: unknown): void {
    if (this.#later) {
      this.#leave();
      return;
    }
    this.#finish();
    this.#host.onCompleted(this, value);
  }

  #failed(failure: Failure, restored = false): void {
    this.#disarm(failure.message);
    this.#later = false;
    this.#task = false;
    const lost = failure.code === LOST;
    const now = this.#host.clock.now();
    const { retry, totalTimeoutMs } = this.command.spec.config;
    const delay = failure.retryAfterMs ?? (lost ? 0 : backoffMs(retry, this.attempt, this.#host.jitterSeed(this)));
    const inTime = now + delay - this.firstAt < totalTimeoutMs;
    if (this.attempt >= retry.maxAttempts || !inTime || !isRetryable(retry, failure)) {
      this.#finish();
      this.#host.onFailed(this, failure);
      return;
    }
    this.lastFailure = failure;
    this.nextAt = now + delay;
    this.attempt++;
    this.#state = "idle";
    this.#host.onRow(this, "retry");
    if (!restored) this.begin();
  }

  /** Ends without an outcome: cancelled, shut down, or no longer ours. */
  stop(reason: unknown): void {
    if (this.#state === "done") return;
    this.#finish(reason);
  }

  #finish(reason?: unknown): void {
    this.#state = "done";
    this.#disarm(reason);
  }

  #disarm(reason: unknown): void {
    this.ticket?.end();
    for (const cancel of this.#timers) cancel();
    this.#timers = [];
    if (reason !== undefined) {
      this.#stopped = reason instanceof Error ? reason : new DOMException(String(reason), "AbortError");
      this.#controller?.abort(this.#stopped);
    }
    this.#controller = undefined;
  }

  /** The signal of the attempt, also for an activity that looks at it only after it was stopped. */
  get signal(): AbortSignal {
    if (this.#state !== "running" && this.#stopped !== undefined) return AbortSignal.abort(this.#stopped);
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }
}

/** The activity of a step, when its output goes through a schema: whoever completes it from outside is to know. */
export function named({ command }: StepRun): string | undefined {
  return command.spec.config.output === undefined ? undefined : command.name;
}

/** The failure of an attempt whose engine is gone: it is tried again at once. */
export function lostAttempt(attempt: number): Failure {
  const message = `attempt ${attempt} was lost: the engine that ran it died or was cut off`;
  return { name: "AttemptLost", message, code: LOST };
}

function totalText(ms: number): string {
  return `all attempts together took longer than the total timeout of ${ms} ms`;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
