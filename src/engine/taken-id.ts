/**
 * What it means when the workflow id of a start is taken. Every start goes this way: those of callers, of parents, of schedules, and those that
 * were asked for inside a transaction.
 */
import { PerdureError } from "../core/errors.ts";
import { isClosed } from "../core/status.ts";
import type { RunRow, StartResult } from "../store/store.ts";

/** What a caller wants to happen. */
export interface IdPolicy {
  readonly workflow: string;
  /** Keyed hash of what is asked for, when there is an idempotency key (rule 28). */
  readonly request: string | null;
  readonly reuse: "allow" | "failed-only" | "reject";
  readonly conflict: "fail" | "attach" | "terminate";
}

/** `attach`: that run is meant. `replace`: it has ended and gives way. `end`: it gives way once it has been ended. */
export type Taken = "attach" | "replace" | "end";

/** @throws PerdureError `ALREADY_EXISTS`, `CONFLICT` */
export function whenTaken(row: RunRow, { workflow, request, reuse, conflict }: IdPolicy): Taken {
  const { workflowId, status } = row;
  if (request !== null && row.request !== null && request.split(":")[0] === row.request.split(":")[0]) {
    if (request === row.request) return "attach";
    const message = `the idempotency key of ${workflowId} was used before with another workflow or input`;
    throw new PerdureError("CONFLICT", message, { details: { workflowId } });
  }
  if (isClosed(status)) {
    if (reuse === "allow" || (reuse === "failed-only" && status !== "completed")) return "replace";
    const message = `${workflowId} has run before (${status}) and reuse is ${reuse}`;
    throw new PerdureError("ALREADY_EXISTS", message, { details: { workflowId, status } });
  }
  if (conflict === "terminate") return "end";
  if (conflict === "attach") {
    if (row.workflow === workflow) return "attach";
    const message = `${workflowId} is a run of ${row.workflow}, not of ${workflow}`;
    throw new PerdureError("CONFLICT", message, { details: { workflowId } });
  }
  const message = `a run with the id ${workflowId} is open (${status}); use conflict: "attach" to get its handle, or "terminate" to replace it`;
  throw new PerdureError("ALREADY_EXISTS", message, { details: { workflowId, status } });
}

/** The run that a start has come to; `fresh`: this very start made it. */
export interface Placed {
  readonly run: number;
  readonly fresh: boolean;
  /** It is a child that was there already. */
  readonly existing?: true;
}

/** Starts a run that takes the id of a closed one, if any. */
type Starting = (supersedes: number | null) => Promise<StartResult>;

/** Whether the run that has the id is the one that is meant, or may be replaced. */
type Deciding = (row: RunRow) => Promise<"attach" | "replace"> | "attach" | "replace";

/**
 * Starts until the run has a place: with every run that has the id, `taken` says whether it is the one that is meant, or may be replaced.
 *
 * @throws what `start` and `taken` throw
 */
export async function place(start: Starting, taken: Deciding): Promise<Placed> {
  const result = await start(null);
  return "run" in result ? { ...result, fresh: true } : placeAgain(result, start, taken);
}

/** Goes on where a first start has found the id taken. @throws what `start` and `taken` throw */
export async function placeAgain(refused: StartResult, start: Starting, taken: Deciding): Promise<Placed> {
  for (let result = refused; ; ) {
    if ("run" in result) return { ...result, fresh: true };
    if ("orphan" in result) throw new PerdureError("RUN_CLOSED", "the parent of this run has ended meanwhile");
    const { run } = result.conflict;
    if ((await taken(result.conflict)) === "attach") return { run, fresh: false };
    result = await start(run);
  }
}
