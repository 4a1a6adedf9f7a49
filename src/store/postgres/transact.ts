/**
 * Transactions of users' steps (rules 21 and 32): on a connection of their own, with nothing of the store locked while the user's
 * statements run. The last statement proves that the lease still holds, and keeps the outcome.
 *
 * The server ends a transaction whose process fell asleep: before the lease is given to others nothing of it is left.
 *
 * What ends a transaction puts the session back in the same message, so that no other statement gets in between, not even behind
 * a pooler.
 */
import { PerdureError } from "../../core/errors.ts";
import type { StoreTransaction } from "../../core/sql-transaction.ts";
import { keptOutcome, OUTCOME_COLUMNS, readOutcome } from "../rows.ts";
import type { Lease, OutcomeRow, Store } from "../store.ts";
import type { Database } from "./database.ts";
import { endsConnection, sqlState } from "./failures.ts";
import { leaseLost } from "./lane.ts";
import type { Columns } from "./session.ts";
import { BELONGS, checkStatement, namesStoreRelation, STORE_RELATIONS } from "./user-statement.ts";
import { STORE_TYPES, USER_TYPES } from "./values.ts";

type Step = Parameters<NonNullable<Store["transact"]>>[1];
type Lent = Awaited<ReturnType<Database["lend"]>>;

/** Share of the time to live after which the server ends a transaction that stands still. */
const IDLE_SHARE = 0.5;
const UNIQUE_VIOLATION = "23505";
const TRANSACTION_FAILED = "25P02";
/** What `discard all` does, but for prepared statements, which a pooler may have on the connection. */
const AS_BEFORE = `reset session authorization; reset role; reset all; close all; unlisten *; select pg_advisory_unlock_all();
  discard temp; discard sequences`;

/** See `Store.transact`. */
export async function transact(
  database: Database,
  lease: Lease,
  step: Step,
  limitMs: number,
  work: (tx: StoreTransaction) => Promise<string>,
): Promise<OutcomeRow> {
  const found = await look(database, lease, step);
  if (found.kept !== undefined) return keptOutcome(found.kept);
  const lent = await database.lend().catch((error: unknown) => Promise.reject(database.error(error)));
  const transaction = new Transaction(database, lent, limitMs);
  try {
    const data = await transaction.run(Math.min(limitMs, found.ttlMs * IDLE_SHARE), work);
    await transaction.settle(lease, step, data);
    return { command: step.command, generation: step.generation, data, at: step.at };
  } catch (error) {
    await transaction.abandon();
    if (!(error instanceof KeptMeanwhile)) throw error;
    return keptOutcome((await look(database, lease, step)).kept!);
  }
}

/** Somebody else has done this step since it was looked at. */
class KeptMeanwhile extends Error {}

/** @throws PerdureError LEASE_LOST */
async function look(database: Database, { engine }: Lease, step: Step): Promise<{ ttlMs: number; kept?: OutcomeRow }> {
  const { schema } = database.settings;
  const [row] = await database.read(
    `select e.ttl_ms, ${OUTCOME_COLUMNS}
      from ${schema}.engines e join ${schema}.workflow_runs r on r.owner = e.engine
      left join ${schema}.tx_outcomes t on t.run = r.run and t.command = $3 and t.generation = $4
      where e.engine = $1 and r.run = $2`,
    [engine, step.run, step.command, step.generation],
  );
  if (row === undefined) throw leaseLost(engine);
  const ttlMs = row[0] as number;
  return row[1] === null ? { ttlMs } : { ttlMs, kept: readOutcome(row, 1) };
}

class Transaction {
  readonly #database: Database;
  readonly #lent: Lent;
  readonly #limitMs: number;
  #ended: Error | undefined;
  /** Whether the connection is good for others. */
  #good = true;

  constructor(database: Database, lent: Lent, limitMs: number) {
    this.#database = database;
    this.#lent = lent;
    this.#limitMs = limitMs;
  }

  /** Runs the user's part. @throws what it throws, or WAIT_TIMED_OUT */
  async run(idleMs: number, work: (tx: StoreTransaction) => Promise<string>): Promise<string> {
    await this.#begin(idleMs);
    let timer: NodeJS.Timeout | undefined;
    const expiry = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#ended = timedOut(this.#limitMs);
        reject(this.#ended);
      }, this.#limitMs);
    });
    try {
      const tx: StoreTransaction = { query: (sql, parameters = []) => this.#query(sql, parameters) };
      return await Promise.race([expiry, work(tx)]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Keeps the outcome and commits, if the lease holds. */
  async settle({ engine }: Lease, { run, command, generation, at }: Step, data: string): Promise<void> {
    const { schema } = this.#database.settings;
    this.#ended ??= ended();
    try {
      await this.#checkLocks();
      const { rows } = await this.#lent.client.query<Columns>({
        text: `with lease as (select engine from ${schema}.engines where engine = $1 for key share)
          insert into ${schema}.tx_outcomes (run, ${OUTCOME_COLUMNS})
          select $2, $3, $4, $5, $6 from lease
          where exists (select from ${schema}.workflow_runs where run = $2 and owner = $1) returning 1`,
        values: [engine, run, command, generation, data, at],
        rowMode: "array",
        types: STORE_TYPES,
      });
      if (rows.length === 0) throw leaseLost(engine);
      await this.#lent.client.query(`commit; ${AS_BEFORE}`);
      this.#lent.giveBack(true);
    } catch (error) {
      if (sqlState(error) === UNIQUE_VIOLATION) throw new KeptMeanwhile();
      if (sqlState(error) === TRANSACTION_FAILED) throw failedBefore(error);
      this.#good = !endsConnection(error);
      throw this.#database.error(error);
    }
  }

  /**
   * Reading alone locks no row and leaves the weakest of locks on a table. Admissions are written to by starts that were given this
   * transaction.
   *
   * @throws PerdureError INVALID_ARGUMENT
   */
  async #checkLocks(): Promise<void> {
    if (!this.#suspicious) return;
    const { schema } = this.#database.settings;
    const { rows } = await this.#lent.client.query<Columns>({
      text: `select c.relname from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
        where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.mode not in ('AccessShareLock', 'SIReadLock')
          and n.nspname = $1 and c.relname = any ($2) and c.relname <> 'admissions' order by c.relname limit 1`,
      values: [schema, STORE_RELATIONS],
      rowMode: "array",
      types: STORE_TYPES,
    });
    const name = rows[0]?.[0];
    if (name === undefined) return;
    throw new PerdureError(
      "INVALID_ARGUMENT",
      `the transaction was rolled back, as it wrote to "${schema}.${name}" or locked rows of it: that ${BELONGS}`,
    );
  }

  /** Rolls back. A statement under way is not waited for: its connection is given up, and the server ends it. */
  async abandon(): Promise<void> {
    const busy = this.#ended !== undefined && this.#statements > 0;
    this.#ended ??= ended();
    if (busy) {
      this.#lent.giveBack(false);
      return;
    }
    await this.#lent.client.query(`rollback; ${AS_BEFORE}`).then(
      () => this.#lent.giveBack(this.#good),
      () => this.#lent.giveBack(false),
    );
  }

  #statements = 0;
  /** Whether a statement had the name of a table of the store in it. */
  #suspicious = false;

  async #begin(idleMs: number): Promise<void> {
    try {
      await this.#lent.client.query(
        `begin; set local idle_in_transaction_session_timeout = ${Math.max(1, Math.floor(idleMs))};
        set local statement_timeout = ${Math.max(1, Math.ceil(this.#limitMs))}; set local plan_cache_mode = auto`,
      );
    } catch (error) {
      throw this.#database.error(error);
    }
  }

  /** @throws PerdureError INVALID_ARGUMENT, WAIT_TIMED_OUT, UNAVAILABLE; the database's own errors about the statement */
  async #query(sql: string, parameters: readonly unknown[]): Promise<Record<string, unknown>[]> {
    if (this.#ended !== undefined) throw this.#ended;
    checkStatement(sql, this.#database.settings.schema);
    this.#suspicious ||= namesStoreRelation(sql);
    this.#statements++;
    try {
      const query = { text: sql, values: [...parameters], types: USER_TYPES, queryMode: "extended" };
      return (await this.#lent.client.query<Record<string, unknown>>(query)).rows;
    } catch (error) {
      if (this.#ended !== undefined) throw this.#ended;
      if (!endsConnection(error)) throw error;
      this.#good = false;
      throw this.#database.error(error);
    } finally {
      this.#statements--;
    }
  }
}

function timedOut(limitMs: number): PerdureError {
  return new PerdureError(
    "WAIT_TIMED_OUT",
    `the transaction was rolled back after ${limitMs} ms: do slow things before or after it`,
    { details: { limitMs } },
  );
}

function failedBefore(cause: unknown): PerdureError {
  return new PerdureError(
    "INVALID_ARGUMENT",
    "the transaction was rolled back, as a statement of it failed and the step caught the error: let it throw, or go back to a savepoint",
    { cause },
  );
}

function ended(): PerdureError {
  return new PerdureError("CONFLICT", "this transaction has ended: its step has returned");
}
