/**
 * Batches as flat messages. A commit is
 *
 *     engine, number, starts, transitions,
 *     per start:      workflowId, workflow, version, createdAt, owned, wakeAt, meta, request, secrets, supersedes, type, at, data,
 *                     what few starts have as JSON or null
 *     per transition: run, base, events, rest (0 or 1), [type, at, data] per event, and if rest is 1:
 *                     consumed, settled, attempts, image (0 or 1), also as JSON or null, numbers, commands, ten columns per attempt,
 *                     status, owned, wakeAt, closedAt, crashes, detail, ifInbox, forget
 *
 * and its result is, per start, `1, run`, `2, run` if that was there already, or `0, …run row`, and then pairs of a transition's
 * index and its refusal.
 */

import { externalOf, type Flat, RUN_WIDTH, readRun } from "../rows.ts";
import type {
  Also,
  AttemptRow,
  Batch,
  BatchResult,
  NewRun,
  Refusal,
  RunImage,
  StartResult,
  Transition,
} from "../store.ts";
import { handsOut } from "../tasks.ts";
import type { StartExtra } from "./relations.ts";
import type { WrittenTask } from "./tasks.ts";

/** What became of a start. */
export const CONFLICT = 0;
export const CREATED = 1;
export const EXISTING = 2;
export const ORPHAN = 3;

/** Appends a batch to a message. */
export function encodeBatch(flat: Flat, engine: number, batch: Batch): void {
  flat.push(engine, batch.number, batch.starts.length, batch.transitions.length);
  for (const start of batch.starts) encodeStart(flat, start);
  for (const transition of batch.transitions) encodeTransition(flat, transition);
}

function encodeStart(flat: Flat, start: NewRun): void {
  const { workflowId, workflow, version, createdAt, owned, wakeAt, meta, request, secrets, supersedes, first } = start;
  flat.push(workflowId, workflow, version, createdAt, owned ? 1 : 0, wakeAt, meta, request, secrets, supersedes);
  flat.push(first.type, first.at, first.data, encodeExtra(start));
}

function encodeExtra({ rest, messages, parent, tags }: NewRun): string | null {
  if (rest === undefined && messages === undefined && parent === undefined && tags === undefined) return null;
  const extra: { [Key in keyof StartExtra]: StartExtra[Key] | undefined } = { rest, messages, parent, tags };
  return JSON.stringify(extra);
}

function encodeTransition(flat: Flat, transition: Transition): void {
  const { run, base, events, consumed, settled, attempts, image, also } = transition;
  const rest = image !== null || consumed.length > 0 || settled.length > 0 || attempts.length > 0 || also !== undefined;
  flat.push(run, base, events.length, rest ? 1 : 0);
  for (const event of events) flat.push(event.type, event.at, event.data);
  if (!rest) return;
  flat.push(consumed.length, settled.length, attempts.length, image === null ? 0 : 1);
  flat.push(encodeAlso(also, attempts));
  for (const number of consumed) flat.push(number);
  for (const command of settled) flat.push(command);
  for (const attempt of attempts) encodeAttempt(flat, attempt);
  if (image !== null) encodeImage(flat, image);
}

/** What few transitions do. */
function encodeAlso(also: Also | undefined, attempts: readonly AttemptRow[]): string | null {
  const tasks = attempts.length > 0 && handsOut(attempts) ? attempts.flatMap(writtenTask) : undefined;
  return also === undefined && tasks === undefined ? null : JSON.stringify({ ...also, tasks });
}

function writtenTask({ command, attempt, task }: AttemptRow): WrittenTask[] {
  return task === undefined || task === true ? [] : [{ ...task, command, attempt }];
}

function encodeAttempt(flat: Flat, row: AttemptRow): void {
  flat.push(
    row.command,
    row.kind,
    row.name,
    row.attempt,
    row.startedAt,
    row.firstAt,
    row.nextAt,
    row.error,
    row.details,
    externalOf(row),
  );
}

function encodeImage(flat: Flat, image: RunImage): void {
  const { status, owned, wakeAt, closedAt, crashes, detail, ifInbox, forget } = image;
  flat.push(status, owned ? 1 : 0, wakeAt, closedAt, crashes, detail, ifInbox, forget ? 1 : 0);
}

/** Reads the result of a commit with this many starts. */
export function decodeBatchResult(flat: Flat, startCount: number): BatchResult {
  const starts: StartResult[] = [];
  let at = 0;
  while (starts.length < startCount) {
    const run = flat[at + 1] as number;
    if (flat[at] === CONFLICT) starts.push({ conflict: readRun(flat, at + 1) });
    else if (flat[at] === ORPHAN) starts.push({ orphan: true });
    else starts.push(flat[at] === EXISTING ? { run, existing: true } : { run });
    at += flat[at] === CONFLICT ? 1 + RUN_WIDTH : 2;
  }
  if (at === flat.length) return { starts, refused: NOTHING_REFUSED };
  const refused = new Map<number, Refusal>();
  for (; at < flat.length; at += 2) refused.set(flat[at] as number, flat[at + 1] as Refusal);
  return { starts, refused };
}

const NOTHING_REFUSED: ReadonlyMap<number, Refusal> = new Map();
