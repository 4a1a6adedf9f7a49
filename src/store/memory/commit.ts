/**
 * The fenced commit on memory tables. A batch that holds something no database would take is refused as a whole before
 * anything is written.
 */
import { PerdureError } from "../../core/errors.ts";
import { stopOf } from "../stop-message.ts";
import type {
  Also,
  Batch,
  BatchResult,
  EventRow,
  MessageRow,
  NewRun,
  Refusal,
  RunImage,
  Transition,
} from "../store.ts";
import { deliver } from "./delivery.ts";
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
  for (const command of transition.settled) {
    run.attempts.delete(command);
    tables.tasks.remove(transition.run, command);
  }
  for (const attempt of transition.attempts) {
    const { task, ...row } = attempt;
    run.attempts.set(attempt.command, task === undefined ? row : { ...row, task: true });
    tables.tasks.follow(transition.run, attempt);
  }
  if (image !== null) apply(tables, run, image, engine);
  if (transition.also !== undefined) applyAlso(tables, run, transition.also);
  return undefined;
}

function apply(tables: Tables, run: MemoryRun, image: RunImage, engine: number): void {
  const { status, wakeAt, closedAt, crashes, detail } = image;
  const owner = image.owned ? engine : null;
  tables.update(run, { status, owner, wakeAt, closedAt, crashes, detail, length: run.events.length });
  if (image.forget) run.secrets = null;
}

/** In this order: what is written to the row goes over to the run that continues it, and that one takes messages already. */
function applyAlso(tables: Tables, run: MemoryRun, also: Also): void {
  for (const answer of also.answers ?? []) tables.chains.answer(run.row.chain, answer);
  Object.assign(run.row, also.facts);
  for (const message of also.returned ?? []) giveBack(tables, run, message);
  if (also.successor !== undefined) tables.succeed(run, also.successor.start, also.successor.messages);
  if (also.stopsChildren !== undefined) stopChildren(tables, run.row.run, also.stopsChildren);
  for (const message of also.sends ?? []) deliver(tables, message);
}

function stopChildren(tables: Tables, parent: number, { data, at }: NonNullable<Also["stopsChildren"]>): void {
  for (const { row } of tables.childrenOf(parent)) {
    const { run, workflowId } = row;
    const { onClose, command, generation } = row.parent!;
    if (onClose !== "abandon")
      deliver(tables, stopOf({ run, workflowId, command, generation, onClose }, onClose, data, at));
  }
}

function giveBack(tables: Tables, run: MemoryRun, message: MessageRow): void {
  run.messages.set(message.number, { ...message, run: run.row.run });
  tables.wake(run, message.at);
}

function checkStart(start: NewRun): void {
  for (const event of [start.first, ...(start.rest ?? [])]) checkEvent(event);
  for (const message of start.messages ?? []) checkText(message);
  if (!Number.isFinite(start.createdAt)) throw notStorable("createdAt");
  if (start.tags !== undefined) checkTags(start.tags);
}

function checkTransition({ events, also, image }: Transition): void {
  for (const event of events) checkEvent(event);
  if (also === undefined) return;
  const { answers = [], returned = [], sends = [], successor, facts } = also;
  for (const row of [...answers, ...returned, ...sends, ...(successor?.messages ?? [])]) checkText(row);
  if (facts?.tags !== undefined) checkTags(facts.tags);
  if (successor === undefined) return;
  checkStart(successor.start);
  if (image === null || image.closedAt === null) {
    throw new PerdureError("INTERNAL", "the store cannot continue a run that its transition does not close");
  }
}

function checkEvent(event: EventRow): void {
  checkText(event);
  if (typeof event.type !== "string") throw notStorable("type");
}

function checkText({ at, data }: { readonly at: number; readonly data: string }): void {
  if (!Number.isFinite(at)) throw notStorable("at");
  if (typeof data !== "string") throw notStorable("data");
}

function checkTags(tags: string): void {
  try {
    JSON.parse(tags);
  } catch {
    throw notStorable("tags");
  }
}

function notStorable(column: string): PerdureError {
  return new PerdureError("INTERNAL", `the store cannot keep a row whose "${column}" is not of its type`);
}
