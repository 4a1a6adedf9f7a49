/** PostgreSQL stores for tests: one server per test file, one schema per store. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll } from "vitest";
import { openPostgresStore, type PostgresStore } from "../../src/store/index.ts";
import { PostgresServer, type ServerOptions } from "./server.ts";

let schemas = 0;

/** A server for the tests of a file. */
export interface PostgresForTests {
  readonly server: PostgresServer;
  /** Address of a database on it, as its superuser. */
  readonly url: string;
  /** Address of a store with nothing in it; its users' tables are in its own schema too. */
  freshAddress(parameters?: string): string;
  /** Statements as the superuser. */
  ask(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
}

/** How the server is to be, and whether any will do: then `PERDURE_TEST_POSTGRES` may be the address of one that runs already. */
interface Wanted extends ServerOptions {
  readonly anywhere?: boolean;
}

/** Starts a server before the tests of this file and ends it after them. */
export function postgresForTests({ anywhere = false, ...options }: Wanted = {}): PostgresForTests {
  const given = anywhere ? process.env.PERDURE_TEST_POSTGRES : undefined;
  let server: PostgresServer | undefined;
  let lent: { readonly url: string; giveBack(): Promise<unknown> } | undefined;
  beforeAll(async () => {
    if (given) lent = await databaseAt(given);
    else server = await PostgresServer.start(options);
  }, 60_000);
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await lent?.giveBack();
  }, 60_000);
  const running = (): PostgresServer => {
    if (server === undefined) throw new Error("the server has not been started yet");
    return server;
  };
  const url = (): string => lent?.url ?? running().url;
  return {
    get server() {
      return running();
    },
    get url() {
      return url();
    },
    freshAddress: (parameters = "") => {
      const schema = `store_${++schemas}`;
      const start = `${url()}${url().includes("?") ? "&" : "?"}`;
      return `${start}schema=${schema}&options=-c%20search_path%3D${schema}${parameters}`;
    },
    ask: (sql, values) => ask(url(), sql, values),
  };
}

/** A database of its own on a server that somebody else keeps. */
async function databaseAt(given: string): Promise<{ readonly url: string; giveBack(): Promise<unknown> }> {
  const name = `perdure_test_${randomBytes(6).toString("hex")}`;
  await ask(given, `create database ${name} template template0 encoding 'UTF8'`);
  const url = new URL(given);
  url.pathname = name;
  return { url: url.href, giveBack: () => ask(given, `drop database ${name} with (force)`) };
}

/** Runs one statement on a connection of its own. */
export async function ask(url: string, sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/**
 * A store whose leases age by the monotonic clock of a test instead of the database's: between two sweeps, time passes for those
 * that showed no sign of life.
 */
export async function openAgeing(url: string, address: string): Promise<PostgresStore> {
  const store = await openPostgresStore(address);
  let before: number | undefined;
  let signs = new Map<unknown, unknown>();
  const age = async (monotonicMs: number): Promise<void> => {
    const engines = `${store.schema}.engines`;
    for (const { engine, expires } of await ask(url, `select engine, expires::text from ${engines}`)) {
      if (signs.get(engine) !== expires) continue;
      const sql = `update ${engines} set expires = expires - $1 * interval '1 millisecond' where engine = $2`;
      await ask(url, sql, [monotonicMs - before!, engine]);
    }
    before = monotonicMs;
  };
  const sweep: PostgresStore["sweep"] = async (params) => {
    await age(params.monotonicMs);
    const freed = await store.sweep(params);
    const rows = await ask(url, `select engine, expires::text from ${store.schema}.engines`);
    signs = new Map(rows.map(({ engine, expires }) => [engine, expires]));
    return freed;
  };
  return new Proxy(store, {
    get(target, key) {
      if (key === "sweep") return sweep;
      // The test's clock is the only one.
      if (key === "time") return undefined;
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === "function" ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
}
