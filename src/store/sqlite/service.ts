/** The store as its own thread sees it: one connection and the table of operations on it. */

import { assertMigrated } from "../migration-state.ts";
import type { Flat } from "../rows.ts";
import { retryBusy } from "./busy.ts";
import { Claims } from "./claims.ts";
import { Committer } from "./committer.ts";
import { IN_MEMORY, openDatabase } from "./database.ts";
import type { Connection, Statement } from "./driver.ts";
import { Inboxes } from "./inboxes.ts";
import { Leases } from "./leases.ts";
import { migrate } from "./migrate.ts";
import { migrationStatus } from "./migration-status.ts";
import { OP, type WorkerInput } from "./protocol.ts";
import { Records } from "./records.ts";
import { Tasks } from "./tasks.ts";
import { Transactions } from "./transactions.ts";
import { WriteLock } from "./write-lock.ts";

type Handler = (args: Flat, reply: Flat) => void;

/** An open database and its operations. Any call may be repeated after it failed busy. */
export class Service {
  readonly #db: Connection;
  readonly #handlers: readonly (Handler | undefined)[];
  readonly #leases: Leases;
  readonly #dataVersion: Statement;
  readonly #private: boolean;
  /** Those of users' steps. */
  readonly transactions: Transactions;

  /** `onEnd` is called when a transaction of the user's has ended by itself. */
  constructor(input: WorkerInput, onEnd: () => void) {
    const { path, durability, migrates } = input;
    if (!migrates) assertMigrated(migrationStatus(path), path);
    this.#db = openDatabase(path, durability);
    const db = this.#db;
    this.#private = path === IN_MEMORY;
    this.#dataVersion = db.prepare("pragma data_version");
    const lock = new WriteLock(db, () => this.#leases.hasCompany());
    retryBusy(() => migrate(db, path, lock));
    const inboxes = new Inboxes(db, lock);
    const tasks = new Tasks(db, lock, inboxes);
    const committer = new Committer(db, lock, { inboxes, tasks });
    this.#leases = new Leases(db, lock, { committer, tasks }, input);
    this.transactions = new Transactions(db, lock, onEnd);
    this.#handlers = handlers(db, lock, {
      committer,
      inboxes,
      tasks,
      leases: this.#leases,
      transactions: this.transactions,
    });
  }

  /** Runs one request and returns its answer after the two places of its head. */
  handle(args: Flat, reply: Flat): void {
    const handler = this.#handlers[args[1] as number];
    if (handler === undefined) throw new Error(`unknown operation ${args[1]}`);
    handler(args, reply);
  }

  /** A number that changes when another connection has committed; null when there can be no other. */
  version(): number | null {
    return this.#private ? null : (this.#dataVersion.all([])[0]![0] as number);
  }

  /** Leaves the write-ahead log empty if nobody else needs it, and closes. */
  close(): void {
    try {
      this.transactions.close();
      this.#leases.close();
      if (!this.#private) this.#db.prepare("pragma wal_checkpoint(truncate)").all([]);
    } finally {
      this.#db.close();
    }
  }
}

function handlers(
  db: Connection,
  lock: WriteLock,
  parts: {
    readonly committer: Committer;
    readonly inboxes: Inboxes;
    readonly tasks: Tasks;
    readonly leases: Leases;
    readonly transactions: Transactions;
  },
): Handler[] {
  const { committer, inboxes, tasks, leases, transactions } = parts;
  const claims = new Claims(db, lock);
  const records = new Records(db, lock);
  const table: Handler[] = [];
  const identity = db.prepare("select value from meta where key = 'id'");
  const durability = db.prepare("pragma synchronous");
  table[OP.open] = (_args, reply) => reply.push(identity.all([])[0]![0]!, durability.all([])[0]![0]!);
  table[OP.commit] = (args, reply) => committer.commit(args, reply);
  table[OP.register] = (args, reply) => leases.register(args, reply);
  table[OP.announce] = (args) => leases.announce(args);
  table[OP.renew] = (args, reply) => leases.renew(args, reply);
  table[OP.lastBatch] = (args, reply) => leases.lastBatch(args, reply);
  table[OP.release] = (args) => leases.release(args);
  table[OP.sweep] = (args, reply) => leases.sweep(args, reply);
  table[OP.engines] = (args, reply) => leases.engines(args, reply);
  table[OP.claim] = (args, reply) => claims.claim(args, reply);
  table[OP.nextWake] = (args, reply) => claims.nextWake(args, reply);
  table[OP.load] = (args, reply) => claims.load(args, reply);
  table[OP.owned] = (args, reply) => claims.owned(args, reply);
  table[OP.inbox] = (args, reply) => claims.inbox(args, reply);
  table[OP.send] = (args, reply) => inboxes.send(args, reply);
  table[OP.amend] = (args, reply) => records.amend(args, reply);
  table[OP.remove] = (args, reply) => records.remove(args, reply);
  table[OP.purge] = (args, reply) => records.purge(args, reply);
  table[OP.answersOf] = (args, reply) => records.answersOf(args, reply);
  table[OP.takeTurn] = (args, reply) => records.takeTurn(args, reply);
  table[OP.compact] = () => records.compact();
  table[OP.find] = (args, reply) => records.find(args, reply);
  table[OP.list] = (args, reply) => records.list(args, reply);
  table[OP.history] = (args, reply) => records.history(args, reply);
  table[OP.lastEvent] = (args, reply) => records.lastEvent(args, reply);
  table[OP.attempts] = (args, reply) => records.attempts(args, reply);
  table[OP.answer] = (args, reply) => records.answer(args, reply);
  table[OP.waiting] = (args, reply) => claims.waiting(args, reply);
  table[OP.sizes] = (args, reply) => records.sizes(args, reply);
  table[OP.someSecrets] = (args, reply) => records.someSecrets(args, reply);
  table[OP.forgetAnswers] = (args, reply) => records.forgetAnswers(args, reply);
  table[OP.pauses] = (args, reply) => records.pauses(args, reply);
  table[OP.pause] = (args) => records.pause(args);
  table[OP.unpause] = (args, reply) => records.unpause(args, reply);
  table[OP.begin] = (args, reply) => transactions.begin(args, reply);
  table[OP.settle] = (args) => transactions.settle(args);
  table[OP.abandon] = (args) => transactions.abandon(args);
  table[OP.claimTasks] = (args, reply) => tasks.claim(args, reply);
  table[OP.beatTasks] = (args, reply) => tasks.beat(args, reply);
  table[OP.settleTasks] = (args, reply) => tasks.settle(args, reply);
  table[OP.returnTasks] = (args) => tasks.giveBack(args);
  table[OP.tasksOf] = (args, reply) => tasks.ofRun(args, reply);
  table[OP.queues] = (args, reply) => tasks.queues(args, reply);
  table[OP.waitingActivities] = (args, reply) => tasks.waitingActivities(args, reply);
  table[OP.queueLimits] = (args, reply) => tasks.limits(args, reply);
  table[OP.limitQueue] = (args) => tasks.setLimit(args);
  table[OP.putDefinition] = (args) => records.putDefinition(args);
  table[OP.definition] = (args, reply) => records.definition(args, reply);
  return table;
}
