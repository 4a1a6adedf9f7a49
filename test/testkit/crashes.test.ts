/** Engines that die at places the test names: the run must come to the same end. */
import { describe, expect, it } from "vitest";
import { activity, signal, update, workflow } from "../../src/index.ts";
import { assertSteps, crashEverywhere, createTestEnv, hangs, inTurn } from "../../src/testing/index.ts";

const reserve = activity("reserve", async (id: number) => `r-${id}`);
const charge = activity("charge", { retry: { initial: "1s" } }, async (id: number) => `c-${id}`);
const refund = activity("refund", async (_: string) => "refunded");
const ship = activity("ship", async (id: number) => `s-${id}`);

const order = workflow("order", async (wf, id: number) => {
  const parts = [await wf.call(reserve, id), await wf.call(charge, id)];
  await wf.sleep("1h");
  return [...parts, await wf.call(ship, id)];
});
const WHOLE = ["r-1", "c-1", "s-1"];

describe("a crash", () => {
  it("before a step begins leaves no call of it", async () => {
    await using env = await createTestEnv({ workflows: [order] });
    const crash = env.crashAt({ before: charge });
    expect(await (await env.start(order, 1)).result()).toEqual(WHOLE);
    expect(crash.happened).toBe(true);
    expect(env.crashes).toBe(1);
    expect(env.calls(charge)).toHaveLength(1);
  });

  it("between the effect and its record repeats the effect, and nothing before it", async () => {
    await using env = await createTestEnv({ workflows: [order] });
    env.crashAt({ unrecorded: charge });
    expect(await (await env.start(order, 1)).result()).toEqual(WHOLE);
    expect([reserve, charge, ship].map((one) => env.calls(one).length)).toEqual([1, 2, 1]);
  });

  it("after the record repeats nothing", async () => {
    await using env = await createTestEnv({ workflows: [order] });
    env.crashAt({ after: "charge" });
    env.crashAt({ after: "sleep" });
    const handle = await env.start(order, 1);
    expect(await handle.result()).toEqual(WHOLE);
    expect(env.crashes).toBe(2);
    expect(env.calls(charge)).toHaveLength(1);
    assertSteps(await handle.history(), ["reserve", "charge", "sleep", "ship"]);
  });

  it("while a step runs loses its attempt", async () => {
    await using env = await createTestEnv({ workflows: [order] });
    env.mock(
      charge,
      inTurn(hangs(), async () => "again"),
    );
    env.crashAt({ during: charge });
    expect(await (await env.start(order, 1)).result()).toEqual(["r-1", "again", "s-1"]);
    expect(env.calls(charge).map(({ status }) => status)).toEqual(["lost", "returned"]);
  });

  it("while a saga compensates lets it compensate to the end", async () => {
    const broken = activity("broken", { retry: { maxAttempts: 1 } }, async () => {
      throw new Error("no truck");
    });
    const saga = workflow("saga", (wf) =>
      wf.saga(async (s) => {
        await s.call(reserve, 1, { undo: () => wf.call(refund, "reservation") });
        await s.call(charge, 1, { undo: () => wf.call(refund, "charge") });
        await wf.call(broken);
      }),
    );
    await using env = await createTestEnv({ workflows: [saga] });
    env.crashAt({ compensating: true });
    const handle = await env.start(saga);
    await expect(handle.result()).rejects.toThrow("no truck");
    expect(env.calls(refund).map(({ input }) => input)).toEqual(["charge", "charge", "reservation"]);
    assertSteps(await handle.history(), ["reserve", "charge", "broken failed", "refund", "refund"]);
  });

  it("now and then does not disturb signals, updates and queries", async () => {
    const add = update<number, number>("add");
    const done = signal("done");
    const adding = workflow("adding", async (wf) => {
      let sum = 0;
      let over = false;
      wf.on(add, async (n) => {
        await wf.sleep("1m");
        sum += n;
        return sum;
      });
      wf.on(done, () => {
        over = true;
      });
      await wf.until(() => over);
      return sum;
    });
    await using env = await createTestEnv({ workflows: [adding] });
    const handle = await env.start(adding);
    expect(await handle.update(add, 1)).toBe(1);
    await env.crash();
    const second = handle.update(add, 2);
    await env.crash();
    expect(await second).toBe(3);
    await handle.signal(done);
    await env.crash();
    expect(await handle.result()).toBe(3);
    expect(env.crashes).toBe(3);
  });

  it("at a commit is survived by a start and by the end of a run", async () => {
    for (const point of [{ beforeCommit: 1 }, { afterCommit: 1 }] as const) {
      await using env = await createTestEnv({ workflows: [order] });
      env.crashAt(point);
      const handle = await env.start(order, 1, { id: "o" });
      expect(await handle.result()).toEqual(WHOLE);
      expect(await env.runs.list()).toHaveLength(1);
    }
  });

  it("at a place that never comes fails the test", async () => {
    const env = await createTestEnv({ workflows: [order] });
    env.crashAt({ before: "chrage" });
    await (await env.start(order, 1)).result();
    await expect(env.close()).rejects.toThrow("a place that never came: before chrage");
  });

  it("at no place, or at one that does not exist, is refused at once", async () => {
    await using env = await createTestEnv({ workflows: [order] });
    expect(() => env.crashAt({} as { before: string })).toThrow("crashAt() takes a place, one of before, during");
    expect(() => env.crashAt({ befor: charge } as unknown as { before: string })).toThrow("did you mean before?");
  });
});

describe("a crash at every commit", () => {
  it("comes to the same end each time", async () => {
    const { result, crashes } = await crashEverywhere({ workflows: [order] }, async (env) =>
      (await env.start(order, 1, { id: "o" })).result(),
    );
    expect(result).toEqual(WHOLE);
    expect(crashes).toBeGreaterThan(8);
  });

  it("names the commit when it does not", async () => {
    let charged = 0;
    const forgetful = activity("forgetful", async () => ++charged);
    const counting = workflow("counting", (wf) => wf.call(forgetful));
    const scenario = crashEverywhere({ workflows: [counting] }, async (env) => {
      charged = 0;
      return (await env.start(counting)).result();
    });
    await expect(scenario).rejects.toThrow(/with a crash at {"beforeCommit":2} the scenario ends in another way/);
  });
});
