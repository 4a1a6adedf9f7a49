/** What a test reads and asserts about histories, and the replay of everything that has run. */
import { AssertionError } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { activity, signal, type Workflow, workflow } from "../../src/index.ts";
import {
  assertSteps,
  createTestEnv,
  type ExpectedStep,
  fails,
  type RecordedHistory,
  replayHistory,
  returns,
} from "../../src/testing/index.ts";

const charge = activity("charge", { retry: { maxAttempts: 2 } }, async (amount: number) => ({ paid: amount }));
const ship = activity("ship", async (_: string) => "truck");
const approved = signal<string>("approved");

const order = workflow("order", async (wf, amount: number) => {
  await wf.call(charge, amount).catch(() => {});
  await Promise.all([wf.call(ship, "a"), wf.call(ship, "b", { label: "ship b" })]);
  await wf.sleep("1h");
  return (await wf.waitFor(approved, { timeout: "1d" })) ?? "nobody";
});

describe("the steps of a run", () => {
  it("are readable and decoded", async () => {
    await using env = await createTestEnv({ workflows: [order] });
    env.mock(charge, fails("declined"));
    const began = env.clock.now();
    const handle = await env.start(order, 5);
    await handle.result();
    const history = await env.history(handle);
    expect(history).toMatchObject([
      { step: "charge", kind: "activity", status: "failed", attempts: 2, error: { message: "declined" } },
      { step: "ship", status: "completed", output: "truck", attempts: 1 },
      { step: "ship b", status: "completed" },
      { step: "sleep", kind: "timer", status: "completed", attempts: 0, at: began + 3_601_000 },
      { step: "approved", kind: "wait", status: "timed_out" },
    ]);
  });

  it("are asserted by name, with status, by fields, with gaps and in any order", async () => {
    await using env = await createTestEnv({ workflows: [order] });
    const handle = await env.start(order, 5);
    await handle.signal(approved, "ada");
    expect(await handle.result()).toBe("ada");
    const history = await handle.history();
    const good: ExpectedStep[][] = [
      ["approved", "charge", "ship", "ship b", "sleep"],
      ["approved received", "charge completed", "..."],
      ["...", ["ship b", "ship"], "..."],
      ["...", "sleep"],
      ["...", { step: "charge", output: { paid: 5 }, attempts: 1 }, "...", "sleep", "..."],
      ["..."],
    ];
    const places = new Set(history.map(({ step }) => step));
    expect(places.size).toBeGreaterThan(3);
    for (const expected of good) assertSteps(history, expected);
    for (const expected of good) assertSteps(await env.history(handle), expected);
  });

  it("are those that were awaited", async () => {
    await using env = await createTestEnv({ workflows: [order] });
    const handle = await env.start(order, 5);
    expect(() => assertSteps(handle.history() as never, [])).toThrow("assertSteps takes a history: await handle");
    await expect(env.replay(undefined as never)).rejects.toThrow("replay takes a recorded history, or the file of one");
    await handle.terminate();
  });

  it.each<[string, ExpectedStep[]]>([
    ["a step too few", ["charge", "ship", "ship b", "sleep"]],
    ["a step too many", ["charge", "ship", "ship b", "sleep", "approved timed_out", "refund"]],
    ["another order", ["ship", "charge", "..."]],
    ["another status", ["charge failed", "..."]],
    ["another field", [{ step: "charge", attempts: 2 }, "..."]],
    ["an error where there is none", [{ step: "charge", error: {} }, "..."]],
    ["one for two", ["charge", ["ship", "ship"], "..."]],
  ])("are told apart from %s", async (_, expected) => {
    await using env = await createTestEnv({ workflows: [order] });
    const handle = await env.start(order, 5);
    await handle.result();
    const history = await handle.history();
    expect(() => assertSteps(history, expected)).toThrow(AssertionError);
  });

  it("show both sides when they are not as expected", async () => {
    await using env = await createTestEnv({ workflows: [order] });
    const handle = await env.start(order, 5);
    await handle.result();
    const history = await handle.history();
    expect(() => assertSteps(history, ["charge", "ship", "refund"])).toThrow(
      `the run did something else than expected
history:
    charge completed: {"paid":5}
    ship completed: "truck"
  > ship b completed: "truck"
    sleep completed
    approved timed_out
    (end)
expected:
    charge
    ship
  > refund
    (end)`,
    );
  });
});

describe("the replay at the end", () => {
  const leaky = workflow("leaky", async (wf) => {
    let rows = 0;
    await wf.step("count rows", () => {
      rows = 42;
    });
    return rows;
  });

  it("finds what a step assigned outside of itself, and names the step", async () => {
    const env = await createTestEnv({ workflows: [leaky] });
    expect(await (await env.start(leaky, undefined, { id: "l-1" })).result()).toBe(42);
    await expect(env.close()).rejects.toThrow(/leaky l-1: .*returned 42.*returned 0.*count rows/s);
  });

  it("finds chance that decides what is asked for", async () => {
    let chance = 0;
    const random = workflow("random", async (wf) => {
      chance++;
      return chance % 2 === 1 ? wf.call(ship, "odd") : wf.sleep("1h");
    });
    const env = await createTestEnv({ workflows: [random] });
    await (await env.start(random, undefined, { id: "r-1" })).result();
    await expect(env.close()).rejects.toThrow(/random r-1: .*ship/s);
  });

  it("is content with every way in which a run can end", async () => {
    const ends = workflow("ends", async (wf, how: string) => {
      if (how === "fail") throw new TypeError("bad");
      if (how === "continue") return wf.continueAsNew("return");
      if (how === "wait") await wf.waitFor("never");
      return { how, at: wf.now(), chance: wf.random(), map: new Map([[1, new Date(wf.now())]]) };
    });
    await using env = await createTestEnv({ workflows: [ends] });
    for (const how of ["fail", "continue", "return"]) await (await env.start(ends, how)).result().catch(() => {});
    const [cancelled, terminated] = [await env.start(ends, "wait"), await env.start(ends, "wait")];
    await cancelled.cancel("enough");
    await terminated.terminate();
    await (await env.start(ends, "wait", { timeout: "1h" })).result().catch(() => {});
    expect((await env.runs.list()).map(({ status }) => status).sort()).toEqual([
      "cancelled",
      "completed",
      "completed",
      "continued_as_new",
      "failed",
      "terminated",
      "timed_out",
    ]);
  });

  it("can be switched off", async () => {
    await using env = await createTestEnv({ workflows: [leaky], replay: false });
    expect(await (await env.start(leaky)).result()).toBe(42);
  });
});

describe("runs that are still open", () => {
  it("are listed, and fail the test only when asked for", async () => {
    const waiting = workflow("waiting", (wf) => wf.waitFor(approved));
    const env = await createTestEnv({ workflows: [waiting], unfinished: "fail" });
    await env.start(waiting, undefined, { id: "w-1" });
    await env.settled();
    expect((await env.unfinished()).map(({ workflowId }) => workflowId)).toEqual(["w-1"]);
    await expect(env.close()).rejects.toThrow("runs are still open: waiting w-1 is running (in flight: wait approved)");
  });
});

describe("a recorded history", () => {
  it("replays against the code that wrote it, and tells of code that asks for something else", async () => {
    const folder = mkdtempSync(join(tmpdir(), "perdure-histories-"));
    const file = join(folder, "order.json");
    try {
      await using env = await createTestEnv({ workflows: [order] });
      env.mock(ship, returns("train"));
      const handle = await env.start(order, 5);
      await handle.result();
      await env.record(handle, file);
      await replayHistory(order, file);
      const other = workflow("order", async (wf, amount: number) => {
        await wf.call(ship, "a");
        return wf.call(charge, amount);
      });
      await expect(replayHistory(other, file)).rejects.toThrow(/history says.*charge.*ship/s);
      await expect(
        replayHistory(
          workflow("another", async () => 1),
          file,
        ),
      ).rejects.toThrow(/needs order/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("of a parent replays beside its children, and says which code it lacks", async () => {
    const kid = workflow("kid", async () => 1);
    const parent = workflow("parent", async (wf) => [await wf.child(kid), await wf.child("kid")]);
    const caller = workflow("caller", async (wf) => wf.call("pack", 1));
    await using env = await createTestEnv({ workflows: [parent, kid, caller], mocks: { pack: returns(1) } });
    const historyOf = async (one: Workflow<undefined, unknown>): Promise<RecordedHistory> => {
      const handle = await env.start(one);
      await handle.result();
      return env.record(handle);
    };
    const family = await historyOf(parent);
    await replayHistory([parent, kid], family);
    await expect(replayHistory(parent, family)).rejects.toThrow(/needs kid, which is not among the workflows given/);
    await expect(replayHistory(caller, await historyOf(caller))).rejects.toThrow(
      /needs pack, which is not among the activities given/,
    );
  });
});
