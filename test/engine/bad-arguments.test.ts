/** What comes from JavaScript, or from data: each is refused where it is said, in words, and nothing of it is written. */
import { describe, expect, it } from "vitest";
import {
  activity,
  entity,
  open,
  query,
  RetryError,
  signal,
  update,
  type WorkflowContext,
  workflow,
} from "../../src/index.ts";
import { bench } from "./fixture.ts";

// biome-ignore lint/suspicious/noExplicitAny: these are the mistakes that types would find
type Any = any;
const LONG = "x".repeat(1001);
const HALF = "half \ud800";
const invalid = (message: string): object => ({
  code: "INVALID_ARGUMENT",
  message: expect.stringContaining(message) as string,
});

describe("a workflow", () => {
  it.each<[string, Any, string]>([
    ["a number", 2, "the version of workflow w must be text, not 2"],
    ["half a character", HALF, "the version of workflow w must be well-formed text"],
    ["nothing at all", "", "the version of workflow w must have 1 to 1000 characters"],
  ])("is not made with %s for its version", (_, version, message) => {
    const make = (): unknown => workflow("w", { version: version as string }, async () => 1);
    expect(make).toThrow(expect.objectContaining(invalid(message)));
  });
});

describe("an activity", () => {
  it.each<[string, Any, string]>([
    ["errors that are no list", { errors: Error }, "the errors of activity a must be a list of classes"],
    ["errors by name", { errors: ["TypeError"] }, "the errors of activity a must be a list of classes"],
    ["a policy that lists nothing", { retry: { on: "TypeError" } }, "retry.on must be a list of texts"],
  ])("is not made with %s", (_, options, message) => {
    expect(() => activity("a", options as object, () => 1)).toThrow(expect.objectContaining(invalid(message)));
  });
});

describe("what is defined", () => {
  const run = async (): Promise<number> => 1;
  const made: Record<string, (...given: Any) => unknown> = { activity, workflow, entity };
  it.each<[string, Any[], string]>([
    ["activity", ["a", { retries: 3 }, run], 'activity a has no option "retries"; there are retry, timeout'],
    ["activity", ["a", { journal: "strat" }, run], 'journal of activity a has no value "strat"; did you mean start?'],
    ["activity", ["a", { retry: { maxAttempts: "3" } }, run], 'from 1, or Infinity; got "3"'],
    ["activity", ["a", null, run], "the options of activity a are an object with retry, timeout"],
    ["activity", ["a", run, { timeout: "1s" }], "activity a: its options come before its function"],
    ["activity", ["a"], "activity a has no function"],
    ["activity", [run], "an activity's name must be text, not async () => 1"],
    ["workflow", ["w", { verison: "2" }, run], 'workflow w has no option "verison"; did you mean version?'],
    ["workflow", ["w", null, run], "the options of workflow w are an object with version, retention, input, output"],
    ["workflow", ["w", run, { version: "2" }], "workflow w: its options come before its function"],
    ["workflow", ["w"], "workflow w has no function"],
    ["workflow", [run], "a workflow's name must be text, not async () => 1"],
    ["entity", ["e"], "the options of entity e are an object with state, on, get, validate, expire"],
    ["entity", ["e", { state: {}, on: {}, expires: "7d" }], 'entity e has no option "expires"; did you mean expire?'],
    ["entity", ["e", { state: {} }], "on of entity e must be an object of functions"],
    ["entity", ["e", { state: {}, on: { add: 5 } }], "on.add of entity e must be a function, not number"],
    ["entity", ["e", { state: {}, on: {}, get: { sum: {} } }], "get.sum of entity e must be a function, not object"],
    [
      "entity",
      ["e", { state: {}, on: { add: run }, validate: { ad: run } }],
      'validate of entity e has no option "ad"; there is add',
    ],
    ["entity", ["e", { on: {} }], "entity e has no state"],
  ])("tells of mistakes where it is: %s %j", (of, given, message) => {
    expect(() => made[of]!(...given)).toThrow(expect.objectContaining(invalid(message)));
  });
});

describe("an engine", () => {
  const w = workflow("w", async () => 1);
  it.each<[Any, string]>([
    [{ workflows: w }, "workflows of open() is a list: [order]"],
    [{ workflows: { w } }, "workflows of open() is a list"],
    [{ activities: async () => 1 }, "activities of open() is a list of activities, or functions by name"],
    [{ activities: [async () => 1] }, "activities of open() is a list of activities, or functions by name"],
    [{ store: 5 }, "store of open() is an address or a store, not 5"],
    [{ logger: {} }, "logger of open() has no function debug"],
    [{ observers: { onEvent() {} } }, "observers of open() is a list"],
  ])("is not opened with %j", async (options, message) => {
    await expect(open({ store: "memory:", ...options })).rejects.toMatchObject(invalid(message));
  });
});

describe("in workflow code", () => {
  const charge = activity("charge", async () => 1);
  const circle: Record<string, unknown> = {};
  circle.circle = circle;

  const wrong: readonly [string, (wf: Any) => unknown, string][] = [
    ["a step without a name", (wf) => wf.step(undefined, () => 1), "the name of a step must be text, not undefined"],
    ["a step named by an object", (wf) => wf.step({ a: 1 }, () => 1), 'must be text, not {"a":1}'],
    ["an empty name", (wf) => wf.step("", () => 1), "the name of a step must have 1 to 1000 characters"],
    ["a long name", (wf) => wf.step(LONG, () => 1), "must have 1 to 1000 characters"],
    ["half a character", (wf) => wf.step(HALF, () => 1), "must be well-formed text"],
    ["a step without a function", (wf) => wf.step("s"), "wf.step s takes a name and a function"],
    ["a label that is none", (wf) => wf.step("s", () => 1, { label: 7 }), "a label must be text, not 7"],
    ["a wait for a number", (wf) => wf.waitFor(5), "the name of the signal to wait for must be text, not 5"],
    ["an approval without a name", (wf) => wf.approval(undefined), "the name of an approval must be text"],
    ["a transaction without one", (wf) => wf.transaction(undefined, () => 1), "the name of a transaction must be text"],
    ["a call of nothing", (wf) => wf.call(undefined), "wf.call takes an activity or the name of one"],
    ["a child of nothing", (wf) => wf.child(undefined), "a child is a workflow or the name of one"],
    ["a child with half an id", (wf) => wf.child("self", 1, { id: HALF }), "the id of a child must be well-formed"],
    ["a child of another end", (wf) => wf.child("self", 1, { onParentClose: "kill" }), "onParentClose"],
    ["a map of another way", (wf) => wf.map([1], charge, { onError: "ignore" }), "onError"],
    ["a scope of nothing", (wf) => wf.scope(undefined), "wf.scope takes a function"],
    ["what cannot be cancelled of nothing", (wf) => wf.uncancellable(undefined), "wf.uncancellable takes a function"],
    ["a saga of nothing", (wf) => wf.saga(undefined), "wf.saga takes a function"],
    ["a saga's step of nothing", (wf) => wf.saga((s: Any) => s.call()), "undefined in a saga has no undo"],
    [
      "a saga's child of nothing",
      (wf) => wf.saga((s: Any) => s.child(null, 1, { undo() {} })),
      "a child is a workflow",
    ],
    ["a transaction of nothing", (wf) => wf.transaction("t"), "wf.transaction t takes a name and a function"],
    ["a version without a range", (wf) => wf.version("v"), 'wf.version "v" takes { min, max }'],
    [
      "one approver as text",
      (wf) => wf.approval("a", { approvers: "mo" }),
      'wf.approval "a" takes a list of approvers',
    ],
    ["a handle on nothing", (wf) => wf.handle(undefined), "the workflow id of a handle must be text"],
    ["a signal without a name", (wf) => wf.handle("x").signal(undefined), "the name of a signal must be text"],
    ["a handler of a mere name", (wf) => wf.on("s", () => 1), "wf.on takes a token"],
    ["a handler that is none", (wf) => wf.on(signal("s"), 5), 'wf.on "s" takes a handler, which is a function'],
    ["a change without a name", (wf) => wf.patched(undefined), "the name of a change must be text"],
    ["a change without a range", (wf) => wf.version("v"), 'wf.version "v" takes { min, max }'],
    ["a note of no kind", (wf) => wf.note(undefined, {}), "the kind of a note must be text"],
    ["a note of a number", (wf) => wf.note("n", 10n), 'wf.note "n": the data of a note are an object'],
    ["a saga's step without options", (wf) => wf.saga((s: Any) => s.call(charge, 1)), "charge in a saga has no undo"],
    ["a scope without a function", (wf) => wf.scope(undefined), "wf.scope takes a function"],
    ["a scope of options", (wf) => wf.scope({ timeout: "1s" }), "wf.scope takes a function"],
    ["an uncancellable nothing", (wf) => wf.uncancellable(undefined), "wf.uncancellable takes a function"],
    ["a saga of nothing", (wf) => wf.saga(undefined), "wf.saga takes a function"],
    ["a predicate that is none", (wf) => wf.until(undefined), "wf.until takes a function"],
    [
      "an async predicate",
      (wf) =>
        wf.until(async () => {
          throw new Error("late");
        }),
      "must be synchronous",
    ],
    ["endless sleep", (wf) => wf.sleep(Number.POSITIVE_INFINITY), "sleep: Infinity is longer than 36500 days"],
    ["too long a sleep", (wf) => wf.sleep("36501d"), 'sleep: "36501d" is longer than 36500 days'],
    ["a retry of a number", (wf) => wf.step("s", () => 1, { retry: 5 }), "the options of retry are an object"],
    [
      "a retry with a slip",
      (wf) => wf.step("s", () => 1, { retry: { attempts: 5 } }),
      'retry has no option "attempts"',
    ],
    ["a retry on a mere text", (wf) => wf.call(charge, 1, { retry: { on: "E" } }), "retry.on must be a list of texts"],
    [
      "a retry not on a class",
      (wf) => wf.step("s", () => 1, { retry: { notOn: [Error] } }),
      "retry.notOn must be a list",
    ],
    ["a sleep of nothing", (wf) => wf.sleep(undefined), "sleep: undefined is no duration"],
    ["a sleep until nothing", (wf) => wf.sleepUntil(undefined), "a point in time, not undefined"],
  ];

  it.each(wrong)("%s", async (_, code, message) => {
    const { engine, finish, store } = bench();
    const w = workflow("self", async (wf: WorkflowContext) => {
      await code(wf);
      return "went on";
    });
    await using one = await engine({ workflows: [w] });
    const handle = await one.start(w);
    await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_FAILED", cause: invalid(message) });
    const rows = await store.history(1, 0, 10);
    expect(rows.map(({ type }) => type)).toEqual(["RunStarted", "RunFailed"]);
    for (const { data } of rows) expect(() => JSON.parse(data) as unknown).not.toThrow();
  });

  it("cycles and other rich values may be noted and told as progress, as they were when it was said", async () => {
    const { engine, finish, clock } = bench();
    const w = workflow("w", async (wf) => {
      const list = [1];
      wf.note("seen", { list, when: new Date(0), circle, big: 10n });
      wf.progress({ circle, at: new Date(5) });
      list.push(2);
      await wf.sleep("1m");
      return "done";
    });
    await using one = await engine({ workflows: [w] });
    const handle = await one.start(w);
    await clock.advance(10);
    const { progress } = await handle.describe();
    expect(progress).toMatchObject({ at: new Date(5), circle: { circle: {} } });
    expect(await finish(handle)).toBe("done");
    const notes = (await handle.history()).flatMap(({ data }) => data.o ?? []);
    expect(notes[0]).toMatchObject({
      k: "seen",
      list: [1],
      when: "1970-01-01T00:00:00.000Z",
      big: { "~": [["BigInt", "10"]] },
    });
  });

  it.each([
    ["a note", (wf: Any) => wf.note("n", { x: "x".repeat(3e6) }), "PAYLOAD_TOO_LARGE", 'wf.note "n" takes 3000008'],
    ["progress", (wf: Any) => wf.progress("x".repeat(3e6)), "PAYLOAD_TOO_LARGE", "takes 3000002 characters"],
    ["a tag", (wf: Any) => wf.tag({ a: "x".repeat(3e6) }), "INVALID_ARGUMENT", "1000 characters"],
    [
      "a note that cannot be read",
      (wf: Any) =>
        wf.note("n", {
          get a() {
            throw new Error("g");
          },
        }),
      "UNSERIALISABLE",
      ".a cannot be kept",
    ],
  ] as const)("%s that cannot be kept is an error of the code", async (_, say, code, text) => {
    const { engine, finish } = bench();
    const w = workflow("w", async (wf) => {
      say(wf);
      return wf.sleep("1s");
    });
    await using one = await engine({ workflows: [w] });
    const message = expect.stringContaining(text) as string;
    await expect(finish(await one.start(w))).rejects.toMatchObject({ cause: { code, message } });
  });
});

it("a RetryError without a time says what it lacks", () => {
  expect(() => new RetryError("busy", undefined as Any)).toThrow("RetryError.after: undefined is no duration");
});

it("an error that is logged by itself is the reason, and its message the message", async () => {
  const lines: unknown[] = [];
  const error = (fields: object, message?: string): void => void lines.push([(fields as Any).error, message]);
  const { engine, finish } = bench();
  const [one, two] = [new Error("from the workflow"), new Error("from the activity")];
  const talk = activity("talk", async (_: undefined, ctx) => ctx.log.error(two, "it broke"));
  const w = workflow("w", async (wf) => {
    wf.log.error(one);
    await wf.call(talk);
  });
  const quiet = (): void => {};
  await using e = await engine({ workflows: [w], logger: { debug: quiet, info: quiet, warn: quiet, error } });
  await finish(await e.start(w));
  expect(lines).toEqual([
    ["Error: from the workflow", "from the workflow"],
    ["Error: from the activity", "it broke"],
  ]);
});

it("a message that is logged without fields is the message", async () => {
  const lines: unknown[] = [];
  const info = (fields: object, message?: string): void => void lines.push([Object.keys(fields).sort(), message]);
  const { engine, finish } = bench();
  const talk = activity("talk", async (_: undefined, ctx) => ctx.log.info("from the activity" as Any));
  const w = workflow("w", async (wf) => {
    wf.log.info("from the workflow" as Any);
    await wf.call(talk);
  });
  const quiet = (): void => {};
  await using one = await engine({ workflows: [w], logger: { debug: quiet, info, warn: quiet, error: quiet } });
  await finish(await one.start(w));
  expect(lines).toEqual([
    [["runId", "workflow", "workflowId"], "from the workflow"],
    [["attempt", "runId", "step", "workflow", "workflowId"], "from the activity"],
  ]);
});

it("a transaction on a store without tables fails at once", async () => {
  const { engine, clock } = bench();
  const w = workflow("w", async (wf) => wf.transaction("t", async () => 1));
  await using one = await engine({ workflows: [w] });
  const handle = await one.start(w);
  await clock.advance(10);
  await expect(handle.result({ timeout: 0 })).rejects.toMatchObject({
    cause: { code: "INVALID_ARGUMENT", attempts: 1 },
  });
});

it("a decision that nobody asked for is told so", async () => {
  const { engine } = bench();
  const w = workflow("w", async (wf) => wf.waitFor("go"));
  await using one = await engine({ workflows: [w] });
  const handle = await one.start(w);
  await expect(handle.approve("publish", { by: "mo" })).rejects.toThrow('the run has not asked for approval "publish"');
});

it("wf that is used inside of a step's function is named as a reason to block", async () => {
  const { engine, clock } = bench();
  const w = workflow("w", async (wf) => wf.step("outer", () => wf.sleep("1s")));
  await using one = await engine({ workflows: [w] });
  const handle = await one.start(w);
  await clock.advance(100);
  const { blocked } = await handle.describe();
  expect(blocked).toMatchObject({
    message: expect.stringContaining("wf was used inside of a step's function") as string,
  });
});

describe("validators that are async", () => {
  it("reject the update, whatever they come to, and the run goes on", async () => {
    const { engine, finish } = bench();
    const change = update<number, string>("change");
    const go = signal("go");
    const late = async (): Promise<void> => {
      throw new RangeError("late");
    };
    const w = workflow("w", async (wf) => {
      wf.on(change, (x) => `took ${x}`, { validate: late as Any });
      wf.on(query("ask"), late as Any);
      await wf.waitFor(go);
      return "went on";
    });
    const account = entity("account", {
      state: { n: 0 },
      on: { add: (state, x: number) => (state.n += x), set: (state, x: number) => (state.n = x) },
      validate: { add: late as Any },
    });
    await using one = await engine({ workflows: [w, account] });
    const handle = await one.start(w);
    await expect(handle.update(change, 1)).rejects.toThrow("the validator of update change must be synchronous");
    await expect(handle.query("ask")).rejects.toThrow("must be synchronous");
    await expect(one.entity(account, "a").add(1)).rejects.toThrow("must be synchronous");
    expect(await one.entity(account, "a").set(3)).toBe(3);
    await handle.signal(go);
    expect(await finish(handle)).toBe("went on");
  });
});

describe("of callers", () => {
  const w = workflow("w", async (wf) => wf.waitFor("go"));
  const counter = entity("counter", { state: { n: 0 }, on: { add: (state, x: number) => (state.n += x) } });
  class Basket {}

  const wrong: readonly [string, (one: Any, handle: Any) => unknown, string][] = [
    ["an id that is an object", (one) => one.start(w, 1, { id: {} }), "a workflow id must be text, not {}"],
    ["an id that is a number", (one) => one.start(w, 1, { id: 5 }), "a workflow id must be text, not 5"],
    ["an id with half a character", (one) => one.start(w, 1, { id: HALF }), "a workflow id must be well-formed"],
    [
      "an idempotencyKey of no text",
      (one) => one.start(w, 1, { idempotencyKey: {} }),
      "an idempotencyKey must be text",
    ],
    ["a start of nothing", (one) => one.start(undefined), "start() takes what workflow(…) or flow(…) returned"],
    ["a handle on nothing", (one) => one.handle(undefined), "the id of a run must be text, not undefined"],
    ["a handle on half a character", (one) => one.handle(HALF), "the id of a run must be well-formed"],
    [
      "an entity's key of no text",
      async (one) => one.entity(entity("e", { state: {}, on: {} }), {}),
      "the key of an entity",
    ],
    ["a signal without a name", (_, handle) => handle.signal(undefined), "the name of a signal must be text"],
    ["a signal with an empty one", (_, handle) => handle.signal(""), "the name of a signal must have 1 to 1000"],
    ["a signal with a long one", (_, handle) => handle.signal(LONG), "the name of a signal must have 1 to 1000"],
    ["a long key", (_, handle) => handle.signal("a", 1, { key: LONG }), "the key of a signal must have 1 to 1000"],
    ["a key of no text", (_, handle) => handle.signal("a", 1, { key: {} }), "the key of a signal must be text"],
    [
      "a signal with the token of an update",
      (_, handle) => handle.signal(update("u"), 1),
      'the name of a signal cannot be that of an update: "u"',
    ],
    [
      "an update with the token of a signal",
      (_, handle) => handle.update(signal("s"), 1),
      "cannot be that of a signal",
    ],
    ["a query with the token of an update", (_, handle) => handle.query(update("u")), "cannot be that of an update"],
    ["a start with the wrong token", (one) => one.signalWithStart(w, 1, { id: "a", signal: query("q") }), "of a query"],
    ["a decision of nobody", (_, handle) => handle.approve("a"), "the options of approve() are an object with by"],
    [
      "a decision without a name",
      (_, handle) => handle.approve("a", { comment: "c" }),
      "approve(): by must be text, not undefined",
    ],
    ["a decision with a slip", (_, handle) => handle.reject("a", { by: "mo", coment: "c" }), "did you mean comment?"],
    ["an entity of a workflow", async (one) => one.entity(w, "a"), "entity() takes what entity(…) returned"],
    ["an entity of a name", async (one) => one.entity("w", "a"), "entity() takes what entity(…) returned"],
    ["an entity of nothing", async (one) => one.entity(undefined, "a"), "entity() takes what entity(…) returned"],
    [
      "an operation with a slip",
      (one) => one.entity(counter, "a").add(1, { key: "k" }),
      'add() has no option "key"; there is id',
    ],
    [
      "an operation with an id by itself",
      (one) => one.entity(counter, "a").add(1, "k"),
      "the options of add() are an object",
    ],
    [
      "a schedule without a name",
      (one) => one.schedules.create({ every: "1h", workflow: w }),
      "a schedule's name must be text",
    ],
    [
      "a schedule of an activity",
      (one) => one.schedules.create("s", { every: "1h", workflow: activity("a", async () => 1) }),
      "schedule s: workflow is what workflow(…) or flow(…) returned, or its name",
    ],
    [
      "a generator as input",
      (one) => one.start(w, (function* () {})()),
      "the value cannot be kept in a history: it is an instance of",
    ],
    [
      "a function as input",
      (one) => one.start(w, { cb: () => 1 }),
      ".cb cannot be kept in a history: it is a function;",
    ],
    ["a symbol as input", (one) => one.start(w, Symbol("s")), "the value cannot be kept in a history: it is a symbol;"],
    [
      "a promise as input",
      (one) => one.start(w, { user: Promise.resolve(1) }),
      ".user cannot be kept in a history: it is a promise, which has to be awaited first;",
    ],
    [
      "an instance as input",
      (one) => one.start(w, [new Basket()]),
      "[0] cannot be kept in a history: it is an instance of Basket;",
    ],
    ["a start with a signal of nothing", (one) => one.signalWithStart(w), "the name of a signal must be text"],
    ["a start with an update of nothing", (one) => one.updateWithStart(w), "the name of an update must be text"],
    ["an update without a name", (_, handle) => handle.update(undefined), "the name of an update must be text"],
    [
      "a long id of an update",
      (_, handle) => handle.update("u", 1, { id: LONG }),
      "the id of an update must have 1 to",
    ],
    ["a query without a name", (_, handle) => handle.query(undefined), "the name of a query must be text"],
    ["a fork from nowhere", (_, handle) => handle.fork(), "fork()"],
    ["a fork from no point", (_, handle) => handle.fork({}), "from says where to go back to"],
    ["a reset to nowhere", (_, handle) => handle.reset(), "reset()"],
    ["a reset to no point", (_, handle) => handle.reset({ to: {} }), "to says where to go back to"],
    ["a workflow with half a name", () => workflow(HALF, async () => 1), "a workflow's name must be well-formed"],
    ["an activity named by a number", () => activity(5 as Any, async () => 1), "an activity's name must be text"],
    ["a signal named by nothing", () => signal(undefined as Any), "the name of a signal must be text"],
  ];

  it.each(wrong)("%s", async (_, call, message) => {
    const { engine } = bench();
    await using one = await engine({ workflows: [w] });
    const handle = await one.start(w);
    const code = message.includes("cannot be kept") ? "UNSERIALISABLE" : "INVALID_ARGUMENT";
    await expect((async () => call(one, handle))()).rejects.toMatchObject({ ...invalid(message), code });
    expect(await one.runs.list()).toHaveLength(1);
  });

  it("are told of long names in short", async () => {
    const { engine, clock } = bench();
    await using one = await engine({ workflows: [w] });
    const handle = await one.start(w);
    await handle.signal("n".repeat(1000));
    await clock.advance(10);
    const refused = await handle.fork({ from: { event: 99 } }).catch((error: Error) => error.message);
    expect(refused).toContain("nnn… (event 2)");
    expect((refused as string).length).toBeLessThan(250);
  });
});
