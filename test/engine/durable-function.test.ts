import { describe, expect, it } from "vitest";
import {
  activity,
  CancelledError,
  FatalError,
  isPerdureError,
  PerdureError,
  RetryError,
  signal,
  workflow,
} from "../../src/index.ts";
import { createTestEnv, hangs } from "../../src/testing/index.ts";
import { bench, vanishing } from "./fixture.ts";

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

  it("retries a failing activity by its policy and says so at once", async () => {
    const { engine, finish, events, clock } = bench();
    const times: number[] = [];
    const flaky = activity("flaky", async (_: undefined, ctx) => {
      times.push(clock.now());
      if (ctx.attempt < 3) throw new Error(`attempt ${ctx.attempt}`);
      return ctx.attempt;
    });
    const w = workflow("w", async (wf) => wf.call(flaky));
    const e = await engine({ workflows: [w] });
    expect(await finish(await e.start(w))).toBe(3);
    expect(times.map((time) => time - times[0]!)).toEqual([0, 1000, 3000]);
    expect(events.filter((event) => event.type === "step.retrying").map((event) => event.error.message)).toEqual([
      "attempt 1",
      "attempt 2",
    ]);
  });

  it("shows a waiting retry in describe()", async () => {
    const down = activity("down", { retry: { initial: "20s" } }, async () => {
      throw new Error("no route");
    });
    const w = workflow("w", async (wf) => wf.call(down));
    await using env = await createTestEnv({ workflows: [w] });
    const handle = await env.start(w);
    await env.clock.advance(100);
    const { open } = await handle.describe();
    expect(open).toMatchObject([{ step: "down", attempt: 2, running: false, lastError: { message: "no route" } }]);
  });

  it("fails with the original error, its step and its attempts", async () => {
    class CardDeclined extends Error {
      override name = "CardDeclined";
      code = "declined";
      amount = 5;
    }
    const charge = activity("charge", { retry: { notOn: ["CardDeclined"] }, errors: [CardDeclined] }, async () => {
      throw new CardDeclined("no money");
    });
    const w = workflow("w", async (wf) => {
      try {
        await wf.call(charge);
      } catch (error) {
        const { name, message, code, amount, step, attempts } = error as CardDeclined & {
          step: string;
          attempts: number;
        };
        return { isClass: error instanceof CardDeclined, name, message, code, amount, step, attempts };
      }
      return "no error";
    });
    await using env = await createTestEnv({ workflows: [w] });
    expect(await (await env.start(w)).result()).toEqual({
      isClass: true,
      name: "CardDeclined",
      message: "no money",
      code: "declined",
      amount: 5,
      step: "charge",
      attempts: 1,
    });
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

  it("never retries a FatalError and waits as long as a RetryError asks", async () => {
    let calls = 0;
    const fatal = activity("fatal", async () => {
      calls++;
      throw new FatalError("no such user");
    });
    const later = activity("later", async (_: undefined, ctx) => {
      if (ctx.attempt === 1) throw new RetryError("busy", { after: "7s" });
      return env.clock.now();
    });
    const w = workflow("w", async (wf) => {
      const before = wf.now();
      const failed = await wf.call(fatal).catch((error: Error) => error.message);
      return { failed, waited: ((await wf.call(later)) as number) - before };
    });
    await using env = await createTestEnv({ workflows: [w] });
    expect(await (await env.start(w)).result()).toEqual({ failed: "no such user", waited: 7000 });
    expect(calls).toBe(1);
  });

  it("times an attempt out, aborts its signal and tries again", async () => {
    const { engine, finish } = bench();
    const aborted: unknown[] = [];
    const slow = activity("slow", { timeout: "3s", retry: { maxAttempts: 2 } }, (_: undefined, ctx) => {
      if (ctx.attempt === 2) return Promise.resolve("second");
      return new Promise<string>((resolve) =>
        ctx.signal.addEventListener("abort", () => {
          aborted.push(ctx.signal.reason);
          resolve("late");
        }),
      );
    });
    const w = workflow("w", async (wf) => wf.call(slow));
    const e = await engine({ workflows: [w] });
    expect(await finish(await e.start(w))).toBe("second");
    expect(aborted).toHaveLength(1);
  });

  it("fails an activity that falls silent for longer than its heartbeat timeout and hands its details on", async () => {
    const job = activity("job", { heartbeatTimeout: "2s", retry: { initial: 0 } }, (_: undefined, ctx) => {
      if (ctx.lastHeartbeat !== undefined) return Promise.resolve(ctx.lastHeartbeat);
      ctx.heartbeat({ done: 40 });
      return hangs()(undefined, ctx);
    });
    const w = workflow("w", async (wf) => wf.call(job));
    await using env = await createTestEnv({ workflows: [w] });
    expect(await (await env.start(w)).result()).toEqual({ done: 40 });
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

describe("cancellation", () => {
  it("rejects pending waits, aborts activities and ends the run as cancelled", async () => {
    let reason: unknown;
    const hang = activity("hang", (_: undefined, ctx) => {
      ctx.signal.addEventListener("abort", () => {
        reason = ctx.signal.reason;
      });
      return hangs()(undefined, ctx);
    });
    const w = workflow("w", async (wf) => wf.call(hang));
    await using env = await createTestEnv({ workflows: [w] });
    const handle = await env.start(w);
    await env.settled();
    await handle.cancel("changed my mind");
    const error = await handle.result().catch((thrown: unknown) => thrown);
    expect(isPerdureError(error, "RUN_CANCELLED")).toBe(true);
    expect(reason).toBeInstanceOf(CancelledError);
    expect((await handle.history()).map((event) => event.type)).toEqual([
      "RunStarted",
      "CancelRequested",
      "StepCancelled",
      "RunCancelled",
    ]);
  });

  it("lets the code answer with a result of its own and aborts wf.abortSignal", async () => {
    const w = workflow("w", async (wf) => {
      const seen = wf.abortSignal.aborted;
      try {
        await wf.sleep("1d");
      } catch (error) {
        return { seen, now: wf.abortSignal.aborted, error: (error as Error).name };
      }
      return "slept";
    });
    await using env = await createTestEnv({ workflows: [w] });
    const handle = await env.start(w);
    await env.clock.advance(10);
    await handle.cancel();
    expect(await handle.result()).toEqual({ seen: false, now: true, error: "CancelledError" });
  });

  it("terminates at once, also when no engine knows the code", async () => {
    const { engine, clock } = bench();
    const w = workflow("w", async (wf) => wf.sleep("1d"));
    const one = await engine({ workflows: [w] });
    await one.start(w, undefined, { id: "t" });
    await clock.advance(10);
    await one.close();
    const other = await engine();
    const handle = await other.handle("t");
    await handle.terminate("enough");
    expect(await handle.status()).toBe("terminated");
    expect((await handle.history()).at(-1)).toMatchObject({ type: "RunTerminated", data: { r: "enough" } });
  });

  it("refuses messages to a run that has ended", async () => {
    const w = workflow("w", async () => 1);
    await using env = await createTestEnv({ workflows: [w] });
    const handle = await env.start(w);
    await handle.result();
    await expect(handle.signal(go, "x")).rejects.toMatchObject({ code: "RUN_CLOSED" });
  });
});

describe("starting", () => {
  const w = workflow("w", async (wf, n: number) => {
    await wf.sleep("1h");
    return n;
  });

  it("refuses a second open run of the same id unless told to attach or replace", async () => {
    await using env = await createTestEnv({ workflows: [w] });
    const first = await env.start(w, 1, { id: "x" });
    await env.clock.advance(10);
    await expect(env.start(w, 2, { id: "x" })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    expect((await env.start(w, 2, { id: "x", conflict: "attach" })).runId).toBe(first.runId);
    const replaced = await env.start(w, 3, { id: "x", conflict: "terminate" });
    expect(await first.status()).toBe("terminated");
    expect(await replaced.result()).toBe(3);
  });

  it("reuses the id of an ended run as the policy says", async () => {
    await using env = await createTestEnv({ workflows: [w] });
    await (await env.start(w, 1, { id: "x" })).result();
    await expect(env.start(w, 2, { id: "x", reuse: "failed-only" })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(env.start(w, 2, { id: "x", reuse: "reject" })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await (await env.start(w, 2, { id: "x" })).result()).toBe(2);
  });

  it("answers a repeated start with the same key by the same run, and another input by an error", async () => {
    await using env = await createTestEnv({ workflows: [w] });
    const first = await env.start(w, 1, { idempotencyKey: "k" });
    await first.result();
    expect((await env.start(w, 1, { idempotencyKey: "k" })).runId).toBe(first.runId);
    await expect(env.start(w, 2, { idempotencyKey: "k" })).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("begins later when asked to and ends a run that outlives its timeout", async () => {
    await using env = await createTestEnv({ workflows: [w] });
    const before = env.clock.now();
    const delayed = await env.start(w, 1, { delay: "10m" });
    expect(await delayed.status()).toBe("pending");
    await delayed.result();
    expect(env.clock.now() - before).toBeGreaterThan(70 * 60_000 - 1);
    const error = await (await env.start(w, 1, { timeout: "5m" })).result().catch((thrown: unknown) => thrown);
    expect(isPerdureError(error, "RUN_TIMED_OUT")).toBe(true);
  });

  it("says which value cannot be kept and where", async () => {
    const bad = workflow("bad", async () => ({ list: [{ fn: () => 1 }] }));
    await using env = await createTestEnv({ workflows: [bad] });
    const error = (await (await env.start(bad)).result().catch((thrown: unknown) => thrown)) as Error;
    expect(String((error.cause as Error).message)).toContain(".list[0].fn");
  });
});

describe("an engine opened for its own runs", () => {
  it("leaves the runs of others alone and advances what it started or was asked for", async () => {
    const { engine, finish, store, clock } = bench();
    const w = workflow("w", async (wf) => {
      await wf.waitFor(go);
      return "done";
    });
    const gone = await engine({ workflows: [w] });
    for (const id of ["other", "attached"]) await gone.start(w, undefined, { id });
    await clock.advance(100);
    await gone.close();
    for (const id of ["other", "attached"]) await (await (await engine()).handle(id)).signal(go, "x");
    const own = await engine({ workflows: [w], store, claims: "own" });
    const started = await own.start(w, undefined, { id: "started" });
    const attached = await own.start(w, undefined, { id: "attached", conflict: "attach" });
    await clock.advance(100);
    await started.signal(go, "x");
    expect(await finish(started)).toBe("done");
    expect(await finish(attached)).toBe("done");
    await clock.advance(60_000);
    expect((await own.runs.list({ workflow: "w" })).find((run) => run.workflowId === "other")?.status).toBe("running");
  });
});

describe("recovery", () => {
  it("goes on after a crash with the first unfinished step", async () => {
    const { engine, finish, store, clock } = bench();
    const calls: string[] = [];
    const note = activity("note", async (what: string) => void calls.push(what));
    const w = workflow("w", async (wf) => {
      await wf.call(note, "a");
      await wf.call(note, "b");
      await wf.waitFor(go);
      await wf.call(note, "c");
      return calls.length;
    });
    const doomed = vanishing(store);
    const one = await engine({ workflows: [w], store: doomed.store });
    const run = await one.start(w, undefined, { id: "r" });
    while ((await run.history()).length < 3) await clock.advance(10);
    doomed.vanish();
    const two = await engine({ workflows: [w] });
    const handle = await two.handle("r");
    await handle.signal(go, "now");
    await finish(handle);
    expect(calls).toEqual(["a", "b", "c"]);
  });

  it("counts an attempt that died with its engine as lost", async () => {
    const { engine, finish, store, clock } = bench();
    let calls = 0;
    const once = activity("once", { retry: { maxAttempts: 1 } }, () => {
      calls++;
      return new Promise<never>(() => {});
    });
    const w = workflow("w", async (wf) => wf.call(once).catch((error: Error & { code?: string }) => error.code));
    const doomed = vanishing(store);
    const one = await engine({ workflows: [w], store: doomed.store });
    await one.start(w, undefined, { id: "r" });
    await clock.advance(2000);
    doomed.vanish();
    const two = await engine({ workflows: [w] });
    expect(await finish(await two.handle("r"))).toBe("ATTEMPT_LOST");
    expect(calls).toBe(1);
  });

  it("applies a waiting cancel before it repeats an effect", async () => {
    const { engine, finish, store, clock } = bench();
    let calls = 0;
    const pay = activity("pay", () => {
      calls++;
      return new Promise<never>(() => {});
    });
    const w = workflow("w", async (wf) => wf.call(pay));
    const doomed = vanishing(store);
    const one = await engine({ workflows: [w], store: doomed.store });
    await one.start(w, undefined, { id: "r" });
    await clock.advance(100);
    doomed.vanish();
    const idle = await engine();
    await (await idle.handle("r")).cancel("stop");
    const two = await engine({ workflows: [w] });
    await finish(await two.handle("r")).catch(() => {});
    expect(await (await two.handle("r")).status()).toBe("cancelled");
    expect(calls).toBe(1);
  });

  it("prefers a signal from before the deadline although the deadline passed while nobody was there", async () => {
    const { engine, finish, store, clock } = bench();
    const w = workflow("w", async (wf) => wf.waitFor(go, { timeout: "1h" }));
    const doomed = vanishing(store);
    const one = await engine({ workflows: [w], store: doomed.store });
    await one.start(w, undefined, { id: "r" });
    await clock.advance(100);
    doomed.vanish();
    const idle = await engine();
    await (await idle.handle("r")).signal(go, "in time");
    await clock.advance(3 * 3_600_000);
    const two = await engine({ workflows: [w] });
    expect(await finish(await two.handle("r"))).toBe("in time");
  });
});

describe("rows of what is in flight", () => {
  it.each(["signal", "timeout", "timer"])(
    "go with a wait that ended by a %s, so that a takeover finds nothing that contradicts the code",
    async (how) => {
      const { engine, finish, store, clock } = bench();
      let hang = true;
      const long = activity("long", () => (hang ? new Promise<string>(() => {}) : Promise.resolve("long")));
      const w = workflow("w", async (wf) => {
        const other = how === "timer" ? wf.sleep("3s") : wf.waitFor(go, { timeout: "3s" });
        return [await other, await wf.call(long)];
      });
      const both = workflow("w", async (wf) =>
        Promise.all([how === "timer" ? wf.sleep("3s") : wf.waitFor(go, { timeout: "3s" }), wf.call(long)]),
      );
      for (const variant of [both, w]) {
        hang = true;
        const doomed = vanishing(store);
        const one = await engine({ workflows: [variant], store: doomed.store });
        const handle = await one.start(variant);
        await clock.advance(1500);
        if (variant === both)
          expect((await handle.describe()).open.map((step) => step.kind).sort()).toEqual([
            "activity",
            how === "timer" ? "timer" : "wait",
          ]);
        if (how === "signal") await handle.signal(go, "now");
        await clock.advance(4000);
        doomed.vanish();
        hang = false;
        const two = await engine({ workflows: [variant] });
        const again = await two.handle(handle.runId);
        expect(await finish(again)).toEqual([how === "signal" ? "now" : undefined, "long"]);
        expect(await store.attempts(1)).toEqual([]);
        await two.close();
      }
    },
  );
});

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

describe("an engine that cannot be opened", () => {
  it("leaves the store and lets the process end", async () => {
    const at = bench();
    const failing = new Proxy(at.store, {
      get(target, key) {
        if (key === "pauses")
          return () => Promise.reject(new PerdureError("UNAVAILABLE", "the database is being restarted"));
        const value = Reflect.get(target, key) as unknown;
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    await expect(at.engine({ store: failing })).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await at.store.engines()).toEqual([]);
    expect(at.clock.fire()).toBe(false);
  });
});
