/** Which engine advances which run: taking runs that are due, and reading what is needed to go on with them. */

import {
  ATTEMPT_COLUMNS,
  EVENT_COLUMNS,
  MESSAGE_COLUMNS,
  OUTCOME_COLUMNS,
  RUN_COLUMNS,
  RUN_WIDTH,
  readAttempt,
  readChild,
  readEvent,
  readMessage,
  readOutcome,
  readRun,
  readWaiting,
} from "../rows.ts";
import type { CodeKey, Lease, LoadedRun, MessageRow, RunClaim, RunRow, WaitingRow } from "../store.ts";
import type { Database } from "./database.ts";
import { leaseLost } from "./lane.ts";
import type { Columns } from "./session.ts";

const ANY_CRASHES = 2 ** 31 - 1;

/** Largest integer of a column or parameter of four bytes. */
const MAX_INTEGER = 2 ** 31 - 1;

export class Claims {
  readonly #database: Database;
  readonly #sql: ReturnType<typeof statements>;

  constructor(database: Database) {
    this.#database = database;
    this.#sql = statements(database.settings.schema);
  }

  /**
   * One statement, which locks the row of the lease against being removed but not against commits and renewals: a run is never given
   * to an engine whose lease has ended. Runs that somebody else is about to take are passed over.
   */
  async claim({ engine }: Lease, wanted: RunClaim): Promise<RunRow[]> {
    const { runs, limit, at, suspects, sealed = true } = wanted;
    const rows =
      runs === undefined
        ? await this.#database.write(this.#sql.due, [
            ...codeLists(wanted.code),
            sealed,
            engine,
            at,
            limit,
            suspects?.from ?? ANY_CRASHES,
            suspects?.limit ?? 0,
          ])
        : await this.#database.write(this.#sql.named, [engine, runs, limit]);
    if (rows.length === 0) throw leaseLost(engine);
    const taken = rows.filter((row) => row[0] !== null);
    return taken.sort(inOrder).map((row) => readRun(row, 0));
  }

  async nextWake(code: readonly CodeKey[], sealed = true): Promise<number | null> {
    const [row] = await this.#database.read(this.#sql.nextWake, [...codeLists(code), sealed]);
    return (row?.[0] ?? null) as number | null;
  }

  async waiting(at: number): Promise<WaitingRow[]> {
    return (await this.#database.read(this.#sql.waiting, [at])).map((row) => readWaiting(row, 0));
  }

  async owned({ engine }: Lease): Promise<number[]> {
    return (await this.#database.read(this.#sql.owned, [engine])).map((row) => row[0] as number);
  }

  async inbox({ engine }: Lease, beyond?: ReadonlyMap<number, number>): Promise<MessageRow[]> {
    const rows =
      beyond === undefined || beyond.size === 0
        ? this.#database.read(this.#sql.inbox, [engine])
        : this.#database.read(this.#sql.restOfInbox, [engine, [...beyond.keys()], [...beyond.values()]]);
    return (await rows).map((row) => readMessage(row, 0));
  }

  /** One statement, so that everything is of one moment. */
  async load(
    runs: readonly number[],
    maxEvents: number,
    beyond: number = Number.MIN_SAFE_INTEGER,
  ): Promise<LoadedRun[]> {
    const found = new Map<number, LoadedRun>();
    for (const row of await this.#database.read(this.#sql.load, [runs, Math.min(maxEvents, MAX_INTEGER), beyond])) {
      const loaded = loadedRun(row);
      found.set(loaded.row.run, loaded);
    }
    return runs.flatMap((run) => found.get(run) ?? []);
  }
}

/** Suspects last, the longest waiting first. */
function inOrder(a: Columns, b: Columns): number {
  const difference = (column: number): number => Number(a[column]) - Number(b[column]);
  return difference(RUN_WIDTH + 1) || difference(RUN_WIDTH) || difference(0);
}

function loadedRun(row: Columns): LoadedRun {
  const list = (column: number): Columns[] =>
    JSON.parse((row[RUN_WIDTH + column] as string | null) ?? "[]") as Columns[];
  return {
    row: readRun(row, 0),
    secrets: row[RUN_WIDTH] as string | null,
    events: list(1).map((columns) => readEvent(columns, 0)),
    attempts: list(2).map((columns) => readAttempt(columns, 0)),
    messages: list(3).map((columns) => readMessage(columns, 0)),
    children: list(4).map((columns) => readChild(columns, 0)),
    unanswered: list(5) as unknown as number[],
    outcomes: list(6).map((columns) => readOutcome(columns, 0)),
  };
}

/** All workflows, those in any version, and those in one with it behind them. */
function codeLists(code: readonly CodeKey[]): [all: string[], any: string[], exact: string[]] {
  const all = new Set(code.map(({ workflow }) => workflow));
  const any = code.filter(({ version }) => version === undefined).map(({ workflow }) => workflow);
  const exact = code.filter(({ version }) => version !== undefined);
  return [[...all], any, exact.map(({ workflow, version }) => `${workflow}\n${version === null ? "" : `=${version}`}`)];
}

/** Columns of a table with the name of the table before them. */
function columnsOf(table: string, columns: string): string {
  return columns.replace(/\b[a-z_]+\b(?!\()/g, (name) => (name === "coalesce" ? name : `${table}.${name}`));
}

function statements(schema: string) {
  const free = "coalesce(owner, 0) = 0 and closed_at is null and status in ('pending', 'running')";
  /**
   * The first free runs of each workflow that the engine has code of: each workflow is looked for by itself, in the index, or runs whose
   * code nobody has would be in the way of all others. Parameters 1 to 4 as in {@link codeLists}, and whether they may have secrets.
   */
  const firstOfEach = (which: string, limit: string) => `unnest($1::text[]) w (workflow) cross join lateral (
    select run, wake_at from ${schema}.workflow_runs r
      where ${free} and hashtextextended(r.workflow, 0) = hashtextextended(w.workflow, 0) and r.workflow = w.workflow
        and (r.workflow = any ($2::text[]) or r.workflow || chr(10) || coalesce('=' || r.version, '') = any ($3::text[]))
        and ($4::boolean or not exists (select from ${schema}.secrets s where s.run = r.run)) and ${which}
      order by wake_at, run limit ${limit}`;
  const due = (crashes: string, suspected: 0 | 1, limit: string) => `select run, wake_at, ${suspected} as suspected
    from ${firstOfEach(`wake_at <= $6 and crashes ${crashes} and exists (select from lease)`, limit)}
      for no key update skip locked) due
    order by wake_at, run limit ${limit}`;
  const taken = (engine: string) => `taken as (
      update ${schema}.workflow_runs r set owner = ${engine}, wake_at = null, status = 'running' from due
      where r.run = due.run returning ${columnsOf("r", RUN_COLUMNS)}, due.wake_at as due_at, due.suspected
    )`;
  /** A row of nulls when there is a lease but nothing to take; no row without a lease. */
  const answer = "select taken.* from lease left join taken on true";
  const lease = (engine: string) =>
    `lease as (select engine from ${schema}.engines where engine = ${engine} for key share)`;
  const list = (columns: string, from: string, order: string) =>
    `(select json_agg(json_build_array(${columns}) order by ${order})::text from ${schema}.${from})`;
  return {
    due: `with ${lease("$5")},
      trusted as (${due("< $8::integer", 0, "$7")}),
      suspected as (${due(">= $8::integer", 1, "least($9::integer, $7 - (select count(*) from trusted))")}),
      due as (select * from trusted union all select * from suspected),
      ${taken("$5")} ${answer}`,
    named: `with ${lease("$1")},
      due as (select run, 0 as wake_at, 0 as suspected from ${schema}.workflow_runs
        where run = any ($2::bigint[]) and ${free} and exists (select from lease)
        order by run limit $3 for no key update skip locked),
      ${taken("$1")} ${answer}`,
    nextWake: `select min(wake_at) from ${firstOfEach("wake_at is not null", "1")}) next`,
    waiting: `select workflow, version, count(*) from ${schema}.workflow_runs
      where ${free} and wake_at <= $1 group by workflow, version order by workflow collate "C", version collate "C" nulls first`,
    owned: `select run from ${schema}.workflow_runs where coalesce(owner, 0) = $1 and closed_at is null order by run`,
    inbox: `select ${columnsOf("m", MESSAGE_COLUMNS)} from ${schema}.workflow_runs r join ${schema}.messages m using (run)
      where coalesce(r.owner, 0) = $1 and r.closed_at is null order by m.run, m.number`,
    /** The same where some have been read up to a number. */
    restOfInbox: `select ${columnsOf("m", MESSAGE_COLUMNS)} from ${schema}.workflow_runs r
      left join unnest($2::bigint[], $3::bigint[]) read (run, number) on read.run = r.run
      join ${schema}.messages m on m.run = r.run and m.number > coalesce(read.number, ${Number.MIN_SAFE_INTEGER})
      where coalesce(r.owner, 0) = $1 and r.closed_at is null order by m.run, m.number`,
    load: `select ${RUN_COLUMNS}, (select body from ${schema}.secrets s where s.run = r.run),
      ${list(EVENT_COLUMNS, "events e where e.run = r.run and e.seq <= $2::bigint", "seq")},
      ${list(ATTEMPT_COLUMNS, "attempts a where a.run = r.run", "command")},
      ${list(MESSAGE_COLUMNS, "messages m where m.run = r.run and m.number > $3::bigint", "number")},
      ${list(
        "c.run, c.workflow_id, c.parent_command, c.parent_generation, c.on_parent_close",
        // Written so that only the index by parent fits: those of open and of current runs hold all of them.
        "workflow_runs c where c.parent = r.run and c.superseded + 0 = 0 and coalesce(c.closed_at, 0) = 0",
        "c.parent_command, c.parent_generation",
      )},
      (select json_agg(a.number order by a.number)::text from ${schema}.answers a
        where a.chain = coalesce(r.chain, r.run) and a.status = 'accepted'),
      ${list(OUTCOME_COLUMNS, "tx_outcomes t where t.run = r.run and t.data <> ''", "command, generation")}
      from ${schema}.workflow_runs r where run = any ($1::bigint[])`,
  } as const;
}
