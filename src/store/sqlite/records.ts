/** Looking at runs and definitions, and the changes that need no engine. */
import type { Value } from "../rows.ts";
import {
  ANSWER_COLUMNS,
  ATTEMPT_COLUMNS,
  DEFINITION_COLUMNS,
  EVENT_COLUMNS,
  type Flat,
  PAUSE_COLUMNS,
  pushRows,
  RUN_COLUMNS,
} from "../rows.ts";
import { type Connection, type Prepared, prepareAll, type Statement } from "./driver.ts";
import { Tags } from "./tags.ts";
import type { WriteLock } from "./write-lock.ts";

const RUN_TABLES = ["events", "messages", "attempts", "tasks", "secrets", "tx_outcomes"] as const;

/** Requests about single rows and lists of them. */
export class Records {
  readonly #db: Connection;
  readonly #lock: WriteLock;
  readonly #sql: Prepared<typeof SQL>;
  readonly #tags: Tags;
  readonly #removals: readonly Statement[];

  constructor(db: Connection, lock: WriteLock) {
    this.#db = db;
    this.#lock = lock;
    this.#sql = prepareAll(db, SQL);
    this.#tags = new Tags(db);
    this.#removals = RUN_TABLES.map((table) => db.prepare(`delete from ${table} where run = ?`));
  }

  /** `run, from as JSON, status, wakeAt, closedAt, crashes, detail`. */
  amend(args: Flat, reply: Flat): void {
    const [run, from, ...image] = args.slice(2) as [Value, Value, ...Value[]];
    reply.push(
      this.#lock.hold(() => {
        this.#sql.dropOrders.run([run, run, from]);
        return this.#sql.amend.run([...image, run, from]);
      }),
    );
  }

  remove(args: Flat, reply: Flat): void {
    reply.push(this.#lock.hold(() => this.#remove(args[2] as number)));
  }

  /** `run, length`, again and again. */
  purge(args: Flat, reply: Flat): void {
    this.#lock.hold(() => {
      for (let at = 2; at < args.length; at += 2) {
        const [run, length] = [args[at] as number, args[at + 1] as number];
        if (this.#removed(run, this.#sql.purge.all([run, length])[0]) === 1) reply.push(run);
      }
    });
  }

  #remove(run: number): number {
    return this.#removed(run, this.#sql.remove.all([run])[0]);
  }

  /** Deletes what belongs to a run whose row is gone. */
  #removed(run: number, removed: Value[] | undefined): number {
    if (removed === undefined) return 0;
    const [chain, tags] = removed as [number, string | null];
    this.#tags.withdraw(run, tags);
    for (const removal of this.#removals) removal.run([run]);
    if (this.#sql.ofChain.all([chain, chain]).length > 0) return 1;
    this.#sql.removeKeys.run([chain]);
    this.#sql.removeAnswers.run([chain]);
    return 1;
  }

  /** `run or null, workflowId or null`. */
  find(args: Flat, reply: Flat): void {
    pushRows(reply, args[2] !== null ? this.#sql.byRun.all([args[2]!]) : this.#sql.byWorkflowId.all([args[3]!]));
  }

  /** `workflow, workflowId, status as JSON, since, closedBefore, parent, before, after, limit, tags as JSON`, each or null. */
  list(args: Flat, reply: Flat): void {
    const [workflow, workflowId, status, since, closedBefore, parent, before, after, limit, tags] = args.slice(2);
    const conditions = ["1"];
    const params: Value[] = [];
    const where = (condition: string, ...values: readonly (Value | undefined)[]): void => {
      for (const value of values) if (value === null || value === undefined) return;
      conditions.push(condition);
      params.push(...(values as Value[]));
    };
    where("workflow = ?", workflow);
    where("workflow_id = ?", workflowId);
    where("status in (select value from json_each(?))", status);
    where("created_at >= ?", since);
    where("closed_at < ?", closedBefore);
    where("parent = ?", parent);
    where("run < ?", before);
    where("run > ?", after);
    const wanted = JSON.parse((tags as string | null) ?? "{}") as Record<string, string>;
    for (const [key, value] of Object.entries(wanted)) where(TAGGED, key, value);
    params.push(limit!);
    const order = after === null ? "desc" : "asc";
    const sql = `select ${RUN_COLUMNS} from workflow_runs where ${conditions.join(" and ")} order by run ${order} limit ?`;
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

  /** `run, number`. */
  answer(args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.answer.all(args.slice(2)));
  }

  /** `runs as JSON`. Answers with the run before each row. */
  answersOf(args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.answersOf.all([args[2]!]));
  }

  /** `job, holder, until, at`. */
  takeTurn(args: Flat, reply: Flat): void {
    const [job, holder, until, at] = args.slice(2) as [string, string, number, number];
    reply.push(
      this.#lock.hold(() => {
        const [taken] = this.#sql.turn.all([`turn:${job}`]);
        const { holder: other, until: ends } = JSON.parse((taken?.[0] ?? "{}") as string) as Partial<Turn>;
        if (other !== undefined && other !== holder && ends! > at) return 0;
        if (until <= at) this.#sql.endTurn.run([`turn:${job}`]);
        else this.#sql.setTurn.run([`turn:${job}`, JSON.stringify({ holder, until } satisfies Turn)]);
        return 1;
      }),
    );
  }

  /** Writes the file anew without its free pages. */
  compact(): void {
    this.#db.exec("vacuum");
    this.#db.prepare("pragma wal_checkpoint(truncate)").all([]);
  }

  sizes(_args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.sizes.all([]));
  }

  someSecrets(_args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.someSecrets.all([]));
  }

  forgetAnswers(args: Flat, reply: Flat): void {
    const old = [args[2]!, args[3]!];
    reply.push(this.#lock.hold(() => this.#sql.forgetKeys.run(old) + this.#sql.forgetAnswers.run(old)));
  }

  pauses(_args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.pauses.all([]));
  }

  pause(args: Flat): void {
    this.#lock.hold(() => this.#sql.pause.run(args.slice(2)));
  }

  unpause(args: Flat, reply: Flat): void {
    reply.push(this.#lock.hold(() => this.#sql.unpause.run(args.slice(2))));
  }

  putDefinition(args: Flat): void {
    this.#lock.hold(() => this.#sql.putDefinition.run(args.slice(2)));
  }

  definition(args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.definition.all([args[2]!]));
  }
}

interface Turn {
  readonly holder: string;
  readonly until: number;
}

const TAGGED = "run in (select t.run from run_tags t where t.key = ? and t.value = ?)";

const AMENDABLE = "run = ? and owner is null and superseded = 0 and status in (select value from json_each(?))";

const SQL = {
  amend: `update workflow_runs set status = ?, wake_at = ?, closed_at = ?, crashes = ?, detail = ? where ${AMENDABLE}`,
  /** What told a run to do something is not for the run that goes on after its end. */
  dropOrders: `delete from messages where run = ? and kind not in ('signal', 'update')
    and exists (select 1 from workflow_runs where closed_at is not null and ${AMENDABLE})`,
  remove: "delete from workflow_runs where run = ? and owner is null returning coalesce(chain, run), tags",
  purge: `delete from workflow_runs where run = ? and length = ? and closed_at is not null and owner is null
    returning coalesce(chain, run), tags`,
  ofChain: `select 1 from workflow_runs where run = ?
    union all select 1 from workflow_runs where chain = ? limit 1`,
  removeKeys: "delete from message_keys where run = ?",
  removeAnswers: "delete from answers where chain = ?",
  byRun: `select ${RUN_COLUMNS} from workflow_runs where run = ?`,
  byWorkflowId: `select ${RUN_COLUMNS} from workflow_runs where workflow_id = ? and superseded = 0`,
  history: `select ${EVENT_COLUMNS} from events where run = ? and seq > ? order by seq limit ?`,
  lastEvent: `select ${EVENT_COLUMNS} from events where run = ? order by seq desc limit 1`,
  attempts: `select ${ATTEMPT_COLUMNS} from attempts where run = ? order by command`,
  answer: `select ${ANSWER_COLUMNS} from answers
    where chain = (select coalesce(chain, run) from workflow_runs where run = ?) and number = ?`,
  answersOf: `select r.run, a.number, a.status, a.data, a.at from json_each(?) wanted join workflow_runs r on r.run = wanted.value
    join answers a on a.chain = coalesce(r.chain, r.run) order by r.run, a.number`,
  turn: "select value from meta where key = ?",
  endTurn: "delete from meta where key = ?",
  setTurn: "insert or replace into meta (key, value) values (?, ?)",
  sizes: `select workflow, status, count(*), coalesce(sum(events), 0), coalesce(sum(size), 0)
    from workflow_runs left join (select run, count(*) as events, sum(length(data)) as size from events group by run)
      using (run)
    group by workflow, status order by workflow, status`,
  someSecrets: "select body from secrets limit 1",
  forgetKeys: `delete from message_keys where (run, key) in (
    select run, key from message_keys where at < ? order by at limit ?)`,
  forgetAnswers: `delete from answers where (chain, number) in (
    select chain, number from answers where at < ? and status <> 'accepted' order by at limit ?)`,
  pauses: `select ${PAUSE_COLUMNS} from pauses order by scope, name`,
  pause: `insert or replace into pauses (${PAUSE_COLUMNS}) values (?, ?, ?, ?)`,
  unpause: "delete from pauses where scope = ? and name = ?",
  putDefinition: `insert into definitions (${DEFINITION_COLUMNS}) values (?, ?, ?, ?) on conflict do nothing`,
  definition: `select ${DEFINITION_COLUMNS} from definitions where hash = ?`,
} as const;
