import { describe, expect, it } from "vitest";
import { activity, signal, update, workflow } from "../../src/index.ts";
import { bench, expectSameReplays, vanishing } from "./fixture.ts";

const go = signal<string>("go");

function recorder() {
  const calls: string[] = [];
  const aborted: string[] = [];
  const act = activity("act", (what: string, ctx) => {
    calls.push(what);
    if (!what.startsWith("hang")) return Promise.resolve(what);
    return new Promise<string>((_, reject) =>
      ctx.signal.addEventListener("abort", () => {
        aborted.push(what);
        reject(ctx.signal.reason);
      }),
    );
  });
  return { calls, aborted, act };
}

describe("uncancellable", () => {
  it("fails the run with a child that failed by the time limit of a scope, also when the run was cancelled meanwhile", async () => {
    const { engine, finish, clock } = bench();
    const { act } = recorder();
    const kid = workflow("kid", (wf) => wf.scope(() => wf.call(act, "hang"), { timeout: "1s" }));
    const w = workflow("w", (wf) => wf.uncancellable(() => wf.child(kid)));
    const e = await engine({ workflows: [w, kid] });
    const run = await e.start(w);
    await clock.advance(100);
    await run.cancel("enough");
    await expect(finish(run)).rejects.toMatchObject({ code: "RUN_FAILED", cause: { code: "RUN_FAILED" } });
    expect((await run.describe()).status).toBe("failed");
    await expectSameReplays(e);
  });

  it("lets the code clean up after a cancellation, also when the engine dies in between", async () => {
    const { engine, finish, store, clock } = bench();
    const { calls, act } = recorder();
    const w = workflow("w", async (wf) => {
      try {
        await wf.call(act, "hang");
      } finally {
        await wf.uncancellable(async () => {
          await wf.call(act, "release");
          await wf.sleep("1m");
          await wf.call(act, "notify");
        });
      }
    });
    const doomed = vanishing(store);
    const one = await engine({ workflows: [w], store: doomed.store });
    const handle = await one.start(w, undefined, { id: "r" });
    await clock.advance(100);
    await handle.cancel("no longer wanted");
    await clock.advance(100);
    doomed.vanish();
    const two = await engine({ workflows: [w] });
    const error = await finish(await two.handle("r")).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "RUN_CANCELLED" });
    expect(calls).toEqual(["hang", "release", "notify"]);
  });

  it("is not reached by a cancellation while it is under way", async () => {
    const { engine, finish, clock } = bench();
    const { calls, act } = recorder();
    const w = workflow("w", async (wf) => {
      const safe = wf.uncancellable(async () => {
        await wf.sleep("10s");
        return wf.call(act, "safe");
      });
      const open = wf.sleep("20s").catch((error: Error) => error.name);
      return [await safe, await open];
    });
    const e = await engine({ workflows: [w] });
    const handle = await e.start(w);
    await clock.advance(1000);
    await handle.cancel();
    expect(await finish(handle)).toEqual(["safe", "CancelledError"]);
    expect(calls).toEqual(["safe"]);
  });
});

describe("a handler that is registered out of reach of cancellations", () => {
  it("does its work for a run that was cancelled, also when the engine dies in between", async () => {
    const { engine, finish, store, clock } = bench();
    const { calls, act } = recorder();
    const book = update<string, string>("book");
    const w = workflow("w", async (wf) => {
      let heard = 0;
      try {
        await wf.sleep("30d");
      } finally {
        await wf.uncancellable(async () => {
          wf.on(go, async (what) => {
            await wf.call(act, what);
            heard++;
          });
          await wf.scope(async () => {
            wf.on(book, (what) => wf.call(act, what).finally(() => heard++));
          });
          await wf.until(() => heard === 2);
        });
      }
    });
    const doomed = vanishing(store);
    const one = await engine({ workflows: [w], store: doomed.store });
    const handle = await one.start(w, undefined, { id: "r" });
    await clock.advance(100);
    await handle.cancel("no longer wanted");
    await clock.advance(100);
    await handle.signal(go, "heard");
    await clock.advance(100);
    doomed.vanish();
    const two = await engine({ workflows: [w] });
    const again = await two.handle("r");
    const answer = again.update(book, "booked");
    expect(await finish(again).catch((thrown: unknown) => thrown)).toMatchObject({ code: "RUN_CANCELLED" });
    expect(await answer).toBe("booked");
    expect(calls).toEqual(["heard", "booked"]);
  });
});

describe("a scope", () => {
  it("says what was cancelled: not the run", async () => {
    const { engine, finish } = bench();
    const w = workflow("w", async (wf) => {
      const message = (error: Error): string => error.message;
      const late = wf.scope(() => wf.sleep("1h").catch(message), { timeout: "1s" });
      const byHand = wf.scope(async (scope) => {
        scope.cancel("enough");
        return wf.sleep("1h").catch(message);
      });
      return [await late, await byHand];
    });
    const e = await engine({ workflows: [w] });
    expect(await finish(await e.start(w))).toEqual(["cancelled: the scope took longer than 1s", "cancelled: enough"]);
  });

  it("cancels what is pending inside when its time is up, and nothing else", async () => {
    const { engine, finish, clock } = bench();
    const { aborted, act } = recorder();
    const w = workflow("w", async (wf) => {
      const outside = wf.waitFor(go);
      const inside = await wf
        .scope(() => Promise.all([wf.call(act, "hang"), wf.sleep("1h")]), { timeout: "2s" })
        .catch((error: Error & { code?: string }) => error.code);
      return { inside, outside: await outside };
    });
    const e = await engine({ workflows: [w] });
    const handle = await e.start(w);
    await clock.advance(3000);
    expect(aborted).toEqual(["hang"]);
    await handle.signal(go, "still here");
    expect(await finish(handle)).toEqual({ inside: "SCOPE_TIMEOUT", outside: "still here" });
  });

  it("gives up what its function left behind, and its timer with it", async () => {
    const { engine, finish, clock, events } = bench();
    const { aborted, act } = recorder();
    const w = workflow("w", async (wf) => {
      const first = await wf.scope(() => Promise.race([wf.call(act, "hang"), wf.call(act, "quick")]), {
        timeout: "1h",
      });
      await wf.sleep("10s");
      return first;
    });
    const e = await engine({ workflows: [w] });
    const handle = await e.start(w);
    await clock.advance(100);
    expect(aborted).toEqual(["hang"]);
    expect((await handle.describe()).open.map((step) => step.step)).toEqual(["sleep"]);
    expect(await finish(handle)).toBe("quick");
    expect(events.filter((event) => event.type === "note").length).toBe(2);
  });

  it("replays the same with late losers, over a takeover at every point", async () => {
    for (const crashAfter of [50, 1500, 2500, 4500, 8000]) {
      const { engine, finish, store, clock } = bench();
      const { act } = recorder();
      const w = workflow("w", async (wf) => {
        const seen: unknown[] = [];
        seen.push(
          await wf
            .scope(() => wf.waitFor(go, { timeout: "1h" }), { timeout: "2s" })
            .catch((error: Error) => error.name),
        );
        seen.push(await wf.scope(() => Promise.race([wf.sleep("2s").then(() => "timer"), wf.waitFor(go)])));
        await wf.sleep("2s");
        seen.push(await wf.waitFor(go));
        seen.push(await wf.call(act, "end"));
        return seen;
      });
      const doomed = vanishing(store);
      const one = await engine({ workflows: [w], store: doomed.store });
      const handle = await one.start(w, undefined, { id: "r" });
      await clock.advance(crashAfter);
      doomed.vanish();
      const two = await engine({ workflows: [w] });
      await clock.advance(30_000);
      const again = await two.handle("r");
      await again.signal(go, "now");
      expect(await finish(again)).toEqual(["TimeoutError", "timer", "now", "end"]);
      expect(handle.runId).toBe(again.runId);
    }
  });
});
