/** Transactions as libraries lend them: node-postgres, Kysely, Drizzle, Prisma, and any other by a function. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { pgTable, QueryBuilder, text } from "drizzle-orm/pg-core";
import {
  CamelCasePlugin,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresDialect,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from "kysely";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { silentLogger } from "../../src/engine/log.ts";
import { type LentTransaction, open, type Perdure, type RunHandle, signal, workflow } from "../../src/index.ts";
import { postgresForTests } from "./subject.ts";

const postgres = postgresForTests();
const item = signal<string>("item");
/** Everything a text can hold that a library, a driver or a server might take for something else. */
const AWKWARD = "it's \"quoted\" \\ back\\'slash $1 $$ ? :name %s {0} \u2028 é 🦉 \n\t E'x' -- /* ; \u0000 ~";
const echo = workflow("echo", async (wf, said: string) => [said, await wf.waitFor(item)]);

let engine: Perdure;
let pool: pg.Pool;
beforeAll(async () => {
  engine = await open({ store: postgres.freshAddress(), workflows: [echo], logger: silentLogger, poll: "200ms" });
  pool = new pg.Pool({ connectionString: postgres.server.url });
  await postgres.ask("create table orders (id text primary key, note text not null)");
});
afterAll(async () => {
  await pool.end();
  await engine.close();
});

class Undone extends Error {}

/** Runs its argument in a transaction that writes an order, and throws when told to. */
type Library = (work: (transaction: LentTransaction) => Promise<void>, order: string) => Promise<void>;

async function orders(): Promise<unknown[]> {
  return (await postgres.ask("select id from orders order by id")).map(({ id }) => id);
}

/** Runs `work` on a connection of node-postgres, in a transaction that commits unless it throws. */
async function within(work: (client: pg.PoolClient) => Promise<void>): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    await work(client);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}

const INSERT = "insert into orders values ($1, $1)";

function startsAndSignals(name: string, inTransaction: () => Library): void {
  it("happen with the rows of the transaction, or not at all", async () => {
    const library = inTransaction();
    let handle: RunHandle<unknown> | undefined;
    const work = async (transaction: LentTransaction): Promise<void> => {
      handle = await engine.start(echo, AWKWARD, { transaction });
      await handle.signal(item, AWKWARD, { transaction });
    };
    await library(work, name);
    expect(await handle!.result()).toEqual([AWKWARD, AWKWARD]);
    expect(await orders()).toContain(name);
    const undone = library(async (transaction) => {
      await work(transaction);
      throw new Undone();
    }, `${name}-undone`);
    await expect(undone).rejects.toThrow(Undone);
    await expect(handle!.result()).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(await orders()).not.toContain(`${name}-undone`);
  });
}

describe("with node-postgres", () => {
  startsAndSignals(
    "pg",
    () => (work, order) =>
      within(async (client) => {
        await client.query(INSERT, [order]);
        await work(client);
      }),
  );
});

describe("with a function", () => {
  startsAndSignals(
    "function",
    () => (work, order) =>
      within(async (client) => {
        await client.query(INSERT, [order]);
        await work(async (text, values) => (await client.query(text, [...values])).rows);
      }),
  );
});

interface Tables {
  orders: { id: string; note: string };
}

describe("with Kysely", () => {
  const kysely = (): Kysely<Tables> =>
    new Kysely<Tables>({ dialect: new PostgresDialect({ pool }), plugins: [new CamelCasePlugin()] });

  startsAndSignals("kysely", () => async (work, order) => {
    await kysely()
      .transaction()
      .execute(async (trx) => {
        await trx.insertInto("orders").values({ id: order, note: order }).execute();
        await work(trx);
      });
  });

  it("a transaction under control of the caller will do, the database itself will not", async () => {
    const trx = await kysely().startTransaction().execute();
    const handle = await engine.start(echo, "controlled", { transaction: trx });
    await trx.commit().execute();
    await handle.signal(item, "x");
    expect(await handle.result()).toEqual(["controlled", "x"]);
    await expect(engine.start(echo, "x", { transaction: kysely() })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/Kysely, but no transaction/),
    });
  });
});

const table = pgTable("orders", { id: text().primaryKey(), note: text().notNull() });

describe("with Drizzle", () => {
  startsAndSignals("drizzle", () => async (work, order) => {
    await drizzle(pool).transaction(async (tx) => {
      await tx.insert(table).values({ id: order, note: order });
      await work(tx);
    });
  });

  it("texts arrive as they are, however the server reads backslashes", async () => {
    const db = drizzle(pool);
    const handle = await db.transaction(async (tx) => {
      await tx.execute(sql`set local standard_conforming_strings = off`);
      await tx.execute(sql`set local backslash_quote = off`);
      const started = await engine.start(echo, AWKWARD, { transaction: tx });
      await tx.transaction((savepoint) => started.signal(item, AWKWARD, { transaction: savepoint }));
      return started;
    });
    expect(await handle.result()).toEqual([AWKWARD, AWKWARD]);
  });

  it("the database itself will not do", async () => {
    await expect(engine.start(echo, "x", { transaction: drizzle(pool) as never })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/Drizzle, but no transaction/),
    });
  });
});

/** What a transaction of Prisma offers, by its documentation. */
interface PrismaTransaction {
  $queryRawUnsafe<T = unknown>(query: string, ...values: unknown[]): Promise<T>;
  $executeRawUnsafe(query: string, ...values: unknown[]): Promise<number>;
}

interface PrismaLike {
  $transaction<T>(work: (tx: PrismaTransaction) => Promise<T>): Promise<T>;
  $disconnect(): Promise<void>;
}

/**
 * A folder with Prisma, its adapter `@prisma/adapter-pg` and a client for PostgreSQL in `generated/`. It is no dependency of the tests, because
 * its generator wants to download a program that generating does not need: `PRISMA_SCHEMA_ENGINE_BINARY=/bin/true npx prisma generate`.
 */
const PRISMA = process.env.PERDURE_TEST_PRISMA ?? "";

describe("with Prisma", () => {
  const shaped = (client: pg.PoolClient): PrismaTransaction => ({
    $queryRawUnsafe: async <T>(query: string, ...values: unknown[]) => (await client.query(query, values)).rows as T,
    $executeRawUnsafe: async (query, ...values) => (await client.query(query, values)).rowCount ?? 0,
  });

  startsAndSignals(
    "prisma-shape",
    () => (work, order) =>
      within(async (client) => {
        const tx = shaped(client);
        await tx.$executeRawUnsafe(INSERT, order);
        await work(tx);
      }),
  );

  describe.skipIf(!existsSync(join(PRISMA, "generated")))("itself", () => {
    let prisma: PrismaLike;
    beforeAll(async () => {
      const from = (path: string): Promise<Record<string, new (options: object) => unknown>> =>
        import(pathToFileURL(join(PRISMA, path)).href);
      const { PrismaPg } = await from("node_modules/@prisma/adapter-pg/dist/index.mjs");
      const { PrismaClient } = await from("generated/client.ts");
      const adapter = new PrismaPg!({ connectionString: postgres.server.url });
      prisma = new PrismaClient!({ adapter }) as PrismaLike;
    });
    afterAll(() => prisma.$disconnect());

    startsAndSignals("prisma", () => async (work, order) => {
      await prisma.$transaction(async (tx) => {
        await tx.$executeRawUnsafe(INSERT, order);
        await work(tx);
      });
    });

    it("the client itself will not do", async () => {
      await expect(engine.start(echo, "x", { transaction: prisma as never })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        message: expect.stringMatching(/Prisma client, but no transaction/),
      });
    });
  });
});

describe("a step with wf.transaction", () => {
  it("runs what Drizzle and Kysely make of their words", async () => {
    const address = postgres.freshAddress();
    const schema = new URL(address).searchParams.get("schema")!;
    const kysely = new Kysely<Tables>({
      dialect: {
        createAdapter: () => new PostgresAdapter(),
        createDriver: () => new DummyDriver(),
        createIntrospector: (db) => new PostgresIntrospector(db),
        createQueryCompiler: () => new PostgresQueryCompiler(),
      },
    });
    const book = workflow("book", async (wf, id: string) =>
      wf.transaction("book", async (tx) => {
        const insert = kysely.insertInto("orders").values({ id, note: "it's booked" }).compile();
        await tx.query(insert.sql, insert.parameters);
        const look = new QueryBuilder().select({ note: table.note }).from(table).toSQL();
        return tx.query(look.sql, look.params);
      }),
    );
    const one = await open({ store: address, workflows: [book], logger: silentLogger });
    onTestFinished(() => one.close());
    await postgres.ask(`create table ${schema}.orders (id text primary key, note text not null)`);
    expect(await (await one.start(book, "o1")).result()).toEqual([{ note: "it's booked" }]);
  });
});
