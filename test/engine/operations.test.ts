/** Forks, resets, bulk operations and retention, on a clock that tests move. */
import { describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import type { RunHandle } from "../../src/client/run-handle.ts";
import type { Store } from "../../src/store/store.ts";
import { activity } from "../../src/workflow/activity.ts";
import { signal, update } from "../../src/workflow/signal.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench, vanishing } from "./fixture.ts";

/** Three steps whose calls are counted; the second one fails as long as `broken`. */
function pipeline() {
  const calls: string[] = [];
  const keys: string[] = [];
  const state = { broken: false };
  const step = activity("step", { retry: { maxAttempts: 1 } }, async (what: string, ctx) => {
    calls.push(what);
    keys.push(ctx.idempotencyKey.split(":").slice(1).join(":"));
    if (state.broken && what.startsWith("b")) throw new Error("broken");
    return what.toUpperCase();
  });
  const flow = workflow("pipeline", async (wf, input: string) => {
    const id = wf.uuid();
    const a = await wf.call(step, `a-${input}`, { label: "first" });
    const b = await wf.call(step, `b-${id.length}`, { label: "second" });
    const c = await wf.call(step, `c-${input}`, { label: "third" });
    return [a, b, c, input].join(" ");
  });
  return { calls, keys, state, flow };
}

const types = async (handle: RunHandle): Promise<string[]> => (await handle.history()).map(({ type }) => type);

test("a run that was paused twice while it was busy stands still once", async () => {
  const { engine, finish, clock } = bench();
  let open = (): void => {};
  const slow = activity("slow", () => new Promise<number>((resolve) => (open = () => resolve(1))));
  const flow = workflow("busy", async (wf) => [await wf.call(slow, undefined), await wf.waitFor("go")]);
  await using host = await engine({ workflows: [flow] });
  const handle = await host.start(flow, undefined, { id: "b" });
  await clock.advance(10);
  await handle.pause("one");
  await handle.pause("two");
  await clock.advance(10);
  open();
  await clock.advance(10);
  expect(await handle.describe()).toMatchObject({ status: "paused", paused: "two" });
  await handle.resume();
  await clock.advance(10);
  await handle.signal("go", 2);
  expect(await finish(handle)).toEqual([1, 2]);
});

describe("fork", () => {
  test("keeps what was finished before the step and does the rest anew, under its own id and keys", async () => {
    const { engine, finish } = bench();
    const { calls, keys, flow } = pipeline();
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, "x", { id: "p", tags: { region: "eu" } });
    const result = await finish(handle);
    expect(result).toBe("A-X B-36 C-X x");
    calls.length = 0;
    const fork = await handle.fork({ from: "second" });
    expect(await finish(fork)).toBe(result);
    expect(calls).toEqual(["b-36", "c-x"]);
    expect(keys.slice(0, 3)).toEqual(["1", "2", "3"]);
    expect(fork.workflowId).toBe("p~fork-1");
    expect(fork.runId).not.toBe(handle.runId);
    const { tags, meta } = await fork.describe();
    expect(tags).toEqual({ region: "eu", forkedFrom: handle.runId });
    expect(meta.forkedFrom).toEqual({ workflowId: "p", runId: handle.runId, event: 3 });
    expect(await types(handle)).toEqual([
      "RunStarted",
      "StepCompleted",
      "StepCompleted",
      "StepCompleted",
      "RunCompleted",
    ]);
    expect((await handle.fork({ from: "first" })).workflowId).toBe("p~fork-2");
  });

  test("takes another input without doing again what is kept", async () => {
    const { engine, finish } = bench();
    const { calls, state, flow } = pipeline();
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, "x", { id: "p" });
    state.broken = true;
    await expect(finish(await handle.fork({ from: 2, input: "y", id: "mine" }).catch(() => handle))).rejects.toThrow();
    state.broken = false;
    calls.length = 0;
    const fork = await handle.fork({ from: "second", input: "y", id: "mine-2" });
    expect(await finish(fork)).toBe("A-X B-36 C-Y y");
    expect(calls).toEqual(["b-36", "c-y"]);
    await expect(handle.fork({ from: "second", id: "mine-2" })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
  });

  test("draws what the original drew at random before the step, and other values after it", async () => {
    const { engine, finish, clock } = bench();
    const drawing = workflow("drawing", async (wf) => {
      const draw = (): (string | number)[] => [wf.uuid(), wf.random(), crypto.randomUUID(), Math.random()];
      const first = draw();
      await wf.step("one", () => first);
      const second = draw();
      await wf.step("two", () => second);
      const third = draw();
      await wf.waitFor("go");
      return { first, second, third };
    });
    const host = await engine({ workflows: [drawing] });
    const handle = await host.start(drawing, undefined, { id: "d" });
    await clock.advance(10);
    await handle.signal("go");
    const drawn = await finish(handle);
    const fork = await handle.fork({ from: "two" });
    const early = await fork.fork({ from: "one" });
    await clock.advance(10);
    const late = await fork.fork({ from: "go" });
    await host.close();
    await using second = await engine({ workflows: [drawing] });
    const result = async ({ workflowId }: RunHandle): Promise<typeof drawn> => {
      const again = await second.handle<typeof drawn>(workflowId);
      await again.signal("go");
      return finish(again);
    };
    const forked = await result(fork);
    expect([forked.first, forked.second]).toEqual([drawn.first, drawn.second]);
    for (const [index, value] of forked.third.entries()) expect(value).not.toBe(drawn.third[index]);
    expect(await result(late)).toEqual(forked);
    const { first, second: anew } = await result(early);
    expect(first).toEqual(drawn.first);
    for (const [index, value] of anew.entries()) expect(value).not.toBe(drawn.second[index]);
  });

  test("is replayed after a crash like any other run", async () => {
    const { engine, store, finish, clock } = bench();
    const pauses = workflow("pauses", async (wf, n: number) => {
      const one = await wf.step("one", () => wf.info.runId.length + n);
      await wf.sleep("1m");
      return [one, await wf.step("two", () => n)];
    });
    const dying = vanishing(store);
    const first = await engine({ store: dying.store, workflows: [pauses] });
    const handle = await first.start(pauses, 1, { id: "z" });
    await clock.advance(120_000);
    const fork = await handle.fork({ from: "two", input: 5 });
    await clock.advance(10);
    dying.vanish();
    await using host = await engine({ workflows: [pauses] });
    const again = await host.handle(fork.workflowId);
    expect(await finish(again)).toEqual([expect.any(Number), 5]);
    expect(await again.status()).toBe("completed");
  });

  test("says which steps there are when the one asked for is unknown", async () => {
    const { engine, finish } = bench();
    const { flow } = pipeline();
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, "x", { id: "p" });
    await finish(handle);
    const wrong = handle.fork({ from: "forth" });
    await expect(wrong).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(wrong).rejects.toThrow("first (command 1, event 2)");
    await expect(handle.fork({ from: 9 })).rejects.toThrow("no command 9");
    await expect(handle.fork({ from: { event: 1 } })).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  test("copies messages received after the cut only when asked to", async () => {
    const { engine, finish, clock } = bench();
    const go = signal<number>("go");
    const flow = workflow("two-signals", async (wf) => {
      const one = await wf.waitFor(go);
      const two = await wf.waitFor(go, { timeout: "1m" });
      return [one, two];
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, undefined, { id: "s" });
    await handle.signal(go, 1);
    await clock.advance(10);
    await handle.signal(go, 2);
    expect(await finish(handle)).toEqual([1, 2]);
    const without = await handle.fork({ from: "go" });
    expect(await finish(without)).toEqual([1, undefined]);
    const { seq } = (await handle.history()).find(({ type }) => type === "SignalReceived")!;
    expect(await finish(await handle.fork({ from: { event: seq }, messages: true }))).toEqual([1, 2]);
  });

  test("keeps the outcome of a child, or runs it again when told to, with what came after it", async () => {
    const { engine, finish } = bench();
    const runs: string[] = [];
    const child = workflow("child", async (wf, n: number) => wf.step("work", () => runs.push("child") + n));
    const flow = workflow("parent", async (wf) => {
      const one = await wf.child(child, 10, { label: "kid" });
      const two = await wf.step("after", () => runs.push(`after ${one}`));
      return [one, two, await wf.step("last", () => runs.push("last"))];
    });
    await using host = await engine({ workflows: [flow, child] });
    const handle = await host.start(flow, undefined, { id: "p" });
    expect(await finish(handle)).toEqual([11, 2, 3]);
    expect(await finish(await handle.fork({ from: "last" }))).toEqual([11, 2, 4]);
    expect(await finish(await handle.fork({ from: "last", children: { kid: "rerun" } }))).toEqual([15, 6, 7]);
    await expect(handle.fork({ from: "last", children: { nobody: "rerun" } })).rejects.toThrow("kid");
  });

  test("works while the run is active, and from an open step", async () => {
    const { engine, finish, clock } = bench();
    const flow = workflow("waits", async (wf, n: number) => {
      const one = await wf.step("one", () => n);
      return [one, await wf.waitFor<string>("answer")];
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, 1, { id: "w" });
    await clock.advance(10);
    const fork = await handle.fork({ from: "answer", input: 7 });
    await fork.signal("answer", "yes");
    expect(await finish(fork)).toEqual([1, "yes"]);
    expect(await handle.status()).toBe("running");
  });

  test("asks for secrets anew", async () => {
    const { engine, finish } = bench();
    const peek = activity("peek", { retry: { maxAttempts: 1 } }, async (_: undefined, ctx) => {
      if (ctx.secrets.token !== "new-token") throw new Error("denied");
      return "granted";
    });
    const flow = workflow("secretive", async (wf) => wf.call(peek, undefined));
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, undefined, { id: "s", secrets: { token: "old-token" } });
    await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_FAILED" });
    await expect(handle.fork({ from: "peek" })).rejects.toThrow("secrets");
    expect(await finish(await handle.fork({ from: "peek", secrets: { token: "new-token" } }))).toBe("granted");
  });

  test("a connection without code says so", async () => {
    const { engine, finish, store } = bench();
    const { flow } = pipeline();
    await using host = await engine({ workflows: [flow] });
    await finish(await host.start(flow, "x", { id: "p" }));
    await using connection = await connect({ store });
    await expect((await connection.handle("p")).fork({ from: "second" })).rejects.toMatchObject({
      code: "VERSION_UNAVAILABLE",
    });
  });

  test("a copied update does not answer a new one, and kept messages survive continue-as-new", async () => {
    const { engine, finish, clock } = bench();
    const add = update<number, number>("add");
    const flow = workflow("adder", async (wf, from: number): Promise<number> => {
      let sum = from;
      wf.on(add, async (n) => {
        await wf.waitFor<string>(`release-${n}`);
        sum += n;
        return sum;
      });
      if (from > 0) return from + ((await wf.waitFor<number>("spare", { timeout: "1m" })) ?? 0);
      await wf.step("mark", () => 0);
      await wf.waitFor("finish");
      return wf.continueAsNew(sum + 1);
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, 0, { id: "u" });
    await handle.signal("spare", 100);
    await handle.startUpdate(add, 5);
    await clock.advance(10);
    const fork = await handle.fork({ from: "finish", id: "f" });
    const sent = await fork.startUpdate(add, 7);
    await fork.signal("release-5", "");
    await fork.signal("release-7", "");
    expect(await sent.result()).toBe(12);
    await fork.signal("finish");
    expect(await finish(fork)).toBe(113);
  });
});

describe("reset", () => {
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
    expect((await types(handle)).filter((type) => type === "Resumed")).toHaveLength(1);
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
