/** Runs that go on after they had failed or were cancelled. */
import { describe, expect, it } from "vitest";
import { activity, signal, workflow } from "../../src/index.ts";
import { createTestEnv } from "../../src/testing/index.ts";
import { bench } from "./fixture.ts";

const double = activity("double", async (n: number) => n * 2);
const go = signal<string>("go");

describe("resume", () => {
  it("goes on after a failure without running finished steps again, under a new key for the failed one", async () => {
    let broken = true;
    const keys: string[] = [];
    const calls: string[] = [];
    const step = activity("step", { retry: { maxAttempts: 1 } }, async (name: string, ctx) => {
      calls.push(name);
      if (name === "b") keys.push(ctx.idempotencyKey);
      if (name === "b" && broken) throw new Error("not yet");
      return name;
    });
    const w = workflow("w", async (wf) =>
      [await wf.call(step, "a"), await wf.call(step, "b"), await wf.call(step, "c")].join(""),
    );
    await using env = await createTestEnv({ workflows: [w] });
    const handle = await env.start(w, undefined, { id: "r" });
    await handle.result().catch(() => {});
    expect(await handle.status()).toBe("failed");
    broken = false;
    await handle.resume();
    expect(await handle.result()).toBe("abc");
    expect(calls).toEqual(["a", "b", "b", "c"]);
    expect(new Set(keys).size).toBe(2);
    expect((await handle.history()).map((event) => event.type)).toEqual([
      "RunStarted",
      "StepCompleted",
      "StepFailed",
      "RunFailed",
      "Resumed",
      "StepCompleted",
      "StepCompleted",
      "RunCompleted",
    ]);
  });

  it("goes on after a cancellation as if it had not been asked for", async () => {
    const w = workflow("w", async (wf) => {
      const a = await wf.call(double, 1);
      const b = await wf.waitFor(go);
      return `${a}${b}`;
    });
    await using env = await createTestEnv({ workflows: [w] });
    const handle = await env.start(w);
    await env.clock.advance(10);
    await handle.cancel();
    await handle.result().catch(() => {});
    expect(await handle.status()).toBe("cancelled");
    await handle.resume();
    await env.clock.advance(10);
    await handle.signal(go, "x");
    expect(await handle.result()).toBe("2x");
  });

  it("keeps what parallel branches had finished before the failure and replays exactly afterwards", async () => {
    const { engine, finish, store, clock } = bench();
    let broken = true;
    const calls: string[] = [];
    const slow = activity("slow", { retry: { maxAttempts: 1 } }, async (name: string) => {
      calls.push(name);
      if (name === "bad" && broken) throw new Error("bad");
      return name;
    });
    const w = workflow("w", async (wf) => {
      const first = await wf.call(slow, "first");
      const both = await Promise.all([wf.call(slow, "good"), wf.call(slow, "bad")]);
      await wf.sleep("1h");
      return [first, ...both, await wf.call(slow, "last")];
    });
    const one = await engine({ workflows: [w], warmRuns: 0 });
    const handle = await one.start(w, undefined, { id: "r" });
    await finish(handle).catch(() => {});
    broken = false;
    await handle.resume();
    await clock.advance(5000);
    await one.close();
    const two = await engine({ workflows: [w], store });
    expect(await finish(await two.handle("r"), 2 * 3_600_000)).toEqual(["first", "good", "bad", "last"]);
    expect(calls.filter((name) => name === "first" || name === "good" || name === "last")).toEqual([
      "first",
      "good",
      "last",
    ]);
  });
});
