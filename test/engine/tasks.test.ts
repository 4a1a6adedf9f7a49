/** Attempts that run on another engine than their run: handed out by queue, claimed, settled, lost, cancelled, limited. */
import { describe, expect, test } from "vitest";
import type { Perdure } from "../../src/client/perdure.ts";
import { flow, task } from "../../src/flow/index.ts";
import type { Batch } from "../../src/store/store.ts";
import type { ActivityContext } from "../../src/workflow/activity.ts";
import { activity, FatalError } from "../../src/workflow/activity.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench, vanishing } from "./fixture.ts";

/** Calls of an activity that end when they are told to. */
class Calls {
  readonly contexts: ActivityContext[] = [];
  readonly inputs: unknown[] = [];
  readonly #ends: ((value: unknown) => void)[] = [];
  readonly #fails: ((error: Error) => void)[] = [];

  readonly handler = (input: unknown, ctx: ActivityContext): Promise<unknown> => {
    this.contexts.push(ctx);
    this.inputs.push(input);
    return new Promise((resolve, reject) => {
      this.#ends.push(resolve);
      this.#fails.push(reject);
      ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason as Error));
    });
  };

  end(at: number, value: unknown): void {
    this.#ends[at]!(value);
  }

  fail(at: number, error: Error): void {
    this.#fails[at]!(error);
  }
}

const extractOnce = workflow("once", (wf, input: unknown) => wf.call("etl/extract", input));

describe("an activity of a queue that its run's engine does not serve", () => {
  test("runs on the engine that serves it, with all an attempt has", async () => {
    const { engine, clock, events } = bench();
    const calls = new Calls();
    await using runs = await engine({ workflows: [extractOnce], serves: [] });
    await using worker = await engine({
      activities: { "etl/extract": calls.handler },
      serves: ["etl"],
      deps: { db: 1 },
    });
    const handle = await runs.start(extractOnce, { page: 7 }, { id: "x", secrets: { key: "s3cret-value" } });
    await clock.advance(50);
    expect(calls.inputs).toEqual([{ page: 7 }]);
    const [ctx] = calls.contexts;
    expect(ctx).toMatchObject({ attempt: 1, workflowId: "x", workflow: "once", step: "etl/extract", deps: { db: 1 } });
    expect(ctx!.runId).toBe(handle.runId);
    expect(ctx!.idempotencyKey).toBe(`${handle.runId}:1`);
    expect(ctx!.secrets).toEqual({ key: "s3cret-value" });
    const [open] = (await handle.describe()).open;
    expect(open).toMatchObject({ step: "etl/extract", queue: "etl", running: true, attempt: 1 });
    expect(open!.engine).toMatch(/^\d+ \(.*:\d+\)$/);
    calls.end(0, { rows: 3 });
    await clock.advance(50);
    expect(await handle.result()).toEqual({ rows: 3 });
    const told = events.filter(({ type }) => type.startsWith("step.")).map(({ type }) => type);
    expect(told).toEqual(["step.queued", "step.started", "step.completed"]);
    expect(worker.inMemory.active).toBe(0);
  });

  test("is tried again by the policy of its run's engine: back-off, attempts, fatal errors, details of heartbeats", async () => {
    const { engine, clock, finish } = bench();
    const seen: [number, unknown, number][] = [];
    const start = clock.now();
    const extract = activity("etl/extract", { retry: { maxAttempts: 3, initial: "10s", jitter: 0 } }, () => "unused");
    const retried = workflow("retried", (wf) => wf.call(extract));
    await using runs = await engine({ workflows: [retried], serves: [] });
    const work = (_: unknown, ctx: ActivityContext): string => {
      seen.push([ctx.attempt, ctx.lastHeartbeat, Math.round((clock.now() - start) / 1000)]);
      ctx.heartbeat({ done: ctx.attempt });
      if (ctx.attempt < 3) throw new Error(`not yet ${ctx.attempt}`);
      return "done";
    };
    await using _worker = await engine({ activities: { "etl/extract": work } });
    const handle = await runs.start(retried);
    expect(await finish(handle)).toBe("done");
    expect(seen).toEqual([
      [1, undefined, 0],
      [2, { done: 1 }, 10],
      [3, { done: 2 }, 30],
    ]);
    const [completed] = (await handle.history()).filter(({ type }) => type === "StepCompleted");
    expect(completed!.data.a).toBe(3);
  });

  test("is not tried again after a fatal error, which ends the step in the commit that takes the message", async () => {
    const { engine, finish, store } = bench();
    const taking: (readonly string[])[] = [];
    const watched = new Proxy(store, {
      get(target, key) {
        const value = Reflect.get(target, key) as unknown;
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          if (key === "commit")
            for (const { consumed, events } of (args[1] as Batch).transitions)
              if (consumed.length > 0) taking.push(events.map(({ type }) => type));
          return Reflect.apply(value, target, args) as unknown;
        };
      },
    });
    await using runs = await engine({ store: watched, workflows: [extractOnce], serves: [] });
    const work = (): never => {
      throw new FatalError("wrong file");
    };
    await using _worker = await engine({ activities: { "etl/extract": work } });
    const handle = await runs.start(extractOnce, 1);
    await expect(finish(handle)).rejects.toThrow("wrong file");
    expect(taking).toEqual([["StepFailed"]]);
  });

  test("waits until an engine comes that serves it, while its run parks; the queue says so", async () => {
    const { engine, clock, store, finish } = bench();
    await using runs = await engine({ workflows: [extractOnce], serves: ["mail"] });
    const handle = await runs.start(extractOnce, 1);
    await clock.advance(3_600_000);
    expect(await store.find({ workflowId: handle.workflowId })).toMatchObject({ owner: null, status: "running" });
    expect(await store.queues()).toMatchObject([{ queue: "etl", waiting: 1, running: 0 }]);
    expect((await handle.describe()).open).toMatchObject([{ queue: "etl", running: false, engine: undefined }]);
    await using _other = await engine({ activities: { "etl/load": () => 1 } });
    await clock.advance(10_000);
    expect(await store.queues()).toMatchObject([{ waiting: 1 }]);
    await using _worker = await engine({ activities: { "etl/extract": (input: number) => input + 1 } });
    expect(await finish(handle)).toBe(2);
  });

  test("has its timeout from its start, wherever that is, and however long it waited before", async () => {
    const { engine, clock, store } = bench();
    const calls = new Calls();
    const timed = workflow("timed", (wf) => wf.call("etl/extract", 1, { timeout: "1m", retry: { maxAttempts: 1 } }));
    await using runs = await engine({ workflows: [timed], serves: [] });
    const handle = await runs.start(timed);
    await clock.advance(600_000);
    await using _worker = await engine({ activities: { "etl/extract": calls.handler } });
    await clock.advance(59_000);
    expect(calls.contexts[0]!.signal.aborted).toBe(false);
    await clock.advance(5000);
    expect(calls.contexts[0]!.signal.aborted).toBe(true);
    await expect(handle.result()).rejects.toThrow("took longer than its timeout of 60000 ms");
    expect(await store.queues()).toEqual([]);
  });

  test("ends with the total timeout of its step, even when nobody runs it", async () => {
    const { engine, finish, store } = bench();
    const timed = workflow("timed", (wf) => wf.call("etl/extract", 1, { totalTimeout: "2m" }));
    await using runs = await engine({ workflows: [timed], serves: [] });
    const handle = await runs.start(timed);
    await expect(finish(handle)).rejects.toThrow("total timeout of 120000 ms");
    expect(await store.queues()).toEqual([]);
  });

  test("can go on outside of every engine", async () => {
    const { engine, clock, finish, store } = bench();
    let token = "";
    const later = (_: unknown, ctx: ActivityContext): void => {
      token = ctx.completeLater();
    };
    await using runs = await engine({ workflows: [extractOnce], serves: [] });
    const worker = await engine({ activities: { "etl/extract": later } });
    const handle = await runs.start(extractOnce, 1);
    await clock.advance(100);
    expect(await store.queues()).toEqual([]);
    await worker.close();
    await clock.advance(60_000);
    await runs.complete(token, "from outside");
    expect(await finish(handle)).toBe("from outside");
  });

  test("that went on outside ends with its timeout when nobody completes it", async () => {
    const { engine, clock, finish } = bench();
    const extract = activity("etl/extract", { timeout: "5m", retry: { maxAttempts: 1 } }, (_: unknown, ctx) =>
      ctx.completeLater(),
    );
    await using runs = await engine({ workflows: [extractOnce], serves: [] });
    await using _worker = await engine({ activities: [extract] });
    const handle = await runs.start(extractOnce, 1, {});
    await clock.advance(299_000);
    expect((await handle.describe()).status).toBe("running");
    await clock.advance(400_000);
    expect((await handle.describe()).open[0]).toMatchObject({ attempt: 3 });
    await handle.cancel();
    await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_CANCELLED" });
  });

  test("is an error at open when it is called by name and nobody could have it", async () => {
    const { engine } = bench();
    const etl = flow("etl", [task("extract", "etl/extract")]);
    await expect(engine({ workflows: [etl] })).rejects.toThrow("etl/extract");
    await expect(engine({ workflows: [etl], serves: ["etl"] })).rejects.toThrow("etl/extract");
    await using _host = await engine({ workflows: [etl], serves: ["mail"] });
    await expect(engine({ serves: ["a/b"] })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("is called by flows as by code", async () => {
    const { engine, finish } = bench();
    const etl = flow("etl", [
      task("extract", "etl/extract", { input: { page: 1 } }),
      task("load", "local", { dependsOn: ["extract"] }),
    ]);
    await using host = await engine({
      workflows: [etl],
      serves: ["default"],
      activities: { local: (_: unknown, ctx: ActivityContext) => ctx.upstream.extract },
    });
    await using _worker = await engine({
      activities: { "etl/extract": (input: unknown, ctx: ActivityContext) => [input, ctx.step] },
    });
    expect(await finish(await host.start(etl, {}))).toEqual({ load: [{ page: 1 }, "extract"] });
  });
});

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

describe("tasks of runs that are replayed", () => {
  test("block a run whose code does not ask for them any more, before anything else starts", async () => {
    const { engine, clock, store } = bench();
    const calls = new Calls();
    const first = await engine({ workflows: [extractOnce], serves: [] });
    const { workflowId } = await first.start(extractOnce, 1);
    await clock.advance(100);
    const closing = first.close();
    await clock.advance(0);
    await closing;
    const changed = workflow("once", (wf) => wf.call("etl/load", 1));
    await using second = await engine({ workflows: [changed], serves: [] });
    await using _worker = await engine({ activities: { "etl/load": calls.handler, "etl/extract": calls.handler } });
    await clock.advance(30_000);
    expect((await (await second.handle(workflowId)).describe()).status).toBe("blocked");
    expect(calls.inputs.filter((input) => input !== 1)).toEqual([]);
    expect((await store.tasksOf(1)).map(({ activity: name }) => name)).not.toContain("etl/load");
  });

  /** A parked run whose task was lost with the engine that ran it; nobody advances it now. */
  async function lost() {
    const scene = bench();
    const { engine, clock, store } = scene;
    const runs = await engine({ workflows: [extractOnce], serves: [] });
    const doomed = vanishing(store);
    await engine({ store: doomed.store, activities: { "etl/extract": new Calls().handler } });
    const { workflowId } = await runs.start(extractOnce, 1);
    await clock.advance(20_000);
    const closing = runs.close();
    await clock.advance(0);
    await closing;
    doomed.vanish();
    const sweeper = await engine();
    await clock.advance(30_000);
    expect(await store.queues()).toEqual([]);
    return { ...scene, sweeper, workflowId };
  }

  test("that were lost run again where the run is, which waits for them there", async () => {
    const { engine, clock, finish, workflowId } = await lost();
    const calls = new Calls();
    await using heir = await engine({ workflows: [extractOnce], activities: { "etl/extract": calls.handler } });
    await clock.advance(20_000);
    expect(calls.contexts.map(({ attempt }) => attempt)).toEqual([2]);
    expect(heir.inMemory.active).toBe(1);
    calls.end(0, "again");
    expect(await finish(await heir.handle(workflowId))).toBe("again");
  });

  test("that were lost do not run again when a cancel waits behind that (rule 23)", async () => {
    const { engine, clock, finish, sweeper, workflowId } = await lost();
    await (await sweeper.handle(workflowId)).cancel("not needed");
    const calls = new Calls();
    await using heir = await engine({ workflows: [extractOnce], activities: { "etl/extract": calls.handler } });
    await clock.advance(20_000);
    expect(calls.inputs).toEqual([]);
    await expect(finish(await heir.handle(workflowId))).rejects.toMatchObject({ code: "RUN_CANCELLED" });
  });

  test("are not claimed while their run is paused", async () => {
    const { engine, clock, finish } = bench();
    const calls = new Calls();
    await using runs = await engine({ workflows: [extractOnce], serves: [] });
    const handle = await runs.start(extractOnce, 1);
    await clock.advance(100);
    await handle.pause();
    await clock.advance(10_000);
    await using _worker = await engine({ activities: { "etl/extract": calls.handler } });
    await clock.advance(10_000);
    expect(calls.inputs).toEqual([]);
    await handle.resume();
    await clock.advance(10_000);
    calls.end(0, "on");
    expect(await finish(handle)).toBe("on");
  });

  test("go with a step that is reset, and come again", async () => {
    const { engine, clock, finish, store } = bench();
    const calls = new Calls();
    const two = workflow("two", async (wf) => [await wf.call("etl/extract", "a"), await wf.call("etl/extract", "b")]);
    await using runs = await engine({ workflows: [two], serves: [] });
    await using _worker = await engine({ activities: { "etl/extract": calls.handler } });
    const handle = await runs.start(two);
    await clock.advance(100);
    calls.end(0, 1);
    await clock.advance(100);
    expect(calls.inputs).toEqual(["a", "b"]);
    const resetting = handle.reset({ to: 1 });
    await clock.advance(10_000);
    await resetting;
    await clock.advance(10_000);
    expect(calls.contexts[1]!.signal.aborted).toBe(true);
    expect(calls.inputs).toEqual(["a", "b", "a"]);
    expect(await store.tasksOf(1)).toHaveLength(1);
    calls.end(2, 3);
    await clock.advance(100);
    calls.end(3, 4);
    expect(await finish(handle)).toEqual([3, 4]);
  });
});

describe("an activity that only the code of a run knows", () => {
  test("is found again by an engine that comes when all others are gone", async () => {
    const { engine, finish, clock } = bench();
    let closed = false;
    const transfer = activity("bank/transfer", async () => {
      if (!closed) await new Promise(() => {});
      return "sent";
    });
    const pay = workflow("pay", (wf) => wf.call(transfer));
    const options = { workflows: [pay], queues: { bank: { everywhere: 1 } } };
    const one = await engine(options);
    const handles = [await one.start(pay), await one.start(pay)];
    await clock.advance(30_000);
    closed = true;
    await one.close();
    await using two = await engine(options);
    for (const { workflowId } of handles) expect(await finish(await two.handle(workflowId), 300_000)).toBe("sent");
  });
});
