/** Engines that run tasks of others: cancelled, closed, killed, limited; and what is told of their queues. */
import { describe, expect, test } from "vitest";
import type { Perdure } from "../../src/client/perdure.ts";
import type { ActivityContext } from "../../src/workflow/activity.ts";
import { activity } from "../../src/workflow/activity.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench, vanishing } from "./fixture.ts";
import { Calls, extractOnce } from "./task-calls.ts";

describe("the engine that runs a task", () => {
  test("is told that the step was cancelled, and what it still does means nothing", async () => {
    const { engine, clock, finish, store } = bench();
    const calls = new Calls();
    await using runs = await engine({ workflows: [extractOnce], serves: [] });
    await using _worker = await engine({ activities: { "etl/extract": calls.handler } });
    const handle = await runs.start(extractOnce, 1);
    await clock.advance(100);
    await handle.cancel("not needed");
    await clock.advance(3000);
    expect(calls.contexts[0]!.signal.aborted).toBe(true);
    expect((calls.contexts[0]!.signal.reason as Error).name).toBe("CancelledError");
    await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_CANCELLED" });
    expect(await store.queues()).toEqual([]);
  });

  test("stops when the step is settled by hand or its run terminated, parked or not", async () => {
    const { engine, clock, finish } = bench();
    const calls = new Calls();
    await using runs = await engine({ workflows: [extractOnce], serves: [] });
    await using _worker = await engine({ activities: { "etl/extract": calls.handler } });
    const byHand = await runs.start(extractOnce, 1);
    const ended = await runs.start(extractOnce, 2);
    await clock.advance(60_000);
    await byHand.completeStep("etl/extract", "by hand", "we know");
    await ended.terminate("enough");
    await clock.advance(3000);
    expect(calls.contexts.map(({ signal }) => signal.aborted)).toEqual([true, true]);
    expect(await finish(byHand)).toBe("by hand");
  });

  test("when it dies, loses the attempt: the next one runs elsewhere, at once", async () => {
    const { engine, clock, store, finish } = bench();
    const calls = new Calls();
    await using runs = await engine({ workflows: [extractOnce], serves: [] });
    const doomed = vanishing(store);
    await engine({ store: doomed.store, activities: { "etl/extract": calls.handler } });
    const handle = await runs.start(extractOnce, 1);
    await clock.advance(100);
    calls.contexts[0]!.heartbeat({ row: 5 });
    await clock.advance(1000);
    doomed.vanish();
    const seen: unknown[] = [];
    const work = (_: unknown, ctx: ActivityContext): string => {
      seen.push(ctx.attempt, ctx.lastHeartbeat);
      return "second";
    };
    await using _heir = await engine({ activities: { "etl/extract": work } });
    await clock.advance(5000);
    expect(seen).toEqual([]);
    await clock.advance(12_000);
    expect(seen).toEqual([2, { row: 5 }]);
    expect(await finish(handle)).toBe("second");
  });

  test("when it closes, leaves the attempt to others without counting it", async () => {
    const { engine, clock, finish } = bench();
    const calls = new Calls();
    await using runs = await engine({ workflows: [extractOnce], serves: [] });
    const leaving = await engine({ activities: { "etl/extract": calls.handler } });
    const handle = await runs.start(extractOnce, 1);
    await clock.advance(100);
    const closing = leaving.close();
    await clock.advance(0);
    await closing;
    expect(calls.contexts[0]!.signal.aborted).toBe(true);
    await using _heir = await engine({
      activities: { "etl/extract": (_: unknown, ctx: ActivityContext) => ctx.attempt },
    });
    expect(await finish(handle)).toBe(1);
  });

  test("does not mind when the run's engine dies: the outcome waits for the next one", async () => {
    const { engine, clock, store, finish } = bench();
    const calls = new Calls();
    const doomed = vanishing(store);
    const runs = await engine({ store: doomed.store, workflows: [extractOnce], serves: [] });
    await using _worker = await engine({ activities: { "etl/extract": calls.handler } });
    const { workflowId } = await runs.start(extractOnce, 1);
    await clock.advance(100);
    doomed.vanish();
    calls.end(0, "kept");
    await clock.advance(100);
    await using heir = await engine({ workflows: [extractOnce], serves: [] });
    expect(await finish(await heir.handle(workflowId))).toBe("kept");
    expect(calls.contexts).toHaveLength(1);
  });

  test("keeps its own limits, and never claims more than it has places", async () => {
    const { engine, clock, finish, store } = bench();
    const calls = new Calls();
    const many = workflow("many", (wf) => Promise.all([1, 2, 3, 4, 5].map((n) => wf.call("etl/extract", n))));
    await using runs = await engine({ workflows: [many], serves: [] });
    await using _worker = await engine({
      activities: { "etl/extract": calls.handler },
      queues: { etl: { concurrency: 2 } },
    });
    const handle = await runs.start(many);
    await clock.advance(100);
    expect(calls.inputs).toEqual([1, 2]);
    expect(await store.queues()).toMatchObject([{ waiting: 3, running: 2 }]);
    for (let at = 0; at < 5; at++) {
      calls.end(at, at);
      await clock.advance(100);
      expect(calls.inputs).toHaveLength(Math.min(at + 3, 5));
    }
    expect(await finish(handle)).toEqual([0, 1, 2, 3, 4]);
  });

  test("shares its places between its own runs' steps and tasks, in turn", async () => {
    const { engine, clock } = bench();
    const calls = new Calls();
    const work = activity("etl/extract", { concurrency: 1 }, calls.handler);
    const many = workflow("many", (wf, from: string) =>
      Promise.all([1, 2, 3].map((n) => wf.call(work, `${from}${n}`))),
    );
    const others = workflow("others", (wf) => Promise.all([1, 2].map((n) => wf.call("etl/extract", `task${n}`))));
    await using runs = await engine({ workflows: [others], serves: [] });
    await using host = await engine({ workflows: [many], activities: [work] });
    await host.start(many, "own");
    await runs.start(others);
    for (let at = 0; at < 5; at++) {
      await clock.advance(2000);
      calls.end(at, at);
    }
    await clock.advance(2000);
    expect(calls.inputs[0]).toBe("own1");
    expect([...calls.inputs].sort()).toEqual(["own1", "own2", "own3", "task1", "task2"]);
    expect(calls.inputs.indexOf("task1")).toBeLessThan(calls.inputs.indexOf("own3"));
  });

  test("claims nothing of a queue that is paused, nor of workflows that are, and goes on after", async () => {
    const { engine, clock, finish } = bench();
    const calls = new Calls();
    await using runs = await engine({ workflows: [extractOnce], serves: [] });
    await using worker = await engine({ activities: { "etl/extract": calls.handler } });
    await worker.pause({ queue: "etl" });
    const handle = await runs.start(extractOnce, 1);
    await clock.advance(5000);
    expect(calls.inputs).toEqual([]);
    await runs.pause({ workflow: "once" });
    await worker.unpause({ queue: "etl" });
    await clock.advance(5000);
    expect(calls.inputs).toEqual([]);
    await runs.unpause({ workflow: "once" });
    await clock.advance(2000);
    expect(calls.inputs).toEqual([1]);
    calls.end(0, "ok");
    expect(await finish(handle)).toBe("ok");
  });

  test("opened for its own runs works for those only", async () => {
    const { engine, clock, finish } = bench();
    const calls = new Calls();
    await using runs = await engine({ workflows: [extractOnce], serves: [] });
    await using own = await engine({
      workflows: [extractOnce],
      activities: { "etl/extract": calls.handler },
      claims: "own",
      queues: { etl: { everywhere: 1 } },
    });
    await runs.start(extractOnce, "not mine");
    const mine = await own.start(extractOnce, "mine");
    await clock.advance(5000);
    expect(calls.inputs).toEqual(["mine"]);
    calls.end(0, "ok");
    expect(await finish(mine)).toBe("ok");
  });
});

describe("what is told of a queue", () => {
  /** Who serves a queue, and what of it nobody has. */
  async function told(of: Perdure, queue: string): Promise<[number[], readonly string[]] | undefined> {
    const found = (await of.queues()).find((one) => one.queue === queue);
    return found && [found.engines.map((name) => Number.parseInt(name, 10)), found.unserved];
  }

  test("counts the engines that have what waits, and names what nobody has", async () => {
    const { engine, clock, store } = bench();
    const both = workflow("both", (wf) => Promise.all([wf.call("gpu/render"), wf.call("gpu/encode")]));
    await using runs = await engine({ workflows: [both], serves: ["default"] });
    await using _plain = await engine();
    await using _without = await engine({ activities: { "gpu/other": () => 1 }, serves: ["gpu"] });
    await using _elsewhere = await engine({ activities: { "gpu/render": () => 1 }, serves: ["mail"] });
    expect(await told(runs, "gpu")).toEqual([[3], []]);
    await runs.start(both);
    await clock.advance(100);
    expect(await told(runs, "gpu")).toEqual([[], ["gpu/encode", "gpu/render"]]);
    await runs.pause({ queue: "gpu" });
    await using encoder = await engine({ activities: { "gpu/encode": new Calls().handler, "gpu/x": () => 1 } });
    expect(await told(runs, "gpu")).toEqual([[5], ["gpu/render"]]);
    await runs.unpause({ queue: "gpu" });
    await clock.advance(5000);
    expect(await told(runs, "gpu")).toEqual([[], ["gpu/render"]]);
    expect((await store.engines()).map(({ activities }) => activities)).toEqual([
      [],
      [],
      ["gpu/other"],
      [],
      ["gpu/encode", "gpu/x"],
    ]);
    const closing = encoder.close();
    await clock.advance(0);
    await closing;
    expect(await told(runs, "gpu")).toEqual([[], ["gpu/encode", "gpu/render"]]);
    expect(await told(runs, "default")).toEqual([[1], []]);
    expect(await told(runs, "mail")).toEqual([[4], []]);
  });

  test("knows of activities that an engine learns of from its runs, also under a new lease", async () => {
    const { engine, clock, store } = bench();
    const extract = activity("etl/extract", new Calls().handler);
    const two = workflow("two", (wf) => Promise.all([wf.call(extract, 1), wf.call(extract, 2)]));
    await using runs = await engine({ workflows: [two], queues: { etl: { everywhere: 1 } } });
    expect(await told(runs, "etl")).toEqual([[], []]);
    await runs.start(two);
    await clock.advance(100);
    expect(await told(runs, "etl")).toEqual([[1], []]);
    await store.release({ engine: 1 }, clock.now());
    await clock.advance(10_000);
    expect(await told(runs, "etl")).toEqual([[2], []]);
  });

  test("counts an engine that works for its own runs for what those hand out", async () => {
    const { engine, clock } = bench();
    const activities = { "etl/extract": new Calls().handler, "etl/load": new Calls().handler };
    const loadTwice = workflow("twice", (wf) => Promise.all([wf.call("etl/load"), wf.call("etl/load")]));
    await using runs = await engine({ workflows: [extractOnce], serves: [] });
    await using own = await engine({
      workflows: [loadTwice],
      activities,
      claims: "own",
      queues: { etl: { everywhere: 1 } },
    });
    await runs.start(extractOnce);
    await clock.advance(100);
    expect(await told(runs, "etl")).toEqual([[], ["etl/extract"]]);
    await own.start(loadTwice);
    await clock.advance(100);
    expect(await told(runs, "etl")).toEqual([[2], ["etl/extract"]]);
  });
});

describe("a queue with a limit everywhere", () => {
  test("is kept by all engines together, wherever runs are, also by those that did not say it", async () => {
    const { engine, clock, finish, store } = bench();
    const calls = new Calls();
    const extract = activity("etl/extract", calls.handler);
    const many = workflow("many", (wf) => Promise.all([1, 2, 3, 4, 5, 6].map((n) => wf.call(extract, n))));
    await using a = await engine({ workflows: [many], queues: { etl: { everywhere: 3 } } });
    await using b = await engine({ workflows: [many] });
    const handles = [await a.start(many), await b.start(many)];
    for (let at = 0; at < 12; at++) {
      await clock.advance(1500);
      expect(calls.inputs).toHaveLength(Math.min(at + 3, 12));
      calls.end(at, at);
    }
    for (const handle of handles) await finish(handle);
    expect(await store.queues()).toEqual([{ queue: "etl", waiting: 0, running: 0, oldestAt: null, everywhere: 3 }]);
    await using _lifted = await engine({ queues: { etl: { everywhere: null } } });
    expect(await store.queues()).toEqual([]);
  });

  test("cannot be something else than a number above 0 or null", async () => {
    const { engine } = bench();
    await expect(engine({ queues: { etl: { everywhere: 0 } } })).rejects.toThrow("everywhere 0");
  });
});
