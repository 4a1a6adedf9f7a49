/**
 * The SQLite store: one database file, shared by any number of processes of one machine. The connection lives in a thread of its
 * own, so that the disk and the workflows' code work at the same time; here requests are only put into words.
 */

import { resolve } from "node:path";
import type { StoreTransaction } from "../../core/sql-transaction.ts";
import type { Value } from "../rows.ts";
import {
  ANSWER_WIDTH,
  ATTEMPT_WIDTH,
  CLAIMED_TASK_WIDTH,
  DEFINITION_WIDTH,
  ENGINE_WIDTH,
  EVENT_WIDTH,
  type Flat,
  MESSAGE_WIDTH,
  PAUSE_WIDTH,
  QUEUE_LIMIT_WIDTH,
  QUEUE_WIDTH,
  RUN_WIDTH,
  readAnswer,
  readAttempt,
  readClaimedTask,
  readDefinition,
  readEngine,
  readEvent,
  readMessage,
  readPause,
  readQueue,
  readQueueLimit,
  readRows,
  readRun,
  readSize,
  readTask,
  readTaskKey,
  readWaiting,
  readWaitingActivity,
  SIZE_WIDTH,
  TASK_KEY_WIDTH,
  TASK_WIDTH,
  WAITING_ACTIVITY_WIDTH,
  WAITING_WIDTH,
} from "../rows.ts";
import type { SendQueue } from "../send-queue.ts";
import type {
  AnswerRow,
  AttemptRow,
  Batch,
  BatchResult,
  ClaimedTask,
  CodeKey,
  DefinitionRow,
  EngineRow,
  EventRow,
  Lease,
  LoadedRun,
  MessageRow,
  NewMessage,
  OutcomeRow,
  PauseRow,
  QueueLimit,
  QueueRow,
  RunClaim,
  RunFilter,
  RunImage,
  RunRow,
  SendResult,
  SizeRow,
  Store,
  TaskBeat,
  TaskClaim,
  TaskEnd,
  TaskKey,
  TaskRow,
  WaitingActivity,
  WaitingRow,
} from "../store.ts";
import { decodeBatchResult, encodeBatch } from "./batch-codec.ts";
import type { CodeOfWorkflow } from "./claims.ts";
import { IN_MEMORY } from "./database.ts";
import { decodeLoaded } from "./loaded-codec.ts";
import { type Durability, OP, type Operation } from "./protocol.ts";
import { sendQueue } from "./sends.ts";
import { Thread } from "./thread.ts";
import { transact } from "./transact.ts";
import { uptimeMs } from "./uptime.ts";

/** Runs deleted in one transaction, which nobody else can write in meanwhile. */
const PURGED_AT_A_TIME = 200;

/** Where and how to open a SQLite store. */
export interface SqliteOptions {
  /**
   * File of the database, made with its folder if there is none; on a local file system, as locks on others cannot be trusted.
   * `:memory:` for a private one without a file.
   */
  readonly path: string;
  /**
   * `full` (default): a commit survives a power cut. `relaxed`: it survives a crash of the process, and a power cut may take
   * back the last moments.
   */
  readonly durability?: Durability;
  /** Whether a file that is not there is made, and one of an older version brought up to date; else it is refused. Default true. */
  readonly migrate?: boolean;
}

/** A {@link Store} in a SQLite file. */
export interface SqliteStore extends Store {
  readonly kind: "sqlite";
  /** Absolute path, or `:memory:`. */
  readonly path: string;
  /** What the database said when it was asked back. */
  readonly durability: Durability;
}

/**
 * Opens a SQLite store. Its file is made and brought up to date, unless `migrate` is false.
 *
 * @example const store = await openSqliteStore({ path: "app.db" });
 * @throws PerdureError UNAVAILABLE, INCOMPATIBLE_STORE
 */
export async function openSqliteStore(options: SqliteOptions): Promise<SqliteStore> {
  const path = options.path === IN_MEMORY ? IN_MEMORY : resolve(options.path);
  const listeners = new Set<() => void>();
  const migrates = options.migrate !== false || path === IN_MEMORY;
  const thread = new Thread({ path, durability: options.durability ?? "full", migrates }, () => {
    for (const listener of listeners) listener();
  });
  try {
    const [id, synchronous] = await thread.ask(thread.request(OP.open));
    const durability = synchronous === 2 ? "full" : "relaxed";
    return new ThreadedStore(thread, listeners, { id: id as string, path, durability });
  } catch (error) {
    await thread.close();
    throw error;
  }
}

class ThreadedStore implements SqliteStore {
  readonly kind = "sqlite";
  readonly id: string;
  readonly path: string;
  readonly durability: Durability;
  readonly #thread: Thread;
  readonly #listeners: Set<() => void>;
  readonly #sends: SendQueue;

  constructor(
    thread: Thread,
    listeners: Set<() => void>,
    { id, path, durability }: { readonly id: string; readonly path: string; readonly durability: Durability },
  ) {
    this.id = id;
    this.path = path;
    this.durability = durability;
    this.#thread = thread;
    this.#listeners = listeners;
    this.#sends = sendQueue(thread);
  }

  async register({
    label,
    at,
    serves,
    activities = [],
  }: {
    readonly label: string;
    readonly at: number;
    readonly serves?: readonly string[];
    readonly activities?: readonly string[];
  }): Promise<Lease> {
    const queues = serves === undefined ? null : JSON.stringify(serves);
    const [engine] = await this.#ask(OP.register, label, at, queues, JSON.stringify(activities));
    return { engine: engine as number };
  }

  async announce({ engine }: Lease, activities: readonly string[]): Promise<void> {
    await this.#ask(OP.announce, engine, JSON.stringify(activities));
  }

  async renew({ engine }: Lease): Promise<boolean> {
    return (await this.#ask(OP.renew, engine))[0] === 1;
  }

  async lastBatch({ engine }: Lease): Promise<number | null> {
    return (await this.#ask(OP.lastBatch, engine))[0] as number | null;
  }

  async release({ engine }: Lease, at: number): Promise<void> {
    await this.#ask(OP.release, engine, at);
  }

  async sweep(params: { readonly ttlMs: number; readonly monotonicMs: number; readonly at: number }): Promise<number> {
    return (await this.#ask(OP.sweep, params.ttlMs, params.monotonicMs, params.at, uptimeMs()))[0] as number;
  }

  async commit({ engine }: Lease, batch: Batch): Promise<BatchResult> {
    const request = this.#thread.request(OP.commit);
    encodeBatch(request, engine, batch);
    return decodeBatchResult(await this.#thread.ask(request), batch.starts.length);
  }

  async claim({ engine }: Lease, wanted: RunClaim): Promise<RunRow[]> {
    const { limit, at, suspects, sealed = true } = wanted;
    const runs = wanted.runs === undefined ? null : JSON.stringify(wanted.runs);
    const careful = [suspects?.from ?? null, suspects?.limit ?? null];
    const code = codeByWorkflow(wanted.code);
    const rows = await this.#ask(OP.claim, engine, limit, at, code, sealed ? 1 : 0, runs, ...careful);
    return readRows(rows, RUN_WIDTH, readRun);
  }

  async nextWake(code: readonly CodeKey[], sealed = true): Promise<number | null> {
    return (await this.#ask(OP.nextWake, codeByWorkflow(code), sealed ? 1 : 0))[0] as number | null;
  }

  async load(
    runs: readonly number[],
    maxEvents: number,
    beyond: number = Number.MIN_SAFE_INTEGER,
  ): Promise<LoadedRun[]> {
    return decodeLoaded(await this.#ask(OP.load, maxEvents, JSON.stringify(runs), beyond), runs);
  }

  async owned({ engine }: Lease): Promise<number[]> {
    return (await this.#ask(OP.owned, engine)) as number[];
  }

  async inbox({ engine }: Lease, beyond?: ReadonlyMap<number, number>): Promise<MessageRow[]> {
    const read = beyond === undefined || beyond.size === 0 ? null : JSON.stringify([...beyond]);
    return readRows(await this.#ask(OP.inbox, engine, read), MESSAGE_WIDTH, readMessage);
  }

  send(message: NewMessage): Promise<SendResult> {
    return this.#sends.send(message);
  }

  async amend(
    run: number,
    from: readonly RunRow["status"][],
    to: Pick<RunImage, "status" | "wakeAt" | "closedAt" | "crashes" | "detail">,
  ): Promise<boolean> {
    const { status, wakeAt, closedAt, crashes, detail } = to;
    const changed = await this.#ask(OP.amend, run, JSON.stringify(from), status, wakeAt, closedAt, crashes, detail);
    return changed[0] === 1;
  }

  async remove(run: number): Promise<boolean> {
    return (await this.#ask(OP.remove, run))[0] === 1;
  }

  async purge(runs: readonly Pick<RunRow, "run" | "length">[]): Promise<number[]> {
    const gone: number[] = [];
    for (let at = 0; at < runs.length; at += PURGED_AT_A_TIME) {
      const some = runs.slice(at, at + PURGED_AT_A_TIME);
      gone.push(...((await this.#ask(OP.purge, ...some.flatMap(({ run, length }) => [run, length]))) as number[]));
    }
    return gone.sort((a, b) => a - b);
  }

  async find(by: { readonly run: number } | { readonly workflowId: string }): Promise<RunRow | undefined> {
    const row = "run" in by ? await this.#ask(OP.find, by.run, null) : await this.#ask(OP.find, null, by.workflowId);
    return readRows(row, RUN_WIDTH, readRun)[0];
  }

  async list(filter: RunFilter): Promise<RunRow[]> {
    const { workflow, workflowId, status, since, closedBefore, parent, before, limit, tags, after } = filter;
    const orNull = (value: Value | undefined): Value => value ?? null;
    const rows = await this.#ask(
      OP.list,
      orNull(workflow),
      orNull(workflowId),
      status === undefined ? null : JSON.stringify(status),
      orNull(since),
      orNull(closedBefore),
      orNull(parent),
      orNull(before),
      orNull(after),
      limit,
      tags === undefined ? null : JSON.stringify(tags),
    );
    return readRows(rows, RUN_WIDTH, readRun);
  }

  async history(run: number, after: number, limit: number): Promise<EventRow[]> {
    return readRows(await this.#ask(OP.history, run, after, limit), EVENT_WIDTH, readEvent);
  }

  async lastEvent(run: number): Promise<EventRow | undefined> {
    return readRows(await this.#ask(OP.lastEvent, run), EVENT_WIDTH, readEvent)[0];
  }

  async attempts(run: number): Promise<AttemptRow[]> {
    return readRows(await this.#ask(OP.attempts, run), ATTEMPT_WIDTH, readAttempt);
  }

  async engines(): Promise<EngineRow[]> {
    return readRows(await this.#ask(OP.engines), ENGINE_WIDTH, readEngine);
  }

  async answer(run: number, number: number): Promise<AnswerRow | undefined> {
    return readRows(await this.#ask(OP.answer, run, number), ANSWER_WIDTH, readAnswer)[0];
  }

  async answersOf(runs: readonly number[]): Promise<ReadonlyMap<number, readonly AnswerRow[]>> {
    return answersByRun(await this.#ask(OP.answersOf, JSON.stringify(runs)));
  }

  async claimTasks({ engine }: Lease, { wants, at, runs, notOf }: TaskClaim): Promise<ClaimedTask[]> {
    const lists = [JSON.stringify(wants), runs === undefined ? null : JSON.stringify(runs), JSON.stringify(notOf)];
    return readRows(await this.#ask(OP.claimTasks, engine, at, ...lists), CLAIMED_TASK_WIDTH, readClaimedTask);
  }

  async beatTasks({ engine }: Lease, beats: readonly TaskBeat[], at: number): Promise<TaskKey[]> {
    return readRows(await this.#ask(OP.beatTasks, engine, at, JSON.stringify(beats)), TASK_KEY_WIDTH, readTaskKey);
  }

  async settleTasks({ engine }: Lease, ends: readonly TaskEnd[]): Promise<boolean[]> {
    return (await this.#ask(OP.settleTasks, engine, JSON.stringify(ends))).map((ended) => ended === 1);
  }

  async returnTasks({ engine }: Lease, tasks: readonly TaskKey[]): Promise<void> {
    await this.#ask(OP.returnTasks, engine, JSON.stringify(tasks));
  }

  async tasksOf(run: number): Promise<TaskRow[]> {
    return readRows(await this.#ask(OP.tasksOf, run), TASK_WIDTH, readTask);
  }

  async queues(): Promise<QueueRow[]> {
    return readRows(await this.#ask(OP.queues), QUEUE_WIDTH, readQueue);
  }

  async waitingActivities(): Promise<WaitingActivity[]> {
    return readRows(await this.#ask(OP.waitingActivities), WAITING_ACTIVITY_WIDTH, readWaitingActivity);
  }

  async queueLimits(): Promise<QueueLimit[]> {
    return readRows(await this.#ask(OP.queueLimits), QUEUE_LIMIT_WIDTH, readQueueLimit);
  }

  async limitQueue(queue: string, everywhere: number | null): Promise<void> {
    await this.#ask(OP.limitQueue, queue, everywhere);
  }

  async waiting(at: number): Promise<WaitingRow[]> {
    return readRows(await this.#ask(OP.waiting, at), WAITING_WIDTH, readWaiting);
  }

  async sizes(): Promise<SizeRow[]> {
    return readRows(await this.#ask(OP.sizes), SIZE_WIDTH, readSize);
  }

  async someSecrets(): Promise<string | undefined> {
    return (await this.#ask(OP.someSecrets))[0] as string | undefined;
  }

  async forgetAnswers(at: number, limit: number): Promise<number> {
    return (await this.#ask(OP.forgetAnswers, at, limit))[0] as number;
  }

  async pauses(): Promise<PauseRow[]> {
    return readRows(await this.#ask(OP.pauses), PAUSE_WIDTH, readPause);
  }

  async pause({ scope, name, reason, at }: PauseRow): Promise<void> {
    await this.#ask(OP.pause, scope, name, reason, at);
  }

  async unpause(scope: PauseRow["scope"], name: string): Promise<boolean> {
    return (await this.#ask(OP.unpause, scope, name))[0] === 1;
  }

  transact(
    lease: Lease,
    step: { readonly run: number; readonly command: number; readonly generation: number; readonly at: number },
    limitMs: number,
    work: (tx: StoreTransaction) => Promise<string>,
  ): Promise<OutcomeRow> {
    return transact(this.#thread, lease, step, limitMs, work);
  }

  async takeTurn(turn: { job: string; holder: string; ttlMs: number; at: number }): Promise<boolean> {
    const { job, holder, ttlMs, at } = turn;
    return (await this.#ask(OP.takeTurn, job, holder, at + ttlMs, at))[0] === 1;
  }

  async compact(): Promise<void> {
    await this.#ask(OP.compact);
  }

  async putDefinition({ hash, name, body, createdAt }: DefinitionRow): Promise<void> {
    await this.#ask(OP.putDefinition, hash, name, body, createdAt);
  }

  async definition(hash: string): Promise<DefinitionRow | undefined> {
    return readRows(await this.#ask(OP.definition, hash), DEFINITION_WIDTH, readDefinition)[0];
  }

  watch(listener: () => void): () => void {
    const own = (): void => listener();
    this.#listeners.add(own);
    if (this.#listeners.size === 1) this.#poll(true);
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#poll(false);
    };
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#thread.close();
  }

  #poll(wanted: boolean): void {
    this.#ask(OP.watch, wanted ? 1 : 0).catch(() => undefined);
  }

  #ask(operation: Operation, ...args: Value[]): Promise<Flat> {
    const request = this.#thread.request(operation);
    for (const value of args) request.push(value);
    return this.#thread.ask(request);
  }
}

/** Rows of answers, each with its run before it. */
function answersByRun(flat: Flat): Map<number, AnswerRow[]> {
  const found = new Map<number, AnswerRow[]>();
  for (let at = 0; at < flat.length; at += ANSWER_WIDTH + 1) {
    const run = flat[at] as number;
    const answers = found.get(run) ?? [];
    answers.push(readAnswer(flat, at + 1));
    found.set(run, answers);
  }
  return found;
}

/** The code as JSON of {@link CodeOfWorkflow}s. */
function codeByWorkflow(code: readonly CodeKey[]): string {
  const versions = new Map<string, (string | null)[] | null>();
  for (const { workflow, version } of code) {
    const known = versions.get(workflow);
    versions.set(workflow, version === undefined || known === null ? null : [...(known ?? []), version]);
  }
  return JSON.stringify(
    Array.from(versions, ([workflow, some]): CodeOfWorkflow => [workflow, some && JSON.stringify(some)]),
  );
}
