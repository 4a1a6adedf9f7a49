/** Code that does not do what its history says, or cannot be replayed. */
import { describe, expect, it } from "vitest";
import { activity, signal, workflow } from "../../src/index.ts";
import { bench, typesOf, vanishing } from "./fixture.ts";

const go = signal<string>("go");
const a = activity("a", async (n: number) => n);
const b = activity("b", async (n: number) => n);

describe("code that disagrees with its history", () => {
  it("blocks the run, appends nothing, says what differs and where, and goes on once the code is right again", async () => {
    const { engine, finish, store, clock } = bench();
    const original = workflow("w", async (wf) => {
      const first = await wf.call(a, 1);
      await wf.waitFor(go);
      return first;
    });
    const changed = workflow("w", async (wf) => {
      const first = await wf.call(b, 1);
      await wf.waitFor(go);
      return first;
    });
    const one = await engine({ workflows: [original] });
    await one.start(original, undefined, { id: "r" });
    await clock.advance(10);
    await one.close();

    const two = await engine({ workflows: [changed], store });
    const handle = await two.handle("r");
    await handle.signal(go, "now");
    await clock.advance(2000);
    const { status, blocked } = await handle.describe();
    expect(status).toBe("blocked");
    expect(blocked?.message).toContain('history says completed activity "a" (command 1)');
    expect(blocked?.message).toContain('code asked for activity "b"');
    expect(blocked?.message).toContain("determinism.test.ts:");
    expect(await typesOf(handle)).toEqual(["RunStarted", "StepCompleted"]);
    await expect(handle.result()).rejects.toMatchObject({ code: "RUN_BLOCKED" });
    await two.close();

    const three = await engine({ workflows: [original], store });
    const again = await three.handle("r");
    await again.resume();
    expect(await finish(again)).toBe(1);
  });

  it.each([
    ["another input", (n: number) => ({ first: n, extra: false })],
    ["one step more before the wait", (n: number) => ({ first: n - 1, extra: true })],
  ])("notices %s", async (_, variant) => {
    const { engine, clock } = bench();
    const make = (plan: { first: number; extra: boolean }) =>
      workflow("w", async (wf) => {
        await wf.call(a, plan.first);
        if (plan.extra) void wf.call(b, 5).catch(() => {});
        await wf.waitFor(go);
      });
    const one = await engine({ workflows: [make({ first: 1, extra: false })] });
    await one.start("w", undefined, { id: "r" });
    await clock.advance(10);
    await one.close();
    const two = await engine({ workflows: [make(variant(2))] });
    const handle = await two.handle("r");
    await handle.signal(go, "now");
    await clock.advance(2000);
    expect(await handle.status()).toBe("blocked");
  });

  it("notices a step that went away while it was in flight, before any effect starts", async () => {
    const { engine, clock, store } = bench();
    let calls = 0;
    const slow = activity("slow", () => {
      calls++;
      return new Promise<never>(() => {});
    });
    const doomed = vanishing(store);
    const one = await engine({ workflows: [workflow("w", async (wf) => wf.call(slow))], store: doomed.store });
    await one.start("w", undefined, { id: "r" });
    await clock.advance(3000);
    doomed.vanish();
    const other = activity("other", async () => {
      calls++;
    });
    const two = await engine({ workflows: [workflow("w", async (wf) => wf.call(other))] });
    await clock.advance(30_000);
    const handle = await two.handle("r");
    expect((await handle.describe()).blocked?.message).toContain('activity "slow" (command 1) was in flight');
    expect(calls).toBe(1);
  });
});

describe("code that waits for something foreign", () => {
  it("is blocked when it asks for a step out of turn", async () => {
    const { engine, clock } = bench();
    const w = workflow("w", async (wf) => {
      await wf.call(a, 1);
      await new Promise((resolve) => setImmediate(resolve));
      return wf.call(a, 2);
    });
    const e = await engine({ workflows: [w], guard: "off" });
    const handle = await e.start(w);
    await clock.advance(100);
    expect((await handle.describe()).blocked).toMatchObject({ reason: "foreign_await" });
    expect(await typesOf(handle)).toEqual(["RunStarted", "StepCompleted"]);
  });

  it("is blocked when it ends out of turn", async () => {
    const { engine, clock } = bench();
    const w = workflow("w", async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return 1;
    });
    const e = await engine({ workflows: [w], guard: "off" });
    const handle = await e.start(w);
    await clock.advance(100);
    expect((await handle.describe()).blocked).toMatchObject({ reason: "foreign_await" });
  });

  it("is called quiet after a grace period when nothing of ours is pending", async () => {
    const { engine, clock } = bench();
    const w = workflow("w", async (wf) => {
      await wf.call(a, 1);
      await new Promise(() => {});
    });
    const e = await engine({ workflows: [w] });
    const handle = await e.start(w);
    await clock.advance(4000);
    expect(await handle.status()).toBe("running");
    await clock.advance(2000);
    expect((await handle.describe()).blocked).toMatchObject({ reason: "nondurable_await" });
  });

  it("never calls a run quiet that awaits plain resolved promises between its steps", async () => {
    const { engine, finish } = bench();
    const w = workflow("w", async (wf) => {
      let total = 0;
      for (let i = 0; i < 50; i++) {
        await Promise.resolve();
        const [x, y] = await Promise.all([wf.call(a, i), Promise.resolve(1).then(() => wf.call(b, i))]);
        await (async () => {
          await null;
        })();
        total += x + y;
      }
      return total;
    });
    const e = await engine({ workflows: [w] });
    expect(await finish(await e.start(w))).toBe(2450);
  });
});

describe("activities inside workflow code", () => {
  it("say what to write instead when they are called directly", async () => {
    const { engine, finish } = bench();
    const w = workflow("w", async () => a(1));
    const e = await engine({ workflows: [w] });
    const error = (await finish(await e.start(w)).catch((thrown: unknown) => thrown)) as Error;
    expect((error.cause as Error).message).toContain("await wf.call(a, input)");
    expect(await a(7)).toBe(7);
  });

  it("block the run when asked for by a name nobody registered", async () => {
    const { engine, clock } = bench();
    const w = workflow("w", async (wf) => wf.call("nowhere/to-be-found"));
    const e = await engine({ workflows: [w] });
    const handle = await e.start(w);
    await clock.advance(100);
    expect((await handle.describe()).blocked).toMatchObject({ reason: "unknown_activity" });
  });
});

describe("a run that kills its engines", () => {
  it("is blocked after five takeovers without progress", async () => {
    const { engine, clock, store } = bench();
    let calls = 0;
    const poison = activity("poison", { retry: { maxAttempts: Number.POSITIVE_INFINITY } }, () => {
      calls++;
      return new Promise<never>(() => {});
    });
    const w = workflow("w", async (wf) => wf.call(poison));
    const idle = await engine();
    for (let crash = 0; crash < 6; crash++) {
      const doomed = vanishing(store);
      const one = await engine({ workflows: [w], store: doomed.store });
      if (crash === 0) await one.start(w, undefined, { id: "p" });
      await clock.advance(30_000);
      doomed.vanish();
    }
    const last = await engine({ workflows: [w] });
    await clock.advance(30_000);
    expect((await (await last.handle("p")).describe()).blocked).toMatchObject({ reason: "crash_loop" });
    expect(calls).toBe(5);
    await idle.close();
  });
});
