/** What callers wait for: the result of a run, and answers to its updates. */
import { type Duration, durationMs } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import { type EventType, parseEvent } from "../core/events.ts";
import { type Failure, failureText, fromFailure } from "../core/failure.ts";
import { checkOptions, optionNames } from "../core/options.ts";
import { decodePayload, type PayloadCodec, reviveParsed } from "../core/payload.ts";
import { isClosed } from "../core/status.ts";
import { saysUnanswered } from "../engine/end-notices.ts";
import type { EventRow, RunRow } from "../store/store.ts";
import { awaitedCode, awaitedText } from "./awaited-code.ts";
import { closedError, type FollowedRun, type SentMessage } from "./followed-run.ts";
import type { HandleHost } from "./handle-host.ts";
import { parseDetail } from "./run-description.ts";

/** An update on its way: where it lies in which inbox. */
export type SentUpdate = SentMessage & { readonly name: string };

const OF_RESULT: ReadonlySet<string> = optionNames<{ timeout?: Duration }>({ timeout: true });

/** Time between two looks at a run that somebody else advances, when no hint comes: it grows from the first to the last. */
const FIRST_LOOK_MS = 50;
const LAST_LOOK_MS = 5000;

/** Waits for the end of a run and returns its result, or throws what it ended with. */
export function resultOf<O>(at: FollowedRun, options: { timeout?: Duration }): Promise<O> {
  return during(at, "the result", () => result<O>(at, options));
}

/** Waits for the answer to an update. */
export function answerOf(at: FollowedRun, sent: SentUpdate, timeout: Duration | undefined): Promise<unknown> {
  return during(at, `update ${sent.name}`, () => answered(at, sent, timeout, false));
}

/** Waits until an update is accepted, or answered. */
export function acceptanceOf(at: FollowedRun, sent: SentUpdate, timeout: Duration | undefined): Promise<unknown> {
  return during(at, `update ${sent.name}`, () => answered(at, sent, timeout, true));
}

function during<T>({ host, workflowId }: FollowedRun, what: string, wait: () => Promise<T>): Promise<T> {
  const { waits } = host;
  return waits === undefined ? wait() : waits.during(`${what} of ${workflowId}`, wait);
}

/** Until when to wait. */
function limitOf(host: HandleHost, timeout: Duration | undefined, what: string): number {
  return timeout === undefined ? Number.POSITIVE_INFINITY : host.now() + durationMs(timeout, what);
}

/** Time until the first look at a run that somebody else advances. */
function firstLook({ waits }: HandleHost): number {
  return waits === undefined ? FIRST_LOOK_MS : Number.POSITIVE_INFINITY;
}

/** How long to wait before the look after this one. */
function later(look: number): number {
  return Number.isFinite(look) ? Math.min(look * 2, LAST_LOOK_MS) : look;
}

// ---- results -----------------------------------------------------------------------------------------------------------

async function result<O>(at: FollowedRun, options: { timeout?: Duration }): Promise<O> {
  checkOptions(options, OF_RESULT, "result()");
  const { host } = at;
  const limit = limitOf(host, options.timeout, "timeout of result()");
  if (at.awaited !== undefined) await at.arrive(limit);
  for (let look = firstLook(host); ; look = later(look)) {
    const change = host.changed(at.run, Math.max(1, Math.min(look, limit - host.now())));
    if (!host.active(at.run)) {
      const row = await at.row();
      if (isClosed(row.status)) return (await lastOutcome(at)) as O;
      if (row.status === "blocked") throw blockedError(at, row);
    }
    if (host.now() >= limit) throw late(at, await at.row());
    const last = await change;
    if (last === undefined) continue;
    if (last.type === "RunContinued") await at.row();
    else return outcome(at, last) as O;
  }
}

/** Why the result is not there in time. */
function late({ host, workflowId }: FollowedRun, row: RunRow): PerdureError {
  const awaited = awaitedCode(row, host.now());
  const why = awaited === undefined ? "it goes on" : awaitedText(awaited);
  return new PerdureError("WAIT_TIMED_OUT", `${workflowId} has not ended yet; ${why}`);
}

async function lastOutcome(at: FollowedRun): Promise<unknown> {
  const last = await at.host.store.lastEvent(at.run);
  if (last === undefined) {
    // It may have been deleted since its row was read: then this says so.
    await at.row();
    throw new PerdureError("INTERNAL", `run ${at.runId} is closed but has no history`);
  }
  return outcome(at, last);
}

function blockedError({ workflowId, runId }: FollowedRun, row: RunRow): PerdureError {
  const { blocked } = parseDetail(row.detail);
  return new PerdureError("RUN_BLOCKED", `${workflowId} is blocked: ${blocked?.message ?? "unknown reason"}`, {
    details: { workflowId, runId, reason: blocked?.reason },
  });
}

/** Returns the result in a terminal event, or throws what it stands for. */
function outcome({ host: { codec }, workflowId, runId }: FollowedRun, last: EventRow): unknown {
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

// ---- answers -----------------------------------------------------------------------------------------------------------

async function answered(
  at: FollowedRun,
  { name, run, number }: SentUpdate,
  timeout: Duration | undefined,
  accepted: boolean,
): Promise<unknown> {
  const { host, workflowId } = at;
  const limit = limitOf(host, timeout, "timeout of an update");
  // The answer may come from the run that continues this one.
  let current = at.run;
  for (let look = firstLook(host); ; look = later(look)) {
    const change = host.changed(current, Math.max(1, Math.min(look, limit - host.now())));
    const answer = await host.store.answer(run, number);
    if (answer?.status === "completed") return decodePayload(answer.data, host.codec);
    if (answer?.status === "rejected") throw rejected(workflowId, name, JSON.parse(answer.data) as Failure, host.codec);
    if (accepted && answer !== undefined) return undefined;
    const row = await at.row();
    if (row.status === "blocked") throw blockedError(at, row);
    if (isClosed(row.status) && (await host.store.answer(run, number)) === undefined)
      throw closedError(at.workflowId, row.status);
    if (row.run !== current) {
      current = row.run;
      continue;
    }
    if (host.now() >= limit)
      throw new PerdureError("WAIT_TIMED_OUT", `${workflowId} has not answered update ${name} yet; it goes on`);
    await change;
  }
}

function rejected(workflowId: string, name: string, failure: Failure, codec: PayloadCodec | undefined): PerdureError {
  if (saysUnanswered(failure)) return new PerdureError("RUN_CLOSED", failure.message);
  return new PerdureError("UPDATE_FAILED", `update ${name} of ${workflowId} failed: ${failureText(failure)}`, {
    details: { workflowId, update: name },
    cause: fromFailure(failure, [], codec),
  });
}
