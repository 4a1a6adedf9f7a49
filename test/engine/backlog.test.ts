/** Runs that are sent more than they take: what they copy, what they leave, and in which order. */
import { describe, expect, test } from "vitest";
import type { Perdure } from "../../src/client/perdure.ts";
import { AHEAD } from "../../src/engine/intake.ts";
import { PATIENCE } from "../../src/engine/outbox.ts";
import type { Store } from "../../src/store/store.ts";
import { FatalError } from "../../src/workflow/activity.ts";
import { signal, update } from "../../src/workflow/signal.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { intercept } from "../store/intercept.ts";
import { bench } from "./fixture.ts";
import { schemaOf } from "./schemas.fixture.ts";

const item = signal<number>("item");
const noise = signal<number>("noise");
const stop = signal("stop");
const numberOnly = schemaOf<number>((value) =>
  typeof value === "number" ? value : { issues: [{ message: "must be a number" }] },
);
const strict = signal("strict", numberOnly);
const add = update<number, number>("add");

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** How long the histories of all runs are, and of which the longest is. */
async function lengths(store: Store): Promise<{ sum: number; longest: number; runs: number }> {
  const rows = await store.list({ limit: 1000 });
  const all = rows.map(({ length }) => length);
  return { sum: all.reduce((a, b) => a + b, 0), longest: Math.max(...all), runs: all.length };
}

/** Sends while nobody advances runs: the engine meets all of it at once. */
async function sendAll(engine: Perdure, id: string, name: typeof item, count: number): Promise<void> {
  const handle = await engine.handle(id);
  await engine.pause({ workflow: "taker" });
  for (const n of numbers(count)) await handle.signal(name, n);
  await engine.unpause({ workflow: "taker" });
}

describe("a run that continues as new under a backlog", () => {
  const COUNT = 2000;
  const EACH = 150;

  test("copies a few signals from run to run, not all of them; waits", async () => {
    const taker = workflow("taker", async (wf, seen: number[]): Promise<number[]> => {
      const all = [...seen];
      if (seen.length === 0) await wf.sleep("1m");
      for (let n = 0; n < EACH && all.length < COUNT; n++) all.push((await wf.waitFor(item))!);
      return all.length < COUNT ? wf.continueAsNew(all) : all;
    });
    const { engine, store, finish } = bench();
    await using host = await engine({ workflows: [taker] });
    const handle = await host.start(taker, [], { id: "w" });
    await sendAll(host, "w", item, COUNT);
    expect(await finish(handle)).toEqual(numbers(COUNT));
    const { sum, longest, runs } = await lengths(store);
    expect(runs).toBe(Math.ceil(COUNT / EACH));
    expect(longest).toBeLessThanOrEqual(EACH + 2 * AHEAD + 2);
    expect(sum).toBeLessThanOrEqual(COUNT + runs * (2 * AHEAD + 2));
  });

  test("copies a few signals from run to run, not all of them; handlers", async () => {
    const taker = workflow("taker", async (wf, seen: number[]): Promise<number[]> => {
      const all = [...seen];
      wf.on(item, (n) => void all.push(n));
      await wf.until(() => all.length >= Math.min(COUNT, seen.length + EACH));
      return all.length < COUNT ? wf.continueAsNew(all) : all;
    });
    const { engine, store, finish } = bench();
    await using host = await engine({ workflows: [taker] });
    const handle = await host.start(taker, [], { id: "w" });
    await sendAll(host, "w", item, COUNT);
    expect(await finish(handle)).toEqual(numbers(COUNT));
    const { sum, runs } = await lengths(store);
    expect(sum).toBeLessThanOrEqual(COUNT + runs * (2 * AHEAD + 2));
  });
});

describe("signals nobody asks for", () => {
  const taker = workflow("taker", async (wf) => {
    const items = [await wf.waitFor(item), await wf.waitFor(item)];
    await wf.waitFor(stop);
    const late: (number | undefined)[] = [];
    for (;;) {
      const one = await wf.waitFor(noise, { timeout: "1s" });
      if (one === undefined) return { items, late };
      late.push(one);
    }
  });

  test("wait in the inbox, are in nobody's way, and come in order once they are asked for", async () => {
    const { engine, store, finish } = bench();
    await using host = await engine({ workflows: [taker] });
    const handle = await host.start(taker, undefined, { id: "w" });
    const many = 3 * AHEAD;
    await sendAll(host, "w", noise, many);
    await handle.signal(item, 1);
    await handle.signal(item, 2);
    const [row] = await store.list({ limit: 1 });
    await expect.poll(async () => (await store.load([row!.run], 1000))[0]!.events.length).toBe(1 + AHEAD + 2);
    expect((await store.load([row!.run], 0))[0]!.messages).toHaveLength(many - AHEAD);
    await handle.signal(stop);
    expect(await finish(handle)).toEqual({ items: [1, 2], late: numbers(many) });
  });

  test("stand in the history of a run that has ended", async () => {
    const deaf = workflow("taker", async (wf) => wf.waitFor(stop));
    const { engine, store, finish } = bench();
    await using host = await engine({ workflows: [deaf] });
    const handle = await host.start(deaf, undefined, { id: "w" });
    await sendAll(host, "w", noise, 3 * AHEAD);
    await handle.signal(stop);
    await finish(handle);
    const [row] = await store.list({ limit: 1 });
    const [loaded] = await store.load([row!.run], 1000);
    const got = loaded!.events.filter(({ type }) => type === "SignalReceived").map(({ data }) => JSON.parse(data));
    expect(got.filter(({ n }) => n === "noise").map(({ p }) => p)).toEqual(numbers(3 * AHEAD));
    expect(loaded!.messages).toEqual([]);
  });

  test("are still there when the run goes on in another engine", async () => {
    const { engine, clock, finish } = bench();
    const first = await engine({ workflows: [taker], warmRuns: 0 });
    const handle = await first.start(taker, undefined, { id: "w" });
    await sendAll(first, "w", noise, 3 * AHEAD);
    await clock.advance(20_000);
    await first.close();
    await using second = await engine({ workflows: [taker] });
    const again = await second.handle<typeof taker>("w");
    for (const n of [1, 2]) await again.signal(item, n);
    await again.signal(stop);
    expect(await finish(again)).toEqual({ items: [1, 2], late: numbers(3 * AHEAD) });
    void handle;
  });
});

describe("senders without a pause", () => {
  /** In the last moment before each end of a run one more message comes. */
  function flooded(base: Store, send: (run: number) => Promise<unknown>): Store {
    return intercept(base, {
      commit: async (lease, batch) => {
        for (const { run, image } of batch.transitions) if (image !== null && image.closedAt !== null) await send(run);
        return base.commit(lease, batch);
      },
    });
  }

  test("cannot keep a run from ending", async () => {
    const { engine, store, finish } = bench();
    const message = { kind: "signal" as const, name: "noise", data: "1", at: 1, key: null };
    const refusals: unknown[] = [];
    const last = flooded(store, async (run) => refusals.push(await store.send({ ...message, run })));
    await using host = await engine({ workflows: [workflow("brief", async () => "over")], store: last });
    const handle = await host.start("brief");
    expect(await finish(handle)).toBe("over");
    const [row] = await store.list({ limit: 1 });
    const [loaded] = await store.load([row!.run], 100);
    // As long as there is patience, it stands in the history.
    expect(loaded!.events.filter(({ type }) => type === "SignalReceived")).toHaveLength(PATIENCE);
    expect(loaded!.messages).toHaveLength(1);
    expect(refusals).toHaveLength(PATIENCE + 1);
    await expect(handle.signal("noise")).rejects.toMatchObject({ code: "RUN_CLOSED" });
  });

  test("an update in the last moment is told that the run has closed, and answered when it is resumed", async () => {
    let broken = true;
    const taker = workflow("taker", async (wf) => {
      const got: number[] = [];
      wf.on(add, (n) => got.push(n));
      await wf.step("work", () => {
        if (broken) throw new FatalError("broken");
      });
      await wf.until(() => got.length > 0);
      return got;
    });
    const { engine, store, finish } = bench();
    const update = { kind: "update" as const, name: "add", data: "7", at: 1 };
    let keys = 0;
    const last = flooded(store, (run) =>
      broken ? store.send({ ...update, run, key: `k${++keys}` }) : Promise.resolve(),
    );
    await using host = await engine({ workflows: [taker], store: last });
    const handle = await host.start(taker, undefined, { id: "w" });
    await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_FAILED" });
    const [row] = await store.list({ limit: 1 });
    const waiting = (await store.load([row!.run], 0))[0]!.messages;
    expect(waiting.map(({ number }) => number)).toEqual([keys]);
    broken = false;
    await handle.resume();
    expect(await finish(handle)).toEqual([7]);
    expect(await store.answer(row!.run, keys)).toMatchObject({ status: "completed", data: "1" });
  });
});

test("what is handled as it comes keeps its order, across names and kinds", async () => {
  const seen: string[] = [];
  const taker = workflow("taker", async (wf) => {
    let over = false;
    wf.on(item, (n) => void seen.push(`item ${n}`));
    wf.on(noise, (n) => void seen.push(`noise ${n}`));
    wf.on(add, (n) => {
      seen.push(`add ${n}`);
      return n;
    });
    wf.on(stop, () => {
      over = true;
    });
    await wf.until(() => over);
    return seen.length;
  });
  const { engine, finish } = bench();
  await using host = await engine({ workflows: [taker] });
  const handle = await host.start(taker, undefined, { id: "w" });
  await host.pause({ workflow: "taker" });
  const updates: Promise<number>[] = [];
  const expected: string[] = [];
  for (const n of numbers(3 * AHEAD)) {
    expected.push(n % 3 === 0 ? `item ${n}` : n % 3 === 1 ? `noise ${n}` : `add ${n}`);
    if (n % 3 === 0) await handle.signal(item, n);
    else if (n % 3 === 1) await handle.signal(noise, n);
    else updates.push(handle.update(add, n));
    await Promise.resolve();
  }
  await host.unpause({ workflow: "taker" });
  await handle.signal(stop);
  expect(await finish(handle)).toBe(3 * AHEAD);
  expect(await Promise.all(updates)).toEqual(numbers(3 * AHEAD).filter((n) => n % 3 === 2));
  expect(seen).toEqual(expected);
});

describe("a run that has more in its inbox than it takes", () => {
  test("is still seen to wait for something foreign", async () => {
    const foreign = workflow("taker", async () => new Promise<void>(() => {}));
    const { engine, clock } = bench();
    const first = await engine({ workflows: [foreign] });
    await first.start(foreign, undefined, { id: "w" });
    await sendAll(first, "w", noise, 2 * AHEAD);
    await clock.advance(1000);
    await first.close();
    await using second = await engine({ workflows: [foreign] });
    await clock.advance(20_000);
    expect(await (await second.handle("w")).describe()).toMatchObject({ status: "blocked" });
  });

  test("gets what was sent before a deadline ahead of its end, however much precedes it", async () => {
    const late = workflow("taker", async (wf) => {
      let got = 0;
      wf.on(strict, () => {});
      wf.on(item, (n) => {
        got = n;
      });
      const inTime = await wf.until(() => got > 0, { timeout: "1m" });
      return { inTime, got };
    });
    const { engine, clock, finish } = bench();
    const first = await engine({ workflows: [late] });
    await first.start(late, undefined, { id: "w" });
    await clock.advance(1000);
    await first.close();
    await using sender = await engine({ workflows: [] });
    const handle = await sender.handle("w");
    for (const n of numbers(3 * AHEAD)) await handle.signal("strict", `${n}`);
    await handle.signal(item, 7);
    await clock.advance(3_600_000);
    await using second = await engine({ workflows: [late] });
    expect(await finish(await second.handle<typeof late>("w"))).toEqual({ inTime: true, got: 7 });
  });

  test("takes more of it as soon as it asks", async () => {
    const late = workflow("taker", async (wf) => {
      await wf.waitFor(stop);
      const all: (number | undefined)[] = [];
      while (all.length < 3 * AHEAD) all.push(await wf.waitFor(noise));
      return all;
    });
    const { engine, clock, finish } = bench();
    await using host = await engine({ workflows: [late] });
    const handle = await host.start(late, undefined, { id: "w" });
    await sendAll(host, "w", noise, 3 * AHEAD);
    await clock.advance(1000);
    await handle.signal(stop);
    expect(await finish(handle)).toEqual(numbers(3 * AHEAD));
  });
});
