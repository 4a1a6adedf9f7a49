/**
 * What a transaction's function asks of its database. A statement that nobody waits for, a forgotten `await`, is waited for before the
 * commit, and fails the transaction when it fails: it neither ends the process as a rejection that nobody handles, nor is it lost.
 */
import { PerdureError } from "../core/errors.ts";
import type { StoreTransaction } from "../core/sql-transaction.ts";

const TOO_LATE =
  "this transaction has ended: its function has returned; use tx inside of it only, and await what it is asked";

type Rows = Record<string, unknown>[];

export class Statements implements StoreTransaction {
  readonly #tx: StoreTransaction;
  /** Those that have not ended, and those that failed. */
  readonly #answers = new Set<Answer>();
  /** The last error of a statement. */
  failure: unknown;
  #over = false;

  constructor(tx: StoreTransaction) {
    this.#tx = tx;
  }

  readonly query = (sql: string, parameters?: readonly unknown[]): Promise<Rows> => {
    if (this.#over) return Promise.reject(new PerdureError("CONFLICT", TOO_LATE));
    const answer = new Answer((resolve, reject) => {
      const answered = (rows: Rows): void => {
        this.#answers.delete(answer);
        resolve(rows);
      };
      this.#tx.query(sql, parameters).then(answered, (error: unknown) => {
        this.failure = error;
        reject(error);
      });
    });
    this.#answers.add(answer);
    return answer;
  };

  /** The function has ended: it takes no statements any more. */
  close(): void {
    this.#over = true;
  }

  /** Resolves once all statements have ended. Rejects when one failed that nobody waits for. */
  async ended(): Promise<void> {
    for (const answer of this.#answers) {
      if (answer.awaited) await answer.catch(() => {});
      else await answer;
    }
  }
}

/** An answer that knows whether somebody waits for it. What is made of it is an ordinary promise. */
class Answer extends Promise<Rows> {
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  awaited = false;

  constructor(ask: (resolve: (rows: Rows) => void, reject: (reason: unknown) => void) => void) {
    super(ask);
    super.then(undefined, () => {});
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise
  override then<A = Rows, B = never>(
    onRows?: ((rows: Rows) => A | PromiseLike<A>) | null,
    onError?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.awaited = true;
    return super.then(onRows, onError);
  }
}
