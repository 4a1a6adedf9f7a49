import { describe, expect, it } from "vitest";
import type { StoreTransaction } from "../../src/core/sql-transaction.ts";
import { openSqliteStore, type SqliteStore } from "../../src/store/index.ts";
import { openConnection } from "../../src/store/sqlite/driver.ts";
import { event, message, newScene, type Scene } from "../../src/testing/store-conformance/scene.ts";
import { scratchFile } from "./scratch.ts";
import { lockRefused } from "./waiting-thread.ts";

interface Site {
  readonly store: SqliteStore;
  readonly scene: Scene;
  readonly run: number;
  /** Runs one transaction of the run's next step. */
  transact(work: (tx: StoreTransaction) => Promise<unknown>, limitMs?: number): Promise<unknown>;
}

async function withSite(test: (site: Site) => Promise<void>, path = ":memory:"): Promise<void> {
  const store = await openSqliteStore({ path });
  try {
    const scene = await newScene(store);
    const run = await scene.start();
    let command = 0;
    const transact: Site["transact"] = async (work, limitMs = 5000) => {
      let result: unknown;
      const step = { run, command: ++command, generation: 0, at: 9 };
      await store.transact!(scene.lease, step, limitMs, async (tx) => {
        result = await work(tx);
        return "null";
      });
      return result;
    };
    await test({ store, scene, run, transact });
  } finally {
    await store.close();
  }
}

describe("statements of a step's transaction on SQLite", () => {
  it("that go on beyond their time are told of while they do", () =>
    withSite(async ({ transact }) => {
      const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
      const counting =
        "with recursive c(n) as (select 1 union all select n + 1 from c where n < 20000000) select max(n) from c";
      const asking = transact((tx) => tx.query(counting), 50);
      const outcome = expect(asking).rejects.toMatchObject({ code: "WAIT_TIMED_OUT" });
      expect(await warned).toMatchObject({
        code: "PERDURE_STATEMENT_OVERDUE",
        message: expect.stringContaining(`cannot be interrupted; everything else of the SQLite store waits for it`),
      });
      await outcome;
      expect(await transact((tx) => tx.query("select 1 as one"))).toEqual([{ one: 1 }]);
    }));

  it("take and answer with every kind of value", () =>
    withSite(async ({ transact }) => {
      const values = [null, true, 7, 1.5, 2n ** 60n, "ü☃", new Uint8Array([1, 0, 255])];
      const rows = await transact(async (tx) => {
        await tx.query("create table t (a, b, c, d, e, f, g)");
        await tx.query("insert into t values (?, ?, ?, ?, ?, ?, ?)", values);
        return tx.query("select *, typeof(c) as type from t");
      });
      const [a, , c, d, e, f, g] = values;
      expect(rows).toEqual([{ a, b: 1, c, d, e, f, g, type: "integer" }]);
    }));

  it("name a parameter that SQLite has no place for", () =>
    withSite(async ({ transact }) => {
      for (const value of [{ x: 1 }, () => 1, new Date(0), 2n ** 64n, "a\0b"]) {
        const asking = transact((tx) => tx.query("select ?, ?", [1, value]));
        await expect(asking).rejects.toMatchObject({
          code: "INVALID_ARGUMENT",
          message: expect.stringContaining("parameter 2"),
        });
      }
    }));

  it("answer with rows when they write and say so", () =>
    withSite(async ({ transact }) => {
      const answers = await transact(async (tx) => [
        await tx.query("create table t (id integer primary key, x)"),
        await tx.query("insert into t (x) values (5), (6)"),
        await tx.query("with more (x) as (values (7)) insert into t (x) select x from more returning id, x"),
        await tx.query("select count(*) as n from t;  -- all of them"),
      ]);
      expect(answers).toEqual([[], [], [{ id: 3, x: 7 }], [{ n: 3 }]]);
    }));

  it("fail with SQLite's own message and code, and the transaction goes on when that is caught", () =>
    withSite(async ({ transact }) => {
      const failures: unknown[] = [];
      const n = await transact(async (tx) => {
        await tx.query("create table t (x unique)");
        await tx.query("insert into t values (1)");
        for (const sql of ["insert into t values (1)", "insert into nowhere values (1)", "select from"]) {
          await tx.query(sql).catch((error: unknown) => failures.push(error));
        }
        return tx.query("select count(*) as n from t");
      });
      expect(n).toEqual([{ n: 1 }]);
      expect(failures).toMatchObject([
        { name: "SqliteError", code: "SQLITE_CONSTRAINT_UNIQUE", message: expect.stringContaining("t.x") },
        { name: "SqliteError", code: "SQLITE_ERROR", message: expect.stringContaining("nowhere") },
        { name: "SqliteError", code: "SQLITE_ERROR", message: expect.stringContaining("syntax") },
      ]);
    }));

  it("neither end the transaction nor change the connection", () =>
    withSite(async ({ transact }) => {
      const refused = ["begin", "COMMIT", "/* x */ rollback", "savepoint a", "release a", "end", "vacuum"].concat(
        ["attach 'x' as y", "detach y", "pragma user_version = 3", "analyze", "reindex"],
        ["select 1; select 2", "select 1;;commit", "", " -- nothing", "create temp table t (x)"],
        ["create trigger t after insert on u begin delete from events; end"],
      );
      for (const sql of refused) {
        await expect(transact((tx) => tx.query(sql))).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      }
      expect(await transact((tx) => tx.query("select ';' as \"a;b\" -- ; commit"))).toEqual([{ "a;b": ";" }]);
    }));

  it("do not write to the store's own tables, but may read them", () =>
    withSite(async ({ transact, run }) => {
      const refused: readonly [table: string, sql: string][] = [
        ["events", "insert into events values (1, 2, 'x', 1, '{}')"],
        ["events", 'INSERT OR IGNORE INTO main."Events" select * from events'],
        ["events", "with x as (select 1) delete from [events]"],
        ["workflow_runs", "update or replace workflow_runs set status = 'x'"],
        ["messages", "replace into messages values (1, 1, 'signal', 'n', '1', 1)"],
        ["engines", "delete from/**/engines"],
        ["runs", "drop view if exists runs"],
        ["meta", "alter table meta add column x"],
        ["answers", "create index i on answers (at)"],
        ["tx_outcomes", "create table if not exists tx_outcomes (x)"],
        ["migrations", "delete from migrations"],
      ];
      for (const [table, sql] of refused) {
        await expect(transact((tx) => tx.query(sql))).rejects.toMatchObject({
          code: "INVALID_ARGUMENT",
          message: expect.stringContaining(`"${table}"`),
        });
      }
      const copied = await transact(async (tx) => {
        await tx.query("create table copy as select run, type from events");
        await tx.query("insert into copy select run, type from events where true on conflict do update set run = 1");
        return tx.query("select run, count(*) as n from copy group by run");
      });
      expect(copied).toEqual([{ run, n: 2 }]);
    }));

  it("answer with a bounded number of rows", () =>
    withSite(async ({ transact }) => {
      const counted = (n: number): string =>
        `with recursive c (x) as (select 1 union all select x + 1 from c where x < ${n}) select x from c`;
      expect(await transact((tx) => tx.query(counted(10_000)))).toHaveLength(10_000);
      const tooMany = transact((tx) => tx.query(counted(10_001)));
      await expect(tooMany).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      const endless = transact((tx) => tx.query(counted(1e12)), 200);
      await expect(endless).rejects.toMatchObject({ code: "WAIT_TIMED_OUT" });
      expect(await transact((tx) => tx.query("select 1 as one"))).toEqual([{ one: 1 }]);
    }));
});

describe("a step's transaction on SQLite", () => {
  it("lets everything else of the store wait, in order", () =>
    withSite(async ({ store, scene, run, transact }) => {
      const order: string[] = [];
      const done = (what: string) => (): void => void order.push(what);
      const others: Promise<unknown>[] = [];
      await transact(async (tx) => {
        others.push(scene.advance(run, 1, { events: [event("A")] }).then(done("commit")));
        others.push(store.send(message(run)).then(done("send")));
        others.push(store.find({ run }).then(done("find")));
        others.push(transact((next) => next.query("select 1")).then(done("transact")));
        for (let index = 0; index < 5; index++) await tx.query("select 1");
        done("work")();
      });
      await Promise.all(others);
      expect(order).toEqual(["work", "commit", "send", "find", "transact"]);
      expect(await scene.eventTypes(run)).toEqual(["RunStarted", "A"]);
    }));

  it("gives up when a statement rolled it back, and never writes outside of a transaction", () =>
    withSite(async ({ transact, store, run }) => {
      await transact(async (tx) => {
        await tx.query("create table t (x unique)");
        await tx.query("insert into t values (1)");
      });
      const later: unknown[] = [];
      const lost = transact(async (tx) => {
        await tx.query("insert into t values (2)");
        await tx.query("insert or rollback into t values (1)").catch((error: unknown) => later.push(error));
        await tx.query("insert into t values (3)").catch((error: unknown) => later.push(error));
      });
      await expect(lost).rejects.toMatchObject({ code: "SQLITE_CONSTRAINT_UNIQUE" });
      expect(later).toHaveLength(2);
      expect(await transact((tx) => tx.query("select x from t"))).toEqual([{ x: 1 }]);
      expect((await store.load([run], 1))[0]?.outcomes).toHaveLength(2);
    }));

  it("refuses statements after its step has returned", () =>
    withSite(async ({ transact }) => {
      let escaped: StoreTransaction | undefined;
      await transact(async (tx) => {
        escaped = tx;
      });
      await expect(escaped!.query("select 1")).rejects.toMatchObject({ code: "CONFLICT" });
    }));

  it("rejects when the step throws before it returns a promise", () =>
    withSite(async ({ transact, store }) => {
      const broken = new Error("at once");
      const throwing = transact(() => {
        throw broken;
      });
      await expect(throwing).rejects.toBe(broken);
      expect(await store.pauses()).toEqual([]);
    }));

  it("is rolled back when the store is closed, and what waits behind it is served", async () => {
    const path = scratchFile();
    const seen: unknown[] = [];
    await withSite(async ({ store, transact }) => {
      await transact((tx) => tx.query("create table t (x)"));
      let waiting: Promise<unknown> | undefined;
      const open = transact(async (tx) => {
        await tx.query("insert into t values (1)");
        waiting = store.pauses();
        void store.close();
        return new Promise(() => {});
      });
      await open.catch((error: unknown) => seen.push(error));
      seen.push(await waiting);
      await store.close();
    }, path);
    expect(seen).toMatchObject([{ code: "UNAVAILABLE" }, []]);
    const db = openConnection(path);
    expect(db.prepare("select count(*) from t").all([])).toEqual([[0]]);
    db.close();
  });

  it("waits for the lock like any write, and holds it against other connections", async () => {
    const path = scratchFile();
    await withSite(async ({ transact }) => {
      const db = openConnection(path);
      db.exec("create table t (x); begin immediate; insert into t values (1)");
      const asked = transact(async (tx) => {
        expect(() => db.exec("begin immediate")).toThrow(/locked/);
        return tx.query("select x from t");
      });
      const first = await Promise.race([asked, lockRefused()]);
      db.exec("commit");
      expect(first).toBe("waiting");
      expect(await asked).toEqual([{ x: 1 }]);
      db.exec("begin immediate; commit");
      db.close();
    }, path);
  });
});
