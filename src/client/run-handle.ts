/** A handle on one workflow id: everything a caller can ask of a run, wherever it is being advanced. */
import { firstUndone } from "../core/cut.ts";
import { type Duration, durationMs } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import { type EventData, type EventType, parseEvent } from "../core/events.ts";
import { commandOf, type Failure, failureText, fromFailure, toFailure } from "../core/failure.ts";
import { formatRunId } from "../core/ids.ts";
import { checkedName, nameOf } from "../core/names.ts";
import { checkOptions, optionNames } from "../core/options.ts";
import { decodePayload, encodePayload, type Payload, type PayloadCodec, reviveParsed } from "../core/payload.ts";
import { planReplay } from "../core/resume.ts";
import { isClosed, RESUMABLE, type RunStatus } from "../core/status.ts";
import { type ForeignOutcome, foreignOutcome } from "../engine/closing.ts";
import { terminateUnowned } from "../engine/terminate.ts";
import type { LentTransaction } from "../store/admissions.ts";
import type { EventRow, MessageKind, RunRow, Store } from "../store/store.ts";
import type { Query, Signal, Update } from "../workflow/signal.ts";
import { askForSignal } from "./asking.ts";
import { awaitedCode, awaitedText } from "./awaited-code.ts";
import type { AwaitedRun } from "./awaited-run.ts";
import { type ForkOptions, forkRun } from "./fork.ts";
import { historyOf } from "./history-of.ts";
import { type ResetOptions, resetRun } from "./reset.ts";
import type { Rewinding } from "./rewind-point.ts";
import { describeRun, parseDetail, type RunDescription, tasksInFlight } from "./run-description.ts";

/** What a handle needs from whoever made it. */
export interface HandleHost {
  readonly store: Store;
  readonly codec: PayloadCodec | undefined;
  now(): number;
  /** Makes a local engine look at once; with a run it is to advance that one. */
  hint(run?: number): void;
  /** Whether an engine of this process advances the run now: then its end will be told by `changed`. */
  active(run: number): boolean;
  /** Resolves when the run may have changed, or after `ms`; with its last event when it ended here. */
  changed(run: number, ms: number): Promise<EventRow | undefined>;
  /** Answers a query with the run's code. @throws PerdureError `VERSION_UNAVAILABLE` where there is none. */
  query(run: number, name: string, input: unknown): Promise<unknown>;
  /** Replays code to go back in histories; absent where there is no engine. */
  readonly rewinding?: Rewinding;
  /** How callers wait here. Absent: by looking again and again. */
  readonly waits?: Waits;
}

/** Waiting where every change is told, so that nobody has to look; and who waits is known. */
export interface Waits {
  /** Stands around everything a caller waits for. `what` names it. */
  during<T>(what: string, wait: () => Promise<T>): Promise<T>;
}

/** An update that was accepted. */
export interface UpdateHandle<O> {
  /** Waits for the answer. @throws PerdureError `UPDATE_FAILED`, `RUN_CLOSED`, `WAIT_TIMED_OUT`. */
  result(options?: { timeout?: Duration }): Promise<O>;
}

/** How a signal is sent. */
export interface SignalOptions {
  /** Sending with the same key again is the same as once. */
  readonly key?: string;
  /**
   * PostgreSQL only. Send inside this transaction of yours: when it commits the signal is sent, when it is rolled back it never was.
   * Whether the run takes it is found out after the commit.
   */
  readonly transaction?: LentTransaction;
}

/** How an update is sent. */
export interface UpdateOptions {
  /** Sending again with the same id is the same update: it is not handled twice and has the same answer. */
  readonly id?: string;
  /** How long to wait for the answer. Default: as long as it takes. */
  readonly timeout?: Duration;
}

/** The arguments after a token: its input may be left out when it has none. */
export type InputThen<I, Options> = undefined extends I
  ? [input?: I, options?: Options]
  : [input: I, options?: Options];

/** An event of a history, parsed. */
export interface HistoryEvent {
  readonly seq: number;
  readonly type: EventType;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly step: string | undefined;
  readonly data: EventData;
}

const OF_RESULT: ReadonlySet<string> = optionNames<{ timeout?: Duration }>({ timeout: true });
const OF_SIGNAL: ReadonlySet<string> = optionNames<SignalOptions>({ key: true, transaction: true });
const OF_UPDATE: ReadonlySet<string> = optionNames<UpdateOptions>({ id: true, timeout: true });

/** Time between two looks at a run that somebody else advances, when no hint comes: it grows from the first to the last. */
const FIRST_LOOK_MS = 50;
const LAST_LOOK_MS = 5000;
const PAGE = 5000;

export class RunHandle<O = unknown> {
  readonly workflowId: string;
  readonly #host: HandleHost;
  #run: number;
  /** Until its start was admitted. */
  #awaited: AwaitedRun | undefined;

  constructor(host: HandleHost, workflowId: string, run: number | AwaitedRun) {
    this.#host = host;
    this.workflowId = workflowId;
    this.#run = typeof run === "number" ? run : Number.NaN;
    this.#awaited = typeof run === "number" ? undefined : run;
  }

  /**
   * Identity of the run this handle is at: the newest one known of those that continue one another.
   *
   * @throws PerdureError `NOT_FOUND` for a start inside a transaction, until a call has found the run.
   */
  get runId(): string {
    if (this.#awaited !== undefined) throw this.#awaited.unknown();
    return formatRunId(this.#host.store.id, this.#run);
  }

  /** Waits for a run whose start was asked for in a transaction. */
  async #arrive(limit?: number): Promise<void> {
    if (this.#awaited === undefined) return;
    this.#run = await this.#awaited.arrive(limit);
    this.#awaited = undefined;
  }

  /** The run's row; that of its successor when it has continued as new. */
  async #row(): Promise<RunRow> {
    if (this.#awaited !== undefined) await this.#arrive();
    for (;;) {
      const row = (await this.#host.store.find({ run: this.#run })) ?? (await this.#successor());
      if (row === undefined) throw new PerdureError("NOT_FOUND", `run ${this.runId} does not exist (any more)`);
      if (row.status !== "continued_as_new") return row;
      const current = await this.#host.store.find({ workflowId: this.workflowId });
      if (current === undefined || current.run === row.run || current.chain !== row.chain) return row;
      this.#run = current.run;
    }
  }

  /** The run that goes on from this one, which is deleted by now: its chain is called after its first run. */
  async #successor(): Promise<RunRow | undefined> {
    const current = await this.#host.store.find({ workflowId: this.workflowId });
    if (current === undefined || current.run === this.#run || current.chain !== this.#run) return undefined;
    this.#run = current.run;
    return current;
  }

  /** `pending` too while the start waits for the transaction it was asked for in. */
  async status(): Promise<RunStatus> {
    if (this.#awaited !== undefined && (await this.#awaited.look()) === undefined) return "pending";
    return (await this.#row()).status;
  }

  /**
   * Waits for the end and returns the result.
   *
   * @throws PerdureError what a start inside a transaction was refused with; `RUN_FAILED` (the error is the `cause`), `RUN_CANCELLED`, `RUN_TERMINATED`, `RUN_TIMED_OUT`, `RUN_BLOCKED`
   *   (it can be resumed), `WAIT_TIMED_OUT` (the run goes on).
   */
  result(options: { timeout?: Duration } = {}): Promise<O> {
    return this.#during("the result", () => this.#result(options));
  }

  #during<T>(what: string, wait: () => Promise<T>): Promise<T> {
    const { waits } = this.#host;
    return waits === undefined ? wait() : waits.during(`${what} of ${this.workflowId}`, wait);
  }

  /** Time until the first look at a run that somebody else advances. */
  get #look(): number {
    return this.#host.waits === undefined ? FIRST_LOOK_MS : Number.POSITIVE_INFINITY;
  }

  async #result(options: { timeout?: Duration }): Promise<O> {
    checkOptions(options, OF_RESULT, "result()");
    const limit =
      options.timeout === undefined
        ? Number.POSITIVE_INFINITY
        : this.#host.now() + durationMs(options.timeout, "timeout of result()");
    if (this.#awaited !== undefined) await this.#arrive(limit);
    for (let look = this.#look; ; look = later(look)) {
      const change = this.#host.changed(this.#run, Math.max(1, Math.min(look, limit - this.#host.now())));
      if (!this.#host.active(this.#run)) {
        const row = await this.#row();
        if (isClosed(row.status)) return this.#outcome();
        if (row.status === "blocked") throw this.#blockedError(row);
      }
      if (this.#host.now() >= limit) throw this.#late(await this.#row());
      const last = await change;
      if (last === undefined) continue;
      if (last.type === "RunContinued") await this.#row();
      else return outcomeOf(last, this.workflowId, this.runId, this.#host.codec) as O;
    }
  }

  /** Why the result is not there in time. */
  #late(row: RunRow): PerdureError {
    const awaited = awaitedCode(row, this.#host.now());
    const why = awaited === undefined ? "it goes on" : awaitedText(awaited);
    return new PerdureError("WAIT_TIMED_OUT", `${this.workflowId} has not ended yet; ${why}`);
  }

  async #outcome(): Promise<O> {
    const last = await this.#host.store.lastEvent(this.#run);
    if (last === undefined) {
      // It may have been deleted since its row was read: then this says so.
      await this.#row();
      throw new PerdureError("INTERNAL", `run ${this.runId} is closed but has no history`);
    }
    return outcomeOf(last, this.workflowId, this.runId, this.#host.codec) as O;
  }

  #blockedError(row: RunRow): PerdureError {
    const { blocked } = parseDetail(row.detail);
    return new PerdureError("RUN_BLOCKED", `${this.workflowId} is blocked: ${blocked?.message ?? "unknown reason"}`, {
      details: { workflowId: this.workflowId, runId: this.runId, reason: blocked?.reason },
    });
  }

  /** The run's state, what it does and what it waits for. */
  async describe(): Promise<RunDescription> {
    const row = await this.#row();
    const attempts = await this.#host.store.attempts(this.#run);
    return describeRun(
      row,
      attempts,
      this.#host,
      row.closedAt === null ? undefined : await this.#host.store.lastEvent(this.#run),
      await tasksInFlight(this.#host.store, this.#run, attempts),
    );
  }

  /** The whole history. */
  async history(): Promise<HistoryEvent[]> {
    const events: HistoryEvent[] = [];
    for await (const event of this.events()) events.push(event);
    return events;
  }

  /** The history from an event on; ends with what is durable now. */
  async *events(options: { after?: number } = {}): AsyncGenerator<HistoryEvent> {
    let after = options.after ?? 0;
    await this.#arrive();
    for (;;) {
      const page = await this.#host.store.history(this.#run, after, PAGE);
      for (const row of page) yield historyEvent(row, ++after);
      if (page.length < PAGE) return;
    }
  }

  /**
   * Sends a signal. It is kept until the run asks for it. Resolves once it is durable. Without a payload it carries `null`, so
   * that a wait that timed out (`undefined`) can be told from it.
   *
   * @throws PerdureError `RUN_CLOSED`, `NOT_FOUND`; `INVALID_ARGUMENT` for a transaction that cannot be used.
   */
  async signal<T>(signal: Signal<T> | string, ...args: InputThen<T, SignalOptions>): Promise<void> {
    const [payload, options = {}] = args;
    checkOptions(options, OF_SIGNAL, "signal()");
    const { key = null, transaction } = options;
    const name = nameOf(signal, "a signal");
    if (key !== null) checkedName(key, "the key of a signal");
    const data = encodePayload(payload ?? null, this.#host.codec);
    if (transaction === undefined) {
      await this.#send("signal", name, data, key);
      return;
    }
    const { workflowId } = this;
    const to = this.#awaited === undefined ? { run: this.#run } : { after: this.#awaited.ticket };
    await askForSignal(this.#host, { workflowId, ...to }, { name, data, key }, transaction);
  }

  /**
   * Asks the run something. Answered with the run's own code, also when it is parked, closed, or advanced elsewhere.
   *
   * @throws PerdureError `NOT_FOUND` (no handler), `VERSION_UNAVAILABLE` (this process does not have the code), `RUN_BLOCKED`; what the
   *   handler throws.
   */
  async query<T, I>(query: Query<T, I>, ...args: undefined extends I ? [input?: I] : [input: I]): Promise<T>;
  async query<T = unknown>(query: string, input?: unknown): Promise<T>;
  async query(query: Query<unknown, unknown> | string, input?: unknown): Promise<unknown> {
    const name = nameOf(query, "a query");
    const { run } = await this.#row();
    return this.#host.query(run, name, input);
  }

  /**
   * Changes the run and waits for the answer of its handler.
   *
   * @throws PerdureError `UPDATE_FAILED` (rejected, or the handler threw; the error is the `cause`), `RUN_CLOSED`, `RUN_BLOCKED`,
   *   `WAIT_TIMED_OUT` (the update goes on).
   */
  async update<I, T>(update: Update<I, T>, ...args: InputThen<I, UpdateOptions>): Promise<T>;
  async update<T = unknown>(update: string, input?: unknown, options?: UpdateOptions): Promise<T>;
  async update(
    update: Update<unknown, unknown> | string,
    input?: unknown,
    options: UpdateOptions = {},
  ): Promise<unknown> {
    const sent = await this.#update(update, input, options);
    return this.#answer(sent, options.timeout);
  }

  /** Changes the run; resolves once the update is accepted, without waiting for its answer. */
  async startUpdate<I, T>(update: Update<I, T>, ...args: InputThen<I, UpdateOptions>): Promise<UpdateHandle<T>>;
  async startUpdate<T = unknown>(update: string, input?: unknown, options?: UpdateOptions): Promise<UpdateHandle<T>>;
  async startUpdate(
    update: Update<unknown, unknown> | string,
    input?: unknown,
    options: UpdateOptions = {},
  ): Promise<UpdateHandle<unknown>> {
    const sent = await this.#update(update, input, options);
    await this.#answer(sent, options.timeout, true);
    return { result: ({ timeout } = {}) => this.#answer(sent, timeout) };
  }

  async #update(
    update: Update<unknown, unknown> | string,
    input: unknown,
    options: UpdateOptions,
  ): Promise<SentUpdate> {
    checkOptions(options, OF_UPDATE, "update()");
    const { id } = options;
    const name = nameOf(update, "an update");
    if (id !== undefined) checkedName(id, "the id of an update");
    const data = encodePayload(input, this.#host.codec);
    const key = id === undefined ? null : `update:${id}`;
    return { name, ...(await this.#send("update", name, data, key)) };
  }

  /** Waits for the answer to an update that was sent with a start. */
  answerTo(sent: SentUpdate, timeout: Duration | undefined): Promise<unknown> {
    return this.#answer(sent, timeout);
  }

  /** Waits until an update is answered, or accepted. */
  #answer(sent: SentUpdate, timeout?: Duration, accepted = false): Promise<unknown> {
    return this.#during(`update ${sent.name}`, () => this.#answered(sent, timeout, accepted));
  }

  async #answered(
    { name, run, number }: SentUpdate,
    timeout: Duration | undefined,
    accepted: boolean,
  ): Promise<unknown> {
    const host = this.#host;
    const limit =
      timeout === undefined ? Number.POSITIVE_INFINITY : host.now() + durationMs(timeout, "timeout of an update");
    // The answer may come from the run that continues this one.
    let current = this.#run;
    for (let look = this.#look; ; look = later(look)) {
      const change = host.changed(current, Math.max(1, Math.min(look, limit - host.now())));
      const answer = await host.store.answer(run, number);
      if (answer?.status === "completed") return decodePayload(answer.data, host.codec);
      if (answer?.status === "rejected") throw this.#rejected(name, JSON.parse(answer.data) as Failure);
      if (accepted && answer !== undefined) return undefined;
      const row = await this.#row();
      if (row.status === "blocked") throw this.#blockedError(row);
      if (isClosed(row.status) && (await host.store.answer(run, number)) === undefined)
        throw closedError(this.workflowId, row.status);
      if (row.run !== current) {
        current = row.run;
        continue;
      }
      if (host.now() >= limit)
        throw new PerdureError("WAIT_TIMED_OUT", `${this.workflowId} has not answered update ${name} yet; it goes on`);
      await change;
    }
  }

  #rejected(name: string, failure: Failure): PerdureError {
    if (failure.code === "RUN_CLOSED") return new PerdureError("RUN_CLOSED", failure.message);
    return new PerdureError("UPDATE_FAILED", `update ${name} of ${this.workflowId} failed: ${failureText(failure)}`, {
      details: { workflowId: this.workflowId, update: name },
      cause: fromFailure(failure, [], this.#host.codec),
    });
  }

  /** Decides an approval the run waits for. @throws PerdureError `UPDATE_FAILED` when it waits for none of this name or for somebody else. */
  async approve(approval: string, decision: { by: string; comment?: string }): Promise<void> {
    await this.update(`approval:${approval}`, { ...decision, approved: true });
  }

  /** Like {@link approve}, with a no. */
  async reject(approval: string, decision: { by: string; comment?: string }): Promise<void> {
    await this.update(`approval:${approval}`, { ...decision, approved: false });
  }

  /** Asks the run to stop: its pending waits reject with a CancelledError, its activities are aborted, and it ends once its code does. */
  async cancel(reason = ""): Promise<void> {
    await this.#send("cancel", "", encodePayload(reason), null);
    await this.#unpause();
  }

  async #unpause(): Promise<void> {
    const to = { status: "pending", wakeAt: this.#host.now(), closedAt: null, crashes: 0, detail: null } as const;
    if (await this.#host.store.amend(this.#run, ["paused"], to)) this.#host.hint(this.#run);
  }

  /**
   * Makes the run stand still: nothing of it is started any more, what is running may end. Messages are kept, timers that become due
   * fire when it is resumed.
   *
   * @throws PerdureError `RUN_CLOSED`.
   */
  async pause(reason = ""): Promise<void> {
    const row = await this.#row();
    if (isClosed(row.status)) throw closedError(this.workflowId, row.status);
    if (row.status === "paused") return;
    const detail = JSON.stringify({ ...parseDetail(row.detail), paused: reason });
    const to = { status: "paused", wakeAt: null, closedAt: null, crashes: row.crashes, detail } as const;
    if (row.owner === null && (await this.#host.store.amend(row.run, ["pending", "running"], to))) return;
    await this.#send("pause", "", encodePayload(reason), null);
  }

  /**
   * Gives a step that is in flight or that failed the run its result, as if it had returned it. A run that had failed goes on.
   *
   * @param step its name, label or command number, see `describe().open`.
   * @throws PerdureError `NOT_FOUND` when there is no such step in flight.
   */
  async completeStep(step: string | number, result: unknown, reason = "completed by hand"): Promise<void> {
    await this.#settleStep(step, { r: reason }, encodePayload(result, this.#host.codec));
  }

  /** Leaves a step out: it completes with `null`. */
  async skipStep(step: string | number, reason = "skipped by hand"): Promise<void> {
    await this.#settleStep(step, { r: reason }, encodePayload(null, this.#host.codec));
  }

  /** Fails a step that is in flight, without further attempts. */
  async failStep(step: string | number, error: Error, reason = "failed by hand"): Promise<void> {
    await this.#settleStep(step, { r: reason, e: toFailure(error) });
  }

  /** Starts the next attempt of a step now instead of after its back-off. */
  async retryStep(step: string | number): Promise<void> {
    const c = await this.#stepInFlight(step);
    await this.#send("retry", "", JSON.stringify({ c }), null);
  }

  async #settleStep(
    step: string | number,
    outcome: Omit<ForeignOutcome, "c" | "p" | "u">,
    result?: Payload,
  ): Promise<void> {
    const row = await this.#row();
    const failed = row.status === "failed" ? await this.#failedStep(step) : undefined;
    const c = failed ?? (await this.#stepInFlight(step));
    // Not due until the outcome is in its inbox, which is applied before anything is started.
    if (failed !== undefined) await this.#goOn(row, null);
    await this.#send("outcome", "", foreignOutcome({ c, u: this.#run, ...outcome }, result), null);
    if (failed !== undefined) this.#host.hint(this.#run);
  }

  async #failedStep(step: string | number): Promise<number | undefined> {
    const last = await this.#host.store.lastEvent(this.#run);
    const failure = last === undefined ? undefined : parseEvent(last).data.e;
    const command = commandOf(failure);
    const named = typeof step === "number" ? step === command : failureSteps(failure).includes(step);
    return named ? command : undefined;
  }

  async #stepInFlight(step: string | number): Promise<number> {
    const { open } = await this.describe();
    const found = open.filter((one) => one.command === step || one.step === step);
    if (found.length === 1) return found[0]!.command;
    const has = open.map((one) => `${one.step} (${one.command})`).join(", ") || "none";
    const what = found.length === 0 ? "is no" : `are ${found.length}`;
    throw new PerdureError(
      "NOT_FOUND",
      `there ${what} step ${JSON.stringify(step)} in flight in ${this.workflowId}; in flight are: ${has}. Steps show once they have lasted about a second or failed an attempt; name one by its number if several have its name`,
    );
  }

  /** Ends the run at once, without asking its code. */
  async terminate(reason = ""): Promise<void> {
    const row = await this.#row();
    if (isClosed(row.status)) throw closedError(this.workflowId, row.status);
    if (row.owner === null && (await terminateUnowned(this.#host.store, row, reason, this.#host.now()))) {
      this.#host.hint();
      return;
    }
    await this.#send("terminate", "", encodePayload(reason), null);
  }

  async #send(kind: MessageKind, name: string, data: string, key: string | null): Promise<SentMessage> {
    if (this.#awaited !== undefined) await this.#arrive();
    for (;;) {
      const run = this.#run;
      const sent = await this.#host.store.send({ run, kind, name, data, at: this.#host.now(), key });
      if ("number" in sent) {
        this.#host.hint();
        return { run, number: sent.number };
      }
      const { status } = await this.#row();
      if (this.#run === run) throw closedError(this.workflowId, status);
    }
  }

  /**
   * Goes on with a run that failed, was cancelled, timed out, is blocked or paused. Finished steps do not run again.
   *
   * @throws PerdureError `CONFLICT` when the run is in no such state, a newer run has its workflow id, or its compensations have started
   *   (fork it from a step before them instead).
   */
  async resume(): Promise<void> {
    const row = await this.#row();
    if (!RESUMABLE.has(row.status)) {
      throw new PerdureError(
        "CONFLICT",
        `${this.workflowId} is ${row.status}; resume goes on from ${[...RESUMABLE].join(", ")}`,
      );
    }
    if (isClosed(row.status) && (await this.#compensated(row.run)))
      throw new PerdureError(
        "CONFLICT",
        `${this.workflowId} has begun to undo its steps; going on would repeat what was undone. Fork it from a step before the compensated ones`,
      );
    await this.#goOn(row, this.#host.now());
    this.#host.hint(this.#run);
  }

  /** Rule 30: whether compensations of the run have started, and were not taken back by a reset. */
  async #compensated(run: number): Promise<boolean> {
    const { rows } = planReplay(await historyOf(this.#host.store, run));
    return firstUndone(rows, []) !== undefined;
  }

  /** Opens a run again that stands still or has ended. */
  async #goOn(row: RunRow, wakeAt: number | null): Promise<void> {
    if (row.superseded)
      throw new PerdureError("CONFLICT", `a newer run has the workflow id ${this.workflowId}; this one cannot go on`);
    const to = { status: "pending", wakeAt, closedAt: null, crashes: 0, detail: null } as const;
    if (!(await this.#host.store.amend(row.run, [row.status], to)))
      throw new PerdureError("CONFLICT", `${this.workflowId} changed while it was being resumed; look again`);
  }

  /**
   * Starts a new run with the history of this one up to some step: what was finished before it does not run again, the step and what
   * follows do. This run is not touched, whatever state it is in.
   *
   * @throws PerdureError `NOT_FOUND` listing the steps, `CONFLICT` for a step after one that was compensated, `RUN_BLOCKED` when the code
   *   does not agree with what would be kept, `INVALID_ARGUMENT` when secrets are missing, `ALREADY_EXISTS`, `VERSION_UNAVAILABLE`.
   *
   * @example
   * const again = await handle.fork({ from: "charge", input: { ...order, card: "new" } });
   */
  async fork(options: ForkOptions): Promise<RunHandle<O>> {
    const { workflowId, run } = await forkRun(this.#host, await this.#row(), options);
    return new RunHandle<O>(this.#host, workflowId, run);
  }

  /**
   * Takes the run back to some step: its outcome and everything after it is set aside and done anew; the history keeps it. Signals and
   * updates received since then are received again, children started since then are ended as their policy says. Works in every
   * state: an active run is paused first, one that had ended goes on. Resolves once the reset is durable; an engine carries it out.
   *
   * @throws PerdureError `NOT_FOUND` listing the steps, `CONFLICT` for a step after one that was compensated, one without an outcome, or
   *   when a newer run has the workflow id, `WAIT_TIMED_OUT` when something was still running.
   */
  async reset(options: ResetOptions): Promise<void> {
    await resetRun(this.#host, (await this.#row()).run, options);
  }

  /**
   * Deletes a run that has ended (or that nobody advances) with its whole history.
   *
   * @throws PerdureError `CONFLICT` when it is open: cancel or terminate it first.
   */
  async delete(): Promise<void> {
    const row = await this.#row();
    if (!isClosed(row.status))
      throw new PerdureError("CONFLICT", `${this.workflowId} is ${row.status}; cancel or terminate it before deleting`);
    if (!(await this.#host.store.remove(this.#run)))
      throw new PerdureError("CONFLICT", `${this.workflowId} changed while it was being deleted; look again`);
  }
}

function closedError(workflowId: string, status: RunStatus): PerdureError {
  return new PerdureError("RUN_CLOSED", `${workflowId} has ended (${status}); it takes no more messages`, {
    details: { workflowId, status },
  });
}

/** Names a step is known by in a chain of failures. */
function failureSteps(failure: Failure | undefined): string[] {
  const names: string[] = [];
  for (let current = failure; current !== undefined; current = current.cause)
    if (current.step !== undefined) names.push(current.step);
  return names;
}

/** How long to wait before the look after this one. */
function later(look: number): number {
  return Number.isFinite(look) ? Math.min(look * 2, LAST_LOOK_MS) : look;
}

interface SentMessage {
  readonly run: number;
  readonly number: number;
}

/** An update on its way: where it lies in which inbox. */
export type SentUpdate = SentMessage & { readonly name: string };

/** Returns the result in a terminal event, or throws what it stands for. */
function outcomeOf(last: EventRow, workflowId: string, runId: string, codec: PayloadCodec | undefined): unknown {
  const { data } = parseEvent(last);
  const details = { workflowId, runId };
  switch (last.type as EventType) {
    case "RunCompleted":
      return reviveParsed(data.p, codec);
    case "RunFailed":
      throw new PerdureError("RUN_FAILED", `${workflowId} failed: ${failureText(data.e!)}`, {
        details,
        cause: fromFailure(data.e!, [], codec),
      });
    case "RunCancelled":
      throw new PerdureError("RUN_CANCELLED", `${workflowId} was cancelled${data.r ? `: ${data.r}` : ""}`, {
        details,
      });
    case "RunTerminated":
      throw new PerdureError("RUN_TERMINATED", `${workflowId} was terminated${data.r ? `: ${data.r}` : ""}`, {
        details,
      });
    default:
      throw new PerdureError("RUN_TIMED_OUT", `${workflowId} took longer than its timeout`, { details });
  }
}

function historyEvent(row: EventRow, seq: number): HistoryEvent {
  const { type, at, data } = parseEvent(row);
  return { seq, type, at, step: data.c === undefined ? undefined : (data.l ?? data.n), data };
}
