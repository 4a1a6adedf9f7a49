/**
 * The fenced commit on memory tables. A batch that holds something no database would take is refused as a whole before
 * anything is written.
 */
import { PerdureError } from "../../core/errors.ts";
import type { Batch, BatchResult, EventRow, NewRun, Refusal, RunImage, Transition } from "../store.ts";
import type { MemoryRun, Tables } from "./tables.ts";

/** Applies a batch of `engine`. @throws PerdureError LEASE_LOST, INTERNAL */
export function commitBatch(tables: Tables, engine: number, batch: Batch): BatchResult {
  const lease = tables.engines.get(engine);
  if (lease === undefined || lease.batch !== batch.number - 1) throw leaseLost(engine);
  for (const start of batch.starts) checkStart(start);
  for (const transition of batch.transitions) checkTransition(transition);
  lease.batch = batch.number;
  const starts = batch.starts.map((start) => tables.start(start, engine));
  const refused = new Map<number, Refusal>();
  batch.transitions.forEach((transition, index) => {
    const refusal = advance(tables, engine, transition);
    if (refusal !== undefined) refused.set(index, refusal);
  });
  return { starts, refused };
}

/** The error of every operation of an engine whose row is gone. */
export function leaseLost(engine: number): PerdureError {
  return new PerdureError("LEASE_LOST", `engine ${engine} has lost its lease: its runs go on elsewhere`, {
    details: { engine },
  });
}

function advance(tables: Tables, engine: number, transition: Transition): Refusal | undefined {
  const run = tables.runs.get(transition.run);
  if (run === undefined || run.row.owner !== engine || run.events.length !== transition.base) return "history";
  const { image } = transition;
  if (image !== null && image.ifInbox !== null && image.ifInbox !== run.row.inbox) return "inbox";
  for (const event of transition.events) run.events.push(event);
  for (const number of transition.consumed) run.messages.delete(number);
  for (const command of transition.settled) run.attempts.delete(command);
  for (const attempt of transition.attempts) run.attempts.set(attempt.command, attempt);
  if (image !== null) apply(tables, run, image, engine);
  return undefined;
}

function apply(tables: Tables, run: MemoryRun, image: RunImage, engine: number): void {
  const { status, wakeAt, closedAt, crashes, detail } = image;
  const owner = image.owned ? engine : null;
  tables.update(run, { status, owner, wakeAt, closedAt, crashes, detail, length: run.events.length });
  if (image.forget) run.secrets = null;
}

function checkStart(start: NewRun): void {
  checkEvent(start.first);
  if (!Number.isFinite(start.createdAt)) throw notStorable("createdAt");
}

function checkTransition(transition: Transition): void {
  for (const event of transition.events) checkEvent(event);
}

function checkEvent(event: EventRow): void {
  if (!Number.isFinite(event.at)) throw notStorable("at");
  if (typeof event.data !== "string") throw notStorable("data");
  if (typeof event.type !== "string") throw notStorable("type");
}

function notStorable(column: string): PerdureError {
  return new PerdureError("INTERNAL", `the store cannot keep an event whose "${column}" is not of its type`);
}
