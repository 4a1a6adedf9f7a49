/** What the PostgreSQL store keeps beyond the suite of all stores: locks, lost connections, odd texts, rights. */
import pg from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { openPostgresStore, type PostgresStore, type Store } from "../../src/store/index.ts";
import { int8s, jsonText, texts } from "../../src/store/postgres/values.ts";
import { event, image, message, newRun, newScene, type Scene } from "../../src/testing/store-conformance/scene.ts";
import { eventually } from "../crash/eventually.ts";
import fc from "../properties.ts";
import { postgresForTests } from "./subject.ts";

const postgres = postgresForTests();

async function opened(address = postgres.freshAddress()): Promise<PostgresStore> {
  const store = await openPostgresStore(address);
  onTestFinished(() => store.close());
  return store;
}

async function scene(address?: string): Promise<Scene & { readonly store: PostgresStore }> {
  return (await newScene(await opened(address))) as Scene & { readonly store: PostgresStore };
}

/** A connection of somebody else. */
async function stranger(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: postgres.server.url });
  client.on("error", () => undefined);
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** Resolves with "waiting" once a statement stands before a lock that somebody else holds. */
async function lockedOut(pattern: string): Promise<"waiting"> {
  const sql = "select pid from pg_stat_activity where wait_event_type = 'Lock' and query like $1";
  await eventually(async () => (await postgres.ask(sql, [pattern])).length > 0, `${pattern} to wait for a lock`);
  return "waiting";
}

describe("commits", () => {
  it("in doubt are waited for (rule 13)", async () => {
    const { store, lease } = await scene();
    const other = await stranger();
    await other.query("begin");
    await other.query(`update ${store.schema}.engines set batch = 7 where engine = $1`, [lease.engine]);
    const last = store.lastBatch(lease);
    expect(await Promise.race([last, lockedOut("select batch from %")])).toBe("waiting");
    await other.query("commit");
    expect(await last).toBe(7);
  });

  it("tell when their connection is lost, and everything goes on with a new one", async () => {
    const actor = await scene();
    const run = await actor.start();
    const other = await stranger();
    await other.query("begin");
    await other.query(`select from ${actor.store.schema}.workflow_runs where run = $1 for update`, [run]);
    const parking = actor.advance(run, 1, { image: image({ owned: false }) });
    parking.catch(() => undefined);
    await lockedOut("%commit(%");
    await postgres.ask(
      "select pg_terminate_backend(pid) from pg_stat_activity where query like '%commit(%' and pid <> pg_backend_pid()",
    );
    await expect(parking).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await other.query("rollback");
    expect(await actor.store.lastBatch(actor.lease)).toBe(1);
    expect(await actor.advance(run, 1, { events: [event("A")] })).toBeUndefined();
  });

  it("of engines that send to each other's runs never end in a deadlock", async () => {
    const address = postgres.freshAddress();
    const actors = [await scene(address), await scene(address), await scene(address)];
    const runs = await Promise.all(actors.map((actor) => Promise.all([actor.start()])));
    const all = runs.flat();
    for (let round = 0; round < 30; round++) {
      const done = actors.map((actor, at) => {
        const to = round % 2 === 0 ? all : [...all].reverse();
        const sends = to.map((run) => message(run, { key: `${round}-${at}` }));
        return actor.advance(runs[at]![0]!, 1, { also: { sends }, image: image({}) });
      });
      expect(await Promise.all(done)).toEqual([undefined, undefined, undefined]);
    }
    for (const run of all) expect((await actors[0]!.load(run)).row.inbox).toBe(90);
  });

  it("of engines that start the same ids at the same time agree on who was first", async () => {
    const address = postgres.freshAddress();
    const actors = [await scene(address), await scene(address)];
    for (let round = 0; round < 20; round++) {
      const ids = Array.from({ length: 30 }, (_, at) => `${round}-${at}`);
      const [a, b] = await Promise.all(
        actors.map((actor, at) =>
          actor.commit(
            (at === 0 ? ids : [...ids].reverse()).map((workflowId) => newRun({ workflowId })),
            [],
          ),
        ),
      );
      const runOf = (result: (typeof a & object)["starts"][number]): number =>
        "run" in result ? result.run : "conflict" in result ? result.conflict.run : Number.NaN;
      expect(a!.starts.map(runOf)).toEqual(b!.starts.map(runOf).reverse());
    }
  });
});

describe("texts", () => {
  it("with signs the database cannot hold hurt only their own row (rule 16)", async () => {
    const actor = await scene();
    const run = await actor.start();
    for (const events of [[event("A", 2, '"\0"')], [event("\0")]]) {
      await expect(actor.advance(run, 1, { events })).rejects.toMatchObject({ code: "INTERNAL" });
    }
    const answers = [{ number: 1, status: "completed", data: '"\0"', at: 2 }] as const;
    await expect(actor.advance(run, 1, { also: { answers } })).rejects.toMatchObject({ code: "INTERNAL" });
    const sent = ["a", "\0", "b"].map((name) => actor.store.send(message(run, { name })));
    expect((await Promise.allSettled(sent)).map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
    expect(await actor.advance(run, 1, { events: [event("A", 2, '{"p":"\\u0000 \\ud800"}')] })).toBeUndefined();
    expect((await actor.store.lastEvent(run))?.data).toBe('{"p":"\\u0000 \\ud800"}');
  });

  it("with halves of surrogate pairs keep the rest", async () => {
    const actor = await scene();
    const run = await actor.start({ workflowId: "a\ud800b", tags: JSON.stringify({ k: "v" }) });
    expect((await actor.load(run)).row.workflowId).toBe("a\ufffdb");
    const answers = [{ number: 1, status: "completed", data: '"\udc00"', at: 2 }] as const;
    expect(await actor.advance(run, 1, { also: { answers } })).toBeUndefined();
    expect((await actor.store.answer(run, 1))?.data).toBe('"\ufffd"');
  });

  it("of any length can be tags", async () => {
    const actor = await scene();
    const long = Array.from({ length: 9000 }, (_, at) => String.fromCodePoint(0x4e00 + ((at * 7919) % 20_000))).join(
      "",
    );
    const run = await actor.start({ tags: JSON.stringify({ k: long }) });
    await actor.start({ tags: JSON.stringify({ k: "short" }) });
    expect((await actor.store.list({ tags: { k: long }, limit: 9 })).map((row) => row.run)).toEqual([run]);
    await actor.park(run, 1);
    expect(await actor.store.remove(run)).toBe(true);
    expect(await postgres.ask(`select value from ${actor.store.schema}.run_tags`)).toEqual([{ value: "short" }]);
  });

  it("and numbers arrive as they were, in arrays of the binary form", async () => {
    const client = await stranger();
    const word = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0"));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.option(word), { minLength: 1 }),
        fc.array(fc.option(fc.maxSafeInteger()), { minLength: 1 }),
        async (words, numbers) => {
          const { rows } = await client.query("select $1::text[] as words, $2::bigint[] as numbers, $3::json as json", [
            texts(words),
            int8s(numbers),
            jsonText(words),
          ]);
          expect(rows[0].words).toEqual(words);
          expect(rows[0].numbers).toEqual(numbers.map((number) => (number === null ? null : String(number))));
          expect(rows[0].json).toEqual(words);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe("leases", () => {
  it("hold by the database's clock, as long as they were asked for, and are moved on by renewals and commits", async () => {
    const store = await opened();
    const lease = await store.register({ label: "x", at: 1, ttlMs: 60_000 });
    const left = async (): Promise<number> => {
      const sql = `select extract(epoch from expires - clock_timestamp()) * 1000 as left from ${store.schema}.engines`;
      return Number((await postgres.ask(sql))[0]!.left);
    };
    const shorten = `update ${store.schema}.engines set expires = clock_timestamp() + interval '1 second'`;
    expect(await left()).toBeGreaterThan(55_000);
    await postgres.ask(shorten);
    expect(await store.renew(lease)).toBe(true);
    expect(await left()).toBeGreaterThan(55_000);
    await postgres.ask(shorten);
    await store.commit(lease, { number: 1, starts: [], transitions: [] });
    expect(await left()).toBeGreaterThan(55_000);
    expect(await store.sweep({ ttlMs: 1, monotonicMs: 1e12, at: 5 })).toBe(0);
  });

  it("that ended are swept, but not while somebody holds them (rules 19, 21)", async () => {
    const actor = await scene();
    const run = await actor.start();
    const { store } = actor;
    await postgres.ask(`update ${store.schema}.engines set expires = clock_timestamp() - interval '1 second'`);
    const other = await stranger();
    await other.query("begin");
    await other.query(`select from ${store.schema}.engines for key share`);
    expect(await store.sweep({ ttlMs: 1, monotonicMs: 1, at: 5 })).toBe(0);
    await other.query("commit");
    expect(await store.sweep({ ttlMs: 1, monotonicMs: 1, at: 5 })).toBe(1);
    expect((await actor.load(run)).row).toMatchObject({ owner: null, wakeAt: 5, crashes: 1 });
  });

  it("that are gone without a trace leave no run behind (rule 19)", async () => {
    const actor = await scene();
    const run = await actor.start();
    await postgres.ask(`delete from ${actor.store.schema}.engines`);
    expect(await actor.store.sweep({ ttlMs: 1, monotonicMs: 1, at: 5 })).toBe(1);
    expect((await actor.load(run)).row.owner).toBeNull();
  });

  it("are renewed while a commit of theirs stands still", async () => {
    const actor = await scene();
    const run = await actor.start();
    const other = await stranger();
    await other.query("begin");
    await other.query(`select from ${actor.store.schema}.engines for key share`);
    expect(await actor.store.renew(actor.lease)).toBe(true);
    expect(await actor.advance(run, 1, { events: [event("A")] })).toBeUndefined();
    await other.query("commit");
  });
});

describe("claims", () => {
  it("pass over runs that somebody is about to take", async () => {
    const actor = await scene();
    const [held, free] = [
      await actor.start({ owned: false, wakeAt: 1 }),
      await actor.start({ owned: false, wakeAt: 2 }),
    ];
    const other = await stranger();
    await other.query("begin");
    await other.query(`select from ${actor.store.schema}.workflow_runs where run = $1 for update`, [held]);
    const wanted = { code: [{ workflow: "order" }], limit: 9, at: 9 };
    expect((await actor.store.claim(actor.lease, wanted)).map(({ run }) => run)).toEqual([free]);
    await other.query("commit");
    expect((await actor.store.claim(actor.lease, wanted)).map(({ run }) => run)).toEqual([held]);
  });

  it("read a workflow's part of the index in the order of time, however many runs of it and of others wait", async () => {
    const actor = await scene();
    const waiting = (workflow: string) =>
      Array.from({ length: 2000 }, (_, at) => newRun({ workflow, owned: false, wakeAt: at + 1 }));
    await actor.commit([...waiting("order"), ...waiting("gone")], []);
    const plan = await postgres.ask(
      `explain select run from ${actor.store.schema}.workflow_runs where coalesce(owner, 0) = 0 and closed_at is null
        and hashtextextended(workflow, 0) = hashtextextended('order', 0) and workflow = 'order'
        and wake_at <= 5000 order by wake_at, run limit 10`,
    );
    expect(JSON.stringify(plan)).toMatch(/Index Cond: [^"]*hashtextextended/);
    expect(JSON.stringify(plan)).not.toContain("Sort");
  });
});

describe("messages", () => {
  it("with one key are one message, whoever sends it at the same time (rule 24)", async () => {
    const address = postgres.freshAddress();
    const actor = await scene(address);
    const others: Store[] = [actor.store, await opened(address), await opened(address)];
    const run = await actor.start();
    for (let round = 1; round <= 20; round++) {
      const sent = await Promise.all(others.map((store) => store.send(message(run, { key: `k${round}` }))));
      expect(sent).toEqual([{ number: round }, { number: round }, { number: round }]);
    }
    expect((await actor.load(run)).messages).toHaveLength(20);
  });

  it("do not wait for ever for a row that somebody holds (rule 15)", { timeout: 20_000 }, async () => {
    const actor = await scene();
    const run = await actor.start();
    const other = await stranger();
    await other.query("begin");
    await other.query(`select from ${actor.store.schema}.workflow_runs for update`);
    await expect(actor.store.send(message(run))).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await other.query("commit");
    expect(await actor.store.send(message(run))).toEqual({ number: 1 });
  });
});

describe("hints", () => {
  it("come when somebody else has changed something, and once more when the connection was lost (rule 26)", async () => {
    const address = postgres.freshAddress();
    const [mine, theirs] = [await opened(address), await scene(address)];
    let hints = 0;
    let told: () => void = () => {};
    mine.watch(() => {
      hints++;
      told();
    });
    const next = async (cause: () => Promise<unknown>): Promise<void> => {
      const before = hints;
      const hint = new Promise<void>((resolve) => {
        told = resolve;
      });
      await cause();
      if (hints === before) await hint;
    };
    await next(async () => undefined);
    const run = await theirs.start();
    await next(() => theirs.store.send(message(run)));
    await next(() => postgres.ask("select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%'"));
    await next(() => theirs.store.send(message(run)));
  });

  it("are few, however much happens", async () => {
    const address = postgres.freshAddress();
    const [mine, theirs] = [await opened(address), await scene(address)];
    let hints = 0;
    mine.watch(() => void hints++);
    const run = await theirs.start();
    const began = performance.now();
    for (let sent = 0; sent < 200; sent++) await theirs.store.send(message(run));
    expect(hints).toBeLessThan((performance.now() - began) / 25 + 4);
  });
});

describe("looking for dead engines", () => {
  it("waits for a lease that is about to expire, so that its runs are free at once (rule 19)", async () => {
    const { store } = await scene();
    const lease = await store.register({ label: "dying", at: 1, ttlMs: 300 });
    await store.commit(lease, { number: 1, starts: [newRun()], transitions: [] });
    expect(await store.sweep({ ttlMs: 4000, monotonicMs: 0, at: 5 })).toBe(1);
  });
});

describe("transactions of steps", () => {
  const step = { command: 3, generation: 0, at: 9 };

  it("hold nothing of the store while they work (rule 21)", async () => {
    const actor = await scene();
    const run = await actor.start();
    const outcome = await actor.store.transact!(actor.lease, { run, ...step }, 5000, async (tx) => {
      await tx.query("create table mine (n bigint)");
      expect(await actor.store.renew(actor.lease)).toBe(true);
      expect(await actor.advance(run, 1, { events: [event("A")], image: image() })).toBeUndefined();
      await actor.store.send(message(run));
      const rows = await tx.query("insert into mine values ($1), ($2) returning n", [1, "9007199254740993"]);
      return JSON.stringify(rows.map(({ n }) => typeof n));
    });
    expect(outcome.data).toBe('["number","bigint"]');
  });

  it("are not kept when the lease was lost meanwhile", async () => {
    const actor = await scene();
    const run = await actor.start();
    const lost = actor.store.transact!(actor.lease, { run, ...step }, 5000, async (tx) => {
      await tx.query("create table mine (n bigint)");
      await postgres.ask(`delete from ${actor.store.schema}.engines`);
      return "1";
    });
    await expect(lost).rejects.toMatchObject({ code: "LEASE_LOST" });
    expect(await postgres.ask(`select to_regclass('${actor.store.schema}.mine') as mine`)).toEqual([{ mine: null }]);
  });

  it("are ended by the server before the lease is given to others, when their process sleeps (rule 21)", async () => {
    const actor = await scene();
    const lease = await actor.store.register({ label: "short", at: 1, ttlMs: 400 });
    const mine = await actor.store.commit(lease, { number: 1, starts: [newRun()], transitions: [] });
    const { run } = mine.starts[0] as { run: number };
    const slept = actor.store.transact!(lease, { run, ...step }, 5000, async (tx) => {
      await postgres.ask("select pg_sleep(0.5)");
      await tx.query("select 1");
      return "1";
    });
    await expect(slept).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it("do not happen once more when an attempt ends after the history has taken the outcome of another (rule 32)", async () => {
    const actor = await scene();
    const run = await actor.start();
    await postgres.ask(`create table ${actor.store.schema}.mine (n bigint)`);
    const book = (n: number, before?: () => Promise<unknown>): Promise<unknown> =>
      actor.store.transact!(actor.lease, { run, ...step }, 5000, async (tx) => {
        await before?.();
        await tx.query("insert into mine values ($1)", [n]);
        return String(n);
      });
    const late = book(1, async () => {
      await book(2);
      const also = { outcomes: [step.command] };
      expect(await actor.advance(run, 1, { events: [event("StepCompleted")], also })).toBeUndefined();
    });
    await expect(late).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await postgres.ask(`select n from ${actor.store.schema}.mine`)).toEqual([{ n: "2" }]);
  });

  it("of the same step at the same time happen once", async () => {
    const actor = await scene();
    const run = await actor.start();
    await postgres.ask(`create table ${actor.store.schema}.mine (n bigint)`);
    const outcomes = await Promise.all(
      [1, 2, 3].map((n) =>
        actor.store.transact!(actor.lease, { run, ...step }, 5000, async (tx) => {
          await tx.query("insert into mine values ($1)", [n]);
          return String(n);
        }),
      ),
    );
    const rows = await postgres.ask(`select n::int from ${actor.store.schema}.mine`);
    expect(rows).toHaveLength(1);
    expect(outcomes.map(({ data }) => data)).toEqual([1, 2, 3].map(() => String(rows[0]!.n)));
  });

  it("tell errors of their statements as the database tells them, and can go on behind a savepoint", async () => {
    const actor = await scene();
    const run = await actor.start();
    await actor.store.transact!(actor.lease, { run, ...step }, 5000, async (tx) => {
      await tx.query("create table mine (n integer primary key)");
      await tx.query("insert into mine values (1)");
      await tx.query("savepoint a");
      await expect(tx.query("insert into mine values (1)")).rejects.toMatchObject({ code: "23505" });
      await tx.query("rollback to savepoint a");
      await expect(tx.query("commit")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      await expect(tx.query(`delete from ${actor.store.schema}.events`)).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
      return "1";
    });
  });
});

describe("opening", () => {
  it("keeps commits durable whatever the role's default is (rule 17)", async () => {
    await postgres.ask("create role careless login superuser");
    await postgres.ask("alter role careless set synchronous_commit = off");
    const address = postgres.freshAddress().replace("perdure@", "careless@");
    const actor = await scene(address);
    const run = await actor.start();
    await actor.store.transact!(actor.lease, { run, command: 1, generation: 0, at: 1 }, 5000, async (tx) => {
      expect(await tx.query("show synchronous_commit")).toEqual([{ synchronous_commit: "on" }]);
      return "1";
    });
    await expect(openPostgresStore(`${address}&prepare=false`)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("alter role"),
    });
  });
});
