/** Operations on many runs, filters, and retention, on a clock that tests move. */
import { describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import { activity } from "../../src/workflow/activity.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench } from "./fixture.ts";

const HOUR = 3_600_000;
/** Engines that look rarely, as time flies here. */
const RARELY = { poll: "5m", leaseTtl: "1h" } as const;

const waits = workflow("waits", async (wf) => wf.waitFor<string>("go"));
const quick = workflow("quick", async (_, fail: boolean) => {
  if (fail) throw new Error("no");
  return 1;
});

describe("bulk operations", () => {
  test("cancel every run of a filter, also more than a page of them, and leave the others alone", async () => {
    const { engine, clock } = bench();
    await using host = await engine({ workflows: [waits, quick] });
    for (let n = 0; n < 450; n++)
      await host.start(waits, undefined, { id: `w-${n}`, tags: { customer: n % 2, region: "eu" } });
    await clock.advance(100);
    const seen: string[] = [];
    const filter = { workflow: "waits", tags: { customer: 1 } };
    const planned = await host.runs.bulk(filter, "cancel", { dryRun: true, onRun: (run) => seen.push(run.workflowId) });
    expect(planned).toEqual({ matched: 225, done: 0, failed: [] });
    expect(new Set(seen).size).toBe(225);
    expect(await host.runs.bulk(filter, "cancel", { reason: "left" })).toEqual({ matched: 225, done: 225, failed: [] });
    await clock.advance(1000);
    expect(await host.runs.list({ status: "cancelled", limit: 1000 })).toHaveLength(225);
    expect(await host.runs.list({ status: "running", tags: { customer: 0 }, limit: 1000 })).toHaveLength(225);
    expect(await host.runs.bulk({ status: "cancelled" }, "delete", { limit: 201 })).toMatchObject({ done: 201 });
    expect(await host.runs.list({ status: "cancelled", limit: 1000 })).toHaveLength(24);
  });

  test("leave schedules alone unless they are named", async () => {
    const { engine, clock } = bench();
    await using host = await engine({ workflows: [waits] });
    await host.schedules.create("nightly", { workflow: waits, cron: "0 3 * * *" });
    await host.start(waits, undefined, { id: "w" });
    await clock.advance(100);
    for (const action of ["pause", "cancel", "terminate"] as const) {
      expect(await host.runs.bulk({}, action, { dryRun: true })).toMatchObject({ matched: 1 });
      const named = { workflow: "perdure.schedule" };
      expect(await host.runs.bulk(named, action, { dryRun: true })).toMatchObject({ matched: 1 });
    }
  });

  test("pause, resume and terminate, also through a connection; what fails is told and stops nothing", async () => {
    const { engine, clock, store } = bench();
    await using host = await engine({ workflows: [waits, quick] });
    await using connection = await connect({ store });
    for (const id of ["a", "b"]) await host.start(waits, undefined, { id });
    await host.start(quick, true, { id: "f" });
    await clock.advance(10_000);
    expect(await connection.runs.bulk({ workflow: "waits" }, "pause", { reason: "later" })).toMatchObject({ done: 2 });
    expect(await host.runs.list({ status: "paused" })).toMatchObject([{ paused: "later" }, { paused: "later" }]);
    expect(await host.runs.bulk({}, "resume", { dryRun: true })).toMatchObject({ matched: 3 });
    await clock.advance(10);
    expect(await host.runs.bulk({ status: "paused" }, "resume")).toMatchObject({ done: 2 });
    await clock.advance(10_000);
    const { done, failed } = await host.runs.bulk({ status: ["running", "failed"] }, "terminate");
    expect([done, failed.map(({ workflowId, error }) => [workflowId, error.code])]).toEqual([2, [["f", "RUN_CLOSED"]]]);
    await expect(host.runs.bulk({}, "explode" as never)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("bulk retry", () => {
  test("starts what waits for its next attempt, and leaves alone what runs or waits for something else", async () => {
    const { engine, clock } = bench();
    const box = { away: true, tries: 0 };
    const call = activity("call", { retry: { maxAttempts: 9, initial: "2h", max: "2h" } }, async () => {
      box.tries++;
      if (box.away) throw new Error("the provider is away");
      return "ok";
    });
    const calls = workflow("calls", async (wf) => wf.call(call, undefined));
    await using host = await engine({ ...RARELY, workflows: [calls, waits] });
    const runs = await Promise.all([1, 2, 3].map((n) => host.start(calls, undefined, { id: `c${n}` })));
    await host.start(waits, undefined, { id: "w" });
    await clock.advance(10_000);
    expect(box.tries).toBe(3);
    box.away = false;
    expect(await host.runs.bulk({}, "retry", { dryRun: true })).toMatchObject({ matched: 4 });
    expect(await host.runs.bulk({ workflow: "calls" }, "retry")).toEqual({ matched: 3, done: 3, failed: [] });
    await clock.advance(10_000);
    expect(box.tries).toBe(6);
    expect(await Promise.all(runs.map((run) => run.status()))).toEqual(["completed", "completed", "completed"]);
    expect(await (await host.handle("w")).status()).toBe("running");
  });
});

describe("retention", () => {
  test("deletes runs that ended long enough ago, by workflow or by default, never open ones", async () => {
    const { engine, clock } = bench();
    const brief = workflow("brief", { retention: "90m" }, async () => 1);
    const audit = workflow("audit", async () => 1);
    await using host = await engine({
      ...RARELY,
      workflows: [brief, audit, quick, waits],
      retention: { default: "10h", audit: "1000d" },
    });
    for (let n = 0; n < 150; n++) await host.start(brief, undefined, { id: `b-${n}` });
    await host.start(audit, undefined, { id: "audit" });
    await host.start(quick, false, { id: "quick" });
    await host.start(waits, undefined, { id: "waits" });
    const left = async () => (await host.runs.list({ limit: 1000 })).map(({ workflowId }) => workflowId).sort();
    await clock.advance(HOUR);
    expect(await left()).toHaveLength(153);
    await clock.advance(2 * HOUR);
    expect(await left()).toEqual(["audit", "quick", "waits"]);
    await clock.advance(10 * HOUR);
    expect(await left()).toEqual(["audit", "waits"]);
  });

  test("keeps everything when nobody says otherwise, and refuses what is no duration", async () => {
    const { engine, clock } = bench();
    const host = await engine({ ...RARELY, workflows: [quick] });
    await host.start(quick, false, { id: "q" });
    await clock.advance(40 * HOUR);
    expect(await host.runs.list()).toHaveLength(1);
    await host.close();
    await expect(engine({ retention: { default: "soon" as never } })).rejects.toThrow("retention of default");
    expect(() => workflow("w", { retention: "soon" as never }, async () => 1)).toThrow("retention of w");
  });
});
