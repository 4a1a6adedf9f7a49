/**
 * Rows as flat runs of column values, the form in which they cross between the threads: one array of primitives is several times
 * cheaper to hand over than objects. Each row type has its columns in one place and a reader that starts at an offset.
 */
import type { OnParentClose } from "../../core/status.ts";
import type {
  AnswerRow,
  AttemptRow,
  ChildRow,
  DefinitionRow,
  EngineRow,
  EventRow,
  MessageKind,
  MessageRow,
  OutcomeRow,
  ParentLink,
  PauseRow,
  RunRow,
  SizeRow,
  WaitingRow,
} from "../store.ts";
import type { Value } from "./driver.ts";

/** A flat message between the threads. */
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

export const ENGINE_WIDTH = 4;

export function readEngine(flat: Flat, at: number): EngineRow {
  return {
    engine: flat[at] as number,
    registeredAt: flat[at + 1] as number,
    label: flat[at + 2] as string,
    runs: flat[at + 3] as number,
  };
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
