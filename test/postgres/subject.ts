/** PostgreSQL stores for tests: one server per test file, one schema per store. */
import pg from "pg";
import { afterAll, beforeAll } from "vitest";
import { openPostgresStore, type PostgresStore } from "../../src/store/index.ts";
import { PostgresServer, type ServerOptions } from "./server.ts";

let schemas = 0;

/** A server for the tests of a file. */
export interface PostgresForTests {
  readonly server: PostgresServer;
  /** Address of a store with nothing in it; its users' tables are in its own schema too. */
  freshAddress(parameters?: string): string;
  /** Statements as the superuser. */
  ask(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
}

/** Starts a server before the tests of this file and ends it after them. */
export function postgresForTests(options: ServerOptions = {}): PostgresForTests {
  let server: PostgresServer | undefined;
  beforeAll(async () => {
    server = await PostgresServer.start(options);
  }, 60_000);
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  const running = (): PostgresServer => {
    if (server === undefined) throw new Error("the server has not been started yet");
    return server;
  };
  return {
    get server() {
      return running();
    },
    freshAddress: (parameters = "") => {
      const schema = `store_${++schemas}`;
      return `${running().url}?schema=${schema}&options=-c%20search_path%3D${schema}${parameters}`;
    },
    ask: (sql, values) => ask(running().url, sql, values),
  };
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
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === "function" ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
}
