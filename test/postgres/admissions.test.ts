/** Starts and signals inside transactions of the caller's: they happen when it has committed, once and in order, or never. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pass } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import pg from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { silentLogger } from "../../src/engine/log.ts";
import {
  activity,
  type Connection,
  connect,
  type OpenOptions,
  open,
  type Perdure,
  type RunHandle,
  signal,
  workflow,
} from "../../src/index.ts";
import { openStore } from "../../src/store/index.ts";
import { EngineProcess, killAll } from "../crash/engine-process.ts";
import { eventually } from "../crash/eventually.ts";
import { gate } from "../gate.ts";
import { audit } from "./audit.ts";
import { postgresForTests } from "./subject.ts";

const exec = promisify(execFile);
const PERDURE = fileURLToPath(new URL("../../bin/perdure.js", import.meta.url));
process.env.PERDURE_KEY = "a key for these tests";
const postgres = postgresForTests();

const item = signal<number>("item");
const greet = workflow("greet", async (_wf, name: string) => `Hello ${name}`);
const gather = workflow("gather", async (wf, count: number) => {
  const seen: number[] = [];
  while (seen.length < count) seen.push(await wf.waitFor(item));
  return seen;
});
const reveal = activity("reveal", async (_: null, ctx) => ctx.secrets.pin?.length);
const secretive = workflow("secretive", async (wf) => wf.call(reveal, null));
const versions = [
  workflow("versioned", { version: "1" }, async () => "one"),
  workflow("versioned", { version: "2" }, async () => "two"),
];
const workflows = [greet, gather, secretive, ...versions];

function schemaOf(address: string): string {
  return new URL(address).searchParams.get("schema")!;
}

async function engine(store: string, options: OpenOptions = {}): Promise<Perdure> {
  const opened = await open({ store, workflows, logger: silentLogger, leaseTtl: "2s", poll: "200ms", ...options });
  onTestFinished(() => opened.close());
  return opened;
}

/** Also before there was an engine. */
async function connection(store: string): Promise<Connection> {
  await (await openStore(store)).close();
  const connected = await connect({ store });
  onTestFinished(() => connected.close());
  return connected;
}

async function client(): Promise<pg.Client> {
  const connected = new pg.Client({ connectionString: postgres.server.url });
  connected.on("error", () => undefined);
  await connected.connect();
  onTestFinished(() => connected.end().catch(() => undefined));
  return connected;
}

/** Runs `work` in a transaction, which ends as told. */
async function within<T>(
  work: (tx: pg.Client) => Promise<T>,
  ending: "commit" | "rollback" = "commit",
  on?: pg.Client,
): Promise<T> {
  const tx = on ?? (await client());
  await tx.query("begin");
  const result = await work(tx);
  await tx.query(ending);
  return result;
}

const rejects = (code: string, message?: RegExp) => ({
  code,
  ...(message !== undefined && { message: expect.stringMatching(message) }),
});

describe("a start inside a transaction", () => {
  it("happens when it commits, together with what else is in it", async () => {
    const address = postgres.freshAddress();
    const one = await engine(address);
    const schema = schemaOf(address);
    await postgres.ask(`create table ${schema}.orders (id text primary key)`);
    const tx = await client();
    await tx.query("begin");
    await tx.query(`insert into ${schema}.orders values ('o1')`);
    const handle = await one.start(greet, "Ada", { id: "o1", transaction: tx });
    // What is asked for later and has committed is admitted meanwhile.
    const meanwhile = await within((transaction) => one.start(greet, "Bob", { transaction }));
    expect(await meanwhile.result()).toBe("Hello Bob");
    expect(await handle.status()).toBe("pending");
    expect(() => handle.runId).toThrow(/no run id yet/);
    await expect(one.handle("o1")).rejects.toMatchObject(rejects("NOT_FOUND"));
    await expect(handle.result({ timeout: "50ms" })).rejects.toMatchObject(
      rejects("WAIT_TIMED_OUT", /transaction that asked for it must commit/),
    );
    const committed = Date.now();
    await tx.query("commit");
    expect(await handle.result()).toBe("Hello Ada");
    expect(Date.now() - committed).toBeLessThan(5000);
    expect(handle.runId).toBe((await one.handle("o1")).runId);
    expect((await handle.describe()).createdAt).toBeGreaterThanOrEqual(committed - 50);
    expect(await postgres.ask(`select * from ${schema}.orders`)).toEqual([{ id: "o1" }]);
  });

  it("leaves nothing when it is rolled back, or its savepoint is", async () => {
    const address = postgres.freshAddress();
    const one = await engine(address);
    const handle = await within((tx) => one.start(greet, "Ada", { transaction: tx }), "rollback");
    await expect(handle.result()).rejects.toMatchObject(rejects("NOT_FOUND", /was rolled back/));
    await expect(handle.status()).rejects.toMatchObject(rejects("NOT_FOUND"));
    const [lost, kept] = await within(async (tx) => {
      await tx.query("savepoint s");
      const inside = await one.start(greet, "Ada", { transaction: tx });
      await tx.query("rollback to savepoint s");
      return [inside, await one.start(greet, "Bob", { transaction: tx })] as const;
    });
    expect(await kept.result()).toBe("Hello Bob");
    await expect(lost.result()).rejects.toMatchObject(rejects("NOT_FOUND"));
    expect(await one.runs.list()).toHaveLength(1);
    expect(await postgres.ask(`select refused from ${schemaOf(address)}.admissions`)).toEqual([{ refused: null }]);
  });

  it("is found by looking, when nobody hears of it", async () => {
    const address = postgres.freshAddress("&listen=false");
    const one = await engine(address);
    const handle = await within((tx) => one.start(greet, "Ada", { transaction: tx }));
    expect(await handle.result()).toBe("Hello Ada");
  });

  it("needs neither an engine nor its code where it is asked for", async () => {
    const address = postgres.freshAddress();
    const store = await connection(address);
    const handle = await within((tx) => store.start(greet, "Ada", { transaction: tx }));
    await engine(address, { workflows: [gather] });
    expect(await handle.status()).toBe("pending");
    await engine(address);
    expect(await handle.result()).toBe("Hello Ada");
    await expect(store.start(greet, "Ada", {} as never)).rejects.toMatchObject(rejects("INVALID_ARGUMENT"));
  });

  it("keeps the meaning of its options", async () => {
    const address = postgres.freshAddress();
    const one = await engine(address);
    const [delayed, secret, tagged, first, late] = await within(async (transaction) => [
      await one.start(greet, "later", { delay: "1h", transaction }),
      await one.start(secretive, undefined, { secrets: { pin: "12345678" }, transaction }),
      await one.start(greet, "Ada", { tags: { customer: 7 }, meta: { from: "test" }, transaction }),
      await one.start("versioned", undefined, { version: "1", transaction }),
      await one.start(gather, 1, { timeout: "300ms", transaction }),
    ]);
    expect(await secret!.result()).toBe(8);
    expect(await tagged!.result()).toBe("Hello Ada");
    expect(await tagged!.describe()).toMatchObject({ tags: { customer: "7" }, meta: { from: "test" } });
    expect(await first!.result()).toBe("one");
    await expect(late!.result()).rejects.toMatchObject(rejects("RUN_TIMED_OUT"));
    const { createdAt, status } = await delayed!.describe();
    const [{ wake_at }] = (await postgres.ask(
      `select wake_at from ${schemaOf(address)}.workflow_runs where status = 'pending'`,
    )) as [{ wake_at: string }];
    expect(status).toBe("pending");
    expect(Math.abs(Number(wake_at) - createdAt - 3_600_000)).toBeLessThan(5000);
    const bodies = await postgres.ask(`select body from ${schemaOf(address)}.admissions where body is not null`);
    expect(bodies).toEqual([]);
  });

  it("looks at its id when it is admitted", async () => {
    const address = postgres.freshAddress();
    const one = await engine(address);
    const start = (id: string, count: number, options: object = {}): Promise<RunHandle<number[]>> =>
      within((transaction) => one.start(gather, count, { id, ...options, transaction }));

    const open = await one.start(gather, 1, { id: "a" });
    await expect((await start("a", 1)).result()).rejects.toMatchObject(rejects("ALREADY_EXISTS", /is open/));
    const attached = await start("a", 1, { conflict: "attach" });
    await attached.signal(item, 5);
    expect(await open.result()).toEqual([5]);
    expect(attached.runId).toBe(open.runId);
    await expect((await start("a", 1, { reuse: "failed-only" })).result()).rejects.toMatchObject(
      rejects("ALREADY_EXISTS", /reuse is failed-only/),
    );
    const again = await start("a", 0);
    expect(await again.result()).toEqual([]);
    expect(again.runId).not.toBe(open.runId);

    const keyed = await start("k", 0, { idempotencyKey: "k" });
    await keyed.result();
    expect((await (await start("k", 0, { idempotencyKey: "k" })).describe()).runId).toBe(keyed.runId);
    await expect((await start("k", 1, { idempotencyKey: "k" })).result()).rejects.toMatchObject(
      rejects("CONFLICT", /idempotency key/),
    );
  });

  it("replaces an open run, wherever that is", async () => {
    const address = postgres.freshAddress();
    const one = await engine(address);
    const store = await connection(address);
    const active = await one.start(gather, 9, { id: "active" });
    const parked = await one.start(greet, "x", { id: "parked", delay: "1h" });
    const [a, b] = await within(async (transaction) => [
      await store.start(gather, 0, { id: "active", conflict: "terminate", transaction }),
      await store.start(greet, "y", { id: "parked", conflict: "terminate", transaction }),
    ]);
    expect(await a!.result()).toEqual([]);
    expect(await b!.result()).toBe("Hello y");
    await expect(active.result()).rejects.toMatchObject(rejects("RUN_TERMINATED"));
    await expect(parked.result()).rejects.toMatchObject(rejects("RUN_TERMINATED"));
  });

  it("says at once what is wrong with it, and does not hurt the transaction", async () => {
    const address = postgres.freshAddress();
    const one = await engine(address);
    await within(async (transaction) => {
      const wrong = (start: Promise<unknown>, code: string, message?: RegExp) =>
        expect(start).rejects.toMatchObject(rejects(code, message));
      await wrong(one.start("nobody", 1, { transaction }), "NOT_FOUND");
      await wrong(one.start(greet, (() => 1) as never, { transaction }), "UNSERIALISABLE");
      await wrong(one.start(greet, "my 12345678", { secrets: { pin: "12345678" }, transaction }), "SECRET_LEAK");
      await wrong(one.start(greet, "x", { id: "\n", transaction }), "INVALID_ARGUMENT");
      await wrong(one.start(greet, "x", { delay: "soon" as never, transaction }), "INVALID_ARGUMENT");
      await wrong(
        one.signalWithStart(gather, 1, { id: "s", signal: item, payload: 1, transaction }),
        "INVALID_ARGUMENT",
        /two calls/,
      );
      expect((await transaction.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
    });
    const pool = new pg.Pool({ connectionString: postgres.server.url });
    onTestFinished(() => pool.end());
    await expect(one.start(greet, "x", { transaction: pool })).rejects.toMatchObject(
      rejects("INVALID_ARGUMENT", /it is a pool/),
    );
    await expect(one.start(greet, "x", { transaction: {} as never })).rejects.toMatchObject(
      rejects("INVALID_ARGUMENT", /neither a client of node-postgres/),
    );
    expect(await one.runs.list()).toEqual([]);
  });

  it("is refused in another database, in another store, and by a role that may not", async () => {
    const address = postgres.freshAddress();
    const schema = schemaOf(address);
    const one = await engine(address);
    const name = `other_${schema}`;
    await postgres.ask(`create database ${name}`);
    const other = new pg.Client({ connectionString: postgres.server.url.replace(/\/postgres$/, `/${name}`) });
    await other.connect();
    onTestFinished(() => other.end());
    await expect(one.start(greet, "x", { transaction: other })).rejects.toMatchObject(
      rejects("INVALID_ARGUMENT", /not one of the database/),
    );
    await postgres.ask(`create role shop_${schema}`);
    await postgres.ask(`grant usage on schema ${schema} to shop_${schema}`);
    const shop = await client();
    await shop.query(`set role shop_${schema}`);
    await expect(one.start(greet, "x", { transaction: shop })).rejects.toMatchObject(rejects("UNAVAILABLE", /grant/));
    await postgres.ask(`grant select on ${schema}.meta to shop_${schema}`);
    await postgres.ask(`grant insert, select on ${schema}.admissions to shop_${schema}`);
    const handle = await within((transaction) => one.start(greet, "x", { transaction }), "commit", shop);
    expect(await handle.result()).toBe("Hello x");
    await postgres.ask(`update ${schema}.meta set value = 'copied' where key = 'id'`);
    await expect(one.start(greet, "x", { transaction: await client() })).rejects.toMatchObject(
      rejects("INVALID_ARGUMENT", /not one of the database/),
    );
  });

  it("is told apart from a store that is away when the transaction itself takes no writes", async () => {
    const one = await engine(postgres.freshAddress());
    const aborted = await client();
    await aborted.query("begin");
    await expect(aborted.query("select 1 / 0")).rejects.toThrow();
    await expect(one.start(greet, "x", { transaction: aborted })).rejects.toMatchObject(
      rejects("INVALID_ARGUMENT", /aborted.*Roll back/),
    );
    const readOnly = await client();
    await readOnly.query("begin read only");
    await expect(one.start(greet, "x", { transaction: readOnly })).rejects.toMatchObject(
      rejects("INVALID_ARGUMENT", /read only/),
    );
  });

  it("is not for stores that share no database with their users", async () => {
    const one = await engine("memory:");
    const transaction = async (): Promise<unknown[]> => [];
    await expect(one.start(greet, "x", { transaction })).rejects.toMatchObject(
      rejects("INVALID_ARGUMENT", /wf\.transaction/),
    );
    const handle = await one.start(gather, 1);
    await expect(handle.signal(item, 1, { transaction })).rejects.toMatchObject(
      rejects("INVALID_ARGUMENT", /wf\.transaction/),
    );
  });

  it("locks nothing that others wait for (rule 15)", async () => {
    const address = postgres.freshAddress();
    const one = await engine(address);
    const running = await one.start(gather, 2, { id: "g" });
    const tx = await client();
    await tx.query("begin");
    const handle = await one.start(greet, "x", { id: "x", transaction: tx });
    await running.signal(item, 1, { transaction: tx });
    const begun = performance.now();
    expect(await (await one.start(greet, "y", { id: "x" })).result()).toBe("Hello y");
    await running.signal(item, 2);
    expect(await postgres.ask("select 1 from pg_locks where not granted")).toEqual([]);
    expect(performance.now() - begun).toBeLessThan(1500);
    await tx.query("commit");
    expect(await handle.result()).toBe("Hello x");
    expect(await running.result()).toEqual([2, 1]);
  });
});

describe("a signal inside a transaction", () => {
  it("arrives when it commits, behind the start in the same one", async () => {
    const address = postgres.freshAddress();
    const [one, two] = [await engine(address), await engine(address)];
    const store = await connection(address);
    const handles = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        within(async (transaction) => {
          const handle = await (n % 2 === 0 ? one : two).start(gather, 4, { id: `g${n}`, transaction });
          for (const value of [1, 2, 3]) await handle.signal(item, value, { transaction });
          return handle;
        }),
      ),
    );
    await within(async (transaction) => {
      for (const handle of handles) {
        const known = (await handle.describe()) && (await store.handle(handle.workflowId));
        await known.signal(item, 4, { transaction });
      }
    });
    for (const handle of handles) expect(await handle.result()).toEqual([1, 2, 3, 4]);
    await Promise.all([one.close(), two.close()]);
    expect(await audit(postgres.server.url, schemaOf(address))).toEqual([]);
    expect(await postgres.ask(`select from ${schemaOf(address)}.admissions where kind = 'signal'`)).toEqual([]);
  });

  it("never was when it is rolled back; with a key it is one", async () => {
    const address = postgres.freshAddress();
    const one = await engine(address);
    const handle = await one.start(gather, 2);
    await within((transaction) => handle.signal(item, 1, { transaction }), "rollback");
    for (const value of [2, 3]) await within((transaction) => handle.signal(item, value, { key: "k", transaction }));
    const undecided = `select from ${schemaOf(address)}.admissions`;
    await eventually(async () => (await postgres.ask(undecided)).length === 0, "the signals to be admitted");
    await within((transaction) => handle.signal(item, 4, { transaction }));
    expect(await handle.result()).toEqual([2, 4]);
  });

  it("was sent when it was asked for: it is in time even if engines are late", async () => {
    const address = postgres.freshAddress();
    const asks = gate();
    const patient = workflow("patient", async (wf) => {
      const waiting = wf.waitFor(item, { timeout: "2s" });
      asks.open();
      return (await waiting) ?? "nobody came";
    });
    const one = await open({ store: address, workflows: [patient], logger: silentLogger });
    const handle = await one.start(patient);
    await asks.passed;
    await one.close();
    const store = await connection(address);
    const waiting = await store.handle(handle.workflowId);
    await within((transaction) => waiting.signal(item, 7, { transaction }));
    await pass(2200);
    const late = await engine(address, { workflows: [patient] });
    expect(await (await late.handle(handle.workflowId)).result()).toBe(7);
  });

  it("is refused with the reason, is counted, and is forgotten in the end", async () => {
    const address = postgres.freshAddress();
    const warnings: string[] = [];
    const logger = { ...silentLogger, warn: (_: object, message?: string) => void warnings.push(message ?? "") };
    const one = await engine(address, { logger });
    const store = await connection(address);
    const closed = await one.start(gather, 0, { id: "closed" });
    await closed.result();
    const open = await one.start(gather, 1, { id: "open" });
    await within(async (transaction) => {
      await closed.signal(item, 1, { transaction });
      const refused = await one.start(gather, 1, { id: "open", transaction });
      // Meant for a run that never was, not for the one that has its id.
      await refused.signal(item, 13, { transaction });
      // What the database cannot keep hurts nothing else.
      await open.signal("bad", 1, { transaction });
      const body = `replace(body, '"bad"', '"nul\\u0000"')`;
      await transaction.query(`update ${schemaOf(address)}.admissions set body = ${body} where body like '%"bad"%'`);
      await open.signal(item, 2, { transaction });
    });
    expect(await open.result()).toEqual([2]);
    const counts = await store.store.admissions!.counts();
    expect(counts).toMatchObject({ waiting: 0, oldest: null, refused: 4 });
    const { stdout } = await exec(process.execPath, [PERDURE, "doctor", "--json", "--store", address]);
    const { checks } = JSON.parse(stdout) as { checks: { name: string; message: string; details?: string[] }[] };
    const check = checks.find(({ name }) => name === "transactions");
    expect(check).toMatchObject({ message: "none wait, 4 refused" });
    expect(check!.details).toContainEqual(expect.stringMatching(/^closed: closed has ended/));
    const reasons = await postgres.ask(
      `select kind, workflow_id, refused::json ->> 'code' as code from ${schemaOf(address)}.admissions where refused is not null order by number`,
    );
    expect(reasons).toEqual([
      { kind: "signal", workflow_id: "closed", code: "RUN_CLOSED" },
      { kind: "start", workflow_id: "open", code: "ALREADY_EXISTS" },
      { kind: "signal", workflow_id: "open", code: "ALREADY_EXISTS" },
      { kind: "signal", workflow_id: "open", code: "INTERNAL" },
    ]);
    expect(warnings.filter((line) => line.includes("asked for in a transaction is refused"))).toHaveLength(4);
    expect(await store.store.admissions!.fate({ number: 1e6, transaction: "999999999999" })).toBe("gone");
    expect(await store.store.forgetAnswers(Date.now() - 60_000, 9)).toBe(0);
    expect(await store.store.forgetAnswers(Date.now() + 60_000, 9)).toBe(4);
    expect((await store.store.admissions!.counts()).refused).toBe(0);
  });
});

describe("many at a time", () => {
  it("200 callers, two engines, some roll back: each start happens once, each signal arrives once", {
    timeout: 60_000,
  }, async () => {
    const address = postgres.freshAddress();
    const [one, two] = [await engine(address), await engine(address)];
    const clients = await Promise.all(Array.from({ length: 25 }, client));
    const handles: { handle: RunHandle<unknown>; kept: boolean }[] = [];
    await Promise.all(
      clients.map(async (tx, at) => {
        for (let n = 0; n < 8; n++) {
          const kept = (at + n) % 4 !== 0;
          const from = n % 2 === 0 ? one : two;
          await within(
            async (transaction) => {
              const handle = await from.start(gather, 2, { id: `c${at}-${n}`, transaction });
              for (const value of [1, 2]) await handle.signal(item, value, { transaction });
              handles.push({ handle, kept });
            },
            kept ? "commit" : "rollback",
            tx,
          );
        }
      }),
    );
    const results = await Promise.allSettled(handles.map(({ handle }) => handle.result()));
    for (const [i, { kept }] of handles.entries())
      expect(results[i]).toMatchObject(
        kept ? { status: "fulfilled", value: [1, 2] } : { status: "rejected", reason: { code: "NOT_FOUND" } },
      );
    await Promise.all([one.close(), two.close()]);
    expect(await audit(postgres.server.url, schemaOf(address))).toEqual([]);
    const [{ n }] = (await postgres.ask(`select count(*)::int as n from ${schemaOf(address)}.workflow_runs`)) as [
      { n: number },
    ];
    expect(n).toBe(150);
  });

  it("once each while connections are cut in the middle of it", { timeout: 60_000 }, async () => {
    const address = postgres.freshAddress();
    const engines = [await engine(address), await engine(address)];
    const handles: RunHandle<unknown>[] = [];
    let cutting = true;
    const cuts = (async () => {
      while (cutting) {
        await pass(40);
        await postgres.ask(
          "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'perdure' and query like '%admi%'",
        );
      }
    })();
    const callers = [await client(), await client(), await client(), await client()];
    await Promise.all(
      callers.map(async (tx, at) => {
        for (let n = 0; n < 25; n++) {
          await within(
            async (transaction) => {
              const handle = await engines[n % 2]!.start(gather, 1, { id: `c${at}-${n}`, transaction });
              await handle.signal(item, n, { transaction });
              handles.push(handle);
            },
            "commit",
            tx,
          );
          await pass(10);
        }
      }),
    );
    cutting = false;
    await cuts;
    const insist = async (handle: RunHandle<unknown>): Promise<unknown> =>
      handle.result().catch((error) => (error.code === "UNAVAILABLE" ? pass(50).then(() => insist(handle)) : error));
    for (const handle of handles) expect(await insist(handle)).toEqual([Number(handle.workflowId.split("-")[1])]);
    await Promise.all(engines.map((one) => one.close()));
    expect(await audit(postgres.server.url, schemaOf(address))).toEqual([]);
    expect(await postgres.ask(`select from ${schemaOf(address)}.workflow_runs`)).toHaveLength(100);
  });

  it("once each while the engines that admit are killed and started again", { timeout: 120_000 }, async () => {
    const address = postgres.freshAddress();
    const folder = mkdtempSync(join(tmpdir(), "perdure-admissions-"));
    onTestFinished(async () => {
      await killAll();
      rmSync(folder, { recursive: true, force: true });
    });
    let born = 0;
    const spawn = async (): Promise<EngineProcess> => {
      const effects = join(folder, "effects.log");
      const child = new EngineProcess({ store: address, effects, incarnation: `e${++born}`, leaseTtl: "1s" });
      await child.ready;
      return child;
    };
    const store = await connection(address);
    const ledger = workflow("ledger", async (_wf, _: { count: number; every: number }): Promise<number[]> => []);
    const handles: RunHandle<number[]>[] = [];
    const lost: RunHandle<number[]>[] = [];
    let asking = true;
    const callers = Array.from({ length: 4 }, async (_, at) => {
      const tx = await client();
      for (let n = 0; asking && n < 100; n++) {
        const kept = n % 5 !== 0;
        await within(
          async (transaction) => {
            const handle = await store.start(ledger, { count: 2, every: 1 }, { id: `k${at}-${n}`, transaction });
            await handle.signal(item, 1, { transaction });
            await handle.signal(item, 2, { transaction });
            (kept ? handles : lost).push(handle);
          },
          kept ? "commit" : "rollback",
          tx,
        );
        await pass(15);
      }
    });
    let engines = [await spawn(), await spawn()];
    for (let kill = 0; kill < 4; kill++) {
      await pass(250 + 70 * kill);
      await engines[kill % 2]!.kill();
      engines[kill % 2] = await spawn();
    }
    asking = false;
    await Promise.all(callers);
    for (const handle of handles) expect(await handle.result()).toEqual([1, 2]);
    for (const handle of lost) await expect(handle.status()).rejects.toMatchObject(rejects("NOT_FOUND"));
    expect(handles.length).toBeGreaterThan(50);
    expect(await postgres.ask(`select from ${schemaOf(address)}.workflow_runs`)).toHaveLength(handles.length);
    for (const one of engines) await one.leave();
    engines = [];
    expect(await audit(postgres.server.url, schemaOf(address))).toEqual([]);
  });
});
