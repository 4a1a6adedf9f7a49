/** Looking at runs and definitions, and the changes that need no engine. */
import { type Connection, type Prepared, prepareAll, type Statement, type Value } from "./driver.ts";
import { ATTEMPT_COLUMNS, DEFINITION_COLUMNS, EVENT_COLUMNS, type Flat, pushRows, RUN_COLUMNS } from "./rows.ts";
import type { WriteLock } from "./write-lock.ts";

const RUN_TABLES = ["events", "messages", "message_keys", "attempts", "secrets"] as const;

/** Requests about single rows and lists of them. */
export class Records {
  readonly #db: Connection;
  readonly #lock: WriteLock;
  readonly #sql: Prepared<typeof SQL>;
  readonly #removals: readonly Statement[];

  constructor(db: Connection, lock: WriteLock) {
    this.#db = db;
    this.#lock = lock;
    this.#sql = prepareAll(db, SQL);
    this.#removals = RUN_TABLES.map((table) => db.prepare(`delete from ${table} where run = ?`));
  }

  /** `run, from as JSON, status, wakeAt, closedAt, crashes, detail`. */
  amend(args: Flat, reply: Flat): void {
    const [run, from, ...image] = args.slice(2) as [Value, Value, ...Value[]];
    reply.push(this.#lock.hold(() => this.#sql.amend.run([...image, run, from])));
  }

  remove(args: Flat, reply: Flat): void {
    const run = args[2]!;
    const removed = this.#lock.hold(() => {
      const count = this.#sql.remove.run([run]);
      if (count === 1) for (const removal of this.#removals) removal.run([run]);
      return count;
    });
    reply.push(removed);
  }

  /** `run or null, workflowId or null`. */
  find(args: Flat, reply: Flat): void {
    pushRows(reply, args[2] !== null ? this.#sql.byRun.all([args[2]!]) : this.#sql.byWorkflowId.all([args[3]!]));
  }

  /** `workflow, workflowId, status as JSON, since, before, limit`, each or null. */
  list(args: Flat, reply: Flat): void {
    const [workflow, workflowId, status, since, before, limit] = args.slice(2);
    const conditions = ["1"];
    const params: Value[] = [];
    const where = (condition: string, value: Value | undefined): void => {
      if (value === null || value === undefined) return;
      conditions.push(condition);
      params.push(value);
    };
    where("workflow = ?", workflow);
    where("workflow_id = ?", workflowId);
    where("status in (select value from json_each(?))", status);
    where("created_at >= ?", since);
    where("run < ?", before);
    params.push(limit!);
    const sql = `select ${RUN_COLUMNS} from workflow_runs where ${conditions.join(" and ")} order by run desc limit ?`;
    pushRows(reply, this.#db.prepare(sql).all(params));
  }

  history(args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.history.all(args.slice(2)));
  }

  lastEvent(args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.lastEvent.all([args[2]!]));
  }

  attempts(args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.attempts.all([args[2]!]));
  }

  putDefinition(args: Flat): void {
    this.#lock.hold(() => this.#sql.putDefinition.run(args.slice(2)));
  }

  definition(args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.definition.all([args[2]!]));
  }
}

const SQL = {
  amend: `update workflow_runs set status = ?, wake_at = ?, closed_at = ?, crashes = ?, detail = ?
    where run = ? and owner is null and superseded = 0 and status in (select value from json_each(?))`,
  remove: "delete from workflow_runs where run = ? and owner is null",
  byRun: `select ${RUN_COLUMNS} from workflow_runs where run = ?`,
  byWorkflowId: `select ${RUN_COLUMNS} from workflow_runs where workflow_id = ? and superseded = 0`,
  history: `select ${EVENT_COLUMNS} from events where run = ? and seq > ? order by seq limit ?`,
  lastEvent: `select ${EVENT_COLUMNS} from events where run = ? order by seq desc limit 1`,
  attempts: `select ${ATTEMPT_COLUMNS} from attempts where run = ? order by command`,
  putDefinition: `insert into definitions (${DEFINITION_COLUMNS}) values (?, ?, ?, ?) on conflict do nothing`,
  definition: `select ${DEFINITION_COLUMNS} from definitions where hash = ?`,
} as const;
