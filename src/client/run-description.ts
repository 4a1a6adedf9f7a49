/** A run as people want to see it: its row, and what is in flight. */
import { parseEvent } from "../core/events.ts";
import type { Failure } from "../core/failure.ts";
import { formatRunId } from "../core/ids.ts";
import { decodePayload, type PayloadCodec } from "../core/payload.ts";
import type { RunStatus } from "../core/status.ts";
import type { AttemptRow, EventRow, RunRow, Store } from "../store/store.ts";
import { type AwaitedCode, awaitedCode } from "./awaited-code.ts";

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
  /** The queue whose task the attempt is, when any engine that serves it may run it. */
  readonly queue: string | undefined;
  /** The engine that runs the task; undefined while it waits for one, and for what is no task. */
  readonly engine: string | undefined;
  /** Whether it is ready to start, but a limit or a pause holds it back. */
  readonly held: boolean;
  readonly lastError: Failure | undefined;
  /** Of an approval: its name, which the step's label may hide; undefined for anything else. */
  readonly approval: string | undefined;
  /** Of an approval: who may decide; undefined when anybody. */
  readonly approvers: readonly string[] | undefined;
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
  /** Why it was paused, while it is. */
  readonly paused: string | undefined;
  /** The code it waits for, when it could go on but no engine has taken it. */
  readonly waitingFor: AwaitedCode | undefined;
  readonly tags: Readonly<Record<string, string>>;
  /** What the workflow said last with `wf.progress`. */
  readonly progress: unknown;
  /** Run id of the run that started it. */
  readonly parent: string | undefined;
  /** What is in flight; steps shorter than about a second do not show. */
  readonly open: readonly OpenStep[];
  /** Why the run failed. */
  readonly error: Failure | undefined;
  /** Takeovers after crashes since the last progress. */
  readonly crashes: number;
  readonly meta: Readonly<Record<string, unknown>>;
}

/** What describing needs. */
interface DescribingHost {
  readonly store: Store;
  readonly codec: PayloadCodec | undefined;
  now?(): number;
}

/** Who runs what of a run for its engine, by command. */
type TasksInFlight = ReadonlyMap<number, Pick<OpenStep, "running" | "queue" | "engine">>;

const NO_TASKS: TasksInFlight = new Map();
const NOWHERE = { running: false, queue: undefined, engine: undefined };

/** The tasks of a run, if its attempts say that there may be some. */
export async function tasksInFlight(
  store: Store,
  run: number,
  attempts: readonly AttemptRow[],
): Promise<TasksInFlight> {
  if (!attempts.some(({ task }) => task === true)) return NO_TASKS;
  const rows = await store.tasksOf(run);
  const engines = rows.some(({ engine }) => engine !== null) ? await store.engines() : [];
  const labels = new Map(engines.map(({ engine, label }) => [engine, label]));
  const named = (engine: number | null): string | undefined =>
    engine === null ? undefined : `${engine} (${labels.get(engine) ?? "gone"})`;
  return new Map(
    rows.map(({ command, queue, engine }) => [command, { running: engine !== null, queue, engine: named(engine) }]),
  );
}

/** Where an attempt is. One that was a task and is settled waits for its run to notice. */
function placeOf(
  { command, startedAt, task }: AttemptRow,
  { owner }: RunRow,
  tasks: TasksInFlight,
): Pick<OpenStep, "running" | "queue" | "engine"> {
  if (task !== true) return { ...NOWHERE, running: startedAt !== null && owner !== null };
  return tasks.get(command) ?? NOWHERE;
}

/** Puts together what is known about a run. */
export function describeRun(
  row: RunRow,
  attempts: readonly AttemptRow[],
  { store, codec, now }: DescribingHost,
  last: EventRow | undefined,
  tasks: TasksInFlight = NO_TASKS,
): RunDescription {
  const storeId = store.id;
  const { blocked, paused, waits = [] } = parseDetail(row.detail);
  const journalled = new Set(attempts.map((attempt) => attempt.command));
  const open: OpenStep[] = attempts.map((attempt) => ({
    command: attempt.command,
    kind: attempt.kind,
    step: attempt.name,
    attempt: attempt.attempt,
    since: attempt.firstAt,
    due: attempt.nextAt ?? undefined,
    ...placeOf(attempt, row, tasks),
    held: isHeld(attempt, row),
    lastError: attempt.error === null ? undefined : (JSON.parse(attempt.error) as Failure),
    ...approvalIn(attempt),
  }));
  if (row.owner === null && row.status !== "blocked") {
    for (const { command, kind, name, label, since, due, approvers } of waits) {
      if (journalled.has(command)) continue;
      const wait = { command, kind, step: label ?? name, attempt: 0, since, due, ...NOWHERE, held: false };
      open.push({ ...wait, lastError: undefined, approval: kind === "approval" ? name : undefined, approvers });
    }
  }
  return {
    workflow: row.workflow,
    version: row.version ?? undefined,
    workflowId: row.workflowId,
    runId: formatRunId(storeId, row.run),
    status: row.status,
    createdAt: row.createdAt,
    closedAt: row.closedAt ?? undefined,
    blocked: row.status === "blocked" ? blocked : undefined,
    paused: row.status === "paused" ? (paused ?? "") : undefined,
    waitingFor: now === undefined ? undefined : awaitedCode(row, now()),
    tags: row.tags === null ? {} : (JSON.parse(row.tags) as Record<string, string>),
    progress: row.progress === null ? undefined : decodePayload(row.progress, codec),
    parent: row.parent === null ? undefined : formatRunId(storeId, row.parent.run),
    open: open.sort((a, b) => a.command - b.command),
    error: last?.type === "RunFailed" ? parseEvent(last).data.e : undefined,
    crashes: row.crashes,
    meta: row.meta === null ? {} : (JSON.parse(row.meta) as Record<string, unknown>),
  };
}

/** What an active run's row says of an approval it waits for. */
function approvalIn({ kind, name, details }: AttemptRow): Pick<OpenStep, "approval" | "approvers"> {
  if (kind !== "approval") return { approval: undefined, approvers: undefined };
  const told = details === null ? {} : (JSON.parse(details) as { approval?: string; approvers?: readonly string[] });
  return { approval: told.approval ?? name, approvers: told.approvers };
}

/** A step of an active run that neither runs nor waits for a time: somebody holds it back. */
function isHeld({ kind, startedAt, nextAt }: AttemptRow, { owner }: RunRow): boolean {
  const isStep = kind === "activity" || kind === "inline" || kind === "transaction";
  return isStep && startedAt === null && nextAt === null && owner !== null;
}

/** What an engine wrote into the row when it let go of the run. */
interface Detail {
  readonly paused?: string;
  readonly blocked?: { readonly reason: string; readonly message: string };
  readonly waits?: readonly {
    command: number;
    kind: string;
    name: string;
    label?: string;
    since: number;
    due?: number;
    approvers?: readonly string[];
  }[];
}

export function parseDetail(detail: string | null): Detail {
  return detail === null ? {} : (JSON.parse(detail) as Detail);
}
