/** A handle on one workflow id: everything a caller can ask of a run, wherever it is being advanced. */
import { firstUndone } from "../core/cut.ts";
import type { Duration } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import { type EventData, type EventType, parseEvent } from "../core/events.ts";
import { toFailure } from "../core/failure.ts";
import { checkedName, checkedText, messageNameOf } from "../core/names.ts";
import { checkKind, checkOptions, optionNames } from "../core/options.ts";
import { encodePayload, type Payload } from "../core/payload.ts";
import { planReplay } from "../core/resume.ts";
import { isClosed, RESUMABLE, type RunStatus } from "../core/status.ts";
import { approvalUpdate } from "../engine/approval.ts";
import { type ForeignOutcome, foreignOutcome } from "../engine/foreign-outcome.ts";
import { goingOn } from "../engine/parked.ts";
import { terminateUnowned } from "../engine/terminate.ts";
import type { LentTransaction } from "../store/admissions.ts";
import type { EventRow, RunRow } from "../store/store.ts";
import type { Query, Signal, Update } from "../workflow/signal.ts";
import { askForSignal } from "./asking.ts";
import type { AwaitedRun } from "./awaited-run.ts";
import { closedError, FollowedRun } from "./followed-run.ts";
import { type ForkOptions, forkRun } from "./fork.ts";
import type { HandleHost } from "./handle-host.ts";
import { historyOf } from "./history-of.ts";
import { failedStep, stepInFlight } from "./named-step.ts";
import { acceptanceOf, answerOf, resultOf, type SentUpdate } from "./outcomes.ts";
import { type ResetOptions, resetRun } from "./reset.ts";
import { describeRun, parseDetail, type RunDescription, tasksInFlight } from "./run-description.ts";
import { askedInput, sentPayload } from "./sent-value.ts";

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

type AnyQuery = Query<unknown, never, unknown, never>;
type AnyUpdate = Update<never, unknown, never, unknown>;

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

/** What a person says of an approval, beside yes or no. */
interface Decided {
  readonly by: string;
  readonly comment?: string;
}

const DECIDED: ReadonlySet<string> = optionNames<Decided>({ by: true, comment: true });
const OF_SIGNAL: ReadonlySet<string> = optionNames<SignalOptions>({ key: true, transaction: true });
const OF_UPDATE: ReadonlySet<string> = optionNames<UpdateOptions>({ id: true, timeout: true });

const PAGE = 5000;

export class RunHandle<O = unknown> {
  readonly workflowId: string;
  readonly #host: HandleHost;
  readonly #at: FollowedRun;

  constructor(host: HandleHost, workflowId: string, run: number | AwaitedRun) {
    this.#host = host;
    this.workflowId = workflowId;
    this.#at = new FollowedRun(host, workflowId, run);
  }

  /**
   * Identity of the run this handle is at: the newest one known of those that continue one another.
   *
   * @throws PerdureError `NOT_FOUND` for a start inside a transaction, until a call has found the run.
   */
  get runId(): string {
    return this.#at.runId;
  }

  /** `pending` too while the start waits for the transaction it was asked for in. */
  async status(): Promise<RunStatus> {
    const { awaited } = this.#at;
    if (awaited !== undefined && (await awaited.look()) === undefined) return "pending";
    return (await this.#at.row()).status;
  }

  /**
   * Waits for the end and returns the result.
   *
   * @throws PerdureError what a start inside a transaction was refused with; `RUN_FAILED` (the error is the `cause`), `RUN_CANCELLED`, `RUN_TERMINATED`, `RUN_TIMED_OUT`, `RUN_BLOCKED`
   *   (it can be resumed), `WAIT_TIMED_OUT` (the run goes on).
   */
  result(options: { timeout?: Duration } = {}): Promise<O> {
    return resultOf<O>(this.#at, options);
  }

  /** The run's state, what it does and what it waits for. */
  async describe(): Promise<RunDescription> {
    const row = await this.#at.row();
    const attempts = await this.#host.store.attempts(this.#at.run);
    return describeRun(
      row,
      attempts,
      this.#host,
      row.closedAt === null ? undefined : await this.#host.store.lastEvent(this.#at.run),
      await tasksInFlight(this.#host.store, this.#at.run, attempts),
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
    await this.#at.arrive();
    for (;;) {
      const page = await this.#host.store.history(this.#at.run, after, PAGE);
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
  async signal<T>(signal: Signal<T, unknown> | string, ...args: InputThen<T, SignalOptions>): Promise<void> {
    const [payload, options = {}] = args;
    checkOptions(options, OF_SIGNAL, "signal()");
    const { key = null, transaction } = options;
    const name = messageNameOf(signal, "signal");
    if (key !== null) checkedName(key, "the key of a signal");
    const data = await sentPayload(signal, name, payload, this.#host.codec);
    if (transaction === undefined) {
      await this.#at.send("signal", name, data, key);
      return;
    }
    const { awaited } = this.#at;
    const { workflowId } = this;
    const to = awaited === undefined ? { run: this.#at.run } : { after: awaited.ticket };
    await askForSignal(this.#host, { workflowId, ...to }, { name, data, key }, transaction);
  }

  /**
   * Asks the run something. Answered with the run's own code, also when it is parked, closed, or advanced elsewhere.
   *
   * @throws PerdureError `NOT_FOUND` (no handler), `VERSION_UNAVAILABLE` (this process does not have the code), `RUN_BLOCKED`; what the
   *   handler throws.
   */
  async query<T, I>(
    query: Query<T, I, unknown, never>,
    ...args: undefined extends I ? [input?: I] : [input: I]
  ): Promise<T>;
  async query<T = unknown>(query: string, input?: unknown): Promise<T>;
  async query(query: AnyQuery | string, input?: unknown): Promise<unknown> {
    const name = messageNameOf(query, "query");
    const asked = await askedInput(query, name, input);
    const { run } = await this.#at.row();
    return this.#host.query(run, name, asked);
  }

  /**
   * Changes the run and waits for the answer of its handler.
   *
   * @throws PerdureError `UPDATE_FAILED` (rejected, or the handler threw; the error is the `cause`), `RUN_CLOSED`, `RUN_BLOCKED`,
   *   `WAIT_TIMED_OUT` (the update goes on).
   */
  async update<I, T>(update: Update<I, T, never, unknown>, ...args: InputThen<I, UpdateOptions>): Promise<T>;
  async update<T = unknown>(update: string, input?: unknown, options?: UpdateOptions): Promise<T>;
  async update(update: AnyUpdate | string, input?: unknown, options: UpdateOptions = {}): Promise<unknown> {
    const sent = await this.#update(update, input, options);
    return answerOf(this.#at, sent, options.timeout);
  }

  /** Changes the run; resolves once the update is accepted, without waiting for its answer. */
  async startUpdate<I, T>(
    update: Update<I, T, never, unknown>,
    ...args: InputThen<I, UpdateOptions>
  ): Promise<UpdateHandle<T>>;
  async startUpdate<T = unknown>(update: string, input?: unknown, options?: UpdateOptions): Promise<UpdateHandle<T>>;
  async startUpdate(
    update: AnyUpdate | string,
    input?: unknown,
    options: UpdateOptions = {},
  ): Promise<UpdateHandle<unknown>> {
    const sent = await this.#update(update, input, options);
    await acceptanceOf(this.#at, sent, options.timeout);
    return { result: ({ timeout } = {}) => answerOf(this.#at, sent, timeout) };
  }

  async #update(update: AnyUpdate | string, input: unknown, options: UpdateOptions): Promise<SentUpdate> {
    checkOptions(options, OF_UPDATE, "update()");
    const { id } = options;
    const name = messageNameOf(update, "update");
    if (id !== undefined) checkedName(id, "the id of an update");
    const data = await sentPayload(update, name, input, this.#host.codec);
    const key = id === undefined ? null : `update:${id}`;
    return { name, ...(await this.#at.send("update", name, data, key)) };
  }

  /** Waits for the answer to an update that was sent with a start. */
  answerTo(sent: SentUpdate, timeout: Duration | undefined): Promise<unknown> {
    return answerOf(this.#at, sent, timeout);
  }

  /** Decides an approval the run waits for. @throws PerdureError `UPDATE_FAILED` when it waits for none of this name or for somebody else. */
  async approve(approval: string, decision: Decided): Promise<void> {
    await this.update(approvalUpdate(approval), { ...decided(decision, "approve()"), approved: true });
  }

  /** Like {@link approve}, with a no. */
  async reject(approval: string, decision: Decided): Promise<void> {
    await this.update(approvalUpdate(approval), { ...decided(decision, "reject()"), approved: false });
  }

  /** Asks the run to stop: its pending waits reject with a CancelledError, its activities are aborted, and it ends once its code does. */
  async cancel(reason = ""): Promise<void> {
    await this.#at.send("cancel", "", encodePayload(reason), null);
    await this.#unpause();
  }

  async #unpause(): Promise<void> {
    const row = await this.#host.store.find({ run: this.#at.run });
    if (row?.status !== "paused") return;
    const detail = goingOn(row.detail);
    const to = { status: "pending", wakeAt: this.#host.now(), closedAt: null, crashes: 0, detail } as const;
    if (await this.#host.store.amend(this.#at.run, ["paused"], to)) this.#host.hint(this.#at.run);
  }

  /**
   * Makes the run stand still: nothing of it is started any more, what is running may end. Messages are kept, timers that become due
   * fire when it is resumed.
   *
   * @throws PerdureError `RUN_CLOSED`.
   */
  async pause(reason = ""): Promise<void> {
    const row = await this.#at.row();
    if (isClosed(row.status)) throw closedError(this.workflowId, row.status);
    if (row.status === "paused") return;
    const detail = JSON.stringify({ ...parseDetail(row.detail), paused: reason });
    const to = { status: "paused", wakeAt: null, closedAt: null, crashes: row.crashes, detail } as const;
    if (row.owner === null && (await this.#host.store.amend(row.run, ["pending", "running"], to))) return;
    await this.#at.send("pause", "", encodePayload(reason), null);
  }

  /**
   * Gives a step that is in flight or that failed the run its result, as if it had returned it. A run that had failed goes on.
   *
   * @param step its name, label or command number, see `describe().open`.
   * @throws PerdureError `NOT_FOUND` when there is no such step in flight, `CONFLICT` when the run has failed and its compensations have
   *   started.
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
    const c = stepInFlight(await this.describe(), step);
    await this.#at.send("retry", "", JSON.stringify({ c }), null);
  }

  async #settleStep(
    step: string | number,
    outcome: Omit<ForeignOutcome, "c" | "p" | "u">,
    result?: Payload,
  ): Promise<void> {
    const row = await this.#at.row();
    const last = row.status === "failed" ? await this.#host.store.lastEvent(row.run) : undefined;
    const failed = failedStep(last, step);
    const c = failed ?? stepInFlight(await this.describe(), step);
    // Not due until the outcome is in its inbox, which is applied before anything is started.
    if (failed !== undefined) {
      await this.#refuseCompensated(row.run);
      await this.#goOn(row, null);
    }
    await this.#at.send("outcome", "", foreignOutcome({ c, u: this.#at.run, ...outcome }, result), null);
    if (failed !== undefined) this.#host.hint(this.#at.run);
  }

  /** Ends the run at once, without asking its code. */
  async terminate(reason = ""): Promise<void> {
    const row = await this.#at.row();
    if (isClosed(row.status)) throw closedError(this.workflowId, row.status);
    if (row.owner === null && (await terminateUnowned(this.#host.store, row, reason, this.#host.now()))) {
      this.#host.hint();
      return;
    }
    await this.#at.send("terminate", "", encodePayload(reason), null);
  }

  /**
   * Goes on with a run that failed, was cancelled, timed out, is blocked or paused. Finished steps do not run again.
   *
   * @throws PerdureError `CONFLICT` when the run is in no such state, a newer run has its workflow id, or its compensations have started
   *   (fork it from a step before them instead).
   */
  async resume(): Promise<void> {
    const row = await this.#at.row();
    if (!RESUMABLE.has(row.status)) {
      throw new PerdureError(
        "CONFLICT",
        `${this.workflowId} is ${row.status}; resume goes on from ${[...RESUMABLE].join(", ")}`,
      );
    }
    if (isClosed(row.status)) await this.#refuseCompensated(row.run);
    await this.#goOn(row, this.#host.now());
    this.#host.hint(this.#at.run);
  }

  /** Rule 30: what has begun to undo its steps does not go on, unless a reset has taken that back. */
  async #refuseCompensated(run: number): Promise<void> {
    const { rows } = planReplay(await historyOf(this.#host.store, run));
    if (firstUndone(rows, []) === undefined) return;
    throw new PerdureError(
      "CONFLICT",
      `${this.workflowId} has begun to undo its steps; going on would repeat what was undone. Fork it from a step before the compensated ones`,
    );
  }

  /** Opens a run again that stands still or has ended. */
  async #goOn(row: RunRow, wakeAt: number | null): Promise<void> {
    if (row.superseded)
      throw new PerdureError("CONFLICT", `a newer run has the workflow id ${this.workflowId}; this one cannot go on`);
    const to = { status: "pending", wakeAt, closedAt: null, crashes: 0, detail: goingOn(row.detail) } as const;
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
    const { workflowId, run } = await forkRun(this.#host, await this.#at.row(), options);
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
    await resetRun(this.#host, (await this.#at.row()).run, options);
  }

  /**
   * Deletes a run that has ended (or that nobody advances) with its whole history.
   *
   * @throws PerdureError `CONFLICT` when it is open: cancel or terminate it first.
   */
  async delete(): Promise<void> {
    const row = await this.#at.row();
    if (!isClosed(row.status))
      throw new PerdureError("CONFLICT", `${this.workflowId} is ${row.status}; cancel or terminate it before deleting`);
    if (!(await this.#host.store.remove(this.#at.run)))
      throw new PerdureError("CONFLICT", `${this.workflowId} changed while it was being deleted; look again`);
  }
}

function decided(decision: Decided, what: string): Decided {
  checkOptions(decision, DECIDED, what);
  checkedText(decision.by, `${what}: by`);
  checkKind(decision.comment, "string", `${what}: comment`);
  return decision;
}

function historyEvent(row: EventRow, seq: number): HistoryEvent {
  const { type, at, data } = parseEvent(row);
  return { seq, type, at, step: data.c === undefined ? undefined : (data.l ?? data.n), data };
}
