/**
 * What users ask for inside their own transactions: it happens after their commit, once, when an engine admits it (rule 15).
 */
import type { NewRun, RunRow } from "./store.ts";

/**
 * What a library lends for its transaction: a client of node-postgres, `trx` of Kysely, `tx` of Drizzle or of Prisma. Or a function that runs
 * one statement with `$1`, `$2`, … in the transaction and answers its rows, for any other library.
 */
export type LentTransaction =
  | { query(text: string, values: string[]): PromiseLike<unknown> }
  | { readonly isTransaction: boolean; executeQuery(query: never): PromiseLike<unknown> }
  | { execute(query: string): PromiseLike<unknown>; rollback(): never }
  | { $queryRawUnsafe(query: string, ...values: string[]): PromiseLike<unknown> }
  | ((sql: string, values: readonly string[]) => PromiseLike<unknown>);

/** What is asked for. `body` is JSON text that the engine reads. */
export interface AdmissionRequest {
  readonly kind: "start" | "signal";
  readonly workflowId: string;
  readonly askedAt: number;
  readonly body: string;
  /** Of a signal to a run that is not admitted yet: the ticket of its start. */
  readonly after?: Ticket;
}

/** Names an admission: its number, and the transaction it was asked for in. */
export interface Ticket {
  readonly number: number;
  readonly transaction: string;
}

/**
 * What became of an admission: a run, a reason (JSON text) why not; `open`: nothing yet; `gone`: nobody knows of it, as its transaction or
 * savepoint was rolled back, or because it is long ago.
 */
export type Fate = { readonly run: number } | { readonly refused: string } | "open" | "gone";

/** An admission that waits. */
export interface AdmissionRow {
  readonly number: number;
  readonly kind: "start" | "signal";
  readonly workflowId: string;
  readonly askedAt: number;
  readonly body: string;
  /** What it is to come after, if anything. */
  readonly after: Ticket | undefined;
}

/** What an engine has made of an admission. */
export type Decision = { readonly number: number } & (
  | { readonly start: NewRun }
  /** The start is one of a run that is there. */
  | { readonly run: number }
  | {
      readonly signal: {
        readonly run: number;
        readonly name: string;
        readonly data: string;
        readonly at: number;
        readonly key: string | null;
      };
    }
  /** JSON text. */
  | { readonly refused: string }
);

/** What came of a {@link Decision}. `conflict`: the id is taken, nothing was decided; without a row it is free again. */
export type Decided =
  | { readonly run: number }
  | { readonly conflict: RunRow | undefined }
  | { readonly unsent: "closed" | "not_found" }
  | "delivered"
  | "refused";

/** How many admissions there are. */
export interface AdmissionCounts {
  readonly waiting: number;
  /** When the oldest that waits was asked for. */
  readonly oldest: number | null;
  readonly refused: number;
  /** The newest reasons, JSON text, with the workflow ids. */
  readonly reasons: readonly { readonly workflowId: string; readonly why: string }[];
}

/** The part of a store that takes what users ask for inside their transactions. */
export interface Admissions {
  /**
   * Asks inside the user's transaction. Nothing that others wait for is locked by it.
   *
   * @throws PerdureError INVALID_ARGUMENT for what is no transaction of this database, UNAVAILABLE
   */
  ask(transaction: LentTransaction, request: AdmissionRequest): Promise<Ticket>;
  fate(ticket: Ticket): Promise<Fate>;
  /** Admissions that wait, in the order of their numbers, from the one behind `after` on. */
  waiting(after: number, limit: number): Promise<AdmissionRow[]>;
  /**
   * Decides admissions of one kind, in one transaction. Those that somebody else is deciding, or that others of their workflow id come before,
   * are left out of the answer.
   */
  decide(kind: "start" | "signal", at: number, decisions: readonly Decision[]): Promise<ReadonlyMap<number, Decided>>;
  counts(): Promise<AdmissionCounts>;
  /** Calls back when something may have been asked for. A hint, like `Store.watch`. */
  watch(listener: () => void): () => void;
}
