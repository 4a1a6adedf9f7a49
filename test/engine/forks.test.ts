/** Forks: new runs that keep what an old one had finished before a step. */
import { describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import type { RunHandle } from "../../src/client/run-handle.ts";
import { activity } from "../../src/workflow/activity.ts";
import { signal, update } from "../../src/workflow/signal.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench, typesOf, vanishing } from "./fixture.ts";
import { pipeline } from "./pipeline.ts";

describe("a fork", () => {
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
    expect(await typesOf(handle)).toEqual([
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
