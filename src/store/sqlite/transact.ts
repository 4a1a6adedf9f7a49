/** The main thread's end of a transaction of the user's; the other is transactions.ts. */
import type { StoreTransaction } from "../../core/sql-transaction.ts";
import type { Value } from "../rows.ts";
import { type Flat, keptOutcome, readOutcome } from "../rows.ts";
import type { Lease, OutcomeRow, Store } from "../store.ts";
import { OP, type Operation } from "./protocol.ts";
import type { Thread } from "./thread.ts";
import { checkStatement } from "./user-statement.ts";
import { bindable } from "./user-values.ts";

/** How long a statement may go on after its transaction's time before people are told. */
const OVERDUE_MS = 500;
const SHOWN_OF_SQL = 100;

type Step = Parameters<NonNullable<Store["transact"]>>[1];

/** See `Store.transact`. */
export async function transact(
  thread: Thread,
  { engine }: Lease,
  step: Step,
  limitMs: number,
  work: (tx: StoreTransaction) => Promise<string>,
): Promise<OutcomeRow> {
  const { run, command, generation, at } = step;
  const begin = thread.request(OP.begin);
  const id = begin[0] as number;
  begin.push(engine, run, command, generation, limitMs);
  const kept = await thread.ask(begin);
  if (kept.length > 0) return keptOutcome(readOutcome(kept, 0));
  const ask = (operation: Operation, ...args: Value[]): Promise<Flat> =>
    thread.ask([...thread.request(operation), id, ...args]);
  const transaction = new Transaction(thread, id, performance.now() + limitMs);
  const ending = ask(OP.ending).then(
    () => new Promise<never>(() => {}),
    (reason: Error) => transaction.end(reason),
  );
  try {
    const data = await Promise.race([ending, transaction.run(work)]);
    await ask(OP.settle, data, at);
    return { command, generation, data, at };
  } catch (error) {
    await ask(OP.abandon).catch(() => undefined);
    throw error;
  }
}

/** What the user's step sees. */
class Transaction implements StoreTransaction {
  readonly #thread: Thread;
  readonly #id: number;
  readonly #endsAt: number;
  #ended: Error | undefined;

  constructor(thread: Thread, id: number, endsAt: number) {
    this.#thread = thread;
    this.#id = id;
    this.#endsAt = endsAt;
  }

  async run(work: (tx: StoreTransaction) => Promise<string>): Promise<string> {
    return work({ query: (sql, parameters) => this.query(sql, parameters) });
  }

  /** @throws PerdureError INVALID_ARGUMENT, WAIT_TIMED_OUT; SqliteError */
  async query(sql: string, parameters: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    if (this.#ended !== undefined) throw this.#ended;
    checkStatement(sql);
    const request = [...this.#thread.request(OP.query), this.#id, sql, ...parameters.map(bindable)];
    const told = setTimeout(() => tellOverdue(sql), this.#endsAt - performance.now() + OVERDUE_MS);
    told.unref();
    try {
      const [rows] = await this.#thread.askAny(request);
      return rows as Record<string, unknown>[];
    } finally {
      clearTimeout(told);
    }
  }

  /** It has ended by itself: every later statement is told so. */
  end(reason: Error): never {
    this.#ended = reason;
    throw reason;
  }
}

/**
 * Neither library lets one thread end a statement of another: what never ends keeps the store's thread, its lock, and even the end of
 * the process. All that can be done about it is to say so.
 */
function tellOverdue(sql: string): void {
  const shown = sql.length > SHOWN_OF_SQL ? `${sql.slice(0, SHOWN_OF_SQL)}…` : sql;
  process.emitWarning(
    `a statement of a wf.transaction goes on beyond its time and cannot be interrupted; everything else of the SQLite store waits for it. If it has no end, only SIGKILL ends this process: ${shown}`,
    { code: "PERDURE_STATEMENT_OVERDUE" },
  );
}
