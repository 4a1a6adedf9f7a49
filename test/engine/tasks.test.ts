/** Attempts that run on another engine than their run: handed out by queue, claimed, settled, lost. */
import { describe, expect, test } from "vitest";
import { flow, task } from "../../src/flow/index.ts";
import type { Batch } from "../../src/store/store.ts";
import type { ActivityContext } from "../../src/workflow/activity.ts";
import { activity, FatalError } from "../../src/workflow/activity.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench } from "./fixture.ts";
import { Calls, extractOnce } from "./task-calls.ts";

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
