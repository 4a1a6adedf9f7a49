/** A test environment is an engine: what callers do with one works here, also over crashes. */
import { describe, expect, it } from "vitest";
import { activity, entity, type Perdure, signal, workflow } from "../../src/index.ts";
import { createTestEnv, fails, hangs, inTurn, returns } from "../../src/testing/index.ts";

const add = activity("add", { retry: { maxAttempts: 1 } }, async ([a, b]: [number, number]) => a + b);
const item = signal<number>("item");

const summing = workflow("summing", async (wf, count: number) => {
  let sum = 0;
  for (let n = 0; n < count; n++) sum = await wf.call(add, [sum, await wf.waitFor(item)]);
  return sum;
});

const cart = entity("cart", {
  state: { items: [] as string[] },
  on: { put: (state, name: string) => state.items.push(name) },
  get: { count: (state) => state.items.length },
  expire: "7d",
});

describe("a test environment", () => {
  it("is handed to code that wants an engine", async () => {
    const total = async (engine: Perdure): Promise<number> => {
      const handle = await engine.signalWithStart(summing, 2, { id: "s", signal: item, payload: 1 });
      await (await engine.handle("s")).signal(item, 2);
      return handle.result();
    };
    await using env = await createTestEnv({ workflows: [summing] });
    expect(await total(env)).toBe(3);
    expect((await env.runs.list()).map(({ workflowId }) => workflowId)).toEqual(["s"]);
  });

  it("has entities that outlive crashes", async () => {
    await using env = await createTestEnv({ workflows: [cart] });
    const mine = env.entity(cart, "ada");
    await mine.put("pen");
    await env.crash();
    await mine.put("ink");
    expect(await mine.count()).toBe(2);
  });

  it("completes attempts by their token", async () => {
    const tokens: string[] = [];
    const print = activity("print", { timeout: "3d" }, async (_: undefined, ctx) => {
      tokens.push(ctx.completeLater());
    });
    const printing = workflow("printing", (wf) => wf.call(print));
    await using env = await createTestEnv({ workflows: [printing] });
    const handle = await env.start(printing);
    await env.settled();
    await env.crash();
    await env.complete(tokens[0]!, "printed");
    expect(await handle.result()).toBe("printed");
    const again = await env.start(printing);
    await env.settled();
    await env.complete(tokens[1]!);
    expect(await again.result()).toBeUndefined();
  });

  it("resumes what failed, and leaves what was set aside out of its steps", async () => {
    await using env = await createTestEnv({ workflows: [summing] });
    env.mock(add, inTurn(fails("overflow"), returns(9)));
    const handle = await env.start(summing, 1);
    await handle.signal(item, 1);
    await expect(handle.result()).rejects.toThrow("overflow");
    await handle.resume();
    expect(await handle.result()).toBe(9);
    expect((await env.history(handle)).map(({ step, status }) => `${step} ${status}`)).toEqual([
      "item received",
      "add completed",
    ]);
  });

  it("stops and goes on as it is told", async () => {
    await using env = await createTestEnv({ workflows: [summing] });
    await env.pause({ workflow: "summing" }, "maintenance");
    const handle = await env.start(summing, 1);
    await handle.signal(item, 4);
    await env.clock.advance("1h");
    expect(env.calls(add)).toEqual([]);
    await env.unpause({ workflow: "summing" });
    expect(await handle.result()).toBe(4);
  });

  it("replaces an open run whose activity hangs", async () => {
    await using env = await createTestEnv({ workflows: [summing] });
    env.mock(add, inTurn(hangs(), returns(5)));
    const first = await env.start(summing, 1, { id: "s" });
    await first.signal(item, 1);
    await env.settled();
    const second = await env.start(summing, 1, { id: "s", conflict: "terminate" });
    await second.signal(item, 1);
    expect(await second.result()).toBe(5);
    expect(await first.status()).toBe("terminated");
  });

  it("knows its options", async () => {
    await expect(createTestEnv({ skiptime: false } as object)).rejects.toThrow("did you mean skipTime?");
    await expect(createTestEnv({ unmocked: "fial" as "fail" })).rejects.toThrow("did you mean fail?");
  });

  it("keeps to itself: two have neither runs nor time nor mocks in common", async () => {
    await using one = await createTestEnv({ workflows: [summing] });
    await using two = await createTestEnv({ workflows: [summing] });
    one.mock(add, returns(1));
    await one.clock.advance("1d");
    const handle = await two.start(summing, 1, { id: "s" });
    await handle.signal(item, 7);
    expect(await handle.result()).toBe(7);
    expect(await one.runs.list()).toEqual([]);
    expect(one.clock.now() - two.clock.now()).toBe(86_400_000);
  });
});
