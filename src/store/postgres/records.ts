/** Looking at runs and definitions, and the changes that need no engine. */

import {
  ANSWER_COLUMNS,
  ATTEMPT_COLUMNS,
  DEFINITION_COLUMNS,
  EVENT_COLUMNS,
  PAUSE_COLUMNS,
  RUN_COLUMNS,
  readAnswer,
  readAttempt,
  readDefinition,
  readEvent,
  readPause,
  readRun,
  readSize,
} from "../rows.ts";
import type {
  AnswerRow,
  AttemptRow,
  DefinitionRow,
  EventRow,
  PauseRow,
  RunFilter,
  RunImage,
  RunRow,
  SizeRow,
} from "../store.ts";
import type { Database } from "./database.ts";

export class Records {
  readonly #database: Database;
  readonly #schema: string;
  readonly #sql: ReturnType<typeof statements>;

  constructor(database: Database) {
    this.#database = database;
    this.#schema = database.settings.schema;
    this.#sql = statements(this.#schema);
  }

  async amend(
    run: number,
    from: readonly RunRow["status"][],
    to: Pick<RunImage, "status" | "wakeAt" | "closedAt" | "crashes" | "detail">,
  ): Promise<boolean> {
    const { status, wakeAt, closedAt, crashes, detail } = to;
    const rows = await this.#database.write(this.#sql.amend, [run, from, status, wakeAt, closedAt, crashes, detail]);
    return rows.length > 0;
  }

  async remove(run: number): Promise<boolean> {
    return this.#database.transaction(async (ask) => {
      const [removed] = await ask(this.#sql.remove, [run]);
      if (removed === undefined) return false;
      const [chain, tags] = removed;
      if (tags !== null) await ask(this.#sql.removeTags, [run, tags]);
      await ask(this.#sql.removeRows, [run]);
      await ask(this.#sql.removeChain, [chain]);
      return true;
    });
  }

  async purge(runs: readonly Pick<RunRow, "run" | "length">[]): Promise<number[]> {
    const [row] = await this.#database.write(this.#sql.purge, [
      runs.map(({ run }) => run),
      runs.map(({ length }) => length),
    ]);
    return (JSON.parse(row![0] as string) as number[]).sort((a, b) => a - b);
  }

  async find(by: { readonly run: number } | { readonly workflowId: string }): Promise<RunRow | undefined> {
    const [row] =
      "run" in by
        ? await this.#database.read(this.#sql.byRun, [by.run])
        : await this.#database.read(this.#sql.byWorkflowId, [by.workflowId]);
    return row === undefined ? undefined : readRun(row, 0);
  }

  async list(filter: RunFilter): Promise<RunRow[]> {
    const values: unknown[] = [];
    const conditions: string[] = ["true"];
    const where = (value: unknown, condition: (parameter: string) => string): void => {
      if (value !== undefined) conditions.push(condition(`$${values.push(value)}`));
    };
    where(filter.workflow, (workflow) => `workflow = ${workflow}`);
    where(filter.workflowId, (id) => `workflow_id = ${id}`);
    where(filter.status, (status) => `status = any (${status}::text[])`);
    where(filter.since, (since) => `created_at >= ${since}`);
    where(filter.closedBefore, (before) => `closed_at < ${before}`);
    where(filter.parent, (parent) => `parent = ${parent}`);
    where(filter.before, (before) => `run < ${before}`);
    where(filter.after, (after) => `run > ${after}`);
    for (const [key, value] of Object.entries(filter.tags ?? {})) {
      where(key, (name) => {
        const text = `$${values.push(value)}`;
        return `run in (select t.run from ${this.#schema}.run_tags t
          where ${tagHash("t.key", "t.value")} = ${tagHash(name, text)} and t.key = ${name} and t.value = ${text})`;
      });
    }
    const sql = `select ${RUN_COLUMNS} from ${this.#schema}.workflow_runs
      where ${conditions.join(" and ")} order by run ${filter.after === undefined ? "desc" : "asc"} limit $${values.push(filter.limit)}`;
    return (await this.#database.readOnce(sql, values)).map((row) => readRun(row, 0));
  }

  async history(run: number, after: number, limit: number): Promise<EventRow[]> {
    return (await this.#database.read(this.#sql.history, [run, after, limit])).map((row) => readEvent(row, 0));
  }

  async lastEvent(run: number): Promise<EventRow | undefined> {
    const [row] = await this.#database.read(this.#sql.lastEvent, [run]);
    return row === undefined ? undefined : readEvent(row, 0);
  }

  async attempts(run: number): Promise<AttemptRow[]> {
    return (await this.#database.read(this.#sql.attempts, [run])).map((row) => readAttempt(row, 0));
  }

  async answer(run: number, number: number): Promise<AnswerRow | undefined> {
    const [row] = await this.#database.read(this.#sql.answer, [run, number]);
    return row === undefined ? undefined : readAnswer(row, 0);
  }

  async answersOf(runs: readonly number[]): Promise<ReadonlyMap<number, readonly AnswerRow[]>> {
    const found = new Map<number, AnswerRow[]>();
    for (const row of await this.#database.read(this.#sql.answersOf, [runs])) {
      const run = row[0] as number;
      const answers = found.get(run) ?? [];
      answers.push(readAnswer(row, 1));
      found.set(run, answers);
    }
    return found;
  }

  async takeTurn(turn: { job: string; holder: string; ttlMs: number }): Promise<boolean> {
    const { job, holder, ttlMs } = turn;
    if (ttlMs === 0) {
      await this.#database.write(this.#sql.endTurn, [`turn:${job}`, holder]);
      return true;
    }
    return (await this.#database.write(this.#sql.takeTurn, [`turn:${job}`, holder, ttlMs])).length > 0;
  }

  async sizes(): Promise<SizeRow[]> {
    return (await this.#database.read(this.#sql.sizes)).map((row) => readSize(row, 0));
  }

  async someSecrets(): Promise<string | undefined> {
    const [row] = await this.#database.read(this.#sql.someSecrets);
    return row?.[0] as string | undefined;
  }

  async forgetAnswers(at: number, limit: number): Promise<number> {
    const [row] = await this.#database.write(this.#sql.forgetAnswers, [at, limit]);
    return row![0] as number;
  }

  async pauses(): Promise<PauseRow[]> {
    return (await this.#database.read(this.#sql.pauses)).map((row) => readPause(row, 0));
  }

  async pause({ scope, name, reason, at }: PauseRow): Promise<void> {
    await this.#database.write(this.#sql.pause, [scope, name, reason, at]);
  }

  async unpause(scope: PauseRow["scope"], name: string): Promise<boolean> {
    return (await this.#database.write(this.#sql.unpause, [scope, name])).length > 0;
  }

  async putDefinition({ hash, name, body, createdAt }: DefinitionRow): Promise<void> {
    await this.#database.write(this.#sql.putDefinition, [hash, name, body, createdAt]);
  }

  async definition(hash: string): Promise<DefinitionRow | undefined> {
    const [row] = await this.#database.read(this.#sql.definition, [hash]);
    return row === undefined ? undefined : readDefinition(row, 0);
  }
}

const RUN_TABLES = ["events", "messages", "attempts", "secrets", "tx_outcomes"] as const;

/** What tags are found by. */
function tagHash(key: string, value: string): string {
  return `hashtextextended(${key} || '=' || ${value}, 0)`;
}

/** The database's clock, the same for all engines. */
const NOW = "(extract(epoch from clock_timestamp()) * 1000)::bigint";

function statements(schema: string) {
  const runs = `${schema}.workflow_runs`;
  const emptied = RUN_TABLES.map((table) => `d_${table} as (delete from ${schema}.${table} where run = $1)`);
  const lastOfChain = `not exists (select from ${runs} where run = $1 or chain = $1)`;
  return {
    /** What told a run to do something is not for the run that goes on after its end. */
    amend: `with wanted as (
        select run, closed_at from ${runs}
          where run = $1 and owner is null and superseded = 0 and status = any ($2::text[]) for no key update
      ), dropped as (
        delete from ${schema}.messages m using wanted w
          where w.closed_at is not null and m.run = w.run and m.kind not in ('signal', 'update')
      )
      update ${runs} r set status = $3, wake_at = $4, closed_at = $5, crashes = $6, detail = $7
        from wanted where r.run = wanted.run returning r.run`,
    remove: `delete from ${runs} where run = $1 and owner is null returning coalesce(chain, run), tags`,
    purge: `select array_to_json(${schema}.purge($1, $2))::text`,
    answersOf: `select r.run, a.number, a.status, a.data, a.at from ${runs} r join ${schema}.answers a on a.chain = coalesce(r.chain, r.run)
      where r.run = any ($1::bigint[]) order by r.run, a.number`,
    endTurn: `delete from ${schema}.meta where key = $1 and value::json ->> 'holder' = $2::text`,
    takeTurn: `insert into ${schema}.meta (key, value) values ($1, json_build_object('holder', $2::text, 'until', ${NOW} + $3::bigint)::text)
      on conflict (key) do update set value = excluded.value
        where meta.value::json ->> 'holder' = $2::text or (meta.value::json ->> 'until')::bigint <= ${NOW}
      returning 1`,
    removeTags: `delete from ${schema}.run_tags t using json_each_text($2::json) j
      where ${tagHash("t.key", "t.value")} = ${tagHash("j.key", "j.value")} and t.key = j.key and t.value = j.value and t.run = $1`,
    removeRows: `with ${emptied.join(", ")} select 1`,
    removeChain: `with keys as (delete from ${schema}.message_keys where run = $1 and ${lastOfChain})
      delete from ${schema}.answers where chain = $1 and ${lastOfChain}`,
    byRun: `select ${RUN_COLUMNS} from ${runs} where run = $1`,
    byWorkflowId: `select ${RUN_COLUMNS} from ${runs} where workflow_id = $1 and superseded = 0`,
    history: `select ${EVENT_COLUMNS} from ${schema}.events where run = $1 and seq > $2 order by seq limit $3`,
    lastEvent: `select ${EVENT_COLUMNS} from ${schema}.events where run = $1 order by seq desc limit 1`,
    attempts: `select ${ATTEMPT_COLUMNS} from ${schema}.attempts where run = $1 order by command`,
    answer: `select ${ANSWER_COLUMNS} from ${schema}.answers
      where chain = (select coalesce(chain, run) from ${runs} where run = $1) and number = $2`,
    sizes: `select workflow, status, count(*), coalesce(sum(events), 0)::bigint, coalesce(sum(size), 0)::bigint
      from ${runs} left join
        (select run, count(*) as events, sum(length(data)) as size from ${schema}.events group by run) e using (run)
      group by workflow, status order by workflow collate "C", status collate "C"`,
    someSecrets: `select body from ${schema}.secrets limit 1`,
    forgetAnswers: `with
      keys as (delete from ${schema}.message_keys where ctid = any (array(
        select ctid from ${schema}.message_keys where at < $1 order by at limit $2)) returning 1),
      answers as (delete from ${schema}.answers where status <> 'accepted' and ctid = any (array(
        select ctid from ${schema}.answers where at < $1 and status <> 'accepted' order by at limit $2)) returning 1)
      select (select count(*) from keys) + (select count(*) from answers)`,
    pauses: `select ${PAUSE_COLUMNS} from ${schema}.pauses order by scope collate "C", name collate "C"`,
    pause: `insert into ${schema}.pauses (${PAUSE_COLUMNS}) values ($1, $2, $3, $4)
      on conflict (scope, name) do update set reason = excluded.reason, at = excluded.at`,
    unpause: `delete from ${schema}.pauses where scope = $1 and name = $2 returning 1`,
    putDefinition: `insert into ${schema}.definitions (${DEFINITION_COLUMNS}) values ($1, $2, $3, $4) on conflict do nothing`,
    definition: `select ${DEFINITION_COLUMNS} from ${schema}.definitions where hash = $1`,
  } as const;
}
