/** A transaction of the store's own database, as a user's code sees it: one statement at a time. */
export interface StoreTransaction {
  /** Rows of the statement, as objects; parameters are `?` (SQLite) or `$1` (PostgreSQL). */
  query(sql: string, parameters?: readonly unknown[]): Promise<Record<string, unknown>[]>;
}
