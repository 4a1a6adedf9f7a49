/** Inputs and outputs of activities that go through schemas: what is refused, where, and what replays. */
import { describe, expect, test } from "vitest";
import { type Activity, activity } from "../../src/workflow/activity.ts";
import { signal } from "../../src/workflow/signal.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench, expectSameReplays, typesOf, vanishing } from "./fixture.ts";
import { asyncSchema, lengthSchema, type OrderIn, orderSchema, refused, SECRET, schemaOf } from "./schemas.fixture.ts";

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
    await expectSameReplays(two);
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
    expect(await typesOf(handle)).toEqual(["RunStarted", "StepCompleted", "RunCompleted"]);
    await expectSameReplays(host);
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
