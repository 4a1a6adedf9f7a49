/** Transactions that libraries lend, told by their shapes: a way to run one statement in each. */
import { PerdureError } from "../../core/errors.ts";
import type { LentTransaction } from "../admissions.ts";

/** Runs a statement with text parameters and answers its rows. */
export type RunStatement = (sql: string, values: readonly string[]) => Promise<readonly unknown[]>;

type Shape = Readonly<Record<string, unknown>>;
type Method = (...args: unknown[]) => PromiseLike<unknown>;

/** @throws PerdureError INVALID_ARGUMENT */
export function statementRunner(lent: LentTransaction): RunStatement {
  if (typeof lent === "function") return async (sql, values) => rowsOf(await lent(sql, values));
  if (typeof lent !== "object" || lent === null) throw wrong("it is no client of a transaction");
  const shape = lent as unknown as Shape;
  const method = (name: string): Method => (shape[name] as Method).bind(lent);
  const has = (name: string): boolean => typeof shape[name] === "function";
  if (has("executeQuery")) {
    if (shape.isTransaction !== true) throw wrong("it is Kysely, but no transaction: give what db.transaction() gives");
    return async (sql, values) => rowsOf(await method("executeQuery")(kyselyQuery(sql, values)));
  }
  if (has("$queryRawUnsafe")) {
    if (has("$connect")) throw wrong("it is the Prisma client, but no transaction: give the tx of prisma.$transaction");
    return async (sql, values) => rowsOf(await method("$queryRawUnsafe")(sql, ...values));
  }
  if (has("execute") && has("select")) {
    if (!has("rollback")) throw wrong("it is Drizzle, but no transaction: give the tx of db.transaction");
    return async (sql, values) => rowsOf(await method("execute")(withValues(sql, values)));
  }
  if (has("query")) {
    if ("totalCount" in shape)
      throw wrong(
        "it is a pool, whose statements each have a connection: give the client that it lent, in a transaction",
      );
    return async (sql, values) => rowsOf(await method("query")(sql, [...values]));
  }
  throw wrong(
    "it is neither a client of node-postgres nor a transaction of Kysely, Drizzle or Prisma; for others give a function (sql, values) => rows",
  );
}

/** Drivers answer rows, or a result with rows. */
function rowsOf(result: unknown): readonly unknown[] {
  const rows = Array.isArray(result) ? result : (result as { readonly rows?: unknown } | undefined)?.rows;
  if (Array.isArray(rows)) return rows;
  throw wrong("it answered a statement without rows");
}

/** What Kysely makes of raw SQL. */
function kyselyQuery(sql: string, values: readonly string[]): object {
  const query = { kind: "RawNode", sqlFragments: [sql], parameters: [] };
  return { sql, query, parameters: values, queryId: { queryId: "perdure" } };
}

/** Drizzle takes statements of its own making, or plain text: then the values stand in it. */
function withValues(sql: string, values: readonly string[]): string {
  return sql.replace(/\$(\d+)/g, (_, place: string) => literal(values[Number(place) - 1]!));
}

/** A text as the server reads it, whatever it makes of backslashes elsewhere. */
function literal(text: string): string {
  return `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

function wrong(why: string): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", `this transaction cannot be used: ${why}`);
}
