/** Attempts of activities: retries, time limits, heartbeats, and what the workflow is told in the end. */
import { describe, expect, it } from "vitest";
import { activity, FatalError, RetryError, workflow } from "../../src/index.ts";
import { createTestEnv, hangs } from "../../src/testing/index.ts";
import { bench } from "./fixture.ts";

describe("a durable function whose activities fail", () => {
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

  it("keeps an error an instance of the listed class that it comes from", async () => {
    class PaymentError extends Error {}
    class CardDeclined extends PaymentError {
      override name = "CardDeclined";
    }
    const charge = activity("charge", { retry: { maxAttempts: 1 }, errors: [RangeError, PaymentError] }, () => {
      throw new CardDeclined("no money");
    });
    const w = workflow("w", (wf) =>
      wf.call(charge).catch((error: Error) => [error instanceof PaymentError, error.name, error.message]),
    );
    await using env = await createTestEnv({ workflows: [w] });
    expect(await (await env.start(w)).result()).toEqual([true, "CardDeclined", "no money"]);
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

  it("goes on for as long as the policy says when it waits no time at all", async () => {
    const stubborn = activity("stubborn", { retry: { maxAttempts: Infinity, initial: 0, factor: 1e200 } }, (_, ctx) => {
      if (ctx.attempt < 6) throw new Error(`attempt ${ctx.attempt}`);
      return ctx.attempt;
    });
    const w = workflow("w", async (wf) => wf.call(stubborn));
    await using env = await createTestEnv({ workflows: [w] });
    expect(await (await env.start(w)).result()).toBe(6);
  });

  it.each([
    ["a code that is a number", { notOn: ["404"] }, 1],
    ["the class all errors have", { on: ["Error"] }, 3],
    ["the name", { notOn: ["TypeError"] }, 1],
    ["something else", { on: ["EvalError", "405"] }, 1],
  ])("goes by what the policy lists: %s", async (_, listed, attempts) => {
    const missing = activity("missing", { retry: { initial: 0, ...listed } }, () => {
      throw Object.assign(new TypeError("missing"), { code: 404 });
    });
    const w = workflow("w", (wf) => wf.call(missing).catch((error: { attempts: number }) => error.attempts));
    await using env = await createTestEnv({ workflows: [w] });
    expect(await (await env.start(w)).result()).toBe(attempts);
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

  it("hands on the details of a heartbeat as they were when it was sent, and those of earlier attempts only", async () => {
    const job = activity("job", { retry: { initial: 0 } }, async (_: undefined, ctx) => {
      if (ctx.attempt === 2) return ctx.lastHeartbeat;
      const state = { done: 40, own: ctx.lastHeartbeat };
      ctx.heartbeat(state);
      state.done = 50;
      throw new Error(`not yet: ${ctx.lastHeartbeat}`);
    });
    const w = workflow("w", async (wf) => wf.call(job));
    await using env = await createTestEnv({ workflows: [w] });
    expect(await (await env.start(w)).result()).toEqual({ done: 40, own: undefined });
    expect(env.calls(job)[0]?.error).toMatchObject({ message: "not yet: undefined" });
  });
});
