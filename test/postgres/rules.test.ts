/** The rules of commits and leases on a real server: each scenario that only locks, connections and lost answers can show. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { openPostgresStore, type PostgresStore } from "../../src/store/index.ts";
import {
  event,
  image,
  message,
  newRun,
  newScene,
  type Scene,
  transition,
} from "../../src/testing/store-conformance/scene.ts";
import { Way } from "../chaos/proxy.ts";
import { eventually } from "../crash/eventually.ts";
import { gate } from "../gate.ts";
import { postgresForTests } from "./subject.ts";

const postgres = postgresForTests({ fsync: false });
const SOURCES = fileURLToPath(new URL("../../src/store/postgres", import.meta.url));

type PostgresScene = Scene & { readonly store: PostgresStore };

async function scene(address = postgres.freshAddress()): Promise<PostgresScene> {
  const store = await openPostgresStore(address);
  onTestFinished(() => store.close());
  return (await newScene(store)) as PostgresScene;
}

/** A connection of somebody else. */
async function stranger(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: postgres.server.url });
  client.on("error", () => undefined);
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** A store whose way to the database can be bad. */
async function behindWay(): Promise<{ way: Way; actor: PostgresScene }> {
  const way = await Way.to(Number(new URL(postgres.server.url).port));
  onTestFinished(() => way.close());
  const address = new URL(postgres.freshAddress());
  address.port = String(way.port);
  return { way, actor: await scene(address.href) };
}

/** Resolves once the database says so. */
async function until(sql: string, values: unknown[] = []): Promise<void> {
  await eventually(async () => (await postgres.ask(sql, values)).length > 0, sql);
}

/** Resolves once a batch has been sent that will never arrive. */
async function swallowed(way: Way): Promise<void> {
  await eventually(() => way.torn, "the batch on its way");
}

const expire = (store: PostgresStore): Promise<unknown> =>
  postgres.ask(`update ${store.schema}.engines set expires = clock_timestamp() - interval '1 second'`);

const blocked = (query: string): Promise<void> =>
  until("select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like $1", [query]);

const orphans = ({ schema }: PostgresStore): Promise<unknown[]> =>
  postgres.ask(`select run from ${schema}.workflow_runs
    where owner is not null and owner not in (select engine from ${schema}.engines)`);

describe("rule 12: one transition in flight", () => {
  it("a history with a gap, or one that goes on elsewhere, refuses what is built on it", async () => {
    const address = postgres.freshAddress();
    const [one, other] = [await scene(address), await scene(address)];
    const run = await one.start();
    expect(await one.advance(run, 1, { events: [event("A")] })).toBeUndefined();
    expect(await one.advance(run, 3, { events: [event("C")] })).toBe("history");
    expect(await one.advance(run, 1, { events: [event("B")] })).toBe("history");
    // What a lane remembers of a run is over once the run is somebody else's.
    await one.park(run, 2);
    await other.take(run);
    expect(await other.advance(run, 2, { events: [event("B")] })).toBeUndefined();
    expect(await one.advance(run, 2, { events: [event("B")] })).toBe("history");
    expect(await one.eventTypes(run)).toEqual(["RunStarted", "A", "B"]);
  });
});

describe("rule 13: after a lost answer the lane row is asked on a new connection", () => {
  it("n: the batch happened, and sending it again is refused", async () => {
    const { way, actor } = await behindWay();
    const run = await actor.start();
    way.mode = "answerless";
    const lost = actor.advance(run, 1, { events: [event("A")] });
    lost.catch(() => undefined);
    await until(`select 1 from ${actor.store.schema}.events where run = $1 and seq = 2`, [run]);
    way.heal();
    await expect(lost).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await actor.store.lastBatch(actor.lease)).toBe(2);
    await expect(actor.advance(run, 1, { events: [event("A")] })).rejects.toMatchObject({ code: "LEASE_LOST" });
    expect(await actor.eventTypes(run)).toEqual(["RunStarted", "A"]);
  });

  it("n - 1: it did not happen, and is sent again", async () => {
    const { way, actor } = await behindWay();
    const run = await actor.start();
    way.mode = "silent";
    const lost = actor.advance(run, 1, { events: [event("A")] });
    lost.catch(() => undefined);
    await swallowed(way);
    way.heal();
    await expect(lost).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await actor.store.lastBatch(actor.lease)).toBe(1);
    expect(await actor.advance(run, 1, { events: [event("A")] })).toBeUndefined();
    expect(await actor.eventTypes(run)).toEqual(["RunStarted", "A"]);
  });

  it("no row: the lease is lost, whatever became of the batch", async () => {
    const { way, actor } = await behindWay();
    const run = await actor.start();
    way.mode = "silent";
    const lost = actor.advance(run, 1, { events: [event("A")] });
    lost.catch(() => undefined);
    await swallowed(way);
    await postgres.ask(`delete from ${actor.store.schema}.engines`);
    way.heal();
    await expect(lost).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await actor.store.lastBatch(actor.lease)).toBeNull();
    await expect(actor.advance(run, 1)).rejects.toMatchObject({ code: "LEASE_LOST" });
  });

  it("nothing ever takes FOR SHARE, and no number of claims keeps a sign of life waiting", async () => {
    const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
    const texts = files.map((name) => readFileSync(join(SOURCES, name), "utf8"));
    expect(texts.filter((text) => /\bfor share\b/i.test(text))).toEqual([]);
    const { store, lease } = await scene();
    const holders = await Promise.all([stranger(), stranger(), stranger()]);
    for (const holder of holders) {
      await holder.query("begin");
      await holder.query(`select from ${store.schema}.engines where engine = $1 for key share`, [lease.engine]);
    }
    let claiming = true;
    const claims = (async () => {
      while (claiming) await store.claim(lease, { code: [{ workflow: "order" }], limit: 9, at: 9 });
    })();
    for (let beat = 0; beat < 20; beat++) expect(await store.renew(lease)).toBe(true);
    claiming = false;
    await claims;
    for (const holder of holders) await holder.query("rollback");
  });
});

describe("rule 14: a batch is folded", () => {
  it("to one image of each row and all messages in order, whatever it does to a run first", async () => {
    const actor = await scene();
    const [a, b] = [await actor.start(), await actor.start()];
    const sends = [message(b, { name: "1" }), message(b, { name: "2" })];
    const parked = image({ owned: false, wakeAt: 70 });
    const { refused } = await actor.commit(
      [],
      [
        transition(b, 1, { events: [event("B")], image: parked }),
        transition(a, 1, { events: [event("A")], image: image({}), also: { sends } }),
        transition(a, 2, { events: [event("AA")], also: { sends: [message(b, { name: "3", at: 60 })] } }),
      ],
    );
    expect(refused.size).toBe(0);
    const { row, messages } = await actor.load(b);
    expect(messages.map(({ number, name }) => [number, name])).toEqual([
      [1, "1"],
      [2, "2"],
      [3, "3"],
    ]);
    expect(row).toMatchObject({ owner: null, wakeAt: 50, inbox: 3, length: 2 });
    expect(await actor.eventTypes(a)).toEqual(["RunStarted", "A", "AA"]);
  });

  it("and counts what it wrote: a run whose inbox moved is left out with everything of it", async () => {
    const actor = await scene();
    const [a, b, c] = [await actor.start(), await actor.start(), await actor.start()];
    await actor.store.send(message(a));
    const { refused } = await actor.commit(
      [],
      [
        transition(a, 1, { events: [event("A")], image: image({ ifInbox: 0 }), also: { sends: [message(c)] } }),
        transition(b, 1, { events: [event("B")], image: image({ ifInbox: 0 }), also: { sends: [message(c)] } }),
      ],
    );
    expect([...refused]).toEqual([[0, "inbox"]]);
    expect(await actor.eventTypes(a)).toEqual(["RunStarted"]);
    expect((await actor.load(c)).messages).toHaveLength(1);
  });
});

describe("rule 15: nothing foreign on a lane", () => {
  it("commits and signs of life go on while users' transactions and claims wait for one another", async () => {
    const actor = await scene();
    const [run, held] = [await actor.start(), await actor.start({ owned: false, wakeAt: 1 })];
    const other = await stranger();
    await other.query("begin");
    await other.query(`select from ${actor.store.schema}.workflow_runs where run = $1 for update`, [held]);
    const step = { run, command: 9, generation: 0, at: 1 };
    const end = gate();
    const transacting = actor.store.transact!(actor.lease, step, 5000, () => end.passed.then(() => "1"));
    const claiming = actor.store.claim(actor.lease, { code: [{ workflow: "order" }], limit: 9, at: 9 });
    expect(await claiming).toEqual([]);
    for (let seq = 1; seq <= 20; seq++) {
      expect(await actor.advance(run, seq, { events: [event(`E${seq}`)] })).toBeUndefined();
      expect(await actor.store.renew(actor.lease)).toBe(true);
    }
    end.open();
    expect((await transacting).data).toBe("1");
    await other.query("rollback");
  });
});

describe("rule 17: durability is verified at open", () => {
  it("commits are durable whatever the default of the database is", async () => {
    await postgres.ask("create database careless");
    await postgres.ask("alter database careless set synchronous_commit = off");
    const address = new URL(postgres.freshAddress());
    address.pathname = "/careless";
    const actor = await scene(address.href);
    const step = { run: await actor.start(), command: 1, generation: 0, at: 1 };
    await actor.store.transact!(actor.lease, step, 5000, async (tx) => {
      expect(await tx.query("show synchronous_commit")).toEqual([{ synchronous_commit: "on" }]);
      return "1";
    });
    // Where sessions cannot have settings of their own, the database is not used as it is.
    await expect(openPostgresStore(`${address.href}&prepare=false`)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("synchronous_commit"),
    });
  });
});

describe("rule 19: sweep in two statements", () => {
  it("a start that is being made while its engine's lease has ended keeps its engine", async () => {
    const address = postgres.freshAddress();
    const [actor, sweeper] = [await scene(address), await scene(address)];
    const held = await actor.start();
    const other = await stranger();
    await other.query("begin");
    await other.query(`select from ${actor.store.schema}.workflow_runs where run = $1 for update`, [held]);
    await postgres.ask(`update ${actor.store.schema}.engines set expires = clock_timestamp() - interval '1 second'
      where engine = ${actor.lease.engine}`);
    const starting = actor.commit([newRun()], [transition(held, 1, { image: image({}) })]);
    await blocked("%commit(%");
    expect(await sweeper.store.sweep({ ttlMs: 1, monotonicMs: 1, at: 5 })).toBe(0);
    await other.query("rollback");
    const [started] = (await starting).starts;
    expect(await orphans(actor.store)).toEqual([]);
    expect((await actor.load((started as { run: number }).run)).row.owner).toBe(actor.lease.engine);
  });

  it("a start that waits for the end of a sweep does not happen", async () => {
    const address = postgres.freshAddress();
    const actor = await scene(address);
    const other = await stranger();
    await other.query("begin");
    await other.query(`delete from ${actor.store.schema}.engines where engine = $1`, [actor.lease.engine]);
    const starting = actor.commit([newRun({ workflowId: "late" })], []);
    starting.catch(() => undefined);
    await blocked("%commit(%");
    await other.query("commit");
    await expect(starting).rejects.toMatchObject({ code: "LEASE_LOST" });
    expect(await actor.store.find({ workflowId: "late" })).toBeUndefined();
  });

  it("a claim that waits for the end of a sweep takes nothing", async () => {
    const actor = await scene();
    const run = await actor.start({ owned: false, wakeAt: 1 });
    const other = await stranger();
    await other.query("begin");
    await other.query(`delete from ${actor.store.schema}.engines where engine = $1`, [actor.lease.engine]);
    const claiming = actor.store.claim(actor.lease, { code: [{ workflow: "order" }], limit: 9, at: 9 });
    claiming.catch(() => undefined);
    await blocked("%for key share%");
    await other.query("commit");
    await expect(claiming).rejects.toMatchObject({ code: "LEASE_LOST" });
    expect((await actor.load(run)).row.owner).toBeNull();
  });

  it("no run is ever left to an engine that is gone, however starts, claims and sweeps meet", {
    timeout: 60_000,
  }, async () => {
    const address = postgres.freshAddress();
    const [store, sweeper] = [(await scene(address)).store, await scene(address)];
    const code = [{ workflow: "order" }];
    for (let round = 0; round < 25; round++) {
      const actor = await newScene(store);
      const busy = (async () => {
        for (let turn = 0; turn < 6; turn++) {
          await actor.commit([newRun(), newRun({ owned: false, wakeAt: 1 })], []);
          await store.claim(actor.lease, { code, limit: 2, at: 9 });
        }
      })().catch((error: { code?: string }) => expect(error.code).toBe("LEASE_LOST"));
      await Promise.all([busy, expire(store).then(() => sweeper.store.sweep({ ttlMs: 1, monotonicMs: 1, at: 5 }))]);
      await sweeper.store.renew(sweeper.lease).then(async (alive) => {
        if (!alive) sweeper.lease = await store.register({ label: "sweeper", at: 1 });
      });
      expect(await orphans(store)).toEqual([]);
    }
  });
});
