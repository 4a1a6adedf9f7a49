/** A workflow as a function: steps in order, values as they were, time, signals, chance, and its own failure. */
import { describe, expect, it } from "vitest";
import { activity, isPerdureError, signal, workflow } from "../../src/index.ts";
import { createTestEnv } from "../../src/testing/index.ts";
import { bench } from "./fixture.ts";

const double = activity("double", async (n: number) => n * 2);
const go = signal<string>("go");

describe("a durable function", () => {
  it("runs its activities in order and returns their results", async () => {
    const sum = workflow("sum", async (wf, n: number) => {
      let total = 0;
      for (let i = 1; i <= n; i++) total += await wf.call(double, i);
      return total;
    });
    await using env = await createTestEnv({ workflows: [sum] });
    const handle = await env.start(sum, 4);
    expect(await handle.result()).toBe(20);
    expect((await handle.history()).map((event) => event.type)).toEqual([
      "RunStarted",
      ...Array(4).fill("StepCompleted"),
      "RunCompleted",
    ]);
  });

  it("keeps rich values between steps and in its result", async () => {
    const rich = activity("rich", async () => ({
      at: new Date(5),
      set: new Set([1n]),
      bytes: new Uint8Array([7]),
      gap: undefined,
      big: 10n,
      nan: Number.NaN,
    }));
    const w = workflow("w", async (wf) => wf.call(rich));
    await using env = await createTestEnv({ workflows: [w] });
    expect(await (await env.start(w)).result()).toEqual({
      at: new Date(5),
      set: new Set([1n]),
      bytes: new Uint8Array([7]),
      gap: undefined,
      big: 10n,
      nan: Number.NaN,
    });
  });

  it("gives workflow code a decoded copy, so that mutation by the activity is invisible", async () => {
    const shared = { n: 1 };
    const leak = activity("leak", async (input: { n: number }) => {
      input.n = 99;
      return shared;
    });
    const w = workflow("w", async (wf) => {
      const input = { n: 1 };
      const out = await wf.call(leak, input);
      return { input, same: out === shared };
    });
    await using env = await createTestEnv({ workflows: [w] });
    expect(await (await env.start(w)).result()).toEqual({ input: { n: 1 }, same: false });
  });

  it("says which value cannot be kept and where", async () => {
    const bad = workflow("bad", async () => ({ list: [{ fn: () => 1 }] }));
    await using env = await createTestEnv({ workflows: [bad] });
    const error = (await (await env.start(bad)).result().catch((thrown: unknown) => thrown)) as Error;
    expect(String((error.cause as Error).message)).toContain(".list[0].fn");
  });

  it("rejects result() with RUN_FAILED and the error as its cause", async () => {
    const w = workflow("w", async () => {
      throw new TypeError("bad total");
    });
    await using env = await createTestEnv({ workflows: [w] });
    const error = await (await env.start(w)).result().catch((thrown: unknown) => thrown);
    expect(isPerdureError(error, "RUN_FAILED")).toBe(true);
    expect((error as Error).cause).toMatchObject({ name: "TypeError", message: "bad total" });
  });

  it("sleeps without holding anything and goes on when the time has come", async () => {
    const { engine, finish, clock, events } = bench();
    const w = workflow("w", async (wf) => {
      const before = wf.now();
      await wf.sleep("30d");
      return wf.now() - before;
    });
    const e = await engine({ workflows: [w], warmRuns: 0, leaseTtl: "1d", poll: "1d" });
    const handle = await e.start(w);
    await clock.advance(1000);
    expect(e.inMemory).toEqual({ active: 0, warm: 0 });
    await clock.advance(30 * 86_400_000);
    const slept = await finish(handle);
    expect(slept).toBeGreaterThanOrEqual(30 * 86_400_000);
    expect(slept).toBeLessThan(30 * 86_400_000 + 5000);
    expect(events.map((event) => event.type)).toContain("run.parked");
  });

  it("waits until the next time a cron expression matches in its time zone", async () => {
    const w = workflow("w", async (wf) =>
      new Date(await wf.sleepUntilCron("0 3 * * *", { timezone: "Europe/Berlin" })).toISOString(),
    );
    await using env = await createTestEnv({ workflows: [w] });
    expect(await (await env.start(w)).result()).toBe("2026-01-01T02:00:00.000Z");
  });

  it("takes signals in their order, also those that came before it asked", async () => {
    const w = workflow("w", async (wf) => {
      await wf.sleep("1s");
      return [await wf.waitFor(go), await wf.waitFor(go), await wf.waitFor(go, { timeout: "1s" })];
    });
    await using env = await createTestEnv({ workflows: [w] });
    const handle = await env.start(w);
    await handle.signal(go, "a");
    await handle.signal(go, "b");
    await env.clock.advance(10);
    expect(await handle.result()).toEqual(["a", "b", undefined]);
  });

  it("derives random values and ids that are the same on replay", async () => {
    const { engine, finish, store, clock } = bench();
    const w = workflow("w", async (wf) => {
      const first = [wf.random(), wf.random(), wf.uuid()];
      await wf.sleep("1h");
      return { first, later: wf.random(), id: wf.uuid() };
    });
    const one = await engine({ workflows: [w], warmRuns: 0 });
    const handle = await one.start(w, undefined, { id: "r" });
    await clock.advance(1000);
    await one.close();
    const two = await engine({ workflows: [w], store });
    const value = await finish(await two.handle<{ first: unknown[]; later: number; id: string }>("r"));
    expect(value.first[0]).not.toBe(value.first[1]);
    expect(value.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(await handle.status()).toBe("completed");
  });
});
