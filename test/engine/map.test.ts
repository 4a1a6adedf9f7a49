import { describe, expect, it } from "vitest";
import { activity, isPerdureError, signal, type WorkflowContext, workflow } from "../../src/index.ts";
import fc from "../properties.ts";
import { bench, vanishing } from "./fixture.ts";

const double = activity("double", async (n: number) => n * 2);
const range = (length: number): number[] => Array.from({ length }, (_, index) => index);
const thrown = (error: unknown): unknown => error;

/** An activity whose items last until they are let go; tells which were started, and which were aborted while they lasted. */
function gate() {
  const waiting = new Map<number, { resolve(value: string): void; reject(error: Error): void }>();
  const started: number[] = [];
  const aborted: number[] = [];
  const take = (n: number) => {
    const found = waiting.get(n);
    waiting.delete(n);
    return found;
  };
  const act = activity(
    "gate",
    { retry: { maxAttempts: 1 } },
    (n: number, ctx) =>
      new Promise<string>((resolve, reject) => {
        started.push(n);
        waiting.set(n, { resolve, reject });
        ctx.signal.addEventListener("abort", () => {
          if (take(n) === undefined) return;
          aborted.push(n);
          reject(ctx.signal.reason);
        });
      }),
  );
  return {
    act,
    started,
    aborted,
    pass: (n: number) => take(n)?.resolve(`item ${n}`),
    fail: (n: number, error: Error) => take(n)?.reject(error),
  };
}

describe("a map", () => {
  it("returns the results of a function, an activity or a workflow in the order of the items", async () => {
    const { engine, finish } = bench();
    const half = workflow("half", async (_, n: number) => n / 2);
    const w = workflow("w", async (wf) => ({
      fn: await wf.map(range(3), async (n, index) => (await wf.call(double, n)) + index),
      activity: await wf.map(new Set([5, 6]), double),
      workflow: await wf.map([8, 9], half, { concurrency: Number.POSITIVE_INFINITY }),
      nothing: await wf.map([], double),
    }));
    const e = await engine({ workflows: [w, half] });
    expect(await finish(await e.start(w))).toEqual({
      fn: [0, 3, 6],
      activity: [10, 12],
      workflow: [4, 4.5],
      nothing: [],
    });
  });

  it("names the steps of activities and workflows after their items", async () => {
    const { engine, finish } = bench();
    const half = workflow("half", async (_, n: number) => n / 2);
    const w = workflow("w", async (wf) => {
      await wf.map([1, 2], double);
      await wf.map([1, 2], half);
    });
    const e = await engine({ workflows: [w, half] });
    const handle = await e.start(w);
    await finish(handle);
    const steps = new Set((await handle.history()).flatMap(({ step }) => step ?? []));
    expect([...steps].sort()).toEqual(["double[0]", "double[1]", "half[0]", "half[1]"]);
  });

  it("starts items in order, and the next one when one has settled", async () => {
    const { engine, finish, clock } = bench();
    const { act, started, pass } = gate();
    const w = workflow("w", async (wf) => wf.map(range(5), act, { concurrency: 2 }));
    const e = await engine({ workflows: [w] });
    const handle = await e.start(w);
    const seen: number[][] = [];
    for (const next of [1, 0, 3, 2, 4]) {
      await clock.advance(10);
      seen.push([...started]);
      pass(next);
    }
    expect(await finish(handle)).toEqual(range(5).map((n) => `item ${n}`));
    expect(seen).toEqual([
      [0, 1],
      [0, 1, 2],
      [0, 1, 2, 3],
      [0, 1, 2, 3, 4],
      [0, 1, 2, 3, 4],
    ]);
  });

  it("reads its items once, before any work", async () => {
    const { engine, finish } = bench();
    const w = workflow("w", async (wf) => {
      const read: string[] = [];
      const items = (function* () {
        for (const n of [1, 2]) {
          read.push(`read ${n}`);
          yield n;
        }
      })();
      await wf.map(items, async (n) => read.push(`work ${n}`));
      return read;
    });
    const e = await engine({ workflows: [w] });
    expect(await finish(await e.start(w))).toEqual(["read 1", "read 2", "work 1", "work 2"]);
  });

  it.each([
    ["no concurrency", (wf: WorkflowContext) => wf.map([1], double, { concurrency: 0 }), "concurrency"],
    ["half a concurrency", (wf: WorkflowContext) => wf.map([1], double, { concurrency: 1.5 }), "concurrency"],
    ["no number", (wf: WorkflowContext) => wf.map([1], double, { concurrency: Number.NaN }), "concurrency"],
    ["no items", (wf: WorkflowContext) => wf.map(undefined as never, double), "iterable"],
    ["no work", (wf: WorkflowContext) => wf.map([1], undefined as never), "function, an activity or a workflow"],
  ])("refuses %s", async (_, call, message) => {
    const { engine, finish } = bench();
    const w = workflow("w", async (wf) => {
      const error = await call(wf).then(() => undefined, thrown);
      return isPerdureError(error, "INVALID_ARGUMENT") && error.message;
    });
    const e = await engine({ workflows: [w] });
    expect(await finish(await e.start(w))).toContain(message);
  });
});

describe("a map that fails at the first failure", () => {
  it("rejects with that error and its item, cancels the others and starts no more", async () => {
    const { engine, finish, clock } = bench();
    const { act, started, aborted, fail } = gate();
    const w = workflow("w", async (wf) => wf.map(range(9), act, { concurrency: 3 }));
    const e = await engine({ workflows: [w] });
    const handle = await e.start(w);
    await clock.advance(10);
    fail(1, new TypeError("no such page"));
    const error = await finish(handle).catch(thrown);
    expect(error).toMatchObject({ cause: { name: "TypeError", message: "no such page", index: 1, step: "gate[1]" } });
    expect(started).toEqual([0, 1, 2]);
    expect(aborted).toEqual([0, 2]);
  });

  it("waits until the other items have cleaned up", async () => {
    const { engine, finish } = bench();
    const w = workflow("w", async (wf) => {
      const order: string[] = [];
      const work = async (n: number): Promise<void> => {
        if (n === 1) {
          await wf.sleep("1s");
          throw new Error("enough");
        }
        try {
          await wf.sleep("1h");
        } finally {
          await wf.uncancellable(() => wf.sleep("1m"));
          order.push(`cleaned ${n}`);
        }
      };
      const error = await wf.map(range(3), work).catch((failed: Error & { index?: number }) => failed);
      return { order, message: (error as Error).message, index: (error as { index?: number }).index, at: wf.now() };
    });
    const e = await engine({ workflows: [w] });
    const before = Date.UTC(2026, 0, 1);
    const result = await finish(await e.start(w));
    expect(result).toMatchObject({ order: ["cleaned 0", "cleaned 2"], message: "enough", index: 1 });
    expect(result.at - before).toBeLessThan(120_000);
  });

  it("starts nothing at all when the function throws at once", async () => {
    const { engine, finish } = bench();
    const w = workflow("w", async (wf) => {
      const seen: number[] = [];
      const work = (n: number): Promise<number> => {
        seen.push(n);
        if (n === 1) throw new Error("at once");
        return wf.call(double, n);
      };
      const error = await wf.map(range(4), work).catch((failed: Error & { index?: number }) => failed);
      return { seen, index: (error as { index?: number }).index };
    });
    const e = await engine({ workflows: [w] });
    const handle = await e.start(w);
    expect(await finish(handle)).toEqual({ seen: [0, 1], index: 1 });
    expect((await handle.history()).map(({ type }) => type)).toEqual(["RunStarted", "RunCompleted"]);
  });
});

describe("a map that collects", () => {
  it("tells of every item what became of it", async () => {
    const { engine, finish } = bench();
    const odd = activity("odd", { retry: { maxAttempts: 1 } }, async (n: number) => {
      if (n % 2 === 0) throw new RangeError(`${n} is even`);
      return n;
    });
    const w = workflow("w", async (wf) => wf.map(range(4), odd, { onError: "collect" }));
    const e = await engine({ workflows: [w] });
    expect(await finish(await e.start(w))).toMatchObject([
      { status: "failed", error: { name: "RangeError", message: "0 is even" } },
      { status: "completed", value: 1 },
      { status: "failed", error: { message: "2 is even" } },
      { status: "completed", value: 3 },
    ]);
  });

  it("makes an error of what is none", async () => {
    const { engine, finish } = bench();
    const w = workflow("w", async (wf) =>
      wf.map(
        [1],
        async () => {
          throw "just text";
        },
        { onError: "collect" },
      ),
    );
    const e = await engine({ workflows: [w] });
    expect(await finish(await e.start(w))).toMatchObject([{ status: "failed", error: { message: "just text" } }]);
  });

  it("takes the cancellation of a scope of the item's own for a failure of that item", async () => {
    const { engine, finish } = bench();
    const mapping = workflow("mapping", async (wf) => {
      const own = (n: number) =>
        wf.scope(async (scope) => {
          if (n === 1) scope.cancel("not this one");
          return wf.call(double, n);
        });
      const outcomes = await wf.map(range(3), own, { onError: "collect", concurrency: 1 });
      return outcomes.map((one) => (one.status === "completed" ? one.value : one.error.name));
    });
    const e = await engine({ workflows: [mapping] });
    expect(await finish(await e.start(mapping))).toEqual([0, "CancelledError", 4]);
  });

  it("takes the cancellation of the run for no failure of an item", async () => {
    const { engine, finish, clock } = bench();
    const { act, started, aborted } = gate();
    const w = workflow("w", async (wf) => {
      const all = await wf.map(range(5), act, { onError: "collect", concurrency: 2 });
      return all.length;
    });
    const e = await engine({ workflows: [w] });
    const handle = await e.start(w);
    await clock.advance(10);
    await handle.cancel("enough");
    expect(isPerdureError(await finish(handle).catch(thrown), "RUN_CANCELLED")).toBe(true);
    expect({ started, aborted }).toEqual({ started: [0, 1], aborted: [0, 1] });
  });

  it("ends with the time limit of a scope around it", async () => {
    const { engine, finish } = bench();
    const { act } = gate();
    const w = workflow("w", async (wf) => {
      const all = wf.scope(() => wf.map(range(5), act, { onError: "collect" }), { timeout: "5s" });
      return all.catch((error: Error & { code?: string }) => error.code);
    });
    const e = await engine({ workflows: [w] });
    expect(await finish(await e.start(w))).toBe("SCOPE_TIMEOUT");
  });
});

describe("a map over a crash", () => {
  it("does not repeat the items that had ended", async () => {
    const { engine, finish, store, clock } = bench();
    const calls: number[] = [];
    const slow = activity("slow", async (n: number) => {
      calls.push(n);
      await new Promise<void>((resolve) => clock.after(1000 * (n + 1), resolve));
      return n;
    });
    const w = workflow("w", async (wf) => wf.map(range(6), slow, { concurrency: 3 }));
    const doomed = vanishing(store);
    const one = await engine({ workflows: [w], store: doomed.store });
    await one.start(w, undefined, { id: "r" });
    await clock.advance(2500);
    doomed.vanish();
    const before = [...calls];
    const two = await engine({ workflows: [w] });
    expect(await finish(await two.handle("r"))).toEqual(range(6));
    expect(before).toEqual([0, 1, 2, 3, 4]);
    expect(calls.slice(before.length).sort()).toEqual([2, 3, 4, 5]);
  });

  it("has the same outcome wherever the engine dies, whatever fails when", { timeout: 60_000 }, async () => {
    const item = fc.record({ ms: fc.integer({ min: 0, max: 3000 }), fails: fc.boolean() });
    const scenario = fc.record({
      items: fc.array(item, { maxLength: 8 }),
      concurrency: fc.integer({ min: 1, max: 4 }),
      collect: fc.boolean(),
      crashAfter: fc.integer({ min: 1, max: 6000 }),
    });
    const stop = signal("stop");
    const failing = (items: readonly { fails: boolean }[]): number[] =>
      items.flatMap(({ fails }, index) => (fails ? [index] : []));
    await fc.assert(
      fc.asyncProperty(scenario, async ({ items, concurrency, collect, crashAfter }) => {
        const w = workflow("w", async (wf) => {
          let running = 0;
          let most = 0;
          const work = async ({ ms, fails }: { ms: number; fails: boolean }, index: number): Promise<number> => {
            most = Math.max(most, ++running);
            try {
              await wf.sleep(ms);
              if (fails) throw new Error(`no ${index}`);
              return await wf.step("done", () => index);
            } finally {
              running--;
            }
          };
          const all = collect
            ? wf.map(items, work, { concurrency, onError: "collect" })
            : wf.map(items, work, { concurrency });
          const outcome = await all.catch(({ message, index }: Error & { index?: number }) => ({ message, index }));
          await wf.waitFor(stop);
          return { outcome, most, running };
        });
        const run = async (crash: boolean): Promise<unknown> => {
          const { engine, finish, store, clock } = bench();
          const doomed = vanishing(store);
          const one = await engine({ workflows: [w], store: doomed.store });
          const handle = await one.start(w, undefined, { id: "r" });
          await clock.advance(crashAfter);
          if (crash) doomed.vanish();
          const again = crash ? await (await engine({ workflows: [w] })).handle<unknown>("r") : handle;
          await clock.advance(60_000);
          await again.signal(stop);
          return finish(again);
        };
        const calm = await run(false);
        expect(calm).toMatchObject({ running: 0, most: expect.any(Number) });
        expect((calm as { most: number }).most).toBeLessThanOrEqual(concurrency);
        const crashed = await run(true);
        // Which of several fails first may change: what was due while nobody was there is due at once.
        if (collect || failing(items).length < 2) expect(JSON.stringify(crashed)).toEqual(JSON.stringify(calm));
        else expect(failing(items)).toContain((crashed as { outcome: { index: number } }).outcome.index);
      }),
      { numRuns: 15 },
    );
  });
});
