/** Inputs and outputs of runs that go through schemas: what is refused, where, and what replays. */
import { describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import type { StandardSchemaV1 } from "../../src/core/schema.ts";
import { activity } from "../../src/workflow/activity.ts";
import { signal, update } from "../../src/workflow/signal.ts";
import { type Workflow, workflow } from "../../src/workflow/workflow.ts";
import { bench, expectSameReplays, vanishing } from "./fixture.ts";
import {
  asyncSchema,
  lengthSchema,
  type OrderIn,
  orderSchema,
  refused,
  SECRET,
  schemaOf,
  wrong,
} from "./schemas.fixture.ts";

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
    await expectSameReplays(host);
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
    await expectSameReplays(host);
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
    await expectSameReplays(host);
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
