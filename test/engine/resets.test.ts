/** Resets: runs that go back to a step, under their own id and with their whole history. */
import { describe, expect, test } from "vitest";
import type { Store } from "../../src/store/store.ts";
import { activity } from "../../src/workflow/activity.ts";
import { update } from "../../src/workflow/signal.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench, typesOf, vanishing } from "./fixture.ts";
import { pipeline } from "./pipeline.ts";

describe("a reset", () => {
  test("takes a completed run back: finished steps before it do not run again, the history keeps everything", async () => {
    const { engine, finish } = bench();
    const { calls, keys, flow } = pipeline();
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, "x", { id: "p" });
    await finish(handle);
    await handle.reset({ to: "second", reason: "wrong prices" });
    expect(await finish(handle)).toBe("A-X B-36 C-X x");
    expect(calls).toEqual(["a-x", "b-36", "c-x", "b-36", "c-x"]);
    expect(keys).toEqual(["1", "2", "3", "2:1", "3:1"]);
    const history = await handle.history();
    expect(history.map(({ type }) => type).slice(4)).toEqual([
      "RunCompleted",
      "Resumed",
      "StepCompleted",
      "StepCompleted",
      "RunCompleted",
    ]);
    expect(history[5]!.data).toMatchObject({ s: [3, 4, 5], r: "reset: wrong prices" });
    expect(await host.handle("p").then((same) => same.status())).toBe("completed");
  });

  test.each(["failed", "cancelled", "terminated", "blocked"])("works from %s", async (how) => {
    const { engine, finish, clock } = bench();
    const { calls, state, flow } = pipeline();
    const waiting = workflow("waiting", async (wf) => {
      const one = await wf.step("one", () => calls.push("one"));
      await wf.waitFor("go");
      return one;
    });
    const other = workflow("waiting", async (wf) => {
      await wf.step("one", () => calls.push("one"));
      return wf.step("another", () => 0);
    });
    if (how === "failed") {
      await using host = await engine({ workflows: [flow] });
      state.broken = true;
      const handle = await host.start(flow, "x", { id: "p" });
      await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_FAILED" });
      state.broken = false;
      await handle.reset({ to: "first" });
      expect(await finish(handle)).toBe("A-X B-36 C-X x");
      return;
    }
    const first = await engine({ workflows: [waiting] });
    const before = await first.start(waiting, undefined, { id: "w" });
    await clock.advance(10_000);
    await first.close();
    if (how === "blocked") {
      const wrong = await engine({ workflows: [other] });
      await (await wrong.handle("w")).signal("noise");
      await clock.advance(10);
      await wrong.close();
    }
    await using host = await engine({ workflows: [waiting] });
    const handle = await host.handle(before.workflowId);
    if (how === "cancelled") await handle.cancel("no");
    if (how === "terminated") await handle.terminate("no");
    await clock.advance(10_000);
    expect(await handle.status()).toBe(how);
    await handle.reset({ to: "one" });
    await clock.advance(10);
    expect(await handle.status()).toBe("running");
    await handle.signal("go");
    expect(await finish(handle)).toBe(2);
  });

  test("receives again what it had received since, in order and before what is newer", async () => {
    const { engine, finish, clock } = bench();
    const add = update<number, number>("add");
    const flow = workflow("inbox", async (wf) => {
      const seen: number[] = [];
      wf.on(add, (n) => seen.push(n));
      await wf.step("mark", () => 0);
      for (let count = 0; count < 2; count++) seen.push((await wf.waitFor<number>("number"))!);
      await wf.waitFor("end");
      return seen;
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, undefined, { id: "i" });
    await clock.advance(10);
    await handle.signal("number", 1);
    await handle.update(add, 10);
    await handle.signal("number", 2);
    await clock.advance(10);
    await handle.reset({ to: "mark" });
    await handle.signal("number", 3);
    await clock.advance(10);
    await handle.signal("end");
    expect(await finish(handle)).toEqual([10, 1, 2]);
    const received = (await handle.history()).filter(({ data }) => data.m !== undefined);
    expect(received.map(({ data }) => data.p ?? data.n)).toEqual([1, 10, 2, 1, 10, 2, 3, "end"]);
    expect(received.map(({ data }) => data.m)).toEqual([1, 2, 3, 1, 2, 3, 4, 5]);
  });

  test("an active run goes back when what runs has ended; a paused one stays paused", async () => {
    const { engine, finish, clock } = bench();
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    let entered = 0;
    const slow = activity("slow", async () => {
      entered++;
      if (entered === 1) await gate;
      return entered;
    });
    const flow = workflow("active", async (wf) => {
      await wf.step("one", () => 1);
      const two = await wf.call(slow, undefined);
      await wf.waitFor("end");
      return two;
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, undefined, { id: "a" });
    await clock.advance(10);
    const late = handle.reset({ to: "one", timeout: "1s" });
    late.catch(() => {});
    await clock.advance(2000);
    await expect(late).rejects.toMatchObject({ code: "WAIT_TIMED_OUT" });
    const done = handle.reset({ to: "one" });
    await clock.advance(100);
    open();
    await clock.advance(3000);
    await done;
    await clock.advance(10);
    expect(entered).toBe(2);
    await handle.pause("lunch");
    await clock.advance(10);
    await handle.reset({ to: "slow" });
    await clock.advance(1000);
    expect(await handle.describe()).toMatchObject({ status: "paused", paused: "lunch" });
    expect(entered).toBe(2);
    await handle.resume();
    await clock.advance(1000);
    await handle.signal("end");
    expect(await finish(handle)).toBe(3);
  });

  test("happens once, whoever dies in between", async () => {
    const { engine, store, finish, clock } = bench();
    const { calls, flow } = pipeline();
    const first = await engine({ workflows: [flow] });
    await finish(await first.start(flow, "x", { id: "p" }));
    await first.close();
    const asked: string[] = [];
    const dying = vanishing(dyingAtCommit(store, () => dying.vanish(), asked));
    const second = await engine({ store: dying.store, workflows: [flow] });
    await (await second.handle("p")).reset({ to: "third" });
    await clock.advance(100);
    expect(asked).toEqual(["Resumed"]);
    await using host = await engine({ workflows: [flow] });
    const handle = await host.handle("p");
    await clock.advance(60_000);
    expect(await finish(handle)).toBe("A-X B-36 C-X x");
    expect((await typesOf(handle)).filter((type) => type === "Resumed")).toHaveLength(1);
    expect(calls).toEqual(["a-x", "b-36", "c-x", "c-x"]);
  });

  test("happens although the run was paused and resumed, or cancelled, before an engine came to it", async () => {
    for (const then of ["resumed", "cancelled"]) {
      const { engine, finish, clock } = bench();
      const { calls, flow } = pipeline();
      await using host = await engine({ workflows: [flow] });
      const handle = await host.start(flow, "x", { id: "p" });
      await finish(handle);
      await host.pause({ workflow: "pipeline" });
      await handle.reset({ to: "second" });
      await handle.pause("not yet");
      if (then === "resumed") await handle.resume();
      else await handle.cancel();
      await host.unpause({ workflow: "pipeline" });
      await clock.advance(5000);
      const history = await handle.history();
      expect(history.find(({ type }) => type === "Resumed")?.data.s).toEqual([3, 4, 5]);
      expect(calls).toEqual(then === "resumed" ? ["a-x", "b-36", "c-x", "b-36", "c-x"] : ["a-x", "b-36", "c-x"]);
    }
  });

  test("ends children that were started since as their policy says, and keeps those from before", async () => {
    const { engine, finish, clock } = bench();
    const child = workflow("child", async (wf, _: string) => wf.waitFor<string>("go"));
    const flow = workflow("parent", async (wf) => {
      const early = await wf.spawn(child, "early");
      await wf.step("between", () => 0);
      const late = await wf.spawn(child, "late");
      const kept = await wf.spawn(child, "kept", { onParentClose: "abandon" });
      return [await early.result(), await late.result(), await kept.result()];
    });
    await using host = await engine({ workflows: [flow, child] });
    const handle = await host.start(flow, undefined, { id: "p" });
    await clock.advance(10_000);
    const before = await host.runs.list({ parent: handle.runId });
    expect(before).toHaveLength(3);
    await handle.reset({ to: "between" });
    await clock.advance(10_000);
    const after = await host.runs.list({ parent: handle.runId });
    expect(after.map(({ status }) => status).sort()).toEqual(["cancelled", "running", "running", "running", "running"]);
    for (const { workflowId, status } of after)
      if (status === "running") await (await host.handle(workflowId)).signal("go", workflowId.split("/").at(-1));
    expect(await finish(handle)).toEqual(["1", "3", "4.1"]);
  });

  test("a child with an id of its own is started anew once the one before it has stopped", async () => {
    const { engine, finish, clock } = bench();
    const child = workflow("child", async (wf) => {
      try {
        return await wf.waitFor<string>("go");
      } catch (error) {
        await wf.uncancellable(() => wf.sleep("5s"));
        throw error;
      }
    });
    const flow = workflow("parent", async (wf) => {
      await wf.step("one", () => 1);
      return wf.child(child, undefined, { id: "the-kid" });
    });
    await using host = await engine({ workflows: [flow, child] });
    const handle = await host.start(flow, undefined, { id: "p" });
    await clock.advance(10_000);
    const before = await host.handle("the-kid");
    await handle.reset({ to: "one" });
    await clock.advance(10_000);
    expect((await host.runs.list({ parent: handle.runId })).map(({ status }) => status)).toEqual([
      "running",
      "cancelled",
    ]);
    const kid = await host.handle("the-kid");
    expect(kid.runId).not.toBe(before.runId);
    await kid.signal("go", "went");
    expect(await finish(handle)).toBe("went");
  });

  test("a run that has begun to undo its steps goes back to before the first of them only", async () => {
    const { engine, finish } = bench();
    const log: string[] = [];
    const state = { broken: true };
    const act = activity("act", { retry: { maxAttempts: 1 } }, async (what: string) => {
      log.push(what);
      if (state.broken && what === "ship") throw new Error("no ship");
      return what;
    });
    const flow = workflow("order", async (wf) => {
      await wf.call(act, "check", { label: "check" });
      return wf.saga(async (saga) => {
        await saga.call(act, "charge", { label: "charge", undo: () => wf.call(act, "refund", { label: "refund" }) });
        await wf.call(act, "pack", { label: "pack" });
        await wf.call(act, "ship", { label: "ship" });
        return "done";
      });
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, undefined, { id: "o" });
    await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_FAILED" });
    await expect(handle.resume()).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(handle.reset({ to: "pack" })).rejects.toThrow('"charge" (event 3)');
    await expect(handle.fork({ from: "ship" })).rejects.toMatchObject({ code: "CONFLICT" });
    state.broken = false;
    await handle.reset({ to: "charge" });
    expect(await finish(handle)).toBe("done");
    expect(log).toEqual(["check", "charge", "pack", "ship", "refund", "charge", "pack", "ship"]);
    expect(await finish(await handle.fork({ from: "ship" }))).toBe("done");
  });

  test("a run that begins to undo its steps while the reset waits for it goes on", async () => {
    const { engine, finish, clock } = bench();
    let fail = (): void => {};
    const ship = activity(
      "ship",
      { retry: { maxAttempts: 1 } },
      () => new Promise((_, reject) => (fail = () => reject(new Error("no ship")))),
    );
    const flow = workflow("order", async (wf) =>
      wf.saga(async (saga) => {
        await saga.step("charge", () => 1, { undo: () => wf.step("refund", () => 0) });
        await wf.step("pack", () => 2);
        await wf.call(ship, undefined);
      }),
    );
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, undefined, { id: "o" });
    await clock.advance(10);
    const late = handle.reset({ to: "pack" });
    late.catch(() => {});
    await clock.advance(10);
    fail();
    await clock.advance(5000);
    await expect(late).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_FAILED" });
  });

  test("refuses a run that another one has replaced, and a step without an outcome", async () => {
    const { engine, finish, clock } = bench();
    const { flow } = pipeline();
    const waits = workflow("waits", async (wf) => wf.waitFor("go"));
    await using host = await engine({ workflows: [flow, waits] });
    const old = await host.start(flow, "x", { id: "p" });
    await finish(old);
    await finish(await host.start(flow, "y", { id: "p" }));
    await expect(old.reset({ to: "first" })).rejects.toThrow("newer run");
    const open = await host.start(waits, undefined, { id: "w" });
    await clock.advance(10);
    await expect(open.reset({ to: "go" })).rejects.toMatchObject({ code: "CONFLICT" });
  });
});

/** A store that calls back once a commit with a `Resumed` was asked for, and does not do it. */
function dyingAtCommit(store: Store, die: () => void, asked: string[]): Store {
  return new Proxy(store, {
    get(target, key) {
      const value = Reflect.get(target, key) as unknown;
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        const batch = key === "commit" ? (args[1] as { transitions: { events: { type: string }[] }[] }) : undefined;
        const resumed = batch?.transitions.flatMap(({ events }) => events).find(({ type }) => type === "Resumed");
        if (resumed === undefined) return Reflect.apply(value, target, args);
        asked.push(resumed.type);
        die();
        return new Promise(() => {});
      };
    },
  });
}
