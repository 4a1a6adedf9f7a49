/**
 * The handful of calls used of a SQLite library: `node:sqlite` where this Node has it, else the package `libsql`. Rows are
 * arrays of column values.
 */
import { createRequire } from "node:module";
import type { Value } from "../rows.ts";

/** A parameter of a statement of the user's. */
export type Bindable = string | number | bigint | Uint8Array | null;

/** A prepared statement. Every call runs it to its end, so none stays open over a commit. */
export interface Statement {
  /** Runs it and returns how many rows it changed. */
  run(params: readonly Value[]): number;
  all(params: readonly Value[]): Value[][];
}

/** An open connection. */
export interface Connection {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  /** Runs a statement once and yields its rows as objects, with all integers as bigint. */
  rows(sql: string, params: readonly Bindable[]): Iterable<Readonly<Record<string, unknown>>>;
  close(): void;
}

/** The prepared statements of a table of SQL texts. */
export type Prepared<Texts> = { readonly [Name in keyof Texts]: Statement };

/** Prepares every statement of a table. */
export function prepareAll<Texts extends Readonly<Record<string, string>>>(
  db: Connection,
  texts: Texts,
): Prepared<Texts> {
  return Object.fromEntries(Object.entries(texts).map(([name, sql]) => [name, db.prepare(sql)])) as Prepared<Texts>;
}

interface Changes {
  readonly changes: number | bigint;
}

interface NodeStatement {
  run(...params: readonly Value[]): Changes;
  all(...params: readonly Value[]): unknown[];
  iterate(...params: readonly Bindable[]): Iterable<Record<string, unknown>>;
  setReturnArrays?(enabled: boolean): void;
  setReadBigInts(enabled: boolean): void;
}

interface LibsqlStatement {
  run(params: readonly Bindable[]): Changes;
  all(params: readonly Value[]): Value[][];
  iterate(params: readonly Bindable[]): Iterable<Record<string, unknown>>;
  raw(): LibsqlStatement;
  safeIntegers(enabled: boolean): LibsqlStatement;
  readonly reader: boolean;
}

interface Database<S> {
  exec(sql: string): void;
  prepare(sql: string): S;
  close(): void;
}

type Open = (path: string) => Connection;

let driver: Open | undefined;

/** Opens a database file, or a private one in memory for `:memory:`. */
export function openConnection(path: string): Connection {
  driver ??= nodeDriver() ?? libsqlDriver();
  return driver(path);
}

function nodeDriver(): Open | undefined {
  const builtin = (process as { getBuiltinModule?: (id: string) => unknown }).getBuiltinModule?.("node:sqlite");
  if (builtin === undefined) return undefined;
  const { DatabaseSync } = builtin as { DatabaseSync: new (path: string) => Database<NodeStatement> };
  return (path) => {
    const db = new DatabaseSync(path);
    return {
      exec: (sql) => db.exec(sql),
      close: () => db.close(),
      prepare: (sql) => nodeStatement(db.prepare(sql)),
      rows: (sql, params) => {
        const statement = db.prepare(sql);
        statement.setReadBigInts(true);
        return statement.iterate(...params);
      },
    };
  };
}

function nodeStatement(statement: NodeStatement): Statement {
  const arrays = statement.setReturnArrays !== undefined;
  statement.setReturnArrays?.(true);
  return {
    run: (params) => Number(statement.run(...params).changes),
    all: (params) => {
      const rows = statement.all(...params);
      return arrays ? (rows as Value[][]) : rows.map((row) => Object.values(row as Record<string, Value>));
    },
  };
}

function libsqlDriver(): Open {
  const Libsql = createRequire(import.meta.url)("libsql") as new (path: string) => Database<LibsqlStatement>;
  return (path) => {
    const db = new Libsql(path);
    return {
      exec: (sql) => db.exec(sql),
      close: () => db.close(),
      prepare: (sql) => libsqlStatement(db.prepare(sql)),
      rows: (sql, params) => {
        const statement = db.prepare(sql).safeIntegers(true);
        if (statement.reader) return statement.iterate(params);
        statement.run(params);
        return [];
      },
    };
  };
}

function libsqlStatement(statement: LibsqlStatement): Statement {
  if (statement.reader) statement.raw();
  return { run: (params) => statement.run(params).changes as number, all: (params) => statement.all(params) };
}
