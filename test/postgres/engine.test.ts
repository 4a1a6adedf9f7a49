/** Engines on PostgreSQL: they share runs, take over from one another and live through whatever happens to the database. */
import { setTimeout as pass } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { silentLogger } from "../../src/engine/log.ts";
import {
  activity,
  connect,
  entity,
  type OpenOptions,
  open,
  type Perdure,
  query,
  signal,
  update,
  workflow,
} from "../../src/index.ts";
import { gate } from "../gate.ts";
import { audit } from "./audit.ts";
import { postgresForTests } from "./subject.ts";

const postgres = postgresForTests();

const add = activity("add", async ([a, b]: [number, number]) => a + b);
const bump = signal<number>("bump");
const total = query<number>("total");
const spend = update<number, number>("spend");

const steps = workflow("steps", async (wf, count: number) => {
  let sum = 0;
  for (let i = 0; i < count; i++) sum = await wf.call(add, [sum, 1]);
  return sum;
});

const account = workflow("account", async (wf, goal: number) => {
  let sum = 0;
  wf.on(total, () => sum);
  wf.on(bump, (amount) => {
    sum += amount;
  });
  wf.on(spend, async (amount) => {
    sum = await wf.call(add, [sum, -amount]);
    return sum;
  });
  await wf.until(() => sum >= goal);
  return sum;
});

const parent = workflow("parent", async (wf, count: number) => {
  const sums = await Promise.all(Array.from({ length: count }, (_, i) => wf.child(steps, i + 1)));
  return sums.reduce((all, one) => all + one, 0);
});

const ledger = workflow("ledger", async (wf, count: number) => {
  const seen: number[] = [];
  while (seen.length < count) {
    seen.push((await wf.waitFor<number>("item")) as number);
    if (seen.length % 5 === 0) await wf.call(add, [seen.length, 0]);
  }
  return seen;
});

const bookings = workflow("bookings", async (wf, count: number) => {
  let rows = 0;
  for (let n = 1; n <= count; n++) {
    rows = await wf.transaction(`book-${n}`, async (tx) => {
      await tx.query("insert into bookings (workflow_id, n) values ($1, $2)", [wf.info.workflowId, n]);
      const found = await tx.query("select count(*) as n from bookings where workflow_id = $1", [wf.info.workflowId]);
      return (found[0] as { n: number }).n;
    });
  }
  return rows;
});

const counter = entity("counter", { state: { count: 0 }, on: { add: (state, n: number) => (state.count += n) } });

const workflows = [steps, account, parent, ledger, bookings, counter];

async function engine(store: string, options: OpenOptions = {}): Promise<Perdure> {
  const opened = await open({ store, workflows, logger: silentLogger, leaseTtl: "2s", poll: "200ms", ...options });
  onTestFinished(() => opened.close());
  return opened;
}

function schemaOf(address: string): string {
  return new URL(address).searchParams.get("schema")!;
}

async function expectHealthy(address: string, ...engines: Perdure[]): Promise<void> {
  await Promise.all(engines.map((one) => one.close()));
  expect(await audit(postgres.server.url, schemaOf(address))).toEqual([]);
}

describe("engines on one database", () => {
  it("start a run here, signal it there, query it elsewhere, update it from a fourth place", async () => {
    const address = postgres.freshAddress();
    const [first, second, third] = [await engine(address), await engine(address), await engine(address)];
    await first.start(account, 10, { id: "a" });
    await (await second.handle("a")).signal(bump, 7);
    const connection = await connect({ store: address });
    onTestFinished(() => connection.close());
    expect(await (await connection.handle("a")).update(spend, 2)).toBe(5);
    expect(await (await third.handle("a")).query(total)).toBe(5);
    await (await connection.handle("a")).signal(bump, 5);
    expect(await (await third.handle("a")).result()).toBe(10);
    await expectHealthy(address, first, second, third);
  });

  it("run children and entities", async () => {
    const address = postgres.freshAddress();
    const [first, second] = [await engine(address), await engine(address)];
    const handle = await first.start(parent, 20, { id: "p" });
    expect(await (await second.handle("p")).result()).toBe(210);
    expect(await handle.result()).toBe(210);
    const sums = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? first : second).entity(counter, "c").add(1)),
    );
    expect(sums.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  it("wake each other at once: a signal for a parked run does not wait for the next look", async () => {
    const address = postgres.freshAddress();
    const far = await engine(address, { poll: "30s" });
    const handle = await far.start(ledger, 1, { id: "l" });
    while (far.inMemory.active > 0) await pass(5);
    expect((await handle.describe()).status).toBe("running");
    const connection = await connect({ store: address });
    onTestFinished(() => connection.close());
    const before = performance.now();
    await (await connection.handle("l")).signal("item", 1);
    await (await connection.handle("l")).result();
    expect(performance.now() - before).toBeLessThan(5000);
  });

  it("book exactly once in tables of the user's, also when the store has another schema", async () => {
    const address = postgres.freshAddress();
    const one = await engine(address);
    await postgres.ask(
      `create table ${schemaOf(address)}.bookings (workflow_id text, n integer, primary key (workflow_id, n))`,
    );
    const handles = await Promise.all(Array.from({ length: 5 }, (_, i) => one.start(bookings, 5, { id: `b${i}` })));
    for (const handle of handles) expect(await handle.result()).toBe(5);
    expect(await postgres.ask(`select from ${schemaOf(address)}.tx_outcomes where data <> ''`)).toEqual([]);
    await expectHealthy(address, one);
  });

  it("hand runs over at once when they leave", async () => {
    const address = postgres.freshAddress();
    const leaving = await engine(address, { leaseTtl: "60s" });
    const begun = gate();
    const slow = activity("slow", async (n: number, ctx) => {
      begun.open();
      if (n > 0) await pass(n, undefined, { signal: ctx.signal });
      return n;
    });
    const work = (ms: number) =>
      workflow("work", async (wf) => {
        await wf.call(add, [1, 1]);
        return wf.call(slow, ms);
      });
    const gone = await engine(address, { leaseTtl: "60s", workflows: [work(60_000)] });
    const handle = await gone.start("work", undefined, { id: "w" });
    await begun.passed;
    const heir = await engine(address, { leaseTtl: "60s", poll: "30s", workflows: [work(0)] });
    const before = performance.now();
    await gone.close();
    expect(await (await heir.handle("w")).result()).toBe(0);
    expect(performance.now() - before).toBeLessThan(5000);
    expect(handle.workflowId).toBe("w");
    await leaving.close();
  });
});

/** Load that goes on while things happen, and what must come of it. */
async function underLoad(address: string, engines: readonly Perdure[], happen: () => Promise<void>): Promise<void> {
  const wanted = new Map<string, unknown>();
  let going = true;
  let number = 0;
  /** Until it is acknowledged: what was lost with an answer is found again under its key. */
  const insist = async <T>(work: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!["UNAVAILABLE", "LEASE_LOST"].includes((error as { code?: string }).code ?? "")) throw error;
        await pass(20);
      }
    }
  };
  const client = engines[0]!;
  const starting = engines.map(async (one, at) => {
    while (going) {
      const id = `s-${at}-${number++}`;
      wanted.set(id, 8);
      await insist(() => one.start(steps, 8, { id, idempotencyKey: id }));
    }
  });
  wanted.set(
    "ledger",
    Array.from({ length: 60 }, (_, n) => n + 1),
  );
  await client.start(ledger, 60, { id: "ledger" });
  const sending = (async () => {
    for (let n = 1; n <= 60; n++) {
      await insist(async () => (await client.handle("ledger")).signal("item", n, { key: `item-${n}` }));
      await pass(10);
    }
  })();
  await pass(200);
  await happen();
  await pass(500);
  going = false;
  await Promise.all([...starting, sending]);
  for (const [id, result] of wanted) {
    expect(await insist(async () => (await client.handle(id)).result({ timeout: "20s" })), id).toEqual(result);
  }
  expect(wanted.size).toBeGreaterThan(20);
  await expectHealthy(address, ...engines);
}

describe("whatever happens to the database", () => {
  it("nothing is lost when every connection is cut, again and again", { timeout: 60_000 }, async () => {
    const address = postgres.freshAddress();
    await underLoad(address, [await engine(address), await engine(address)], async () => {
      for (let cut = 0; cut < 10; cut++) {
        await postgres.ask("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'perdure'");
        await pass(150);
      }
    });
  });

  it("nothing is lost when the server crashes and comes back", { timeout: 60_000 }, async () => {
    const address = postgres.freshAddress();
    await underLoad(address, [await engine(address), await engine(address)], async () => {
      for (let crash = 0; crash < 3; crash++) {
        await postgres.server.restart("immediate");
        await pass(300);
      }
    });
  });

  it("callers are told at once while it is away, and engines go on when it is back", { timeout: 60_000 }, async () => {
    const address = postgres.freshAddress();
    const one = await engine(address);
    const handle = await one.start(account, 3, { id: "a" });
    await postgres.server.stop("immediate");
    const before = performance.now();
    for (let asked = 0; asked < 20; asked++) {
      await expect(handle.describe()).rejects.toMatchObject({ code: "UNAVAILABLE" });
      await expect(handle.signal(bump, 1)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    }
    expect(performance.now() - before).toBeLessThan(5000);
    await pass(2500);
    await postgres.server.resume();
    const insist = async (): Promise<void> => {
      await handle.signal(bump, 3).catch(() => pass(50).then(insist));
    };
    await insist();
    expect(await handle.result()).toBe(3);
  });
});
