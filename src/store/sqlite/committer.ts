/**
 * The fenced commit, where all the time goes: no query but the inserts themselves on the way of a plain step.
 *
 * Density without asking the database: the length of each history this connection has written to is remembered as long as its
 * engine owns the run. That is safe because nobody else may append to it while the engine's row exists, and every commit proves
 * that it does. What is not remembered is looked up, together with the run's owner.
 */
import { PerdureError } from "../../core/errors.ts";
import { ATTEMPT_COLUMNS, ATTEMPT_WIDTH, EVENT_WIDTH, type Flat, pushRows, RUN_COLUMNS, WITH_TASK } from "../rows.ts";
import type { Also, Refusal } from "../store.ts";
import { CONFLICT, CREATED, EXISTING, ORPHAN } from "./batch-codec.ts";
import { type Connection, type Prepared, prepareAll } from "./driver.ts";
import { EventWriter } from "./event-writer.ts";
import type { Inboxes } from "./inboxes.ts";
import { Relations, type StartExtra } from "./relations.ts";
import { RunNumbers } from "./run-numbers.ts";
import type { Tasks, WrittenTask } from "./tasks.ts";
import type { WriteLock } from "./write-lock.ts";

const START_WIDTH = 14;
const REST_HEAD = 5;
const IMAGE_WIDTH = 8;

/** Lengths of the histories an engine owns, by run. */
type Lengths = Map<number, number>;

/** Commits batches. */
export class Committer {
  readonly #lock: WriteLock;
  readonly #sql: Prepared<typeof SQL>;
  readonly #lengths = new Map<number, Lengths>();
  readonly #events: EventWriter;
  readonly #numbers: RunNumbers;
  readonly #relations: Relations;
  readonly #tasks: Tasks;

  constructor(
    db: Connection,
    lock: WriteLock,
    { inboxes, tasks }: { readonly inboxes: Inboxes; readonly tasks: Tasks },
  ) {
    this.#lock = lock;
    this.#tasks = tasks;
    this.#sql = prepareAll(db, SQL);
    this.#events = new EventWriter(db);
    this.#numbers = new RunNumbers(db);
    this.#relations = new Relations(db, { events: this.#events, inboxes, numbers: this.#numbers });
  }

  /** Forgets what was remembered for an engine: it is gone, or a commit of it failed. */
  forget(engine: number): void {
    this.#lengths.delete(engine);
  }

  /** Handles a commit request; see batch-codec.ts for its form. */
  commit(args: Flat, reply: Flat): void {
    const engine = args[2] as number;
    const mark = reply.length;
    try {
      this.#lock.hold(() => this.#apply(engine, args, reply));
    } catch (error) {
      reply.length = mark;
      this.forget(engine);
      this.#events.clear();
      this.#numbers.forget();
      throw error;
    }
  }

  #apply(engine: number, args: Flat, reply: Flat): void {
    const number = args[3] as number;
    if (this.#sql.fence.run([number, engine, number - 1]) !== 1) throw leaseLost(engine);
    const lengths = this.#lengthsOf(engine);
    const starts = args[4] as number;
    const transitions = args[5] as number;
    let at = 6;
    for (let index = 0; index < starts; index++, at += START_WIDTH) this.#start(engine, lengths, args, at, reply);
    for (let index = 0; index < transitions; index++) {
      const end = endOfTransition(args, at);
      const refusal = this.#transition(engine, lengths, args, at, end);
      if (refusal !== undefined) reply.push(index, refusal);
      at = end;
    }
    this.#events.flush();
  }

  #start(engine: number, lengths: Lengths, args: Flat, at: number, reply: Flat): void {
    const extra = args[at + 13] === null ? undefined : (JSON.parse(args[at + 13] as string) as StartExtra);
    const child = extra?.parent === undefined ? undefined : this.#relations.child(extra.parent);
    if (child !== undefined) {
      reply.push(EXISTING, child);
      return;
    }
    if (extra?.parent !== undefined && this.#relations.hasLost(extra.parent)) {
      reply.push(ORPHAN, null);
      return;
    }
    const workflowId = args[at] as string;
    const owned = args[at + 4] === 1;
    const supersedes = args[at + 9]!;
    if (supersedes !== null) this.#sql.supersede.run([supersedes, workflowId]);
    const run = this.#numbers.next();
    const inserted = this.#sql.insertRun.run([
      run,
      workflowId,
      args[at + 1]!,
      args[at + 2]!,
      owned ? "running" : "pending",
      owned ? engine : null,
      owned ? null : args[at + 5]!,
      args[at + 3]!,
      args[at + 6]!,
      args[at + 7]!,
    ]);
    if (inserted === 0) {
      reply.push(CONFLICT);
      pushRows(reply, this.#sql.holder.all([workflowId]));
      return;
    }
    this.#numbers.take();
    this.#events.add(run, 1, args[at + 10]!, args[at + 11]!, args[at + 12]!);
    if (args[at + 8] !== null) this.#sql.insertSecrets.run([run, args[at + 8]!]);
    const length = extra === undefined ? 1 : this.#relations.complete(run, extra);
    if (owned) lengths.set(run, length);
    reply.push(CREATED, run);
  }

  #transition(engine: number, lengths: Lengths, args: Flat, at: number, end: number): Refusal | undefined {
    const run = args[at] as number;
    const base = args[at + 1] as number;
    const events = args[at + 2] as number;
    if ((lengths.get(run) ?? this.#lookUp(engine, run)) !== base) return "history";
    const firstEvent = at + 4;
    const afterEvents = firstEvent + events * EVENT_WIDTH;
    const rest = args[at + 3] === 1;
    const image = rest && args[afterEvents + 3] === 1;
    if (image && !this.#writeImage(engine, run, base + events, args, end - IMAGE_WIDTH)) return "inbox";
    for (let seq = base + 1, event = firstEvent; event < afterEvents; seq++, event += EVENT_WIDTH) {
      this.#events.add(run, seq, args[event]!, args[event + 1]!, args[event + 2]!);
    }
    if (rest) this.#writeRest(run, args, afterEvents);
    if (image && args[end - IMAGE_WIDTH + 1] === 0) lengths.delete(run);
    else lengths.set(run, base + events);
    return undefined;
  }

  #writeImage(engine: number, run: number, length: number, args: Flat, at: number): boolean {
    const owner = args[at + 1] === 1 ? engine : null;
    const ifInbox = args[at + 6]!;
    const changed = this.#sql.writeImage.run([
      args[at]!,
      owner,
      args[at + 2]!,
      args[at + 3]!,
      args[at + 4]!,
      args[at + 5]!,
      length,
      run,
      ifInbox,
    ]);
    if (changed === 1 && args[at + 7] === 1) this.#sql.deleteSecrets.run([run]);
    return changed === 1;
  }

  #writeRest(run: number, args: Flat, at: number): void {
    const consumed = args[at] as number;
    const settled = args[at + 1] as number;
    const attempts = args[at + 2] as number;
    let next = at + REST_HEAD;
    for (const end = next + consumed; next < end; next++) this.#sql.deleteMessage.run([run, args[next]!]);
    for (const end = next + settled; next < end; next++) {
      this.#sql.deleteAttempt.run([run, args[next]!]);
      this.#tasks.remove(run, args[next] as number);
    }
    for (const end = next + attempts * ATTEMPT_WIDTH; next < end; next += ATTEMPT_WIDTH) {
      this.#sql.putAttempt.run([run, ...args.slice(next, next + ATTEMPT_WIDTH)]);
      if (args[next + ATTEMPT_WIDTH - 1] !== WITH_TASK) this.#tasks.remove(run, args[next] as number);
    }
    if (args[at + 4] === null) return;
    const also = JSON.parse(args[at + 4] as string) as Also & { tasks?: readonly WrittenTask[] };
    for (const task of also.tasks ?? []) this.#tasks.write(run, task);
    this.#relations.apply(run, also);
  }

  #lookUp(engine: number, run: number): number | undefined {
    const row = this.#sql.lengthOf.all([run, engine])[0];
    return row === undefined ? undefined : (row[0] as number);
  }

  #lengthsOf(engine: number): Lengths {
    const lengths = this.#lengths.get(engine) ?? new Map<number, number>();
    this.#lengths.set(engine, lengths);
    return lengths;
  }
}

/** The error of every operation of an engine whose row is gone. */
export function leaseLost(engine: number): PerdureError {
  return new PerdureError("LEASE_LOST", `engine ${engine} has lost its lease: its runs go on elsewhere`, {
    details: { engine },
  });
}

function endOfTransition(args: Flat, at: number): number {
  const rest = at + 4 + (args[at + 2] as number) * EVENT_WIDTH;
  if (args[at + 3] !== 1) return rest;
  const numbers = (args[rest] as number) + (args[rest + 1] as number);
  const attempts = (args[rest + 2] as number) * ATTEMPT_WIDTH;
  return rest + REST_HEAD + numbers + attempts + (args[rest + 3] as number) * IMAGE_WIDTH;
}

const SQL = {
  fence: "update engines set batch = ? where engine = ? and batch = ?",
  insertRun: `insert into workflow_runs (run, workflow_id, workflow, version, status, owner, wake_at, created_at, meta, request)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing`,
  supersede: `update workflow_runs set superseded = 1
    where run = ? and workflow_id = ? and superseded = 0 and closed_at is not null`,
  holder: `select ${RUN_COLUMNS} from workflow_runs where workflow_id = ? and superseded = 0`,
  insertSecrets: "insert into secrets (run, body) values (?, ?)",
  deleteSecrets: "delete from secrets where run = ?",
  writeImage: `update workflow_runs
    set status = ?, owner = ?, wake_at = ?, closed_at = ?, crashes = ?, detail = ?, length = ?
    where run = ? and inbox = coalesce(?, inbox)`,
  deleteMessage: "delete from messages where run = ? and number = ?",
  deleteAttempt: "delete from attempts where run = ? and command = ?",
  putAttempt: `insert or replace into attempts (run, ${ATTEMPT_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  lengthOf: "select (select max(seq) from events where run = r.run) from workflow_runs r where run = ? and owner = ?",
} as const;
