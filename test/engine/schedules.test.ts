/** Schedules: when they tick, what a tick does while the last run lasts, and what is made up for. */
import { describe, expect, test } from "vitest";
import type { Perdure } from "../../src/client/perdure.ts";
import type { Overlap } from "../../src/workflow/schedule-spec.ts";
import fc from "../properties.ts";
import { type bench, vanishing } from "./fixture.ts";
import { benchAt, CALM, go, HOUR, MINUTE, pass, quick, START, slow, started, told } from "./schedule-scene.ts";

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
