/** Signals, updates and queries that go through schemas: what is refused, by whom, and what replays. */
import { describe, expect, test } from "vitest";
import { activity } from "../../src/workflow/activity.ts";
import { query, signal, update } from "../../src/workflow/signal.ts";
import { type Workflow, workflow } from "../../src/workflow/workflow.ts";
import { bench, expectSameReplays, typesOf, vanishing } from "./fixture.ts";
import { lengthSchema, orderSchema, refused } from "./schemas.fixture.ts";

describe("a signal", () => {
  const sized = signal("sized", lengthSchema());
  const listener = (): Workflow<undefined, unknown[]> =>
    workflow("listener", async (wf) => {
      const got: unknown[] = [];
      wf.on(sized, (n) => void got.push(n));
      wf.on(query<unknown[]>("got"), () => got);
      await wf.until(() => got.length >= 2);
      return got;
    });

  test("is validated by its sender: by a handle, with a start, by another run", async () => {
    const { engine, finish } = bench();
    const flow = listener();
    const peer = workflow("peer", async (wf) => {
      const told = await wf
        .handle("l")
        .signal(sized, 5 as never)
        .catch((error: Error) => error.message);
      await wf.handle("l").signal(sized, "four");
      return told;
    });
    await using host = await engine({ workflows: [flow, peer] });
    await expect(
      host.signalWithStart(flow, undefined, { id: "l", signal: sized, payload: 5 as never }),
    ).rejects.toMatchObject(refused(/^signal sized does not fit its schema: /));
    const handle = await host.signalWithStart(flow, undefined, { id: "l", signal: sized, payload: "three" });
    await expect(handle.signal(sized, 5 as never)).rejects.toMatchObject(refused(/^signal sized/));
    expect(await finish(await host.start(peer))).toMatch(/^signal sized does not fit/);
    expect(await finish(handle)).toEqual([5, 4]);
    await expectSameReplays(host);
  });

  test("by its name is validated by the run: a wrong one is dropped with a warning, in the history, and the run goes on", async () => {
    const { engine, finish, clock } = bench();
    const warnings: string[] = [];
    const logger = {
      debug: () => {},
      info: () => {},
      warn: (_: object, text?: string) => warnings.push(text ?? ""),
      error: () => {},
    };
    const flow = listener();
    await using host = await engine({ workflows: [flow], logger });
    const handle = await host.start(flow, undefined, { id: "l" });
    await clock.advance(100);
    await handle.signal("sized", 12345678);
    await handle.signal("sized", "three");
    await clock.advance(100);
    await handle.signal("sized", "four");
    expect(await finish(handle)).toEqual([5, 4]);
    expect(warnings.filter((text) => text.startsWith("a signal was dropped: signal sized does not fit"))).toHaveLength(
      1,
    );
    const history = await handle.history();
    expect(history.filter(({ type }) => type === "SignalReceived").map(({ data }) => data.p)).toEqual([5, 4]);
    expect(history.flatMap(({ data }) => data.o ?? [])).toContainEqual({
      k: "signal.refused",
      name: "sized",
      reason: "signal sized does not fit its schema: Expected string but received …",
    });
    expect(JSON.stringify(history)).not.toContain("12345678");
    await expectSameReplays(host);
  });

  test("that came before the run asked for it is validated when it is taken, live, after a crash and in the run that goes on", async () => {
    const { engine, finish, clock, store } = bench();
    const first = vanishing(store);
    const open = signal("open");
    const flow = workflow("early", async (wf, round: number): Promise<unknown[]> => {
      await wf.waitFor(open);
      if (round === 0) return wf.continueAsNew(1);
      const got = [await wf.waitFor(sized), await wf.waitFor(sized)];
      await wf.waitFor(open);
      return [...got, await wf.waitFor(sized, { timeout: "1s" })];
    });
    const one = await engine({ store: first.store, workflows: [flow] });
    const handle = await one.start(flow, 0, { id: "e" });
    await clock.advance(100);
    await handle.signal("sized", 12345678);
    await handle.signal(sized, "three");
    await handle.signal("sized", "four");
    await handle.signal(open);
    await clock.advance(100);
    await handle.signal(open);
    await clock.advance(1000);
    first.vanish();
    await using two = await engine({ workflows: [flow] });
    await clock.advance(60_000);
    const again = await two.handle("e");
    await again.signal(open);
    expect(await finish(again)).toEqual([5, 4, undefined]);
    await expectSameReplays(two);
  });

  test("that comes together with what makes the run ask for it is validated, too", async () => {
    const { engine, finish, clock } = bench();
    const tokens: string[] = [];
    const outside = activity("outside", async (_: undefined, ctx) => {
      tokens.push(ctx.completeLater());
    });
    const flow = workflow("together", async (wf) => {
      await wf.call(outside);
      return wf.waitFor(sized);
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow);
    await clock.advance(10_000);
    await Promise.all([
      host.complete(tokens[0]!),
      handle.signal("sized", 12345678),
      handle.signal("sized", "three"),
      clock.advance(1000),
    ]);
    expect(await finish(handle)).toBe(5);
    await expectSameReplays(host);
  });

  test("keeps what it was when a reset gives it back", async () => {
    const { engine, finish, clock } = bench();
    const step = activity("step", async () => 1);
    const flow = workflow("back", async (wf) => {
      await wf.call(step);
      const n = await wf.waitFor(sized);
      await wf.waitFor("end");
      return n;
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow);
    await clock.advance(100);
    await handle.signal(sized, "three");
    await clock.advance(10_000);
    await handle.reset({ to: "step" });
    await clock.advance(100);
    expect((await typesOf(handle)).filter((type) => type === "SignalReceived")).toHaveLength(2);
    await handle.signal("end");
    expect(await finish(handle)).toBe(5);
  });

  test("of which nobody has a schema stays as it is", async () => {
    const { engine, finish } = bench();
    const flow = workflow("plain", async (wf) => [
      await wf.waitFor("sized"),
      await wf.waitFor(signal<number>("sized")),
    ]);
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow);
    await handle.signal("sized", 1);
    await handle.signal(sized, "four");
    expect(await finish(handle)).toEqual([1, 4]);
  });
});

describe("updates and queries", () => {
  const grow = update("grow", { input: lengthSchema(), output: orderSchema() });
  const ask = query("ask", { input: lengthSchema(), output: orderSchema() });
  const wrongAnswer = update("wrong", { output: orderSchema() });
  const flow = workflow("sums", async (wf) => {
    let sum = 0;
    const done = signal("done");
    wf.on(grow, async (n) => {
      sum += n;
      return { id: String(sum) };
    });
    wf.on(ask, (n) => ({ id: String(sum + n) }));
    wf.on(wrongAnswer, () => ({ id: 5 as unknown as string }));
    await wf.waitFor(done);
    return sum;
  });

  test("go through their schemas on the way there and back, once, whoever gives the name only", async () => {
    const { engine, finish, clock, store } = bench();
    const first = vanishing(store);
    const one = await engine({ store: first.store, workflows: [flow] });
    const handle = await one.start(flow, undefined, { id: "s" });
    expect(await handle.update(grow, "four")).toEqual({ id: "4", amount: 1 });
    expect(await handle.update("grow", "four")).toEqual({ id: "8", amount: 1 });
    expect(await handle.query(ask, "x")).toEqual({ id: "9", amount: 1 });
    expect(await handle.query("ask", "x")).toEqual({ id: "9", amount: 1 });
    first.vanish();
    await using two = await engine({ workflows: [flow] });
    await clock.advance(60_000);
    const again = await two.handle("s");
    const accepted = (await again.history()).filter(({ type }) => type === "UpdateAccepted");
    expect(accepted.map(({ data }) => data.p)).toEqual([4, 4]);
    expect(await two.updateWithStart(flow, undefined, { id: "s", update: grow, payload: "x" })).toEqual({
      id: "9",
      amount: 1,
    });
    await again.signal("done");
    expect(await finish(again)).toBe(9);
    await expectSameReplays(two);
  });

  test("that are wrong are refused by the sender, or by the run, and leave no history", async () => {
    const { engine } = bench();
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, undefined, { id: "s" });
    const told = /the input of update grow does not fit its schema/;
    await expect(handle.update(grow, 5 as never)).rejects.toMatchObject(refused(told));
    await expect(
      host.updateWithStart(flow, undefined, { id: "s", update: grow, payload: 5 as never }),
    ).rejects.toMatchObject(refused(told));
    await expect(handle.update("grow", 5)).rejects.toMatchObject({ code: "UPDATE_FAILED", cause: refused(told) });
    await expect(handle.query(ask, 5 as never)).rejects.toMatchObject(refused(/the input of query ask/));
    await expect(handle.query("ask", 5)).rejects.toMatchObject(refused(/the input of query ask/));
    expect(await typesOf(handle)).toEqual(["RunStarted"]);
  });

  test("with a wrong answer fail, and the run goes on", async () => {
    const { engine } = bench();
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow);
    await expect(handle.update(wrongAnswer)).rejects.toMatchObject({
      code: "UPDATE_FAILED",
      cause: { code: "INVALID_OUTPUT", message: expect.stringContaining("the answer of update wrong") },
    });
    expect(await handle.update(grow, "four")).toEqual({ id: "4", amount: 1 });
  });
});
