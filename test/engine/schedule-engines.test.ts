/** Engines that advance schedules: several at a time, without the code, crashing; and what of it stays in the history. */
import { describe, expect, test } from "vitest";
import { crashEverywhere } from "../../src/testing/crash-everywhere.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { vanishing } from "./fixture.ts";
import { benchAt, CALM, go, HOUR, MINUTE, pass, quick, START, size, slow, started } from "./schedule-scene.ts";

describe("engines", () => {
  test("two of them start a tick once", async () => {
    const b = await benchAt(START);
    await using one = await b.engine({ workflows: [quick] });
    await using two = await b.engine({ workflows: [quick] });
    await one.schedules.create("s", { workflow: quick, every: "1m" });
    await pass(b, 10 * MINUTE);
    expect(await started(two, "s")).toHaveLength(10);
    expect((await (await two.schedules.get("s")).describe()).started).toBe(10);
  });

  test.each([
    ["just before", false],
    ["just after", true],
  ])("a crash between the tick and the start, %s its commit, loses and repeats nothing", async (_, written) => {
    const b = await benchAt(START);
    const { store, vanish } = vanishing(b.store);
    const crashing = new Proxy(store, {
      get(target, key) {
        const value = Reflect.get(target, key) as unknown;
        if (key !== "commit" || typeof value !== "function") return value;
        return async (...args: unknown[]) => {
          const starts = (args[1] as { starts: { workflow: string }[] }).starts.some((run) => run.workflow === "quick");
          if (!starts) return Reflect.apply(value, target, args) as unknown;
          if (written) await Reflect.apply(b.store.commit, b.store, args);
          vanish();
          return new Promise(() => {});
        };
      },
    });
    const engine = await b.engine({ workflows: [quick], store: crashing });
    await engine.schedules.create("s", { workflow: quick, every: "1m" });
    await pass(b, MINUTE);
    await using other = await b.engine({ workflows: [quick] });
    await pass(b, 2 * MINUTE);
    const ids = await started(other, "s");
    expect(ids.map((id) => id.slice(11, 16))).toEqual(["00:01", "00:02", "00:03"]);
    await Promise.race([engine.close(), b.clock.settle()]);
  });

  test("take schedules of workflows they have only", async () => {
    const b = await benchAt(START);
    await using without = await b.engine({ workflows: [slow] });
    const maker = await b.engine({ workflows: [quick] });
    await maker.schedules.create("s", { workflow: quick, every: "1m" });
    await maker.close();
    await pass(b, 2 * MINUTE);
    expect(await started(without, "s")).toEqual([]);
    const handle = await without.schedules.get("s");
    expect((await handle.describe()).waitingFor).toEqual({ workflow: "quick", since: expect.any(Number) });
    await without.pause("all");
    expect((await handle.describe()).waitingFor).toBeUndefined();
    await without.unpause("all");
    await using engine = await b.engine({ workflows: [quick] });
    await pass(b, MINUTE);
    expect((await started(engine, "s")).length).toBeGreaterThan(0);
  });

  test("go on with an empty history now and then", async () => {
    const b = await benchAt(START);
    await using engine = await b.engine({ workflows: [quick], ...CALM });
    await engine.schedules.create("s", { workflow: quick, every: "1m" });
    const first = (await engine.handle("schedule:s")).runId;
    await pass(b, 8 * HOUR, MINUTE);
    const handle = await engine.schedules.get("s");
    const { runId, started: count } = await handle.describe();
    expect(runId).not.toBe(first);
    expect(count).toBe(480);
    expect(await started(engine, "s")).toHaveLength(480);
    expect((await (await engine.handle(runId)).history()).length).toBeLessThan(1100);
  });

  test("keep what they say of themselves out of the history, but for what became of a tick that started nothing", async () => {
    const b = await benchAt(START);
    const engine = await b.engine({ workflows: [slow], ...CALM });
    const handle = await engine.schedules.create("s", { workflow: slow, every: "1m", note: "n".repeat(300) });
    await pass(b, 30 * MINUTE, MINUTE);
    await (await engine.handle("s@2027-03-01T00:01:00.000Z")).signal(go);
    await pass(b, 3 * MINUTE, MINUTE);
    const { run } = (await b.store.find({ workflowId: "schedule:s" }))!;
    const history = await b.store.history(run, 0, 1000);
    const bytes = history.slice(1).reduce((sum, { data }) => sum + data.length, 0);
    expect(bytes / 33).toBeLessThan(400);
    const skipped = history.flatMap(({ data }) => (JSON.parse(data) as { o?: { k: string }[] }).o ?? []);
    expect(skipped).toHaveLength(31);
    expect(skipped[0]).toEqual({
      k: "schedule.skipped",
      tick: Date.parse("2027-03-01T00:02:00Z"),
      count: 1,
      cause: "tick",
      reason: "still running",
    });
    const before = await handle.describe();
    expect(before).toMatchObject({ started: 2, skipped: 31 });
    await engine.close();
    await using heir = await b.engine({ workflows: [slow], ...CALM });
    await b.clock.advance(10);
    expect(await (await heir.schedules.get("s")).describe()).toEqual(before);
  });

  test("do not fill the history while one run takes very long", async () => {
    const b = await benchAt(START);
    await using engine = await b.engine({ workflows: [slow], ...CALM });
    await engine.schedules.create("s", { workflow: slow, every: "1m" });
    await pass(b, 40 * HOUR, 5 * MINUTE);
    expect((await (await engine.handle("schedule:s")).history()).length).toBeLessThan(1100);
    await (await engine.handle("s@2027-03-01T00:01:00.000Z")).signal(go);
    await pass(b, 2 * MINUTE);
    const { skipped, recent } = await (await engine.schedules.get("s")).describe();
    expect(skipped).toBe(40 * 60);
    expect(recent.map(({ outcome }) => outcome)).toEqual(["started", "skipped", "started", "skipped"]);
  });
});

describe("a large input", () => {
  test("reaches the runs, but is not told with every tick", async () => {
    const b = await benchAt(START);
    await using engine = await b.engine({ workflows: [size] });
    const input = { text: "x".repeat(100_000) };
    const handle = await engine.schedules.create("s", { workflow: size, every: "1m", input });
    await pass(b, 2 * MINUTE);
    expect(await (await engine.handle("s@2027-03-01T00:02:00.000Z")).result()).toEqual(100_000);
    const { spec } = await handle.describe();
    expect([spec.input, spec.inputDigest]).toEqual([undefined, expect.any(String)]);
    const [, ...history] = await (await engine.handle("schedule:s")).history();
    expect(JSON.stringify(history).length).toBeLessThan(20_000);
  });
});

describe("a crash at any commit", () => {
  const rest = workflow("rest", async (wf) => wf.sleep("90s"));
  test("changes nothing about what is started and told", async () => {
    const { result, crashes } = await crashEverywhere({ workflows: [rest] }, async (env) => {
      const handle = await env.schedules.create("s", { workflow: rest, every: "1m", overlap: "buffer-one" });
      await env.clock.advance("3m");
      await handle.pause("a while");
      await env.clock.advance("2m");
      await handle.trigger({ overlap: "allow-all" });
      await handle.resume();
      await env.clock.advance("2m");
      const { recent, started: count, skipped } = await handle.describe();
      const runs = await started(env, "s");
      // Its history is replayed when the environment is closed.
      await (await env.handle("schedule:s")).terminate();
      return { runs: runs.length, count, skipped, recent: recent.map(({ tick, outcome }) => [tick, outcome]) };
    });
    expect(result.runs).toBe(result.count);
    expect(crashes).toBeGreaterThan(20);
  });
});
