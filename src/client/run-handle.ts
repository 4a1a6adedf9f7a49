/** A handle on one workflow id: everything a caller can ask of a run, wherever it is being advanced. */
import { type Duration, durationMs } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import { type EventData, type EventType, parseEvent } from "../core/events.ts";
import { type Failure, failureText, fromFailure } from "../core/failure.ts";
import { formatRunId } from "../core/ids.ts";
import { encodePayload, type PayloadCodec, reviveParsed } from "../core/payload.ts";
import { isClosed, RESUMABLE, type RunStatus } from "../core/status.ts";
import type { AttemptRow, EventRow, MessageKind, RunRow, Store } from "../store/store.ts";
import type { Signal } from "../workflow/signal.ts";
import { terminateUnowned } from "./terminate.ts";

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
}

/** Something a run waits for or is doing. */
export interface OpenStep {
  readonly command: number;
  readonly kind: string;
  readonly step: string;
  /** Number of the running or next attempt; 0 for timers and waits. */
  readonly attempt: number;
  /** Epoch milliseconds. */
  readonly since: number;
  /** When the timer, timeout or next attempt is due. */
  readonly due: number | undefined;
  /** Whether an attempt is running now. */
  readonly running: boolean;
  readonly lastError: Failure | undefined;
}

/** A run as people want to see it. Times are epoch milliseconds. */
export interface RunDescription {
  readonly workflow: string;
  readonly version: string | undefined;
  readonly workflowId: string;
  readonly runId: string;
  readonly status: RunStatus;
  readonly createdAt: number;
  readonly closedAt: number | undefined;
  /** Why the run stands still, when it is blocked. */
  readonly blocked: { readonly reason: string; readonly message: string } | undefined;
  /** What is in flight; steps shorter than about a second do not show. */
  readonly open: readonly OpenStep[];
  /** Why the run failed. */
  readonly error: Failure | undefined;
  /** Takeovers after crashes since the last progress. */
  readonly crashes: number;
  readonly meta: Readonly<Record<string, unknown>>;
}

/** An event of a history, parsed. */
export interface HistoryEvent {
  readonly seq: number;
  readonly type: EventType;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly step: string | undefined;
  readonly data: EventData;
}

/** Time between two looks at a run that somebody else advances, when no hint comes: it grows from the first to the last. */
const FIRST_LOOK_MS = 50;
const LAST_LOOK_MS = 5000;
const PAGE = 5000;

export class RunHandle<O = unknown> {
  readonly workflowId: string;
  readonly #host: HandleHost;
  readonly #run: number;

  constructor(host: HandleHost, workflowId: string, run: number) {
    this.#host = host;
    this.workflowId = workflowId;
    this.#run = run;
  }

  /** Identity of this very run. */
  get runId(): string {
    return formatRunId(this.#host.store.id, this.#run);
  }

  async #row(): Promise<RunRow> {
    const row = await this.#host.store.find({ run: this.#run });
    if (row === undefined) throw new PerdureError("NOT_FOUND", `run ${this.runId} does not exist (any more)`);
    return row;
  }

  async status(): Promise<RunStatus> {
    return (await this.#row()).status;
  }

  /**
   * Waits for the end and returns the result.
   *
   * @throws PerdureError `RUN_FAILED` (the error is the `cause`), `RUN_CANCELLED`, `RUN_TERMINATED`, `RUN_TIMED_OUT`, `RUN_BLOCKED`
   *   (it can be resumed), `WAIT_TIMED_OUT` (the run goes on).
   */
  async result(options: { timeout?: Duration } = {}): Promise<O> {
    const limit =
      options.timeout === undefined
        ? Number.POSITIVE_INFINITY
        : this.#host.now() + durationMs(options.timeout, "timeout of result()");
    for (let look = FIRST_LOOK_MS; ; look = Math.min(look * 2, LAST_LOOK_MS)) {
      const change = this.#host.changed(this.#run, Math.max(1, Math.min(look, limit - this.#host.now())));
      if (!this.#host.active(this.#run)) {
        const row = await this.#row();
        if (isClosed(row.status)) return this.#outcome();
        if (row.status === "blocked") throw this.#blockedError(row);
      }
      if (this.#host.now() >= limit)
        throw new PerdureError("WAIT_TIMED_OUT", `${this.workflowId} has not ended yet; it goes on`);
      const last = await change;
      if (last !== undefined) return outcomeOf(last, this.workflowId, this.runId, this.#host.codec) as O;
    }
  }

  async #outcome(): Promise<O> {
    const last = await this.#host.store.lastEvent(this.#run);
    if (last === undefined) throw new PerdureError("INTERNAL", `run ${this.runId} is closed but has no history`);
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
      this.runId,
      row.closedAt === null ? undefined : await this.#host.store.lastEvent(this.#run),
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
   * @param options.key sending with the same key again is the same as once.
   * @throws PerdureError `RUN_CLOSED`, `NOT_FOUND`.
   */
  async signal<T>(signal: Signal<T> | string, payload?: T, options: { key?: string } = {}): Promise<void> {
    const name = typeof signal === "string" ? signal : signal.name;
    await this.#send("signal", name, encodePayload(payload ?? null, this.#host.codec), options.key ?? null);
  }

  /** Asks the run to stop: its pending waits reject with a CancelledError, its activities are aborted, and it ends once its code does. */
  async cancel(reason = ""): Promise<void> {
    await this.#send("cancel", "", encodePayload(reason), null);
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

  async #send(kind: MessageKind, name: string, data: string, key: string | null): Promise<void> {
    const sent = await this.#host.store.send({ run: this.#run, kind, name, data, at: this.#host.now(), key });
    if ("refused" in sent) {
      if (sent.refused === "not_found")
        throw new PerdureError("NOT_FOUND", `run ${this.runId} does not exist (any more)`);
      throw closedError(this.workflowId, (await this.#row()).status);
    }
    this.#host.hint();
  }

  /**
   * Goes on with a run that failed, was cancelled, timed out, is blocked or paused. Finished steps do not run again.
   *
   * @throws PerdureError `CONFLICT` when the run is in no such state, or a newer run has its workflow id.
   */
  async resume(): Promise<void> {
    const row = await this.#row();
    if (!RESUMABLE.has(row.status)) {
      throw new PerdureError(
        "CONFLICT",
        `${this.workflowId} is ${row.status}; resume goes on from ${[...RESUMABLE].join(", ")}`,
      );
    }
    if (row.superseded)
      throw new PerdureError("CONFLICT", `a newer run has the workflow id ${this.workflowId}; this one cannot go on`);
    const to = { status: "pending", wakeAt: this.#host.now(), closedAt: null, crashes: 0, detail: null } as const;
    if (!(await this.#host.store.amend(this.#run, [row.status], to))) {
      throw new PerdureError("CONFLICT", `${this.workflowId} changed while it was being resumed; look again`);
    }
    this.#host.hint(this.#run);
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

interface Detail {
  readonly blocked?: { readonly reason: string; readonly message: string };
  readonly waits?: readonly {
    command: number;
    kind: string;
    name: string;
    label?: string;
    since: number;
    due?: number;
  }[];
}

function parseDetail(detail: string | null): Detail {
  return detail === null ? {} : (JSON.parse(detail) as Detail);
}

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

/** Puts together what is known about a run. */
export function describeRun(
  row: RunRow,
  attempts: readonly AttemptRow[],
  runId: string,
  last: EventRow | undefined,
): RunDescription {
  const { blocked, waits = [] } = parseDetail(row.detail);
  const journalled = new Set(attempts.map((attempt) => attempt.command));
  const open: OpenStep[] = attempts.map((attempt) => ({
    command: attempt.command,
    kind: attempt.kind,
    step: attempt.name,
    attempt: attempt.attempt,
    since: attempt.firstAt,
    due: attempt.nextAt ?? undefined,
    running: attempt.startedAt !== null && row.owner !== null,
    lastError: attempt.error === null ? undefined : (JSON.parse(attempt.error) as Failure),
  }));
  if (row.owner === null) {
    for (const { command, kind, name, label, since, due } of waits) {
      if (journalled.has(command)) continue;
      open.push({ command, kind, step: label ?? name, attempt: 0, since, due, running: false, lastError: undefined });
    }
  }
  return {
    workflow: row.workflow,
    version: row.version ?? undefined,
    workflowId: row.workflowId,
    runId,
    status: row.status,
    createdAt: row.createdAt,
    closedAt: row.closedAt ?? undefined,
    blocked: row.status === "blocked" ? blocked : undefined,
    open: open.sort((a, b) => a.command - b.command),
    error: last?.type === "RunFailed" ? parseEvent(last).data.e : undefined,
    crashes: row.crashes,
    meta: row.meta === null ? {} : (JSON.parse(row.meta) as Record<string, unknown>),
  };
}

function historyEvent(row: EventRow, seq: number): HistoryEvent {
  const { type, at, data } = parseEvent(row);
  return { seq, type, at, step: data.c === undefined ? undefined : (data.l ?? data.n), data };
}
