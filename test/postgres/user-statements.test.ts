/** Statements of `wf.transaction` on PostgreSQL: what they may do with the store's tables, and that nothing of a session is left of them. */
import { describe, expect, it, onTestFinished } from "vitest";
import type { StoreTransaction } from "../../src/core/sql-transaction.ts";
import { openPostgresStore } from "../../src/store/index.ts";
import { STORE_RELATIONS } from "../../src/store/postgres/user-statement.ts";
import { newScene } from "../../src/testing/store-conformance/scene.ts";
import { postgresForTests } from "./subject.ts";

const postgres = postgresForTests();

interface Site {
  readonly schema: string;
  /** Runs these statements as the transaction of a run's next step; answers the rows of the last. */
  transact(...statements: string[]): Promise<unknown>;
  within(work: (tx: StoreTransaction) => Promise<unknown>): Promise<unknown>;
}

async function site(parameters = ""): Promise<Site> {
  const store = await openPostgresStore(postgres.freshAddress(`${parameters}&transactions=1`));
  onTestFinished(() => store.close());
  const scene = await newScene(store);
  const run = await scene.start();
  let command = 0;
  const within: Site["within"] = async (work) => {
    let result: unknown;
    await store.transact!(scene.lease, { run, command: ++command, generation: 0, at: 9 }, 5000, async (tx) => {
      result = await work(tx);
      return "null";
    });
    return result;
  };
  const transact: Site["transact"] = (...statements) =>
    within(async (tx) => {
      let rows: unknown;
      for (const sql of statements) rows = await tx.query(sql);
      return rows;
    });
  return { schema: store.schema, transact, within };
}

const SESSION = `select current_setting('search_path') as path, current_setting('application_name') as name,
  current_setting('lock_timeout') as patience, current_user::text as role, session_user::text as session,
  to_regclass('pg_temp.scratch') is not null as scratch, pg_backend_pid() as pid,
  (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks`;

describe("the session of a transaction", () => {
  it("is as it was for the next one, whether it was committed or rolled back", async () => {
    const { schema, transact, within } = await site("%20-c%20lock_timeout%3D1234");
    const before = await transact(SESSION);
    expect(before).toMatchObject([{ patience: "1234ms", scratch: false, locks: 0 }]);
    await postgres.ask("create role passenger");
    await postgres.ask(`grant all on schema ${schema} to passenger`);
    await postgres.ask(`grant all on all tables in schema ${schema} to passenger`);
    await transact(
      "select set_config('search_path', 'nope', false), set_config('application_name', 'x', false)",
      "select set_config('lock_timeout', '0', false), pg_advisory_lock(42)",
      "create temp table scratch (n int)",
      "select set_config('role', 'passenger', false)",
    );
    expect(await transact(SESSION)).toEqual(before);
    const undone = within(async (tx) => {
      await tx.query("select pg_advisory_lock(42)");
      throw new Error("no");
    });
    await expect(undone).rejects.toThrow("no");
    expect(await transact(SESSION)).toEqual(before);
  });
});

describe("a transaction whose statement failed", () => {
  it("is not committed, and says so when the step caught the error", async () => {
    const { within } = await site();
    const caught = within((tx) => tx.query("select 1 / 0").catch(() => "never mind"));
    const message = expect.stringMatching(/a statement of it failed.*savepoint/);
    await expect(caught).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message });
  });
});

describe("the store's tables in a transaction", () => {
  it("may be read wherever a statement reads", async () => {
    const { schema, transact } = await site();
    await transact(
      "create table mine (run bigint, note text)",
      `insert into mine select run, workflow from ${schema}.workflow_runs`,
      `update mine set note = w.version from ${schema}.workflow_runs w where w.run = mine.run`,
      `create view seen as select run from ${schema}.runs`,
      `table ${schema}.meta`,
      "select * from mine where run in (select run from runs) for update",
      "create temp table events (n int)",
      "insert into events values (1)",
      `delete from mine using ${schema}.workflow_runs w where w.run = mine.run`,
    );
    expect(await transact("select 'C:\\' as a, 'x;y' as b")).toEqual([{ a: "C:\\", b: "x;y" }]);
  });

  it.each([
    ["explain analyze update @.meta set value = value", "meta"],
    ["update meta set value = value", "meta"],
    ["select * from @.workflow_runs for update", "workflow_runs"],
    ["with gone as (delete from events returning 1) select count(*) from gone", "events"],
    ["insert into @.run_tags (run, key, value) values (1, 'a', 'b')", "run_tags"],
    ["create index on @.events (type)", "events"],
    ["do $$ begin update meta set value = value; end $$", "meta"],
    ["lock table @.engines in share mode", "engines"],
  ])("are kept from %s", async (sql, table) => {
    const { schema, transact } = await site();
    const refused = { code: "INVALID_ARGUMENT", message: expect.stringContaining(`${table}`) };
    await expect(transact("create table mine (n int)", sql.replace("@", schema))).rejects.toMatchObject(refused);
    await expect(transact("select * from mine")).rejects.toThrow(/"mine" does not exist/);
  });

  it("are those that the guard knows", async () => {
    const { schema } = await site();
    const rows = await postgres.ask(
      "select relname from pg_class where relnamespace = $1::regnamespace and relkind in ('r', 'v', 'p', 'm') order by 1",
      [schema],
    );
    expect([...STORE_RELATIONS].sort()).toEqual(rows.map(({ relname }) => relname));
  });
});
