/**
 * Resets: a run goes back in its own history (rules 29 to 31). What is wanted is left in the run's row in one write that opens the run
 * again; the engine that takes it over carries it out in the commit that sets the events aside. So whoever dies in between, it
 * happens once.
 */
import type { Point } from "../core/cut.ts";
import { type Duration, durationMs } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import { checkOptions, optionNames } from "../core/options.ts";
import { encodePayload } from "../core/payload.ts";
import { isClosed, type RunStatus } from "../core/status.ts";
import { goingOn } from "../engine/parked.ts";
import { isResetPause, PAUSED_FOR_RESET, type ResetRequest, resetRequest } from "../engine/reset.ts";
import type { EventRow, RunRow, Store } from "../store/store.ts";
import { historyOf } from "./history-of.ts";
import { checkPoint, findPoint, type Rewinding } from "./rewind-point.ts";

/** Options of `handle.reset`. */
export interface ResetOptions {
  /**
   * The step to go back to: its name or label (the last of several), the number of its command, or `{ event: n }`. It and everything
   * that happened after it is set aside and done anew.
   */
  readonly to: Point;
  /** Kept in the history. */
  readonly reason?: string;
  /** How long to wait for what is running: a run goes back when nothing of it is. Default: as long as it takes. */
  readonly timeout?: Duration;
}

const RESET: ReadonlySet<string> = optionNames<ResetOptions>({ to: true, reason: true, timeout: true });

/** What resetting needs. */
export interface ResetHost {
  readonly store: Store;
  now(): number;
  hint(run?: number): void;
  changed(run: number, ms: number): Promise<EventRow | undefined>;
  readonly rewinding?: Rewinding | undefined;
}

const OPEN: readonly RunStatus[] = ["pending", "running"];
const FIRST_LOOK_MS = 50;
const LAST_LOOK_MS = 1000;

/** Resets a run: resolves once that is sure to happen. @throws PerdureError, see `handle.reset`. */
export async function resetRun(host: ResetHost, run: number, options: ResetOptions): Promise<void> {
  checkOptions(options, RESET, "reset()");
  checkPoint(options.to, "to");
  const { store } = host;
  const limit =
    options.timeout === undefined
      ? Number.POSITIVE_INFINITY
      : host.now() + durationMs(options.timeout, "timeout of reset()");
  let point = options.to;
  for (let look = FIRST_LOOK_MS; ; look = Math.min(look * 2, LAST_LOOK_MS)) {
    const row = await store.find({ run });
    if (row === undefined) throw new PerdureError("NOT_FOUND", "the run does not exist (any more)");
    if (row.superseded)
      throw new PerdureError("CONFLICT", `a newer run has the workflow id ${row.workflowId}; fork this one instead`);
    const seq = await pointOf(host, row, point);
    if (row.owner === null && (await ask(host, row, seq, options))) return;
    if (row.owner === null) continue;
    // What is meant now is meant after the wait, too, whatever happens until then.
    point = { event: seq };
    const change = host.changed(run, Math.max(1, Math.min(look, limit - host.now())));
    if (look === FIRST_LOOK_MS) await pause(host, run);
    if (host.now() >= limit) throw stillBusy(row);
    await change;
  }
}

/** The event to go back to. A run that was paused for that and may not go back goes on. */
async function pointOf(host: ResetHost, row: RunRow, to: Point): Promise<number> {
  try {
    return await findPointOf(host, row, to);
  } catch (error) {
    if (row.status === "paused" && pausedWhy(row) === PAUSED_FOR_RESET && typeof to === "object") await goOn(host, row);
    throw error;
  }
}

async function goOn({ store, now, hint }: ResetHost, { run, detail }: RunRow): Promise<void> {
  const to = { status: "pending", wakeAt: now(), closedAt: null, crashes: 0, detail: goingOn(detail) } as const;
  if (await store.amend(run, ["paused"], to)) hint(run);
}

function pausedWhy({ detail }: RunRow): string | undefined {
  return detail === null ? undefined : (JSON.parse(detail) as { paused?: string }).paused;
}

async function findPointOf(host: ResetHost, row: RunRow, to: Point): Promise<number> {
  const { seq, end } = await findPoint(row, await historyOf(host.store, row.run), to, host.rewinding);
  if (seq === end && !isClosed(row.status))
    throw new PerdureError(
      "CONFLICT",
      `${JSON.stringify(to)} of ${row.workflowId} has no outcome yet, there is nothing to go back from; retryStep starts its next attempt, failStep gives it up`,
    );
  return seq;
}

/** Leaves the request in the row. False when the run has changed. */
async function ask({ store, now, hint }: ResetHost, row: RunRow, seq: number, options: ResetOptions): Promise<boolean> {
  const { status } = row;
  const open = OPEN.includes(status);
  const earlier = resetRequest(row);
  const was = status === "paused" ? pausedWhy(row) : undefined;
  const paused = earlier?.paused ?? (was === PAUSED_FOR_RESET ? undefined : was);
  const request: ResetRequest = {
    seq: earlier === undefined ? seq : Math.min(seq, earlier.seq),
    reason: options.reason ?? "",
    ...(paused !== undefined && { paused }),
  };
  const to = {
    status: "pending",
    wakeAt: now(),
    closedAt: null,
    crashes: 0,
    detail: JSON.stringify({ reset: request }),
  };
  if (!(await store.amend(row.run, open ? OPEN : [status], { ...to, status: "pending" }))) return false;
  hint(row.run);
  return true;
}

/** Makes an active run stand still, unless that was asked for before. One that ends meanwhile is as good. */
async function pause({ store, now, hint }: ResetHost, run: number): Promise<void> {
  const [loaded] = await store.load([run], 0);
  if (loaded?.messages.some(isResetPause) === true) return;
  await store.send({ run, kind: "pause", name: "", data: encodePayload(PAUSED_FOR_RESET), at: now(), key: null });
  hint();
}

function stillBusy({ workflowId, run }: RunRow): PerdureError {
  return new PerdureError(
    "WAIT_TIMED_OUT",
    `something of ${workflowId} is still running, so it did not go back; it pauses after that. Reset it again then, or resume it`,
    { details: { workflowId, run } },
  );
}
