/** The rules of messages and effects, shown by engines on a real server: each scenario with several of them, or with one that is gone. */
import { setTimeout as pass } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { silentLogger } from "../../src/engine/log.ts";
import {
  activity,
  type Connection,
  connect,
  type OpenOptions,
  open,
  type Perdure,
  signal,
  workflow,
} from "../../src/index.ts";
import { openPostgresStore } from "../../src/store/index.ts";
import { eventually } from "../crash/eventually.ts";
import { vanishing } from "../engine/fixture.ts";
import { postgresForTests } from "./subject.ts";

/** Tokens on PostgreSQL are sealed with a key that all processes share. */
process.env.PERDURE_KEY = "the same long text for every process of these tests";

const postgres = postgresForTests({ fsync: false });
const item = signal<number>("item");
const echo = activity("echo", async (value: unknown) => value);

async function engine(store: OpenOptions["store"], options: OpenOptions): Promise<Perdure> {
  const opened = await open({ store: store!, logger: silentLogger, leaseTtl: "1s", poll: "100ms", ...options });
  onTestFinished(() => opened.close());
  return opened;
}

async function connected(store: string): Promise<Connection> {
  const connection = await connect({ store });
  onTestFinished(() => connection.close());
  return connection;
}

/** An engine that can be made to vanish without a word, while its process lives on. */
async function mortal(address: string, options: OpenOptions): Promise<{ engine: Perdure; vanish(): void }> {
  const store = await openPostgresStore(address);
  onTestFinished(() => store.close());
  const { store: way, vanish } = vanishing(store);
  return { engine: await engine(way, options), vanish };
}

async function until(ready: () => boolean): Promise<void> {
  while (!ready()) await pass(5);
}

describe("rule 16: a bad row hurts only itself", () => {
  it("odd texts come back as they were, and what cannot be kept fails its own run alone", async () => {
    const address = postgres.freshAddress();
    const odd = ["a\0b", "half \ud800", "\udfff half", "\u{1f600}\u0000", "\\u0000"];
    const oddities = workflow("oddities", async (wf) => {
      const said = await wf.call(echo, odd);
      wf.note("odd", { said });
      return { said, heard: await wf.waitFor<string>("word") };
    });
    const tagged = workflow("tagged", async (wf, tag: string) => {
      wf.tag({ k: tag });
      await wf.call(echo, 1);
      return tag;
    });
    const huge = workflow("huge", async (wf) => wf.call(echo, 1).then(() => "x".repeat(3 * 1024 * 1024)));
    const plain = workflow("plain", async (wf) => wf.call(echo, "fine"));
    const one = await engine(address, { workflows: [oddities, tagged, huge, plain] });
    const [strange, large, badlyTagged, ...fine] = await Promise.all([
      one.start(oddities),
      one.start(huge),
      one.start(tagged, "a\0b"),
      ...Array.from({ length: 20 }, () => one.start(plain)),
    ]);
    await strange.signal("word", odd[0]);
    expect(await strange.result()).toEqual({ said: odd, heard: odd[0] });
    await expect(large.result()).rejects.toMatchObject({ code: "RUN_FAILED" });
    for (const handle of fine) expect(await handle.result()).toBe("fine");
    const settled = await badlyTagged.result().catch((error: { code: string }) => error.code);
    expect(["a\0b", "RUN_FAILED", "RUN_BLOCKED"]).toContain(settled);
  });
});

describe("rule 23: after a replay the inbox comes first", () => {
  it("a cancel that waited repeats no payment", { timeout: 30_000 }, async () => {
    const address = postgres.freshAddress();
    const paid: string[] = [];
    const pay = activity("pay", { journal: "start" }, async (_: number, ctx) => {
      paid.push(ctx.idempotencyKey);
      await new Promise(() => {});
    });
    const order = workflow("order", async (wf) => wf.call(pay, 1));
    const first = await mortal(address, { workflows: [order] });
    await first.engine.start(order, undefined, { id: "o" });
    await until(() => paid.length === 1);
    first.vanish();
    await (await (await connected(address)).handle("o")).cancel("enough");
    const heir = await engine(address, { workflows: [order] });
    const handle = await heir.handle("o");
    await expect(handle.result()).rejects.toMatchObject({ code: "RUN_CANCELLED" });
    expect(paid).toHaveLength(1);
    expect((await handle.history()).map(({ type }) => type)).toEqual([
      "RunStarted",
      "CancelRequested",
      "StepCancelled",
      "RunCancelled",
    ]);
  });
});

/** Sends from several connections at once until the run takes no more. Returns what was acknowledged. */
async function flood(connections: readonly Connection[], id: string): Promise<number[]> {
  const acknowledged: number[] = [];
  let next = 0;
  const sending = connections.map(async (connection) => {
    const handle = await connection.handle(id);
    for (;;) {
      const n = ++next;
      try {
        await handle.signal(item, n, { key: `${id}-${n}` });
        acknowledged.push(n);
        // Whoever never leaves it in peace keeps a run from ending.
        await pass(n % 7);
      } catch (error) {
        expect((error as { code: string }).code).toBe("RUN_CLOSED");
        return;
      }
    }
  });
  await Promise.all(sending);
  return acknowledged.sort((a, b) => a - b);
}

const received = async (engine: Perdure, id: string): Promise<number[]> => {
  const history = await (await engine.handle(id)).history();
  return history.filter(({ type }) => type === "SignalReceived").map(({ data }) => data.p as number);
};

describe("rule 24: a send and the end of its run", () => {
  it("either come in this order and it is in the history, or it is told that the run has closed", {
    timeout: 60_000,
  }, async () => {
    const address = postgres.freshAddress();
    const few = workflow("few", async (wf, count: number) => {
      for (let n = 0; n < count; n++) await wf.waitFor(item);
      return wf.call(echo, "over");
    });
    const one = await engine(address, { workflows: [few] });
    const senders = await Promise.all([connected(address), connected(address), connected(address)]);
    for (let round = 0; round < 15; round++) {
      const id = `few-${round}`;
      await one.start(few, (round % 5) + 1, { id });
      const acknowledged = await flood(senders, id);
      expect((await received(one, id)).sort((a, b) => a - b)).toEqual(acknowledged);
    }
  });
});

describe("rule 25: parking, ending and continuing look at the inbox", () => {
  it("whatever comes while a run continues as new again and again reaches it once", { timeout: 30_000 }, async () => {
    const address = postgres.freshAddress();
    const most = 120;
    const chain = workflow("chain", async (wf, seen: number[]): Promise<number[]> => {
      const all = [...seen];
      while (all.length < most) {
        all.push((await wf.waitFor(item))!);
        if (all.length % 4 === 0 && all.length < most) return wf.continueAsNew(all);
      }
      return all;
    });
    const options: OpenOptions = { workflows: [chain] };
    const [one, two] = [await engine(address, options), await engine(address, options)];
    const handle = await one.start(chain, [], { id: "c" });
    const senders = [await connected(address), await connected(address), two];
    await Promise.all(
      senders.map(async (from, at) => {
        const target = await from.handle("c");
        for (let n = at; n < most; n += senders.length) await target.signal(item, n, { key: `k${n}` });
      }),
    );
    const result = (await handle.result()) as number[];
    expect([...result].sort((a, b) => a - b)).toEqual(Array.from({ length: most }, (_, n) => n));
    for (const at of senders.keys()) {
      const own = result.filter((n) => n % senders.length === at);
      expect(own).toEqual([...own].sort((a, b) => a - b));
    }
  });
});

describe("rule 26: hints get lost", () => {
  it("a signal that no notification told of is found within the poll interval", async () => {
    const address = postgres.freshAddress();
    const waits = workflow("waits", async (wf) => wf.waitFor(item));
    const deaf = await engine(`${address}&listen=false`, { workflows: [waits], poll: "300ms", leaseTtl: "30s" });
    const connection = await connected(address);
    for (const id of ["owned", "parked"]) {
      const handle = await deaf.start(waits, undefined, { id });
      if (id === "parked") await until(() => deaf.inMemory.active === 0);
      const sentAt = performance.now();
      await (await connection.handle(id)).signal(item, 7);
      expect(await handle.result()).toBe(7);
      expect(performance.now() - sentAt).toBeLessThan(300 + 1500);
    }
  });
});

describe("rule 27: addresses carry a generation", () => {
  it("a child is started once, however often the engines of its parent vanish", { timeout: 30_000 }, async () => {
    const address = postgres.freshAddress();
    const begun: string[] = [];
    const child = workflow("child", async (wf, n: number) => {
      await wf.step("begin", () => void begun.push(`${wf.info.runId}`));
      return wf.waitFor(item).then((got) => n + got!);
    });
    let calm = false;
    // Keeps the parent with its engine, which dies of it.
    const hold = (): unknown => (calm ? null : new Promise(() => {}));
    const parent = workflow("parent", async (wf) => {
      const [one, two] = await Promise.all([wf.child(child, 1), wf.child(child, 2), wf.step("hold", hold)]);
      return [one, two];
    });
    const options = { workflows: [parent, child] };
    const first = await mortal(address, options);
    await first.engine.start(parent, undefined, { id: "p" });
    await until(() => new Set(begun).size === 2);
    first.vanish();
    const second = await mortal(address, options);
    await until(() => second.engine.inMemory.active >= 1);
    second.vanish();
    calm = true;
    const heir = await engine(address, options);
    const children = await heir.runs.list({ workflow: "child" });
    expect(children).toHaveLength(2);
    for (const { workflowId } of children) await (await heir.handle(workflowId)).signal(item, 10);
    expect(await (await heir.handle("p")).result()).toEqual([11, 12]);
    expect(await heir.runs.list({ workflow: "child" })).toHaveLength(2);
  });

  it("an outcome for a generation that was set aside means nothing", async () => {
    const address = postgres.freshAddress();
    let broken = true;
    const slow = activity("slow", { retry: { maxAttempts: 1 } }, async (_: unknown, ctx) => {
      if (broken) throw new Error("broken");
      return ctx.completeLater();
    });
    const order = workflow("order", async (wf) => wf.call(slow, null));
    const one = await engine(address, { workflows: [order] });
    const handle = await one.start(order, undefined, { id: "o" });
    await expect(handle.result()).rejects.toMatchObject({ code: "RUN_FAILED" });
    broken = false;
    await handle.resume();
    const { run } = (await postgres.ask(`select run from ${schemaOf(address)}.workflow_runs`))[0] as { run: string };
    await eventually(async () => (await handle.describe()).open.some(({ step }) => step === "slow"), "the step");
    const store = await openPostgresStore(address);
    onTestFinished(() => store.close());
    const stale = { run: Number(run), kind: "outcome", name: "", at: Date.now(), key: null } as const;
    await store.send({ ...stale, data: JSON.stringify({ c: 1, g: 0, a: 1, p: "stale" }) });
    const unread = `select from ${schemaOf(address)}.messages`;
    await eventually(async () => (await postgres.ask(unread)).length === 0, "the engine to take the stale outcome");
    expect((await handle.describe()).status).toBe("running");
    await store.send({ ...stale, data: JSON.stringify({ c: 1, g: 1, a: 1, p: "fresh" }) });
    expect(await handle.result()).toBe("fresh");
  });
});

const schemaOf = (address: string): string => new URL(address).searchParams.get("schema")!;

describe("rule 28: idempotency compares a keyed hash", () => {
  it("of what was asked for, another one in every store, kept as long as the run", async () => {
    const keep = workflow("keep", async (wf, input: { card: string }) => wf.call(echo, input.card));
    const addresses = [postgres.freshAddress(), postgres.freshAddress()];
    const hashes: unknown[] = [];
    for (const address of addresses) {
      const one = await engine(address, { workflows: [keep] });
      const options = { id: "k", idempotencyKey: "key-1" };
      const handle = await one.start(keep, { card: "4111" }, options);
      await handle.result();
      expect((await one.start(keep, { card: "4111" }, options)).runId).toBe(handle.runId);
      await expect(one.start(keep, { card: "4222" }, options)).rejects.toMatchObject({ code: "CONFLICT" });
      const [row] = await postgres.ask(`select request from ${schemaOf(address)}.workflow_runs`);
      hashes.push(row!.request);
      await handle.delete();
      expect((await one.start(keep, { card: "4222" }, options)).runId).not.toBe(handle.runId);
    }
    expect(hashes[0]).not.toBe(hashes[1]);
    for (const hash of hashes) expect(hash).toMatch(/^[0-9a-f]{32}:[0-9a-f]{32}$/);
  });
});
