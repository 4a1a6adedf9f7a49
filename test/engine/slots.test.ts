/** How many attempts of an activity and of a queue run at a time, and how many start within a span. */
import { describe, expect, test } from "vitest";
import { open } from "../../src/client/open.ts";
import type { RunHandle } from "../../src/client/run-handle.ts";
import { createMemoryStore } from "../../src/store/memory/memory-store.ts";
import type { VirtualClock } from "../../src/testing/virtual-clock.ts";
import type { ActivityContext } from "../../src/workflow/activity.ts";
import { activity } from "../../src/workflow/activity.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import fc from "../properties.ts";
import { bench, vanishing } from "./fixture.ts";

/** An activity whose attempts run until they are told to end. */
class Works {
  readonly started: string[] = [];
  readonly startedAt: number[] = [];
  most = 0;
  readonly #running = new Map<string, () => void>();

  handler(now: () => number = () => 0): (name: string, ctx: ActivityContext) => Promise<string> {
    return (name, ctx) =>
      new Promise((resolve, reject) => {
        this.started.push(name);
        this.startedAt.push(now());
        const key = `${name}#${this.started.length}`;
        this.#running.set(key, () => resolve(name));
        this.most = Math.max(this.most, this.#running.size);
        const over = (): void => void this.#running.delete(key);
        ctx.signal.addEventListener("abort", () => {
          over();
          reject(ctx.signal.reason as Error);
        });
      });
  }

  get running(): string[] {
    return [...this.#running.keys()].map((key) => key.split("#")[0]!);
  }

  /** Ends those that run now, or the first of this name. */
  finish(name?: string): void {
    for (const [key, end] of [...this.#running]) {
      if (name !== undefined && !key.startsWith(`${name}#`)) continue;
      this.#running.delete(key);
      end();
      if (name !== undefined) return;
    }
  }

  /** Ends those that run now, or the first of this name, and lets others begin. Answers with who runs then. */
  async next(clock: VirtualClock, name?: string): Promise<string[]> {
    this.finish(name);
    await clock.advance(10);
    return this.running;
  }
}

const all = <T>(names: readonly T[], call: (name: T) => Promise<unknown>): Promise<unknown[]> =>
  Promise.all(names.map((name) => call(name)));

describe("the concurrency of an activity", () => {
  test("is kept, in one run and over several", async () => {
    const { engine, clock } = bench();
    const works = new Works();
    const work = activity("work", { concurrency: 3 }, works.handler());
    const many = workflow("many", (wf, names: string[]) => all(names, (name) => wf.call(work, name)));
    await using host = await engine({ workflows: [many] });
    const a = await host.start(many, ["a1", "a2", "a3", "a4"]);
    const b = await host.start(many, ["b1", "b2"]);
    await clock.advance(10);
    expect(works.running).toEqual(["a1", "a2", "a3"]);
    for (let i = 0; i < 6; i++) await works.next(clock);
    expect(works.most).toBe(3);
    expect(await a.result()).toHaveLength(4);
    expect(await b.result()).toHaveLength(2);
  });

  test("serves runs in turn: a thousand steps of one hold up nobody", async () => {
    const { engine, clock } = bench();
    const works = new Works();
    const work = activity("work", { concurrency: 1 }, works.handler());
    const many = workflow("many", (wf, names: string[]) => all(names, (name) => wf.call(work, name)));
    await using host = await engine({ workflows: [many] });
    await host.start(
      many,
      Array.from({ length: 1000 }, (_, i) => `big${i}`),
    );
    await clock.advance(10);
    const small = await host.start(many, ["s1", "s2"]);
    await clock.advance(10);
    for (let i = 0; i < 5; i++) await works.next(clock);
    expect(works.started).toEqual(["big0", "big1", "s1", "big2", "s2", "big3"]);
    expect(await small.result()).toEqual(["s1", "s2"]);
  });

  test("does not count attempts that wait for their retry, nor those that are completed elsewhere", async () => {
    const { engine, clock, finish } = bench();
    const order: string[] = [];
    const tokens: string[] = [];
    const work = activity(
      "work",
      { concurrency: 1, retry: { maxAttempts: 2, initial: "1m" } },
      async (name: string, ctx) => {
        order.push(`${name}.${ctx.attempt}`);
        if (name === "fails" && ctx.attempt === 1) throw new Error("once");
        if (name === "later") tokens.push(ctx.completeLater());
        return name;
      },
    );
    const many = workflow("many", (wf) => all(["fails", "later", "last"], (name) => wf.call(work, name)));
    await using host = await engine({ workflows: [many] });
    const handle = await host.start(many);
    await clock.advance(1000);
    expect(order).toEqual(["fails.1", "later.1", "last.1"]);
    await host.complete(tokens[0]!, "elsewhere");
    expect(await finish(handle)).toEqual(["fails", "elsewhere", "last"]);
    expect(order.at(-1)).toBe("fails.2");
  });

  test("gives the attempt its whole timeout from its start, and its place to the next when it is over", async () => {
    const { engine, clock } = bench();
    const works = new Works();
    const work = activity("work", { concurrency: 1, timeout: "10s", retry: { maxAttempts: 1 } }, works.handler());
    const many = workflow("many", (wf) =>
      all(["a", "b", "c"], (name) => wf.call(work, name).catch((error: Error) => error.name)),
    );
    await using host = await engine({ workflows: [many] });
    const handle = await host.start(many);
    await clock.advance(10_100);
    expect(works.running).toEqual(["b"]);
    await clock.advance(9000);
    expect(works.running).toEqual(["b"]);
    works.finish();
    await clock.advance(100);
    works.finish();
    await clock.advance(100);
    expect(await handle.result()).toEqual(["TimeoutError", "b", "c"]);
  });

  test("steps that are cancelled leave the line", async () => {
    const { engine, clock, finish } = bench();
    const works = new Works();
    const work = activity("work", { concurrency: 1 }, works.handler());
    const one = workflow("one", (wf, name: string) => wf.call(work, name));
    await using host = await engine({ workflows: [one] });
    await host.start(one, "a");
    const b = await host.start(one, "b", { id: "b" });
    const c = await host.start(one, "c");
    await clock.advance(100);
    await b.cancel();
    await expect(finish(b)).rejects.toMatchObject({ code: "RUN_CANCELLED" });
    works.finish();
    await clock.advance(100);
    expect(works.started).toEqual(["a", "c"]);
    works.finish();
    expect(await finish(c)).toBe("c");
  });

  test("steps whose scope is left or that lost their race leave the line", async () => {
    const { engine, clock, finish } = bench();
    const works = new Works();
    const work = activity("work", { concurrency: 1 }, works.handler());
    const racing = workflow("racing", async (wf) => {
      const first = wf.call(work, "first");
      await wf.scope((scope) => {
        const waiting = wf.call(work, "never");
        scope.cancel();
        return waiting.catch(() => undefined) as Promise<unknown>;
      });
      await Promise.race([first, wf.call(work, "last")]);
      return "done";
    });
    await using host = await engine({ workflows: [racing] });
    const handle = await host.start(racing);
    await clock.advance(100);
    works.finish();
    expect(await finish(handle)).toBe("done");
    await clock.advance(100);
    expect(works.started).not.toContain("never");
    const again = await host.start(racing);
    await clock.advance(100);
    works.finish();
    await clock.advance(100);
    expect(works.running.length).toBeLessThanOrEqual(1);
    works.finish();
    expect(await finish(again)).toBe("done");
  });

  test("steps that wait are told of after a second, and not before", async () => {
    const { engine, clock } = bench();
    const works = new Works();
    const work = activity("work", { concurrency: 1 }, works.handler());
    const two = workflow("two", (wf) => all(["a", "b"], (name) => wf.call(work, name, { label: name })));
    await using host = await engine({ workflows: [two] });
    const handle = await host.start(two);
    await clock.advance(900);
    expect((await handle.describe()).open).toEqual([]);
    await clock.advance(1200);
    expect((await handle.describe()).open).toMatchObject([
      { step: "a", running: true, held: false, attempt: 1 },
      { step: "b", running: false, held: true, attempt: 0, due: undefined },
    ]);
    works.finish();
    await clock.advance(1200);
    expect((await handle.describe()).open).toMatchObject([{ step: "b", running: true, held: false, attempt: 1 }]);
    await works.next(clock);
    expect(await handle.result()).toEqual(["a", "b"]);
    expect((await handle.describe()).open).toEqual([]);
  });

  test("a run whose steps all wait stays active and costs nothing meanwhile", async () => {
    const { engine, clock } = bench();
    const works = new Works();
    const work = activity("work", { concurrency: 1, timeout: "3d" }, works.handler());
    const one = workflow("one", (wf, name: string) => wf.call(work, name));
    await using host = await engine({ workflows: [one] });
    await host.start(one, "a");
    const b = await host.start(one, "b");
    await clock.advance(120_000);
    expect(host.inMemory).toEqual({ active: 2, warm: 0 });
    expect(await b.status()).toBe("running");
    await works.next(clock);
    await works.next(clock);
    expect(await b.result()).toBe("b");
  });

  test("an engine that crashes or closes leaves its waiting steps to the next, as not yet started", async () => {
    const { engine, clock, store, finish } = bench();
    const first = vanishing(store);
    const works = new Works();
    const work = activity("work", { concurrency: 1, timeout: "3d", retry: { maxAttempts: 2 } }, works.handler());
    const attempts: number[] = [];
    const two = workflow("two", (wf) => all(["a", "b"], (name) => wf.call(work, name)));
    const one = await engine({ store: first.store, workflows: [two] });
    await one.start(two, undefined, { id: "t" });
    await clock.advance(5000);
    first.vanish();
    const next = await engine({ workflows: [two] });
    await clock.advance(60_000);
    expect(works.started).toEqual(["a", "a"]);
    await next.close();
    await using last = await engine({ workflows: [two] });
    await clock.advance(1000);
    works.finish();
    await clock.advance(1000);
    works.finish();
    const handle = await last.handle("t");
    expect(await finish(handle)).toEqual(["a", "b"]);
    for (const { type, data } of await handle.history()) if (type === "StepCompleted") attempts.push(data.a ?? 1);
    expect(attempts).toEqual([2, 1]);
  });

  test("steps whose attempts are written down before they start keep that order", async () => {
    const { engine, clock, store } = bench();
    const works = new Works();
    const work = activity("work", { concurrency: 1, journal: "start" }, works.handler());
    const two = workflow("two", (wf) => all(["a", "b"], (name) => wf.call(work, name)));
    await using host = await engine({ workflows: [two] });
    const handle = await host.start(two);
    const run = Number.parseInt(handle.runId.slice(store.id.length + 1), 36);
    await clock.advance(100);
    expect(works.running).toEqual(["a"]);
    expect((await store.attempts(run)).map(({ command, startedAt }) => [command, startedAt !== null])).toEqual([
      [1, true],
    ]);
    await clock.advance(2000);
    await works.next(clock);
    expect((await store.attempts(run)).map(({ command, startedAt }) => [command, startedAt !== null])).toEqual([
      [2, true],
    ]);
    await works.next(clock);
    expect(await handle.result()).toEqual(["a", "b"]);
  });

  test("steps that return at once pass through by the thousand", async () => {
    const { engine, finish } = bench();
    const work = activity("work", { concurrency: 2 }, (n: number) => n);
    const many = workflow("many", async (wf, count: number) => {
      const done = await all(
        Array.from({ length: count }, (_, i) => i),
        (n) => wf.call(work, n),
      );
      return done.length;
    });
    await using host = await engine({ workflows: [many] });
    expect(await finish(await host.start(many, 5000))).toBe(5000);
  });

  test("a pause of the run takes its waiting steps out of the line and back in", async () => {
    const { engine, clock, finish } = bench();
    const works = new Works();
    const work = activity("work", { concurrency: 1 }, works.handler());
    const one = workflow("one", (wf, name: string) => wf.call(work, name));
    await using host = await engine({ workflows: [one] });
    await host.start(one, "a");
    const b = await host.start(one, "b", { id: "b" });
    await clock.advance(100);
    await b.pause("later");
    await clock.advance(1000);
    expect(await b.status()).toBe("paused");
    works.finish();
    await clock.advance(1000);
    expect(works.started).toEqual(["a"]);
    await b.resume();
    await clock.advance(1000);
    works.finish();
    expect(await finish(b)).toBe("b");
  });

  test("wrong numbers are refused with the place", async () => {
    const nothing = async (): Promise<void> => {};
    expect(() => activity("a", { concurrency: 0 }, nothing)).toThrow(/concurrency of activity a .* not 0/);
    expect(() => activity("a", { concurrency: 1.5 }, nothing)).toThrow(/whole number/);
    const opening = (queues: object): Promise<unknown> =>
      open({ store: createMemoryStore(), queues: queues as Record<string, { concurrency: number }> });
    await expect(opening({ etl: { concurrency: -1 } })).rejects.toThrow(/"etl" has the concurrency -1/);
    await expect(opening({ etl: { rate: 0 } })).rejects.toThrow(/"etl" has the rate 0/);
    await expect(opening({ etl: { per: "1s" } })).rejects.toThrow(/per without rate/);
    await expect(opening({ etl: { concurency: 1 } })).rejects.toThrow(/no option concurency/);
    await expect(opening({ "etl/x": { concurrency: 1 } })).rejects.toThrow(/before the slash/);
  });
});

interface Act {
  readonly start: "many" | "racing" | "retrying" | "expiring";
  readonly finish: true;
  readonly advance: number;
  readonly cancel: number;
  readonly terminate: number;
  readonly halt: number;
  readonly stop: boolean;
}

test("whatever happens to runs, no place is lost and no limit is passed", async () => {
  const act = fc.oneof(
    { weight: 4, arbitrary: fc.record({ start: fc.constantFrom("many", "racing", "retrying", "expiring") }) },
    { weight: 3, arbitrary: fc.constant({ finish: true }) },
    { weight: 3, arbitrary: fc.record({ advance: fc.constantFrom(0, 10, 1200, 6000) }) },
    { weight: 1, arbitrary: fc.record({ cancel: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ terminate: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ halt: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ stop: fc.boolean() }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 10, maxLength: 40 }), async (acts) => {
      const { engine, clock } = bench();
      const works = new Works();
      const limit = { concurrency: 2, retry: { maxAttempts: 2, initial: "1s" as const } };
      const work = activity("q/work", limit, works.handler());
      const short = activity("q/short", { ...limit, timeout: "500ms", journal: "start" }, works.handler());
      const fails = activity("q/fails", limit, (_: string, ctx) => {
        if (ctx.attempt === 1) throw new Error("once");
      });
      const kinds = {
        many: workflow("many", (wf) => all(["m1", "m2", "m3"], (name) => wf.call(work, name))),
        racing: workflow("racing", (wf) => Promise.race([wf.call(work, "r"), wf.call(work, "s"), wf.sleep("1s")])),
        retrying: workflow("retrying", (wf) => all(["f1", "f2"], (name) => wf.call(fails, name))),
        expiring: workflow("expiring", (wf) => wf.call(short, "x").catch(() => "late")),
      };
      await using host = await engine({ workflows: Object.values(kinds), queues: { q: { concurrency: 3 } } });
      const runs: RunHandle<unknown>[] = [];
      const pick = (index: number): RunHandle<unknown> | undefined => runs[index % Math.max(1, runs.length)];
      for (const one of acts as readonly Partial<Act>[]) {
        if (one.start !== undefined) runs.push(await host.start(one.start));
        if (one.finish !== undefined) works.finish();
        if (one.advance !== undefined) await clock.advance(one.advance);
        if (one.cancel !== undefined)
          await pick(one.cancel)
            ?.cancel()
            .catch(() => {});
        if (one.terminate !== undefined)
          await pick(one.terminate)
            ?.terminate()
            .catch(() => {});
        if (one.halt !== undefined)
          await pick(one.halt)
            ?.pause()
            .catch(() => {});
        if (one.stop === true) await host.pause({ queue: "q" });
        if (one.stop === false) await host.unpause({ queue: "q" });
      }
      await host.unpause({ queue: "q" });
      const last = await host.start(kinds.many);
      for (let i = 0; i < 400 && !(await over([...runs, last])); i++) {
        for (const run of runs) if ((await run.status()) === "paused") await run.resume();
        await clock.advance(200);
        works.finish();
      }
      expect(await last.status()).toBe("completed");
      expect(await over(runs)).toBe(true);
      expect(works.most).toBeLessThanOrEqual(3);
      expect(works.running).toEqual([]);
    }),
    { numRuns: 25 },
  );
});

async function over(runs: readonly RunHandle<unknown>[]): Promise<boolean> {
  const statuses = await Promise.all(runs.map((run) => run.status()));
  return statuses.every((status) => ["completed", "cancelled", "terminated", "failed"].includes(status));
}

describe("queues", () => {
  test("limit all of their activities together, and no others", async () => {
    const { engine, clock } = bench();
    const works = new Works();
    const extract = activity("etl/extract", works.handler());
    const load = activity("etl/load", works.handler());
    const other = activity("mail", works.handler());
    const many = workflow("many", (wf) =>
      Promise.all([
        ...["e1", "e2", "e3"].map((name) => wf.call(extract, name)),
        ...["l1", "l2"].map((name) => wf.call(load, name)),
        ...["m1", "m2", "m3"].map((name) => wf.call(other, name)),
      ]),
    );
    await using host = await engine({ workflows: [many], queues: { etl: { concurrency: 2 } } });
    const handle = await host.start(many);
    await clock.advance(10);
    expect(works.running).toEqual(["e1", "e2", "m1", "m2", "m3"]);
    expect(await works.next(clock, "e1")).toEqual(["e2", "m1", "m2", "m3", "e3"]);
    for (let i = 0; i < 4; i++) await works.next(clock);
    expect(await handle.result()).toHaveLength(8);
  });

  test("an activity's own limit counts within its queue, and does not hold up the others there", async () => {
    const { engine, clock } = bench();
    const works = new Works();
    const slow = activity("etl/slow", { concurrency: 1 }, works.handler());
    const fast = activity("etl/fast", works.handler());
    const many = workflow("many", (wf) =>
      Promise.all([
        ...["s1", "s2"].map((name) => wf.call(slow, name)),
        ...["f1", "f2", "f3"].map((name) => wf.call(fast, name)),
      ]),
    );
    await using host = await engine({ workflows: [many], queues: { etl: { concurrency: 3 } } });
    const handle = await host.start(many);
    await clock.advance(10);
    expect(works.running).toEqual(["s1", "f1", "f2"]);
    expect(await works.next(clock, "f1")).toEqual(["s1", "f2", "f3"]);
    expect(await works.next(clock)).toEqual(["s2"]);
    await works.next(clock);
    expect(await handle.result()).toHaveLength(5);
  });

  test("names without a slash are on the queue default", async () => {
    const { engine, clock } = bench();
    const works = new Works();
    const work = activity("work", works.handler());
    const two = workflow("two", (wf) => all(["a", "b"], (name) => wf.call(work, name)));
    await using host = await engine({ workflows: [two], queues: { default: { concurrency: 1 } } });
    const handle = await host.start(two);
    await clock.advance(10);
    expect(works.running).toEqual(["a"]);
    await works.next(clock);
    await works.next(clock);
    expect(await handle.result()).toEqual(["a", "b"]);
  });

  test("start no more than their rate within any span", async () => {
    const { engine, clock, finish } = bench();
    const began = clock.now();
    const at: number[] = [];
    const work = activity("api/get", async () => void at.push(clock.now() - began));
    const many = workflow("many", async (wf) => {
      await all(
        Array.from({ length: 7 }, (_, i) => i),
        () => wf.call(work, undefined),
      );
    });
    await using host = await engine({ workflows: [many], queues: { api: { rate: 3, per: "10s" } } });
    await finish(await host.start(many));
    expect(at.map((ms) => Math.round(ms / 10_000))).toEqual([0, 0, 0, 1, 1, 1, 2]);
    expect(at[3]! - at[0]!).toBeGreaterThanOrEqual(10_000);
  });
});
