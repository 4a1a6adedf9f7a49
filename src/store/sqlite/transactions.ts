/**
 * Transactions of users' steps in the database thread (rule 32). One is open at a time; it holds the write lock, and the thread
 * lets all other requests wait meanwhile. Its statements come one by one from the main thread, so a timer here ends it when they
 * take too long.
 *
 * A transaction that ended by itself is remembered with its reason until the main thread has let go of it.
 */
import { PerdureError } from "../../core/errors.ts";
import { type Flat, OUTCOME_COLUMNS, pushRows } from "../rows.ts";
import { leaseLost } from "./committer.ts";
import { type Bindable, type Connection, type Prepared, prepareAll } from "./driver.ts";
import { SqliteError, sqliteError } from "./sqlite-error.ts";
import { plainRow } from "./user-values.ts";
import type { WriteLock } from "./write-lock.ts";

const MAX_ROWS = 10_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

interface Open {
  /** Number of the request that began it. */
  readonly id: number;
  readonly step: readonly [run: number, command: number, generation: number];
  readonly limitMs: number;
  readonly endsAt: number;
  readonly timer: NodeJS.Timeout;
  /** Who wants to know when it has ended, and why if it did so by itself. */
  tell: (reason?: Error) => void;
}

/** The transaction of the user's that is open, if one is. */
export class Transactions {
  readonly #db: Connection;
  readonly #lock: WriteLock;
  readonly #sql: Prepared<typeof SQL>;
  readonly #ended = new Map<number, Error>();
  #open: Open | undefined;
  readonly #onEnd: () => void;

  /** `onEnd` is called when a transaction has ended by itself: others may go on. */
  constructor(db: Connection, lock: WriteLock, onEnd: () => void) {
    this.#db = db;
    this.#lock = lock;
    this.#onEnd = onEnd;
    this.#sql = prepareAll(db, SQL);
  }

  /** Whether everything else has to wait. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** `engine, run, command, generation, limitMs`; answers with the outcome that is kept already, or nothing: go on. */
  begin(args: Flat, reply: Flat): void {
    const id = args[0] as number;
    const [engine, run, command, generation, limitMs] = args.slice(2) as [number, number, number, number, number];
    this.#lock.take();
    try {
      if (this.#sql.owned.all([engine, run]).length === 0) throw leaseLost(engine);
      const kept = this.#sql.kept.all([run, command, generation]);
      pushRows(reply, kept);
      if (kept.length > 0) this.#lock.release();
      else this.#enter(id, [run, command, generation], Math.min(limitMs, MAX_TIMER_MS));
    } catch (error) {
      this.#lock.release();
      throw error;
    }
  }

  /** `transaction, sql, …parameters`; answers with rows. */
  query(id: number, sql: string, parameters: readonly Bindable[]): Record<string, unknown>[] {
    const open = this.#get(id);
    try {
      return this.#rows(open, sql, parameters);
    } catch (error) {
      const reason = sqliteError(error);
      if (this.#open === open && this.#isRolledBack()) {
        const why = `the statement rolled back its whole transaction: ${(reason as Error).message}`;
        this.#end(new SqliteError(why, reason instanceof SqliteError ? reason.code : "SQLITE_ABORT"));
      }
      throw this.#ended.get(id) ?? reason;
    } finally {
      if (this.#open === open && performance.now() >= open.endsAt) this.#expire();
    }
  }

  /** Calls back once when a transaction has ended, with the reason if it did so by itself. */
  awaitEnd(id: number, tell: (reason?: Error) => void): void {
    if (this.#open?.id === id) this.#open.tell = tell;
    else tell(this.#ended.get(id));
  }

  /** `transaction, data, at`: keeps the outcome and commits. */
  settle(args: Flat): void {
    const [id, data, at] = args.slice(2) as [number, string, number];
    const { step } = this.#letGo(id);
    try {
      this.#sql.keep.run([...step, data, at]);
      this.#lock.commit();
    } catch (error) {
      this.#lock.release();
      throw error;
    } finally {
      this.#leave();
    }
  }

  /** `transaction`: rolls back, if that has not happened yet. */
  abandon(args: Flat): void {
    const id = args[2] as number;
    if (this.#open?.id === id) {
      this.#lock.release();
      this.#leave();
    }
    this.#ended.delete(id);
  }

  /** Rolls back what is open, as the store is being closed. */
  close(): void {
    if (this.#open !== undefined) this.#end(new PerdureError("UNAVAILABLE", "the SQLite store was closed meanwhile"));
  }

  #enter(id: number, step: Open["step"], limitMs: number): void {
    const timer = setTimeout(() => this.#expire(), limitMs);
    this.#open = { id, step, limitMs, endsAt: performance.now() + limitMs, timer, tell: () => {} };
  }

  #rows(open: Open, sql: string, parameters: readonly Bindable[]): Record<string, unknown>[] {
    const rows: Record<string, unknown>[] = [];
    let count = 0;
    for (const row of this.#db.rows(sql, parameters)) {
      if (++count <= MAX_ROWS) rows.push(plainRow(row));
      if (count % 1000 === 0 && performance.now() >= open.endsAt) break;
    }
    if (performance.now() >= open.endsAt) {
      this.#expire();
      throw this.#ended.get(open.id)!;
    }
    if (count > MAX_ROWS) {
      throw new PerdureError(
        "INVALID_ARGUMENT",
        `the statement answered with ${count} rows, which is more than ${MAX_ROWS}; add a limit and read them page by page`,
      );
    }
    return rows;
  }

  /** After an error only: whether SQLite ended the transaction with it. */
  #isRolledBack(): boolean {
    try {
      this.#db.exec("begin");
    } catch {
      return false;
    }
    this.#db.exec("rollback");
    return true;
  }

  #expire(): void {
    const { limitMs } = this.#open!;
    this.#end(
      new PerdureError(
        "WAIT_TIMED_OUT",
        `the transaction was rolled back after ${limitMs} ms, as everything else of the store waits for it: do slow things before or after it`,
        { details: { limitMs } },
      ),
    );
  }

  #end(reason: Error): void {
    this.#ended.set(this.#open!.id, reason);
    this.#lock.release();
    this.#leave(reason);
    this.#onEnd();
  }

  #leave(reason?: Error): void {
    const { timer, tell } = this.#open!;
    clearTimeout(timer);
    this.#open = undefined;
    tell(reason);
  }

  #get(id: number): Open {
    if (this.#open?.id === id) return this.#open;
    throw this.#ended.get(id) ?? new PerdureError("CONFLICT", "this transaction has ended: its step has returned");
  }

  #letGo(id: number): Open {
    const ended = this.#ended.get(id);
    this.#ended.delete(id);
    if (ended !== undefined) throw ended;
    return this.#get(id);
  }
}

const SQL = {
  owned: "select 1 from engines e join workflow_runs r on r.owner = e.engine where e.engine = ? and r.run = ?",
  kept: `select ${OUTCOME_COLUMNS} from tx_outcomes where run = ? and command = ? and generation = ?`,
  keep: `insert into tx_outcomes (run, ${OUTCOME_COLUMNS}) values (?, ?, ?, ?, ?)`,
} as const;
