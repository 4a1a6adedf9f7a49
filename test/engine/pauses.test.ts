/** Stopping workflows, queues and everything, on all engines of a store, or one run, and letting them go on. */
import { describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import { activity } from "../../src/workflow/activity.ts";
import { signal } from "../../src/workflow/signal.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench, vanishing } from "./fixture.ts";

const go = signal("go");
/** Longer than an engine takes to look by itself. */
const POLL = 1500;

function scene() {
  const did: string[] = [];
  const work = activity("work", async (name: string) => void did.push(name));
  const extract = activity("etl/extract", async (name: string) => void did.push(name));
  const order = workflow("order", async (wf, name: string) => {
    await wf.call(work, `${name} first`);
    await wf.waitFor(go);
    await wf.call(work, `${name} second`);
  });
  const other = workflow("other", async (wf, name: string) => wf.call(work, name));
  const etl = workflow("etl", async (wf, name: string) => {
    await wf.call(work, `${name} before`);
    await wf.call(extract, name);
  });
  return { did, work, extract, order, other, etl, workflows: [order, other, etl] };
}

describe("a paused workflow", () => {
  test("starts no steps in its runs and accepts starts, which wait; others go on", async () => {
    const { engine, clock } = bench();
    const { did, order, other, workflows } = scene();
    await using host = await engine({ workflows });
    const a = await host.start(order, "a");
    await clock.advance(10);
    await host.pause({ workflow: "order" }, "prices are wrong");
    await a.signal(go);
    const b = await host.start(order, "b");
    await host.start(other, "o");
    await clock.advance(60_000);
    expect(did).toEqual(["a first", "o"]);
    expect(await b.status()).toBe("pending");
    expect(await host.pauses()).toEqual([
      { target: { workflow: "order" }, reason: "prices are wrong", at: expect.any(Number) },
    ]);
    expect(await host.unpause({ workflow: "order" })).toBe(true);
    await clock.advance(10);
    expect(did.slice(2).sort()).toEqual(["a second", "b first"]);
    expect(await a.status()).toBe("completed");
    expect(await host.unpause({ workflow: "order" })).toBe(false);
    expect(await host.pauses()).toEqual([]);
  });

  test("records what comes in: signals, timers, and the ends of what was running", async () => {
    const { engine, clock } = bench();
    let end = (): void => {};
    const did: string[] = [];
    const long = activity("long", () => new Promise<void>((resolve) => (end = resolve)));
    const next = activity("next", async () => void did.push("next"));
    const flow = workflow("flow", async (wf) => {
      const seen: string[] = [];
      wf.on(go, () => void seen.push("go"));
      await wf.call(long);
      seen.push("long");
      await wf.call(next);
      return seen;
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow);
    await clock.advance(10);
    await host.pause({ workflow: "flow" }, "");
    await handle.signal(go);
    await clock.advance(10);
    end();
    await clock.advance(POLL);
    expect((await handle.history()).map(({ type }) => type)).toEqual(["RunStarted", "SignalReceived", "StepCompleted"]);
    expect((await handle.describe()).open).toMatchObject([{ step: "next", held: true, running: false }]);
    expect(did).toEqual([]);
    await host.unpause({ workflow: "flow" });
    await clock.advance(10);
    expect(await handle.result()).toEqual(["go", "long"]);
  });

  test("starts no children, and a child that was given up meanwhile never", async () => {
    const { engine, clock } = bench();
    const { did, other, workflows } = scene();
    const parent = workflow("parent", async (wf) => {
      await wf.sleep("2s");
      const name = `child of ${wf.info.workflowId}`;
      const given = wf.child(other, `${name} 1`, { id: `${name} 1` });
      await Promise.race([given, wf.waitFor("stop")]);
      await wf.child(other, `${name} 2`, { id: `${name} 2` });
    });
    await using host = await engine({ workflows: [...workflows, parent] });
    const handle = await host.start(parent, undefined, { id: "p" });
    const still = await host.start(parent, undefined, { id: "q" });
    await clock.advance(10);
    await host.pause({ workflow: "parent" }, "");
    await clock.advance(60_000);
    expect(await host.runs.list({ workflow: "other" })).toEqual([]);
    await handle.cancel("never mind");
    await clock.advance(60_000);
    expect(await handle.status()).toBe("cancelled");
    await still.signal("stop");
    await clock.advance(60_000);
    expect(await host.runs.list({ workflow: "other" })).toEqual([]);
    await host.unpause({ workflow: "parent" });
    await clock.advance(10);
    expect(did).toEqual(expect.arrayContaining(["child of q 1", "child of q 2"]));
    expect(did).not.toContain("child of p 1");
    expect(await still.status()).toBe("completed");
  });

  test("lets a run park whose waiting child was given up", async () => {
    const { engine, clock } = bench();
    const { other, workflows } = scene();
    const parent = workflow("parent", async (wf) => {
      await wf.sleep("2s");
      await wf.scope(async () => Promise.race([wf.child(other, "x"), wf.sleep("4s")]));
      await wf.waitFor(go);
    });
    await using host = await engine({ workflows: [...workflows, parent] });
    const handle = await host.start(parent);
    await clock.advance(10);
    await host.pause({ workflow: "parent" });
    await clock.advance(4000);
    expect(host.inMemory.active).toBe(1);
    await clock.advance(60_000);
    expect(host.inMemory.active).toBe(0);
    expect((await handle.describe()).open).toMatchObject([{ kind: "wait", step: "go" }]);
    expect(await host.runs.list({ workflow: "other" })).toEqual([]);
  });

  test("is not claimed: parked runs that fall due wait, also for an engine that comes later", async () => {
    const { engine, clock, finish } = bench();
    const did: string[] = [];
    const sleeper = workflow("sleeper", async (wf) => {
      await wf.sleep("1h");
      await wf.step("wake", () => void did.push("awake"));
    });
    const first = await engine({ workflows: [sleeper] });
    await first.start(sleeper, undefined, { id: "s" });
    await clock.advance(10_000);
    await first.pause({ workflow: "sleeper" }, "");
    await clock.advance(2 * 3_600_000);
    await first.close();
    await using second = await engine({ workflows: [sleeper] });
    await clock.advance(60_000);
    expect(did).toEqual([]);
    expect(second.inMemory.active).toBe(0);
    await second.unpause({ workflow: "sleeper" });
    await finish(await second.handle("s"));
    expect(did).toEqual(["awake"]);
  });

  test("holds back an engine that claims its own runs only, too", async () => {
    const { engine, clock, finish } = bench();
    const { did, other, workflows } = scene();
    await using host = await engine({ workflows, claims: "own" });
    await host.pause({ workflow: "other" }, "");
    const handle = await host.start(other, "own");
    await clock.advance(60_000);
    expect([did, await handle.status()]).toEqual([[], "pending"]);
    await host.unpause({ workflow: "other" });
    await finish(handle);
    expect(did).toEqual(["own"]);
  });

  test("can be cancelled and terminated run by run", async () => {
    const { engine, clock } = bench();
    const { order, workflows } = scene();
    await using host = await engine({ workflows });
    const active = await host.start(order, "a");
    await clock.advance(10);
    await active.signal(go);
    await host.pause({ workflow: "order" }, "");
    const waiting = await host.start(order, "w");
    await clock.advance(10);
    await waiting.terminate("not needed");
    expect(await waiting.status()).toBe("terminated");
  });
});

describe("a paused queue", () => {
  test("starts none of its activities; everything else goes on", async () => {
    const { engine, clock } = bench();
    const { did, etl, other, workflows } = scene();
    await using host = await engine({ workflows });
    await host.pause({ queue: "etl" }, "the warehouse is down");
    const handle = await host.start(etl, "x");
    await host.start(other, "o");
    await clock.advance(60_000);
    expect(did).toEqual(["x before", "o"]);
    expect((await handle.describe()).open).toMatchObject([{ step: "etl/extract", held: true, attempt: 0 }]);
    await host.unpause({ queue: "etl" });
    await clock.advance(10);
    expect(did).toEqual(["x before", "o", "x"]);
  });

  test("keeps its limits when it goes on", async () => {
    const { engine, clock } = bench();
    let running = 0;
    let most = 0;
    const ends: (() => void)[] = [];
    const extract = activity("etl/extract", async () => {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => ends.push(resolve));
      running--;
    });
    const many = workflow("many", async (wf) => {
      await Promise.all(Array.from({ length: 5 }, () => wf.call(extract)));
    });
    await using host = await engine({ workflows: [many], queues: { etl: { concurrency: 2 } } });
    const handle = await host.start(many);
    await clock.advance(10);
    await host.pause({ queue: "etl" }, "");
    for (const end of ends.splice(0)) end();
    await clock.advance(60_000);
    expect([running, most]).toEqual([0, 2]);
    await host.unpause({ queue: "etl" });
    for (let i = 0; i < 4; i++) {
      await clock.advance(10);
      for (const end of ends.splice(0)) end();
    }
    await clock.advance(10);
    expect(most).toBe(2);
    expect(await handle.status()).toBe("completed");
  });

  test("waits through a crash: the step starts once, after the pause", async () => {
    const { engine, clock, store, finish } = bench();
    const { did, etl, workflows } = scene();
    const first = vanishing(store);
    const one = await engine({ store: first.store, workflows });
    await one.pause({ queue: "etl" }, "");
    await one.start(etl, "x", { id: "x" });
    await clock.advance(5000);
    first.vanish();
    await using two = await engine({ workflows });
    await clock.advance(60_000);
    expect(did).toEqual(["x before"]);
    await two.unpause({ queue: "etl" });
    await finish(await two.handle("x"));
    expect(did).toEqual(["x before", "x"]);
  });
});

describe("pausing everything", () => {
  test("stops all engines of the store within a poll, and lifts for all", async () => {
    const { engine, clock } = bench();
    const { did, order, other, workflows } = scene();
    await using one = await engine({ workflows });
    await using two = await engine({ workflows });
    const a = await one.start(order, "a");
    const b = await two.start(order, "b");
    await clock.advance(10);
    await one.pause("all", "maintenance");
    await clock.advance(POLL);
    await a.signal(go);
    await b.signal(go);
    const waiting = await two.start(other, "c");
    await clock.advance(60_000);
    expect(did).toEqual(["a first", "b first"]);
    expect(await waiting.status()).toBe("pending");
    expect(await two.pauses()).toMatchObject([{ target: "all", reason: "maintenance" }]);
    await two.unpause("all");
    await clock.advance(POLL);
    expect(did.slice(2).sort()).toEqual(["a second", "b second", "c"]);
  });

  test("can be done by a connection, and a lifted one leaves the others in force", async () => {
    const { engine, clock, store } = bench();
    const { did, etl, other, workflows } = scene();
    await using host = await engine({ workflows });
    await using connection = await connect({ store });
    await connection.pause("all");
    await connection.pause({ queue: "etl" }, "down");
    await clock.advance(POLL);
    await host.start(etl, "x");
    await host.start(other, "o");
    await connection.unpause("all");
    await clock.advance(POLL);
    expect(did.sort()).toEqual(["o", "x before"]);
    expect(await connection.pauses()).toMatchObject([{ target: { queue: "etl" }, reason: "down" }]);
  });

  test("says what can be meant", async () => {
    const { engine } = bench();
    await using host = await engine();
    for (const wrong of ["everything", {}, { workflow: "" }, { workflow: "a", queue: "b" }])
      await expect(host.pause(wrong as "all")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("a paused run", () => {
  test("stands still once, although it was paused twice while it was busy", async () => {
    const { engine, finish, clock } = bench();
    let open = (): void => {};
    const slow = activity("slow", () => new Promise<number>((resolve) => (open = () => resolve(1))));
    const flow = workflow("busy", async (wf) => [await wf.call(slow, undefined), await wf.waitFor("go")]);
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, undefined, { id: "b" });
    await clock.advance(10);
    await handle.pause("one");
    await handle.pause("two");
    await clock.advance(10);
    open();
    await clock.advance(10);
    expect(await handle.describe()).toMatchObject({ status: "paused", paused: "two" });
    await handle.resume();
    await clock.advance(10);
    await handle.signal("go", 2);
    expect(await finish(handle)).toEqual([1, 2]);
  });
});
