/** Values that go through schemas: what is refused, where, and what replays. */
import { describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import type { StandardSchemaV1 } from "../../src/core/schema.ts";
import { type Activity, activity } from "../../src/workflow/activity.ts";
import { query, signal, update } from "../../src/workflow/signal.ts";
import { type Workflow, workflow } from "../../src/workflow/workflow.ts";
import { bench, vanishing } from "./fixture.ts";
import { asyncSchema, lengthSchema, type OrderIn, orderSchema, schemaOf } from "./schemas.fixture.ts";

const SECRET = "hunter2-hunter2";
const wrong = (value: unknown): OrderIn => value as OrderIn;
const refused = (text: RegExp): object => ({ code: "INVALID_ARGUMENT", message: expect.stringMatching(text) });

/** Returns the input it got. */
const echo = (input: StandardSchemaV1<OrderIn, { id: string; amount: number }> = orderSchema()) =>
  workflow("echo", { input }, async (_wf, order) => order);

describe("the input of a run", () => {
  test("goes through the schema once, and the history keeps what comes out", async () => {
    const { engine, finish } = bench();
    const schema = orderSchema();
    await using host = await engine({ workflows: [echo(schema)] });
    const handle = await host.start(echo(schema), { id: "1" });
    expect(await finish(handle)).toEqual({ id: "1", amount: 1 });
    expect((await handle.history())[0]!.data.p).toEqual({ id: "1", amount: 1 });
    expect(schema.asked).toBe(1);
  });

  test("is refused with the workflow, every issue and its path, and nothing is started", async () => {
    const { engine, store } = bench();
    await using host = await engine({ workflows: [echo()] });
    await expect(host.start(echo(), wrong({ amount: "two" }))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message:
        'the input of workflow echo does not fit its schema: id: Expected string but received undefined; amount: Expected number: Received "…"',
      details: {
        issues: [
          { path: "id", message: "Expected string but received undefined" },
          { path: "amount", message: 'Expected number: Received "…"' },
        ],
      },
    });
    await expect(host.start("echo", { id: 1 })).rejects.toMatchObject(refused(/workflow echo.*id: /));
    expect(await store.list({ limit: 10 })).toEqual([]);
  });

  test("that is wrong is never shown, whatever the schema's messages quote", async () => {
    const { engine } = bench();
    const quoting = (message: (text: string) => string, path: PropertyKey[] = ["key"]) =>
      schemaOf<unknown>((value) => ({ issues: [{ path, message: message((value as { key: string }).key) }] }));
    const messages = [
      quoting((key) => `Invalid: Received "${key}"`),
      quoting((key) => `${key.toUpperCase()} is bad`, []),
      quoting((key) => `${key.slice(0, 13)}… is too long`, ["other"]),
      quoting((key) => `${key} is in a Set`, ["set", "nowhere"]),
      schemaOf<unknown>((value) => {
        throw new Error(`cannot read ${(value as { key: string }).key}`);
      }),
    ];
    const errors: unknown[] = [];
    for (const input of messages) {
      const flow = workflow("vault", { input }, async () => 1);
      await using one = await engine({ workflows: [flow] });
      errors.push(await one.start(flow, { key: SECRET }).catch((error: unknown) => error));
    }
    for (const error of errors) {
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
      const { message, details, stack } = error as { message: string; details: object; stack: string };
      expect(`${message} ${JSON.stringify(details)} ${stack}`.toLowerCase()).not.toContain("hunter2");
    }
  });

  test("is refused before anything is asked of a transaction", async () => {
    const { engine, store } = bench();
    await using host = await engine({ workflows: [echo()] });
    const transaction = {} as never;
    await expect(host.start(echo(), wrong({}), { transaction })).rejects.toMatchObject(refused(/workflow echo.*id: /));
    const connection = await connect({ store });
    await expect(connection.start(echo(), wrong({}), { transaction })).rejects.toMatchObject(
      refused(/workflow echo.*id: /),
    );
  });

  test("with many issues names the first ten and counts the others", async () => {
    const { engine } = bench();
    const issues = Array.from({ length: 25 }, (_, index) => ({ path: ["items", index, "id"], message: "missing" }));
    const flow = workflow("many", { input: schemaOf<unknown>(() => ({ issues })) }, async () => 1);
    await using host = await engine({ workflows: [flow] });
    await expect(host.start(flow, [])).rejects.toMatchObject(refused(/items\[9\]\.id: missing; and 15 more$/));
  });

  test("may have a schema that is asynchronous, for callers", async () => {
    const { engine, finish } = bench();
    const flow = echo(asyncSchema(orderSchema()));
    await using host = await engine({ workflows: [flow] });
    expect(await finish(await host.start(flow, { id: "1" }))).toEqual({ id: "1", amount: 1 });
    await expect(host.start(flow, wrong({}))).rejects.toMatchObject(refused(/id: Expected string/));
  });

  test("makes the same start for the same key, whatever a default gives", async () => {
    const { engine } = bench();
    let count = 0;
    const input = schemaOf<undefined, number>(() => ++count);
    const flow = workflow("counted", { input }, async (_wf, n) => n);
    await using host = await engine({ workflows: [flow] });
    const first = await host.start(flow, undefined, { idempotencyKey: "k" });
    const again = await host.start(flow, undefined, { idempotencyKey: "k" });
    expect(again.runId).toBe(first.runId);
  });

  test("is validated where it goes on as new, and for a fork with another input", async () => {
    const { engine, finish } = bench();
    const flow = workflow("again", { input: orderSchema() }, async (wf, order) => {
      if (order.amount === 0) return wf.continueAsNew({ id: 5 });
      return order.amount < 3 ? wf.continueAsNew({ ...order, amount: order.amount + 1 }) : order;
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, { id: "1" }, { id: "a" });
    expect(await finish(handle)).toEqual({ id: "1", amount: 3 });
    await expect(finish(await host.start(flow, { id: "1", amount: 0 }))).rejects.toMatchObject({
      cause: refused(/the input of workflow again.*id: /),
    });
    const done = await host.handle("a");
    await expect(done.fork({ from: { event: 2 }, input: {} })).rejects.toMatchObject(refused(/workflow again/));
    const forked = await done.fork({ from: { event: 2 }, input: { id: "2", amount: 9 } });
    expect(await finish(forked)).toEqual({ id: "2", amount: 9 });
  });

  test("of a schedule is validated when it is made, once", async () => {
    const { engine, clock } = bench();
    const seen: unknown[] = [];
    const flow = workflow("sized", { input: lengthSchema() }, async (_wf, size) => void seen.push(size));
    await using host = await engine({ workflows: [flow] });
    const every = { workflow: flow, every: "1m" } as const;
    await expect(host.schedules.create("bad", { ...every, input: 5 })).rejects.toMatchObject(
      refused(/the input of workflow sized/),
    );
    const schedule = await host.schedules.create("good", { ...every, input: "four" });
    await clock.advance(130_000);
    expect(seen).toEqual([4, 4]);
    await expect(schedule.update({ every: "1m", input: 5 })).rejects.toMatchObject(refused(/workflow sized/));
    await schedule.update({ every: "1m", input: "three" });
    await clock.advance(60_000);
    expect(seen).toEqual([4, 4, 5]);
  });
});

describe("the output of a run", () => {
  test("goes through the schema before the run completes", async () => {
    const { engine, finish } = bench();
    const flow = workflow("sized", { output: lengthSchema() }, async (_wf, text: string) => text);
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, "four");
    expect(await finish(handle)).toBe(4);
    for await (const report of host.replayRuns({ status: "all" })) expect(report.result).toBe("same");
  });

  test("that is wrong fails the run, and says so; asynchronous schemas are refused", async () => {
    const { engine, finish } = bench();
    const bad = workflow("bad", { output: lengthSchema() }, async () => 12345678 as unknown as string);
    const slow = workflow("slow", { output: asyncSchema(lengthSchema()) }, async () => "x");
    await using host = await engine({ workflows: [bad, slow] });
    await expect(finish(await host.start(bad))).rejects.toMatchObject({
      code: "RUN_FAILED",
      cause: {
        name: "InvalidOutput",
        code: "INVALID_OUTPUT",
        message: "the output of workflow bad does not fit its schema: Expected string but received …",
      },
    });
    await expect(finish(await host.start(slow))).rejects.toMatchObject({
      cause: { code: "INVALID_OUTPUT", message: expect.stringContaining("must be synchronous") },
    });
    for await (const report of host.replayRuns({ status: "all" })) expect(report.result).toBe("same");
  });
});

describe("an activity", () => {
  const size = (run: (n: number) => unknown = (n) => n): Activity<string, unknown> =>
    activity("size", { input: lengthSchema() }, (n) => run(n));

  test("gets what comes out of its schema, live and replayed after a crash", async () => {
    const { engine, finish, clock, store } = bench();
    const first = vanishing(store);
    const gate = signal("gate");
    let calls = 0;
    const counted = size((n) => {
      calls++;
      return n;
    });
    const flow = workflow("sizes", async (wf) => {
      const one = await wf.call(counted, "four");
      await wf.waitFor(gate);
      return [one, await wf.call("size", "three"), ...(await wf.map(["a", "bb"], counted))];
    });
    const given = { workflows: [flow], activities: [counted] };
    await (await engine({ store: first.store, ...given })).start(flow, undefined, { id: "s" });
    await clock.advance(1000);
    first.vanish();
    await using two = await engine(given);
    await clock.advance(60_000);
    const handle = await two.handle("s");
    await handle.signal(gate);
    expect(await finish(handle)).toEqual([4, 5, 1, 2]);
    expect(calls).toBe(4);
    for await (const report of two.replayRuns({ status: "all" })) expect(report.result).toBe("same");
  });

  test("is not called with a wrong input: the code is told, and nothing is in the history", async () => {
    const { engine, finish } = bench();
    const flow = workflow("wrong", async (wf) => {
      const told = await wf.call(size(), 5 as never).catch((error: Error) => error.message);
      return [told, await wf.call(size(), "x")];
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow);
    const [told] = (await finish(handle)) as [string];
    expect(told).toBe("the input of activity size does not fit its schema: Expected string but received …");
    expect((await handle.history()).map(({ type }) => type)).toEqual(["RunStarted", "StepCompleted", "RunCompleted"]);
    for await (const report of host.replayRuns({ status: "all" })) expect(report.result).toBe("same");
  });

  test("has an input schema that answers at once", async () => {
    const { engine, finish } = bench();
    const slow = activity("slow", { input: asyncSchema(lengthSchema()) }, async (n) => n);
    const throwing = schemaOf<string>(() => {
      throw new Error("no");
    });
    const thrown = activity("thrown", { input: asyncSchema(throwing) }, async (n) => n);
    const flow = workflow("waits", async (wf) => [
      await wf.call(slow, "x").catch((e: Error) => e.message),
      await wf.call(thrown, "x").catch((e: Error) => e.message),
    ]);
    await using host = await engine({ workflows: [flow] });
    const said = expect.stringMatching(/the input of activity \w+ cannot be validated here.*must be synchronous/);
    expect(await finish(await host.start(flow))).toEqual([said, said]);
  });

  test("with a wrong output fails without a further attempt, and says so", async () => {
    const { engine, finish } = bench();
    let attempts = 0;
    const bad = activity("bad", { output: asyncSchema(orderSchema()) }, async (): Promise<OrderIn> => {
      attempts++;
      return { id: "1", amount: "12345678" as unknown as number };
    });
    const flow = workflow("calls", (wf) => wf.call(bad));
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow);
    await expect(finish(handle)).rejects.toMatchObject({
      cause: {
        name: "InvalidOutput",
        code: "INVALID_OUTPUT",
        message: 'the output of activity bad does not fit its schema: amount: Expected number: Received "…"',
        step: "bad",
        attempts: 1,
      },
    });
    expect(attempts).toBe(1);
    expect(JSON.stringify(await handle.history())).not.toContain("12345678");
  });

  test("with a schema of its output gives what comes out of it, which is not validated again", async () => {
    const { engine, finish, clock, store } = bench();
    const first = vanishing(store);
    const output = lengthSchema();
    const read = activity("read", { output }, async () => "four");
    const gate = signal("gate");
    const flow = workflow("reads", async (wf) => {
      const n = await wf.call(read);
      await wf.waitFor(gate);
      return n;
    });
    await (await engine({ store: first.store, workflows: [flow] })).start(flow, undefined, { id: "r" });
    await clock.advance(1000);
    first.vanish();
    await using two = await engine({ workflows: [flow] });
    await clock.advance(60_000);
    const handle = await two.handle("r");
    await handle.signal(gate);
    expect(await finish(handle)).toBe(4);
    expect(output.asked).toBe(1);
  });

  test("that is called directly is the same function", async () => {
    const both = activity("both", { input: lengthSchema(), output: lengthSchema() }, async (n) => "x".repeat(n * 2));
    expect(await both("abc")).toBe(6);
    await expect(both(5 as never)).rejects.toMatchObject(refused(/the input of activity both/));
  });

  test("that other engines run is validated once: by its caller, or by who knows it", async () => {
    const { engine, finish } = bench();
    const sized = activity("far/size", { input: lengthSchema(), output: lengthSchema() }, async (n) => "x".repeat(n));
    const known = workflow("known", async (wf) => wf.call(sized, "four"));
    const named = workflow("named", async (wf, text: unknown) => wf.call("far/size", text));
    await using runs = await engine({ workflows: [known, named], serves: [] });
    await using _worker = await engine({ activities: [sized] });
    expect(await finish(await runs.start(known))).toBe(4);
    expect(await finish(await runs.start(named, "three"))).toBe(5);
    await expect(finish(await runs.start(named, 5))).rejects.toMatchObject({
      cause: refused(/the input of activity far\/size/),
    });
  });

  test("that is completed from outside has its result validated by who completes it", async () => {
    const { engine, finish, clock } = bench();
    const tokens: string[] = [];
    const print = activity("print", { output: lengthSchema(), timeout: "3d" }, async (_: undefined, ctx) => {
      tokens.push(ctx.completeLater());
      return "";
    });
    const flow = workflow("outside", (wf) => wf.call(print));
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow);
    await clock.advance(1000);
    await expect(host.complete(tokens[0]!, 5)).rejects.toMatchObject(refused(/the output of activity print/));
    await host.complete(tokens[0]!, "printed");
    expect(await finish(handle)).toBe(7);
  });

  test("that is completed where its schema is not at hand has its result validated by its run", async () => {
    const { engine, finish, clock } = bench();
    const tokens: string[] = [];
    const print = activity("print", { output: lengthSchema(), timeout: "3d" }, async (_: undefined, ctx) => {
      tokens.push(ctx.completeLater());
      return "";
    });
    const flow = workflow("outside", (wf) => wf.call(print));
    await using host = await engine({ workflows: [flow] });
    await using other = await engine({ workflows: [workflow("none", async () => 1)] });
    const good = await host.start(flow);
    const bad = await host.start(flow);
    await clock.advance(1000);
    await other.complete(tokens[0]!, "printed");
    await other.complete(tokens[1]!, 12345678);
    expect(await finish(good)).toBe(7);
    await expect(finish(bad)).rejects.toMatchObject({ cause: { code: "INVALID_OUTPUT", attempts: 1 } });
  });
});

describe("children", () => {
  test("get what comes out of the schema; a wrong input is told to the code, and none is started", async () => {
    const { engine, finish, store } = bench();
    const child = workflow("child", { input: lengthSchema(), output: orderSchema() }, async (_wf, n) => ({
      id: String(n),
    }));
    const parent = workflow("parent", async (wf) => {
      const told = await wf.child(child, 5 as never).catch((error: Error) => error.message);
      const spawned = await wf.spawn("child", "three");
      const mapped = await wf.map(["a"], child);
      return [told, await wf.child(child, "four"), await spawned.result(), ...mapped];
    });
    await using host = await engine({ workflows: [parent, child] });
    expect(await finish(await host.start(parent))).toEqual([
      "the input of workflow child does not fit its schema: Expected string but received …",
      { id: "4", amount: 1 },
      { id: "5", amount: 1 },
      { id: "1", amount: 1 },
    ]);
    expect(await store.list({ workflow: "child", limit: 10 })).toHaveLength(3);
    for await (const report of host.replayRuns({ status: "all" })) expect(report.result).toBe("same");
  });
});

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
    for await (const report of host.replayRuns({ status: "all" })) expect(report.result).toBe("same");
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
    for await (const report of host.replayRuns({ status: "all" })) expect(report.result).toBe("same");
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
    for await (const report of two.replayRuns({ status: "all" })) expect(report.result).toBe("same");
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
    for await (const report of host.replayRuns({ status: "all" })) expect(report.result).toBe("same");
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
    expect((await handle.history()).map(({ type }) => type).filter((type) => type === "SignalReceived")).toHaveLength(
      2,
    );
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
    for await (const report of two.replayRuns({ status: "all" })) expect(report.result).toBe("same");
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
    expect((await handle.history()).map(({ type }) => type)).toEqual(["RunStarted"]);
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

test("a schema that has changed says nothing about what is in a history", async () => {
  const { engine, finish, clock, store } = bench();
  const first = vanishing(store);
  const nothing = (): StandardSchemaV1<never, never> => schemaOf<never>(() => ({ issues: [{ message: "no" }] }));
  const go = signal("go");
  const flow = (input?: StandardSchemaV1<string, number>): Workflow<string, unknown> => {
    const strict = (input ?? nothing()) as StandardSchemaV1<string, number>;
    const read = activity("read", { output: strict }, async () => "four");
    return workflow("changing", { input: strict }, async (wf, n) => {
      const got: unknown[] = [n, await wf.call(read)];
      wf.on(update("put", { input: strict }), (size) => void got.push(size));
      got.push(await wf.waitFor(signal("sized", strict)));
      await wf.waitFor(go);
      return got;
    });
  };
  const before = flow(lengthSchema());
  const one = await engine({ store: first.store, workflows: [before] });
  const handle = await one.start(before, "a", { id: "c" });
  await clock.advance(100);
  await handle.update("put", "bb");
  await handle.signal("sized", "ccc");
  await clock.advance(1000);
  first.vanish();
  await using two = await engine({ workflows: [flow()] });
  await clock.advance(60_000);
  const again = await two.handle("c");
  await again.signal(go);
  expect(await finish(again)).toEqual([1, 4, 2, 3]);
});

test("what is no schema is refused where it is given", () => {
  const none = { parse: () => 1 } as never;
  expect(() => workflow("w", { input: none }, async () => 1)).toThrow(
    /the input of workflow w must be a Standard Schema/,
  );
  expect(() => activity("a", { output: none }, async () => 1)).toThrow(/the output of activity a must be/);
  expect(() => signal("s", none)).toThrow(/the schema of signal s must be/);
  expect(() => update("u", { input: none })).toThrow(/the input of update u must be/);
});

test("an input that secrets are filled into is validated by the attempt, in the run's engine and in others, and shows none", async () => {
  const { engine, finish } = bench();
  const input = schemaOf<{ key: string; size: string }, { key: string; size: number }>((value) => {
    const { key, size } = value as { key: string; size: string };
    if (!key.startsWith("sk-")) return { issues: [{ path: ["key"], message: `Invalid key: Received "${key}"` }] };
    return { key, size: size.length };
  });
  const here = activity("here", { input }, async ({ key, size }) => `${key.length} ${size}`);
  const far = activity("far/there", { input }, async ({ key, size }) => `${key.length} ${size}`);
  const secretInputs = [{ path: ["key"], parts: [{ secret: "key" }] }];
  const flow = workflow("keys", async (wf, one: string) =>
    wf.call(one, { key: "", size: "four" }, { secretInputs }).catch((error: Error) => error.message),
  );
  await using runs = await engine({ workflows: [flow], activities: [here, far], serves: ["default"] });
  await using _worker = await engine({ activities: [far] });
  for (const name of ["here", "far/there"]) {
    const good = await runs.start(flow, name, { secrets: { key: "sk-123456" } });
    expect(await finish(good)).toBe("9 4");
    const bad = await runs.start(flow, name, { secrets: { key: SECRET } });
    expect(await finish(bad)).toBe(
      `the input of activity ${name} does not fit its schema: key: Invalid key: Received "…"`,
    );
  }
});
