/** Schedules on a clock that tests move. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import type { Perdure } from "../../src/client/perdure.ts";
import type { ScheduleDescription } from "../../src/client/schedules.ts";
import { silentLogger } from "../../src/engine/log.ts";
import { type Flow, parseFlow } from "../../src/flow/index.ts";
import { crashEverywhere } from "../../src/testing/crash-everywhere.ts";
import type { Overlap } from "../../src/workflow/schedule-spec.ts";
import { signal } from "../../src/workflow/signal.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench, vanishing } from "./fixture.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const go = signal("go");
const quick = workflow("quick", async (_wf, input: unknown) => input);
const size = workflow("size", async (_wf, { text }: { text: string }) => text.length);
const slow = workflow("slow", async (wf) => wf.waitFor(go));

/** Names of the runs a schedule started, oldest first, and how they stand. */
async function started(engine: Perdure, name: string): Promise<string[]> {
  const runs = await engine.runs.list({ tags: { schedule: name }, limit: 1000 });
  return runs.map(({ workflowId }) => workflowId.replace(`${name}@`, "")).reverse();
}

function told({ recent }: ScheduleDescription): string[] {
  return recent.map(({ tick, outcome, reason, count }) =>
    [new Date(tick).toISOString().slice(11, 19), outcome, reason, count > 1 ? `x${count}` : undefined]
      .filter((part) => part !== undefined)
      .join(" "),
  );
}

/** A bench whose clock stands at a time. */
async function benchAt(iso: string): Promise<ReturnType<typeof bench>> {
  const made = bench();
  await made.clock.advance(Date.parse(iso) - made.clock.now());
  return made;
}

/** Moves time in steps, so that everything has its turn. */
async function pass({ clock }: ReturnType<typeof bench>, ms: number, step = 20_000): Promise<void> {
  for (let left = ms; left > 0; left -= step) await clock.advance(Math.min(step, left));
}

/** An engine that looks for work and says that it lives once in a while only, so that hours are quick. */
const CALM = { poll: "1h", leaseTtl: "5h" } as const;
const START = "2027-03-01T00:00:30Z";

describe("ticks", () => {
  test("each starts the workflow once, with the input, tags and an id that names the tick", async () => {
    const b = await benchAt(START);
    await using engine = await b.engine({ workflows: [quick] });
    await engine.schedules.create("tick", { workflow: quick, every: "1m", input: { a: 1 }, tags: { team: "x" } });
    await pass(b, 3 * MINUTE);
    expect(await started(engine, "tick")).toEqual([
      "2027-03-01T00:01:00.000Z",
      "2027-03-01T00:02:00.000Z",
      "2027-03-01T00:03:00.000Z",
    ]);
    const handle = await engine.handle("tick@2027-03-01T00:02:00.000Z");
    expect(await handle.result()).toEqual({ a: 1 });
    expect((await handle.describe()).tags).toEqual({ team: "x", schedule: "tick" });
  });

  test("come on the clock of a time zone, over the change to summer time", async () => {
    const b = await benchAt("2027-03-27T00:00:00Z");
    await using engine = await b.engine({ workflows: [quick], ...CALM });
    await engine.schedules.create("night", { workflow: quick, cron: "30 2 * * *", timezone: "Europe/Berlin" });
    await pass(b, 72 * HOUR, HOUR);
    expect(await started(engine, "night")).toEqual([
      "2027-03-27T01:30:00.000Z",
      "2027-03-28T01:00:00.000Z",
      "2027-03-29T00:30:00.000Z",
    ]);
  });

  test("of a cron expression are worked out in steps, so that new rules of a time zone do not disturb a history", async () => {
    const b = await benchAt(START);
    await using engine = await b.engine({ workflows: [quick], ...CALM });
    await engine.schedules.create("s", { workflow: quick, cron: "*/5 * * * *", jitter: "1m" });
    await pass(b, 2 * HOUR, MINUTE);
    const history = await (await engine.handle("schedule:s")).history();
    expect(await started(engine, "s")).toHaveLength(24);
    expect(history.filter(({ step }) => step === "next ticks")).toHaveLength(2);
  });

  test("end after at, endAt and limit; the schedule stays and can be triggered", async () => {
    const b = await benchAt(START);
    await using engine = await b.engine({ workflows: [quick] });
    const { schedules } = engine;
    await schedules.create("once", { workflow: quick, at: "2027-03-01T00:05:00Z" });
    await schedules.create("twice", { workflow: quick, every: "1m", limit: 2 });
    await schedules.create("until", { workflow: quick, every: "1m", endAt: "2027-03-01T00:03:00Z" });
    await pass(b, 10 * MINUTE);
    expect(await started(engine, "once")).toEqual(["2027-03-01T00:05:00.000Z"]);
    expect(await started(engine, "twice")).toHaveLength(2);
    expect(await started(engine, "until")).toHaveLength(3);
    expect((await schedules.list()).map(({ name, status, started: n }) => [name, status, n])).toEqual([
      ["once", "finished", 1],
      ["twice", "finished", 2],
      ["until", "finished", 3],
    ]);
    await (await schedules.get("once")).trigger();
    expect(await started(engine, "once")).toHaveLength(2);
  });

  test("with jitter start within it, and are named by the tick", async () => {
    const b = await benchAt(START);
    await using engine = await b.engine({ workflows: [quick], ...CALM });
    await engine.schedules.create("spread", { workflow: quick, every: "1h", jitter: "10m" });
    await pass(b, 24 * HOUR + 10 * MINUTE, MINUTE);
    const runs = await engine.runs.list({ tags: { schedule: "spread" } });
    const late = runs.map(({ createdAt, workflowId }) => createdAt - Date.parse(workflowId.split("@")[1]!));
    expect(runs).toHaveLength(24);
    expect(Math.min(...late)).toBeGreaterThan(0);
    expect(Math.max(...late)).toBeLessThan(10 * MINUTE);
  });
});

describe("a tick that comes while what was started before is running", () => {
  async function overlapping(overlap: Overlap): Promise<[ReturnType<typeof bench>, Perdure]> {
    const b = await benchAt(START);
    const engine = await b.engine({ workflows: [slow] });
    await engine.schedules.create("s", { workflow: slow, every: "1m", overlap });
    await pass(b, 3 * MINUTE);
    return [b, engine];
  }

  async function end(b: ReturnType<typeof bench>, engine: Perdure, tick: string): Promise<void> {
    await (await engine.handle(`s@2027-03-01T${tick}.000Z`)).signal(go);
    await b.clock.settle();
    await b.clock.advance(10);
  }

  test("is skipped with skip, and told", async () => {
    const [b, engine] = await overlapping("skip");
    const description = await (await engine.schedules.get("s")).describe();
    expect(told(description)).toEqual(["00:01:00 started", "00:02:00 skipped still running x2"]);
    expect(description).toMatchObject({ running: ["s@2027-03-01T00:01:00.000Z"], started: 1, skipped: 2 });
    await end(b, engine, "00:01:00");
    await pass(b, MINUTE);
    expect(await started(engine, "s")).toHaveLength(2);
    await engine.close();
  });

  test("waits with buffer-one, a second one does not", async () => {
    const [b, engine] = await overlapping("buffer-one");
    const description = await (await engine.schedules.get("s")).describe();
    expect(told(description)).toEqual([
      "00:01:00 started",
      "00:02:00 waiting still running",
      "00:03:00 skipped another one waits already",
    ]);
    await end(b, engine, "00:01:00");
    expect(await started(engine, "s")).toEqual(["2027-03-01T00:01:00.000Z", "2027-03-01T00:02:00.000Z"]);
    await engine.close();
  });

  test("waits with buffer-all, as many as there are", async () => {
    const [b, engine] = await overlapping("buffer-all");
    expect((await (await engine.schedules.get("s")).describe()).waiting).toHaveLength(2);
    for (const tick of ["00:01:00", "00:02:00", "00:03:00"]) await end(b, engine, tick);
    expect((await started(engine, "s")).map((id) => id.slice(11, 19))).toEqual(["00:01:00", "00:02:00", "00:03:00"]);
    await engine.close();
  });

  test.each([
    ["cancel-other", "cancelled"],
    ["terminate-other", "terminated"],
  ] as const)("takes its place with %s", async (overlap, status) => {
    const [, engine] = await overlapping(overlap);
    const runs = await engine.runs.list({ tags: { schedule: "s" } });
    expect(runs.map((run) => [run.workflowId.slice(13, 21), run.status])).toEqual([
      ["00:03:00", expect.stringMatching(/pending|running/)],
      ["00:02:00", status],
      ["00:01:00", status],
    ]);
    await engine.close();
  });

  test("is started beside it with allow-all", async () => {
    const [, engine] = await overlapping("allow-all");
    const runs = await engine.runs.list({ tags: { schedule: "s" }, status: ["pending", "running"] });
    expect(runs).toHaveLength(3);
    await engine.close();
  });
});

describe("while nobody was there", () => {
  test("ticks within the window are made up for in their order, older ones are skipped and told", async () => {
    const b = await benchAt(START);
    const before = await b.engine({ workflows: [quick] });
    await before.schedules.create("s", { workflow: quick, every: "10m", catchUp: "35m", overlap: "allow-all" });
    await before.close();
    b.clock.moveTo(Date.parse("2027-03-01T02:05:00Z"));
    await using engine = await b.engine({ workflows: [quick] });
    await pass(b, MINUTE);
    expect((await started(engine, "s")).map((id) => id.slice(11, 16))).toEqual(["01:30", "01:40", "01:50", "02:00"]);
    expect(told(await (await engine.schedules.get("s")).describe())[0]).toBe(
      "00:10:00 skipped missed: no engine was there in time x8",
    );
  });

  test("years of ticks are skipped at once", async () => {
    const b = await benchAt(START);
    const before = await b.engine({ workflows: [quick] });
    await before.schedules.create("s", { workflow: quick, every: "1s", catchUp: "2s" });
    await before.schedules.create("c", { workflow: quick, cron: "* * * * *", catchUp: "2s" });
    await before.close();
    b.clock.moveTo(Date.parse("2029-03-01T00:00:30Z"));
    await using engine = await b.engine({ workflows: [quick] });
    await b.clock.advance(0);
    const [c, s] = await engine.schedules.list();
    expect(s!.skipped).toBeGreaterThan(63_000_000);
    expect(c).toMatchObject({ skipped: 1000, next: Date.parse("2029-03-01T00:01:00Z") });
  });

  test("every tick within the window is started exactly once, whatever the downtimes", async () => {
    const event = fc.record({
      up: fc.integer({ min: 1, max: 12 }),
      down: fc.integer({ min: 0, max: 40 }),
      crash: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 5 }), async (events) => {
        const b = await benchAt(START);
        const create = await b.engine({ workflows: [quick] });
        await create.schedules.create("s", { workflow: quick, every: "5m", catchUp: "20m", overlap: "allow-all" });
        await create.close();
        for (const { up, down, crash } of events) {
          const { store, vanish } = vanishing(b.store);
          const engine = await b.engine({ workflows: [quick], store });
          await pass(b, up * MINUTE);
          if (crash) vanish();
          await Promise.race([engine.close(), b.clock.settle()]);
          b.clock.moveTo(b.clock.now() + down * MINUTE);
        }
        await using engine = await b.engine({ workflows: [quick] });
        await pass(b, 5 * MINUTE);
        const { recent, started: count, skipped } = await (await engine.schedules.get("s")).describe();
        const ids = await started(engine, "s");
        const first = Date.parse("2027-03-01T00:05:00Z");
        const due = Math.floor((b.clock.now() - first) / (5 * MINUTE)) + 1;
        expect(new Set(ids).size).toBe(ids.length);
        expect([ids.length, count + skipped]).toEqual([count, due]);
        for (const { outcome, last, tick, at } of recent)
          if (outcome === "skipped") expect(at - (last ?? tick)).toBeGreaterThan(20 * MINUTE);
      }),
      { numRuns: 15 },
    );
  });
});

describe("engines", () => {
  test("two of them start a tick once", async () => {
    const b = await benchAt(START);
    await using one = await b.engine({ workflows: [quick] });
    await using two = await b.engine({ workflows: [quick] });
    await one.schedules.create("s", { workflow: quick, every: "1m" });
    await pass(b, 10 * MINUTE);
    expect(await started(two, "s")).toHaveLength(10);
    expect((await (await two.schedules.get("s")).describe()).started).toBe(10);
  });

  test.each([
    ["just before", false],
    ["just after", true],
  ])("a crash between the tick and the start, %s its commit, loses and repeats nothing", async (_, written) => {
    const b = await benchAt(START);
    const { store, vanish } = vanishing(b.store);
    const crashing = new Proxy(store, {
      get(target, key) {
        const value = Reflect.get(target, key) as unknown;
        if (key !== "commit" || typeof value !== "function") return value;
        return async (...args: unknown[]) => {
          const starts = (args[1] as { starts: { workflow: string }[] }).starts.some((run) => run.workflow === "quick");
          if (!starts) return Reflect.apply(value, target, args) as unknown;
          if (written) await Reflect.apply(b.store.commit, b.store, args);
          vanish();
          return new Promise(() => {});
        };
      },
    });
    const engine = await b.engine({ workflows: [quick], store: crashing });
    await engine.schedules.create("s", { workflow: quick, every: "1m" });
    await pass(b, MINUTE);
    await using other = await b.engine({ workflows: [quick] });
    await pass(b, 2 * MINUTE);
    const ids = await started(other, "s");
    expect(ids.map((id) => id.slice(11, 16))).toEqual(["00:01", "00:02", "00:03"]);
    await Promise.race([engine.close(), b.clock.settle()]);
  });

  test("take schedules of workflows they have only", async () => {
    const b = await benchAt(START);
    await using without = await b.engine({ workflows: [slow] });
    const maker = await b.engine({ workflows: [quick] });
    await maker.schedules.create("s", { workflow: quick, every: "1m" });
    await maker.close();
    await pass(b, 2 * MINUTE);
    expect(await started(without, "s")).toEqual([]);
    const handle = await without.schedules.get("s");
    expect((await handle.describe()).waitingFor).toEqual({ workflow: "quick", since: expect.any(Number) });
    await without.pause("all");
    expect((await handle.describe()).waitingFor).toBeUndefined();
    await without.unpause("all");
    await using engine = await b.engine({ workflows: [quick] });
    await pass(b, MINUTE);
    expect((await started(engine, "s")).length).toBeGreaterThan(0);
  });

  test("go on with an empty history now and then", async () => {
    const b = await benchAt(START);
    await using engine = await b.engine({ workflows: [quick], ...CALM });
    await engine.schedules.create("s", { workflow: quick, every: "1m" });
    const first = (await engine.handle("schedule:s")).runId;
    await pass(b, 8 * HOUR, MINUTE);
    const handle = await engine.schedules.get("s");
    const { runId, started: count } = await handle.describe();
    expect(runId).not.toBe(first);
    expect(count).toBe(480);
    expect(await started(engine, "s")).toHaveLength(480);
    expect((await (await engine.handle(runId)).history()).length).toBeLessThan(1100);
  });

  test("keep what they say of themselves out of the history, but for what became of a tick that started nothing", async () => {
    const b = await benchAt(START);
    const engine = await b.engine({ workflows: [slow], ...CALM });
    const handle = await engine.schedules.create("s", { workflow: slow, every: "1m", note: "n".repeat(300) });
    await pass(b, 30 * MINUTE, MINUTE);
    await (await engine.handle("s@2027-03-01T00:01:00.000Z")).signal(go);
    await pass(b, 3 * MINUTE, MINUTE);
    const { run } = (await b.store.find({ workflowId: "schedule:s" }))!;
    const history = await b.store.history(run, 0, 1000);
    const bytes = history.slice(1).reduce((sum, { data }) => sum + data.length, 0);
    expect(bytes / 33).toBeLessThan(400);
    const skipped = history.flatMap(({ data }) => (JSON.parse(data) as { o?: { k: string }[] }).o ?? []);
    expect(skipped).toHaveLength(31);
    expect(skipped[0]).toEqual({
      k: "schedule.skipped",
      tick: Date.parse("2027-03-01T00:02:00Z"),
      count: 1,
      cause: "tick",
      reason: "still running",
    });
    const before = await handle.describe();
    expect(before).toMatchObject({ started: 2, skipped: 31 });
    await engine.close();
    await using heir = await b.engine({ workflows: [slow], ...CALM });
    await b.clock.advance(10);
    expect(await (await heir.schedules.get("s")).describe()).toEqual(before);
  });

  test("do not fill the history while one run takes very long", async () => {
    const b = await benchAt(START);
    await using engine = await b.engine({ workflows: [slow], ...CALM });
    await engine.schedules.create("s", { workflow: slow, every: "1m" });
    await pass(b, 40 * HOUR, 5 * MINUTE);
    expect((await (await engine.handle("schedule:s")).history()).length).toBeLessThan(1100);
    await (await engine.handle("s@2027-03-01T00:01:00.000Z")).signal(go);
    await pass(b, 2 * MINUTE);
    const { skipped, recent } = await (await engine.schedules.get("s")).describe();
    expect(skipped).toBe(40 * 60);
    expect(recent.map(({ outcome }) => outcome)).toEqual(["started", "skipped", "started", "skipped"]);
  });
});

describe("people", () => {
  test("pause with a note; ticks that pass are skipped and told; resume goes on with the next", async () => {
    const b = await benchAt(START);
    await using engine = await b.engine({ workflows: [quick] });
    const handle = await engine.schedules.create("s", { workflow: quick, every: "1m" });
    await pass(b, MINUTE);
    await handle.pause("the warehouse moves");
    expect(await handle.describe()).toMatchObject({
      status: "paused",
      paused: { note: "the warehouse moves", at: b.clock.now() },
      next: undefined,
    });
    await pass(b, 3 * MINUTE);
    expect(await started(engine, "s")).toHaveLength(1);
    await handle.resume();
    await pass(b, MINUTE);
    expect(told(await handle.describe())).toEqual([
      "00:01:00 started",
      "00:02:00 skipped paused x3",
      "00:05:00 started",
    ]);
  });

  test("trigger a run now, with another overlap policy if they want, also while it is paused", async () => {
    const b = await benchAt(START);
    await using engine = await b.engine({ workflows: [slow] });
    const handle = await engine.schedules.create("s", { workflow: slow, cron: "0 3 * * *" });
    await handle.pause();
    expect(await handle.trigger()).toMatchObject({ outcome: "started", workflowId: "s@2027-03-01T00:00:30.000Z+1" });
    expect(await handle.trigger()).toMatchObject({ outcome: "skipped", reason: "still running" });
    expect(await handle.trigger({ overlap: "allow-all" })).toMatchObject({ outcome: "started" });
    expect(await handle.trigger({ overlap: "buffer-one" })).toMatchObject({ outcome: "waiting" });
    await expect(handle.trigger({ overlap: "maybe" as never })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await started(engine, "s")).toHaveLength(2);
  });

  test("backfill ticks that have passed, one after another, and those to come are left alone", async () => {
    const b = await benchAt("2027-03-05T12:00:00Z");
    await using engine = await b.engine({ workflows: [quick] });
    const handle = await engine.schedules.create("s", { workflow: quick, cron: "0 3 * * *" });
    const entries = await handle.backfill({ from: "2027-03-02T03:00:00Z", to: "2027-03-09T00:00:00Z" });
    expect(entries.map(({ outcome }) => outcome)).toEqual(["started", "waiting", "waiting", "waiting"]);
    await b.clock.advance(1000);
    expect((await started(engine, "s")).map((id) => id.slice(0, 10))).toEqual([
      "2027-03-02",
      "2027-03-03",
      "2027-03-04",
      "2027-03-05",
    ]);
    await expect(handle.backfill({ from: "1990-01-01", to: "2027-01-01" })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/^schedule s: the span has more than 1000 ticks/),
    });
    await expect(handle.backfill({ from: "2027-03-02T00:00:06Z", to: "2027-03-02T00:00:00Z" })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "schedule s: to (2027-03-02T00:00:00.000Z) is before from (2027-03-02T00:00:06.000Z)",
    });
  });

  test("change when it ticks, but not what it starts", async () => {
    const b = await benchAt(START);
    await using engine = await b.engine({ workflows: [quick, slow], ...CALM });
    const handle = await engine.schedules.create("s", { workflow: quick, every: "1m" });
    await pass(b, MINUTE);
    await handle.update({ every: "1h", input: "later" });
    await pass(b, 2 * HOUR, 10 * MINUTE);
    expect((await started(engine, "s")).map((id) => id.slice(11, 16))).toEqual(["00:01", "01:00", "02:00"]);
    await expect(handle.update({ workflow: slow, every: "1h" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(handle.update({ every: "1ms" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("see the next ticks, with the code or without it", async () => {
    const b = await benchAt(START);
    await using engine = await b.engine({ workflows: [quick] });
    const handle = await engine.schedules.create("s", { workflow: quick, cron: "0 3 * * *" });
    const ticks = ["2027-03-01T03:00:00Z", "2027-03-02T03:00:00Z"].map((tick) => Date.parse(tick));
    expect(await handle.preview(2)).toEqual(ticks);
    expect(await (await engine.handle("schedule:s")).query("preview", 2)).toEqual(ticks);
    await using connection = await connect({ store: b.store });
    const [only] = await connection.schedules.list();
    expect(only).toMatchObject({ name: "s", workflow: "quick", status: "active", next: ticks[0] });
  });

  test("delete it; what it started goes on, and the name is free", async () => {
    const b = await benchAt(START);
    await using engine = await b.engine({ workflows: [slow] });
    const handle = await engine.schedules.create("s", { workflow: slow, every: "1m" });
    await pass(b, MINUTE);
    const deleted = handle.delete();
    await b.clock.advance(1000);
    await deleted;
    await expect(handle.describe()).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(engine.handle("schedule:s")).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(await engine.schedules.list()).toEqual([]);
    await pass(b, 2 * MINUTE);
    expect(await started(engine, "s")).toHaveLength(1);
    expect(await (await engine.handle("s@2027-03-01T00:01:00.000Z")).status()).not.toBe("terminated");
    await engine.schedules.create("s", { workflow: slow, every: "1m" });
  });

  test("are told what they got wrong", async () => {
    const b = await benchAt(START);
    await using engine = await b.engine({ workflows: [quick] });
    const { schedules } = engine;
    await schedules.create("s", { workflow: quick, every: "1m" });
    await expect(schedules.create("s", { workflow: quick, every: "1m" })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    });
    await expect(schedules.create("t", { workflow: "quik", every: "1m" })).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining("it has quick"),
    });
    await expect(schedules.create("t", { workflow: quick, at: "2020-01-01" })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    await expect(schedules.get("t")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(b.engine({ workflows: [workflow("perdure.schedule", async () => 1)] })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });
});

describe("a flow with a schedule", () => {
  const yaml = (schedule: string): Flow =>
    parseFlow(`name: nightly\n${schedule}\nsteps:\n  - id: rest\n    timer: { delay: 1s }\n`);

  test("has it when it comes to an engine, changed when it changes, and not any more when it is gone", async () => {
    const b = await benchAt(START);
    const open = (schedule: string): Promise<Perdure> => b.engine({ workflows: [yaml(schedule)], ...CALM });
    const seen = async (engine: Perdure): Promise<unknown[]> => {
      await b.clock.advance(1000);
      return (await engine.schedules.list()).map(({ name, spec }) => [name, spec.cron ?? spec.everyMs, spec.overlap]);
    };
    const first = await open('schedule: "0 3 * * *"');
    expect(await seen(first)).toEqual([["nightly", "0 3 * * *", "skip"]]);
    await (await first.schedules.get("nightly")).pause("not now");
    await first.close();
    const same = await open('schedule: { cron: "0 3 * * *" }');
    expect(await seen(same)).toEqual([["nightly", "0 3 * * *", "skip"]]);
    await same.close();
    const changed = await open("schedule: { every: 1h, overlap: buffer-one }");
    expect(await seen(changed)).toEqual([["nightly", HOUR, "buffer-one"]]);
    expect(await (await changed.schedules.get("nightly")).describe()).toMatchObject({ status: "paused" });
    await (await changed.schedules.get("nightly")).resume();
    await pass(b, 2 * HOUR, 10 * MINUTE);
    expect(await started(changed, "nightly")).toHaveLength(2);
    await changed.close();
    const gone = await open("");
    expect(await seen(gone)).toEqual([]);
    await gone.close();
  });

  test("leaves one alone that people made by hand, and makes none in a process for one run", async () => {
    const b = await benchAt(START);
    await using one = await b.engine({ workflows: [yaml('schedule: "0 3 * * *"')], claims: "own" });
    expect(await one.schedules.list()).toEqual([]);
    await using all = await b.engine({ workflows: [yaml("")] });
    await all.schedules.create("nightly", { workflow: "nightly", every: "2h" });
    await using other = await b.engine({ workflows: [yaml('schedule: "0 3 * * *"')] });
    expect((await other.schedules.list()).map(({ spec }) => spec.everyMs)).toEqual([2 * HOUR]);
  });
});

describe("a flow whose schedule lies in the past", () => {
  const flow = (schedule: string): Flow =>
    parseFlow(`name: late\nschedule: ${schedule}\nsteps:\n  - id: rest\n    timer: { delay: 1s }\n`);

  test.each(['{ at: "2027-03-01T00:00:00Z" }', '{ every: 1h, end_at: "2027-02-01" }'])(
    "%s keeps no engine from opening, which warns of it",
    async (schedule) => {
      const b = await benchAt(START);
      const warnings: string[] = [];
      const logger = { ...silentLogger, warn: (_: unknown, text?: string) => void warnings.push(text ?? "") };
      const engine = await b.engine({ workflows: [flow(schedule)], logger });
      expect(warnings).toEqual([expect.stringMatching(/^the schedule of flow late starts nothing: /)]);
      await b.clock.advance(1000);
      expect(await engine.schedules.list()).toMatchObject([{ name: "late", status: "finished", started: 0 }]);
      await engine.close();
      expect(flow(schedule).validate({ now: b.clock.now() })).toMatchObject([
        { severity: "warning", code: "bad_schedule", message: expect.stringContaining("starts nothing any more") },
      ]);
      expect(flow(schedule).validate({ now: Date.parse("2027-01-01") })).toEqual([]);
    },
  );
});

describe("a large input", () => {
  test("reaches the runs, but is not told with every tick", async () => {
    const b = await benchAt(START);
    await using engine = await b.engine({ workflows: [size] });
    const input = { text: "x".repeat(100_000) };
    const handle = await engine.schedules.create("s", { workflow: size, every: "1m", input });
    await pass(b, 2 * MINUTE);
    expect(await (await engine.handle("s@2027-03-01T00:02:00.000Z")).result()).toEqual(100_000);
    const { spec } = await handle.describe();
    expect([spec.input, spec.inputDigest]).toEqual([undefined, expect.any(String)]);
    const [, ...history] = await (await engine.handle("schedule:s")).history();
    expect(JSON.stringify(history).length).toBeLessThan(20_000);
  });
});

describe("a crash at any commit", () => {
  const rest = workflow("rest", async (wf) => wf.sleep("90s"));
  test("changes nothing about what is started and told", async () => {
    const { result, crashes } = await crashEverywhere({ workflows: [rest] }, async (env) => {
      const handle = await env.schedules.create("s", { workflow: rest, every: "1m", overlap: "buffer-one" });
      await env.clock.advance("3m");
      await handle.pause("a while");
      await env.clock.advance("2m");
      await handle.trigger({ overlap: "allow-all" });
      await handle.resume();
      await env.clock.advance("2m");
      const { recent, started: count, skipped } = await handle.describe();
      const runs = await started(env, "s");
      // Its history is replayed when the environment is closed.
      await (await env.handle("schedule:s")).terminate();
      return { runs: runs.length, count, skipped, recent: recent.map(({ tick, outcome }) => [tick, outcome]) };
    });
    expect(result.runs).toBe(result.count);
    expect(crashes).toBeGreaterThan(20);
  });
});
