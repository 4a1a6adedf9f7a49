/** What stands in for activities, steps and children, and what is known of their calls. */
import { describe, expect, it, vi } from "vitest";
import { flow, task } from "../../src/flow/index.ts";
import { activity, FatalError, workflow } from "../../src/index.ts";
import { createTestEnv, fails, hangs, inTurn, returns } from "../../src/testing/index.ts";

const fetchName = activity("fetch-name", { retry: { initial: "1s" } }, async (id: string) => `real ${id}`);
const welcome = workflow("welcome", async (wf, id: string) => `Welcome ${await wf.call(fetchName, id)}`);

describe("a mocked activity", () => {
  it("is called in place of the real one, which runs without a mock", async () => {
    await using env = await createTestEnv({ workflows: [welcome] });
    expect(await (await env.start(welcome, "1")).result()).toBe("Welcome real 1");
    env.mock(fetchName, async (id) => `Ada ${id.toUpperCase()}`);
    expect(await (await env.start(welcome, "a")).result()).toBe("Welcome Ada A");
    env.mock("fetch-name", () => "Bob");
    expect(await (await env.start(welcome, "b")).result()).toBe("Welcome Bob");
  });

  it("has the types of the activity", () => {
    async function typed(): Promise<void> {
      const env = await createTestEnv();
      // @ts-expect-error a name is a text
      env.mock(fetchName, async () => 42);
      // @ts-expect-error the id is a text
      env.mock(fetchName, async (id: number) => `${id}`);
      // @ts-expect-error also in a sequence
      env.mock(fetchName, inTurn(returns(1), returns(2)));
      const calls: readonly { input: string; output?: string }[] = env.calls(fetchName);
      expect(calls).toEqual([]);
    }
    expect(typed).toBeTypeOf("function");
  });

  it("is refused when there is nothing to mock, or to do in its place", async () => {
    await using env = await createTestEnv();
    const nothing = undefined as unknown as typeof fetchName;
    const refused = (message: string): object => expect.objectContaining({ code: "INVALID_ARGUMENT", message });
    const takes = "env.mock takes an activity, a workflow or the name of one";
    expect(() => env.mock(nothing, returns("Ada"))).toThrow(refused(takes));
    const place = 'env.mock "fetch-name" takes a function to run in its place';
    expect(() => env.mock(fetchName, nothing)).toThrow(refused(place));
  });

  it("does something else each time, with the retries of the real one", async () => {
    await using env = await createTestEnv({ workflows: [welcome] });
    env.mock(fetchName, inTurn(fails("503"), fails(new TypeError("bad")), returns("Ada")));
    const began = env.clock.now();
    expect(await (await env.start(welcome, "1")).result()).toBe("Welcome Ada");
    expect(env.clock.now() - began).toBe(3000);
    expect(env.calls(fetchName)).toMatchObject([
      { input: "1", attempt: 1, status: "threw", error: { message: "503" } },
      { input: "1", attempt: 2, status: "threw", error: { name: "TypeError" } },
      { input: "1", attempt: 3, status: "returned", output: "Ada", step: "fetch-name" },
    ]);
  });

  it("may be a function of a test library", async () => {
    await using env = await createTestEnv({ workflows: [welcome] });
    const mock = vi.fn(async (_id: string) => "Ada").mockRejectedValueOnce(new FatalError("gone"));
    env.mock(fetchName, mock);
    await expect((await env.start(welcome, "1")).result()).rejects.toThrow("gone");
    expect(await (await env.start(welcome, "2")).result()).toBe("Welcome Ada");
    expect(mock.mock.calls.map(([id]) => id)).toEqual(["1", "2"]);
  });

  it("sees the context, and its signal when the run is cancelled", async () => {
    await using env = await createTestEnv({ workflows: [welcome], deps: { region: "eu" } });
    env.mock(fetchName, (_id, ctx) => `${(ctx.deps as { region: string }).region} ${ctx.attempt}`);
    expect(await (await env.start(welcome, "1")).result()).toBe("Welcome eu 1");
    env.mock(fetchName, hangs());
    const handle = await env.start(welcome, "2");
    await env.settled();
    await handle.cancel("enough");
    await expect(handle.result()).rejects.toMatchObject({ code: "RUN_CANCELLED" });
  });

  it("is all that runs where the real ones must not", async () => {
    await using env = await createTestEnv({ workflows: [welcome], unmocked: "fail" });
    await expect((await env.start(welcome, "1")).result()).rejects.toThrow(
      /"fetch-name" has no mock.*env\.mock\("fetch-name", async/,
    );
    expect(env.calls(fetchName)).toEqual([]);
    env.mock(fetchName, () => "Ada");
    expect(await (await env.start(welcome, "1")).result()).toBe("Welcome Ada");
  });
});

describe("mocks by name", () => {
  it("that nobody has are found out when one of nearly that name ran", async () => {
    const env = await createTestEnv({ workflows: [welcome] });
    env.mock("fetch-nmae", () => "Ada");
    expect(await (await env.start(welcome, "1")).result()).toBe("Welcome real 1");
    await expect(env.close()).rejects.toThrow(
      'env.mock("fetch-nmae", …) was never asked for: nobody has an activity of that name; did you mean fetch-name, which ran without a mock?',
    );
  });

  it("may stay unused: of an activity that is there, or of one unlike all that ran", async () => {
    await using env = await createTestEnv({
      workflows: [welcome],
      activities: [activity("fetch-game", async () => 1)],
    });
    env.mock("fetch-game", () => 2);
    env.mock("charge", () => 3);
    expect(await (await env.start(welcome, "1")).result()).toBe("Welcome real 1");
  });

  it("stand for activities that are elsewhere, in flows and in code", async () => {
    const etl = flow("etl", [
      task("extract", "etl/extract", { input: { from: "crm" } }),
      task("load", "etl/load", { dependsOn: ["extract"] }),
    ]);
    const byName = workflow("by-name", (wf) => wf.call("late", 1));
    await using env = await createTestEnv({
      flows: [etl],
      workflows: [byName],
      mocks: { "etl/extract": () => [1, 2], "etl/load": (_: unknown, ctx) => ctx.upstream },
    });
    expect(await (await env.start(etl, {})).result()).toMatchObject({ load: { extract: [1, 2] } });
    expect(env.calls("etl/extract")).toMatchObject([{ input: { from: "crm" }, step: "extract" }]);
    env.mock("late", (n: number) => n + 1);
    expect(await (await env.start(byName)).result()).toBe(2);
  });

  it("stand for the bodies of inline steps", async () => {
    const w = workflow("w", async (wf) => wf.step("ask the world", () => Promise.reject(new Error("real"))));
    await using env = await createTestEnv({ workflows: [w] });
    env.mockStep("ask the world", () => 42);
    expect(await (await env.start(w)).result()).toBe(42);
    expect(env.calls("ask the world")).toHaveLength(1);
  });
});

describe("a mocked child", () => {
  const ship = workflow("ship", async (wf, order: { id: number }) => {
    await wf.sleep("3d");
    return `shipped ${order.id}`;
  });
  const order = workflow("order", async (wf, id: number) => {
    try {
      return await wf.child(ship, { id });
    } catch (error) {
      return `not shipped: ${((error as Error).cause as Error).message}`;
    }
  });

  it("takes the place of the real one, which may be unknown to the engine", async () => {
    await using env = await createTestEnv({ workflows: [order] });
    env.mock(ship, async ({ id }) => `mocked ${id}`);
    expect(await (await env.start(order, 7)).result()).toBe("mocked 7");
    env.mock(ship, fails("strike"));
    expect(await (await env.start(order, 8)).result()).toBe("not shipped: strike");
    expect(env.calls(ship)).toMatchObject([
      { input: { id: 7 }, status: "returned", output: "mocked 7" },
      { input: { id: 8 }, status: "threw" },
    ]);
  });

  it("leaves runs that are started by the test alone", async () => {
    await using env = await createTestEnv({ workflows: [order, ship] });
    env.mock(ship, () => "mocked");
    expect(await (await env.start(ship, { id: 1 })).result()).toBe("shipped 1");
    expect(await (await env.start("ship", { id: 2 })).result()).toBe("shipped 2");
    expect(await (await env.start(order, 3)).result()).toBe("mocked");
  });

  it("may take longer than an attempt of an activity", async () => {
    const patient = workflow("patient", (wf, id: number) =>
      wf.scope(() => wf.child(ship, { id }), { timeout: "2d" }).catch((error: { code: string }) => error.code),
    );
    await using env = await createTestEnv({ workflows: [patient] });
    env.mock(ship, hangs());
    expect(await (await env.start(patient, 7)).result()).toBe("SCOPE_TIMEOUT");
  });

  it("is cancelled with its parent", async () => {
    await using env = await createTestEnv({ workflows: [order] });
    env.mock(ship, hangs());
    const handle = await env.start(order, 7);
    await env.settled();
    await handle.cancel();
    await handle.result().catch(() => {});
    await env.settled();
    expect(await env.unfinished()).toEqual([]);
  });
});
