/** Tasks that are there when their run is loaded again: of code that changed, lost, paused, reset. */
import { describe, expect, test } from "vitest";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench, vanishing } from "./fixture.ts";
import { Calls, extractOnce } from "./task-calls.ts";

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
