/** Which engine advances which run: taking runs that are due, and reading what is needed to go on with them. */

import type { Value } from "../rows.ts";
import {
  ATTEMPT_COLUMNS,
  CHILD_COLUMNS,
  EVENT_COLUMNS,
  type Flat,
  MESSAGE_COLUMNS,
  OUTCOME_COLUMNS,
  pushRows,
  RUN_COLUMNS,
} from "../rows.ts";
import { leaseLost } from "./committer.ts";
import { type Connection, type Prepared, prepareAll } from "./driver.ts";
import type { WriteLock } from "./write-lock.ts";

/** Columns of a run row that a claim sets. */
const STATUS = 4;
const OWNER = 5;
const WAKE_AT = 6;

/** Requests about ownership. */
export class Claims {
  readonly #lock: WriteLock;
  readonly #sql: Prepared<typeof SQL>;
  readonly #db: Connection;

  constructor(db: Connection, lock: WriteLock) {
    this.#db = db;
    this.#lock = lock;
    this.#sql = prepareAll(db, SQL);
  }

  /**
   * `engine, limit, at, code, whether runs may have secrets, runs or null, crashes of a suspect or null, suspects at most`; lists as JSON,
   * the code as {@link CodeOfWorkflow}s.
   */
  claim(args: Flat, reply: Flat): void {
    const [engine, limit, , , , runs] = args.slice(2) as [number, number, number, string, number, string | null];
    const rows = this.#lock.hold(() => {
      if (this.#sql.engine.all([engine]).length === 0) throw leaseLost(engine);
      const due = runs === null ? this.#due(args) : this.#sql.named.all([runs, limit]);
      if (due.length > 0) this.#sql.take.run([engine, JSON.stringify(due.map((row) => row[0]))]);
      return due;
    });
    for (const row of rows) {
      row[STATUS] = "running";
      row[OWNER] = engine;
      row[WAKE_AT] = null;
    }
    pushRows(reply, rows);
  }

  #due(args: Flat): Value[][] {
    const [limit, at, code, sealed] = args.slice(3) as [number, number, string, number];
    const [from, suspects] = args.slice(8) as [number | null, number];
    const wanted = JSON.parse(code) as CodeOfWorkflow[];
    const due = (from: number, below: number, limit: number): Value[][] => {
      const rows = wanted.flatMap(([workflow, versions]) =>
        this.#sql.due.all([workflow, at, versions, versions, sealed, from, below, limit]),
      );
      if (wanted.length > 1) rows.sort((a, b) => Number(a[WAKE_AT]) - Number(b[WAKE_AT]));
      return rows.length > limit ? rows.slice(0, limit) : rows;
    };
    if (from === null) return due(0, Number.MAX_SAFE_INTEGER, limit);
    const trusted = due(0, from, limit);
    const room = Math.min(suspects, limit - trusted.length);
    return room > 0 ? [...trusted, ...due(from, Number.MAX_SAFE_INTEGER, room)] : trusted;
  }

  /** `code, whether runs may have secrets`. */
  nextWake(args: Flat, reply: Flat): void {
    let next: number | null = null;
    for (const [workflow, versions] of JSON.parse(args[2] as string) as CodeOfWorkflow[]) {
      const wakeAt = this.#sql.nextWake.all([workflow, versions, versions, args[3]!])[0]?.[0] as number | undefined;
      if (wakeAt !== undefined && (next === null || wakeAt < next)) next = wakeAt;
    }
    reply.push(next);
  }

  waiting(args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.waiting.all([args[2]!]));
  }

  owned(args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.owned.all([args[2]!]));
  }

  inbox(args: Flat, reply: Flat): void {
    const [engine, beyond] = args.slice(2) as [number, string | null];
    pushRows(reply, beyond === null ? this.#sql.inbox.all([engine]) : this.#sql.restOfInbox.all([beyond, engine]));
  }

  /** `maxEvents, runs as JSON, beyond`; answers, per run found: its row, secrets, and what belongs to it, each kind counted. */
  load(args: Flat, reply: Flat): void {
    const [maxEvents, runs, beyond] = args.slice(2) as [number, string, number];
    this.#db.exec("begin");
    try {
      const rows = this.#sql.loadRuns.all([runs]);
      const events = new Groups(this.#sql.loadEvents.all([runs, maxEvents]));
      const attempts = new Groups(this.#sql.loadAttempts.all([runs]));
      const messages = new Groups(this.#sql.loadMessages.all([runs, beyond]));
      const children = new Groups(this.#sql.loadChildren.all([runs]));
      const unanswered = new Groups(this.#sql.loadUnanswered.all([runs]));
      const outcomes = new Groups(this.#sql.loadOutcomes.all([runs]));
      for (const row of rows) {
        for (const value of row) reply.push(value);
        const run = row[0] as number;
        events.pushGroup(reply, run, 1);
        attempts.pushGroup(reply, run, 1);
        messages.pushGroup(reply, run, 0);
        children.pushGroup(reply, run, 1);
        unanswered.pushGroup(reply, run, 1);
        outcomes.pushGroup(reply, run, 1);
      }
    } finally {
      this.#db.exec("commit");
    }
  }
}

/** Rows ordered by run, handed out run by run. */
class Groups {
  readonly #rows: readonly (readonly Value[])[];
  #next = 0;

  constructor(rows: readonly (readonly Value[])[]) {
    this.#rows = rows;
  }

  /** Appends the number of rows of `run` and the rows themselves, from column `from` on. */
  pushGroup(flat: Flat, run: number, from: number): void {
    const counter = flat.push(0) - 1;
    const first = this.#next;
    for (let row = this.#rows[this.#next]; row?.[0] === run; row = this.#rows[++this.#next]) {
      for (let column = from; column < row.length; column++) flat.push(row[column]!);
    }
    flat[counter] = this.#next - first;
  }
}

const NAMED = "run in (select value from json_each(?))";
const ADVANCING = "closed_at is null and status in ('pending', 'running')";

/** A workflow, and its versions as JSON, unversioned as null; null for all of them. Each is looked for by itself, in the index. */
export type CodeOfWorkflow = readonly [workflow: string, versions: string | null];

const OF_WORKFLOW = `owner is null and workflow = ? and wake_at <= ? and ${ADVANCING}
  and (? is null or exists (select 1 from json_each(?) where value is version))
  and (? or not exists (select 1 from secrets s where s.run = workflow_runs.run))`;

const SQL = {
  engine: "select 1 from engines where engine = ?",
  due: `select ${RUN_COLUMNS} from workflow_runs
    where ${OF_WORKFLOW} and crashes >= ? and crashes < ? order by wake_at limit ?`,
  named: `select ${RUN_COLUMNS} from workflow_runs where ${NAMED} and owner is null and ${ADVANCING} order by run limit ?`,
  take: `update workflow_runs set owner = ?, wake_at = null, status = 'running' where ${NAMED}`,
  nextWake: `select wake_at from workflow_runs where ${OF_WORKFLOW.replace("wake_at <= ?", "wake_at is not null")}
    order by wake_at limit 1`,
  waiting: `select workflow, version, count(*) from workflow_runs
    where owner is null and wake_at <= ? and ${ADVANCING} group by workflow, version order by workflow, version`,
  owned: "select run from workflow_runs where owner = ? and closed_at is null order by run",
  inbox: `select ${MESSAGE_COLUMNS} from messages
    where run in (select run from workflow_runs where owner = ? and closed_at is null) order by run, number`,
  /** The same where some have been read up to a number: `[run, number]` as JSON. */
  restOfInbox: `with read (run, number) as (select value ->> 0, value ->> 1 from json_each(?))
    select ${MESSAGE_COLUMNS.replaceAll(/\b(run|number)\b/g, "m.$1")} from workflow_runs r left join read on read.run = r.run
    join messages m on m.run = r.run and m.number > coalesce(read.number, ${Number.MIN_SAFE_INTEGER})
    where r.owner = ? and r.closed_at is null order by m.run, m.number`,
  loadRuns: `select ${RUN_COLUMNS}, (select body from secrets s where s.run = r.run) as secrets
    from workflow_runs r where ${NAMED} order by run`,
  loadEvents: `select run, ${EVENT_COLUMNS} from events where ${NAMED} and seq <= ? order by run, seq`,
  loadAttempts: `select run, ${ATTEMPT_COLUMNS} from attempts where ${NAMED} order by run, command`,
  loadMessages: `select ${MESSAGE_COLUMNS} from messages where ${NAMED} and number > ? order by run, number`,
  loadChildren: `select parent, ${CHILD_COLUMNS} from workflow_runs
    where parent in (select value from json_each(?)) and superseded = 0 and closed_at is null
    order by parent, parent_command, parent_generation`,
  loadUnanswered: `select r.run, a.number from workflow_runs r join answers a on a.chain = coalesce(r.chain, r.run)
    where r.${NAMED} and a.status = 'accepted' order by r.run, a.number`,
  loadOutcomes: `select run, ${OUTCOME_COLUMNS} from tx_outcomes where ${NAMED} and data <> '' order by run, command, generation`,
} as const;
