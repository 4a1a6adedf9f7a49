/**
 * Rows as flat runs of column values: what PostgreSQL answers in arrays, and the form in which rows of SQLite cross between the threads,
 * as one array of primitives is several times cheaper to hand over than objects. Each row type has its columns in one place, in both
 * databases, and a reader that starts at an offset.
 */
import { PerdureError } from "../core/errors.ts";
import type { OnParentClose } from "../core/status.ts";
import type {
  AnswerRow,
  AttemptRow,
  ChildRow,
  ClaimedTask,
  DefinitionRow,
  EngineRow,
  EventRow,
  MessageKind,
  MessageRow,
  OutcomeRow,
  ParentLink,
  PauseRow,
  QueueLimit,
  QueueRow,
  RunRow,
  SizeRow,
  TaskKey,
  TaskRow,
  WaitingActivity,
  WaitingRow,
} from "./store.ts";

/** A value in a column or a parameter. */
export type Value = string | number | null;

/** Values of any number of rows, one after another. */
export type Flat = Value[];

export const RUN_COLUMNS: string =
  "run, workflow_id, workflow, version, status, owner, wake_at, inbox, created_at, closed_at, crashes, detail, meta, length, superseded, request, coalesce(chain, run), parent, parent_command, parent_generation, on_parent_close, tags, progress";
export const RUN_WIDTH = 23;

export function readRun(flat: Flat, at: number): RunRow {
  return {
    run: flat[at] as number,
    workflowId: flat[at + 1] as string,
    workflow: flat[at + 2] as string,
    version: flat[at + 3] as string | null,
    status: flat[at + 4] as RunRow["status"],
    owner: flat[at + 5] as number | null,
    wakeAt: flat[at + 6] as number | null,
    inbox: flat[at + 7] as number,
    createdAt: flat[at + 8] as number,
    closedAt: flat[at + 9] as number | null,
    crashes: flat[at + 10] as number,
    detail: flat[at + 11] as string | null,
    meta: flat[at + 12] as string | null,
    length: flat[at + 13] as number,
    superseded: flat[at + 14] === 1,
    request: flat[at + 15] as string | null,
    chain: flat[at + 16] as number,
    parent: flat[at + 17] === null ? null : readParent(flat, at + 17),
    tags: flat[at + 21] as string | null,
    progress: flat[at + 22] as string | null,
  };
}

function readParent(flat: Flat, at: number): ParentLink {
  return {
    run: flat[at] as number,
    command: flat[at + 1] as number,
    generation: flat[at + 2] as number,
    onClose: flat[at + 3] as OnParentClose,
  };
}

export const EVENT_COLUMNS: string = "type, at, data";
export const EVENT_WIDTH = 3;

export function readEvent(flat: Flat, at: number): EventRow {
  return { type: flat[at] as string, at: flat[at + 1] as number, data: flat[at + 2] as string };
}

export const ATTEMPT_COLUMNS: string =
  "command, kind, name, attempt, started_at, first_at, next_at, error, details, external";
export const ATTEMPT_WIDTH = 10;

/** What stands in the column of an external attempt that is, or was, a task. */
export const WITH_TASK = 2;

/** What stands in the column `external` of an attempt. */
export function externalOf({ external, task }: AttemptRow): number | null {
  if (task !== undefined) return WITH_TASK;
  return external === true ? 1 : null;
}

export function readAttempt(flat: Flat, at: number): AttemptRow {
  return {
    command: flat[at] as number,
    kind: flat[at + 1] as string,
    name: flat[at + 2] as string,
    attempt: flat[at + 3] as number,
    startedAt: flat[at + 4] as number | null,
    firstAt: flat[at + 5] as number,
    nextAt: flat[at + 6] as number | null,
    error: flat[at + 7] as string | null,
    details: flat[at + 8] as string | null,
    ...(flat[at + 9] === 1 && { external: true }),
    ...(flat[at + 9] === WITH_TASK && { external: true, task: true }),
  };
}

export const MESSAGE_COLUMNS: string = "run, number, kind, name, data, at";
export const MESSAGE_WIDTH = 6;

export function readMessage(flat: Flat, at: number): MessageRow {
  return {
    run: flat[at] as number,
    number: flat[at + 1] as number,
    kind: flat[at + 2] as MessageKind,
    name: flat[at + 3] as string,
    data: flat[at + 4] as string,
    at: flat[at + 5] as number,
  };
}

/** Behind the number of the parent. */
export const CHILD_COLUMNS: string = "run, workflow_id, parent_command, parent_generation, on_parent_close";
export const CHILD_WIDTH = 5;

export function readChild(flat: Flat, at: number): ChildRow {
  return {
    run: flat[at] as number,
    workflowId: flat[at + 1] as string,
    command: flat[at + 2] as number,
    generation: flat[at + 3] as number,
    onClose: flat[at + 4] as OnParentClose,
  };
}

export const ANSWER_COLUMNS: string = "number, status, data, at";
export const ANSWER_WIDTH = 4;

export function readAnswer(flat: Flat, at: number): AnswerRow {
  return {
    number: flat[at] as number,
    status: flat[at + 1] as AnswerRow["status"],
    data: flat[at + 2] as string,
    at: flat[at + 3] as number,
  };
}

export const OUTCOME_COLUMNS: string = "command, generation, data, at";
export const OUTCOME_WIDTH = 4;

export function readOutcome(flat: Flat, at: number): OutcomeRow {
  return {
    command: flat[at] as number,
    generation: flat[at + 1] as number,
    data: flat[at + 2] as string,
    at: flat[at + 3] as number,
  };
}

export const PAUSE_COLUMNS: string = "scope, name, reason, at";
export const PAUSE_WIDTH = 4;

export function readPause(flat: Flat, at: number): PauseRow {
  return {
    scope: flat[at] as PauseRow["scope"],
    name: flat[at + 1] as string,
    reason: flat[at + 2] as string,
    at: flat[at + 3] as number,
  };
}

export const WAITING_WIDTH = 3;

export function readWaiting(flat: Flat, at: number): WaitingRow {
  return {
    workflow: flat[at] as string,
    version: flat[at + 1] as string | null,
    runs: flat[at + 2] as number,
  };
}

export const SIZE_WIDTH = 5;

export function readSize(flat: Flat, at: number): SizeRow {
  return {
    workflow: flat[at] as string,
    status: flat[at + 1] as RunRow["status"],
    runs: flat[at + 2] as number,
    events: flat[at + 3] as number,
    size: flat[at + 4] as number,
  };
}

export const ENGINE_WIDTH = 6;

export function readEngine(flat: Flat, at: number): EngineRow {
  return {
    engine: flat[at] as number,
    registeredAt: flat[at + 1] as number,
    label: flat[at + 2] as string,
    runs: flat[at + 3] as number,
    serves: flat[at + 4] === null ? null : (JSON.parse(flat[at + 4] as string) as string[]),
    activities: JSON.parse(flat[at + 5] as string) as string[],
  };
}

export const TASK_KEY_COLUMNS: string = "run, command, generation, attempt";
export const TASK_KEY_WIDTH = 4;

export function readTaskKey(flat: Flat, at: number): TaskKey {
  return {
    run: flat[at] as number,
    command: flat[at + 1] as number,
    generation: flat[at + 2] as number,
    attempt: flat[at + 3] as number,
  };
}

export const TASK_COLUMNS: string = `${TASK_KEY_COLUMNS}, queue, activity, created_at, owner, started_at, beat_at`;
export const TASK_WIDTH = 10;

export function readTask(flat: Flat, at: number): TaskRow {
  return {
    ...readTaskKey(flat, at),
    queue: flat[at + 4] as string,
    activity: flat[at + 5] as string,
    createdAt: flat[at + 6] as number,
    engine: flat[at + 7] as number | null,
    startedAt: flat[at + 8] as number | null,
    beatAt: flat[at + 9] as number | null,
  };
}

/** Of a task `t` and its run `r`. */
export const CLAIMED_TASK_COLUMNS: string =
  "t.run, t.command, t.generation, t.attempt, t.queue, t.activity, t.workflow, r.workflow_id, t.input, t.body, t.details, (select s.body from secrets s where s.run = t.run), t.created_at";
export const CLAIMED_TASK_WIDTH = 13;

export function readClaimedTask(flat: Flat, at: number): ClaimedTask {
  return {
    ...readTaskKey(flat, at),
    queue: flat[at + 4] as string,
    activity: flat[at + 5] as string,
    workflow: flat[at + 6] as string,
    workflowId: flat[at + 7] as string,
    input: flat[at + 8] as string | null,
    body: flat[at + 9] as string,
    details: flat[at + 10] as string | null,
    secrets: flat[at + 11] as string | null,
    createdAt: flat[at + 12] as number,
  };
}

/** Of queues `q` with their tasks `t` and limits `l`. */
export const QUEUE_COLUMNS: string =
  "q.queue, sum(case when t.run is not null and t.owner is null then 1 else 0 end), sum(case when t.owner is not null then 1 else 0 end), min(case when t.owner is null then t.created_at end), l.everywhere";
export const QUEUE_WIDTH = 5;

export function readQueue(flat: Flat, at: number): QueueRow {
  return {
    queue: flat[at] as string,
    waiting: flat[at + 1] as number,
    running: flat[at + 2] as number,
    oldestAt: flat[at + 3] as number | null,
    everywhere: flat[at + 4] as number | null,
  };
}

export const WAITING_ACTIVITY_WIDTH = 3;

export function readWaitingActivity(flat: Flat, at: number): WaitingActivity {
  return { queue: flat[at] as string, activity: flat[at + 1] as string, run: flat[at + 2] as number };
}

export const QUEUE_LIMIT_WIDTH = 2;

export function readQueueLimit(flat: Flat, at: number): QueueLimit {
  return { queue: flat[at] as string, everywhere: flat[at + 1] as number };
}

export const DEFINITION_COLUMNS: string = "hash, name, body, created_at";
export const DEFINITION_WIDTH = 4;

export function readDefinition(flat: Flat, at: number): DefinitionRow {
  return {
    hash: flat[at] as string,
    name: flat[at + 1] as string,
    body: flat[at + 2] as string,
    createdAt: flat[at + 3] as number,
  };
}

/** Reads a whole message of rows of one type. */
export function readRows<Row>(flat: Flat, width: number, read: (flat: Flat, at: number) => Row): Row[] {
  const rows: Row[] = [];
  for (let at = 0; at < flat.length; at += width) rows.push(read(flat, at));
  return rows;
}

/** Appends rows of column values to a message. */
export function pushRows(flat: Flat, rows: readonly (readonly Value[])[]): void {
  for (const row of rows) for (const value of row) flat.push(value);
}

/**
 * What is kept of a transactional step, for who wants to do it (again).
 *
 * @throws PerdureError CONFLICT when the history has taken the outcome: this attempt comes too late.
 */
export function keptOutcome(kept: OutcomeRow): OutcomeRow {
  if (kept.data !== "") return kept;
  throw new PerdureError("CONFLICT", "another attempt of this transaction has ended, and its outcome is recorded");
}
