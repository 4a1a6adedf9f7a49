/** What JavaScript lets through: names and values of options that nobody knows. */
import { describe, expect, it } from "vitest";
import { connect, open, workflow } from "../../src/index.ts";
import { createTestEnv } from "../../src/testing/index.ts";
import { bench } from "./fixture.ts";

const w = workflow("w", async (wf) => wf.waitFor("never"));
const refused = (message: RegExp) =>
  expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) });
const any = (value: unknown): never => value as never;

describe("an option that nobody knows", () => {
  it("does not make a bulk operation mean all runs, or do what was to be tried", async () => {
    const e = await bench().engine({ workflows: [w] });
    const handle = await e.start(w);
    for (const [filter, options, message] of [
      [{ workflw: "w" }, { dryRun: true }, /no option "workflw"; did you mean workflow\?/],
      [{ workflow: "w", limit: 1 }, {}, /no option "limit"/],
      [{}, { dryrun: true }, /no option "dryrun"; did you mean dryRun\?/],
      [{}, { dryRun: "yes" }, /dryRun must be a boolean/],
      [{}, { limit: -1 }, /limit must be a whole number/],
      [{ status: "runing" }, {}, /status has no value "runing"; did you mean running\?/],
      [{ status: ["running", null] }, {}, /status has no value/],
      [{ since: "yesterday" }, {}, /since must be epoch milliseconds/],
      [{ parent: "w-1" }, {}, /parent: "w-1" is no run id/],
      [{ tags: { name: "\ud83d" } }, {}, /tag "name"/],
    ] as const)
      await expect(e.runs.bulk(any(filter), "terminate", any(options))).rejects.toEqual(refused(message));
    await expect(e.runs.bulk({}, any("terminat"))).rejects.toEqual(refused(/did you mean terminate\?/));
    expect(await handle.status()).toBe("running");
  });

  it("is refused by a list", async () => {
    const e = await bench().engine({ workflows: [w] });
    for (const [options, message] of [
      [{ stauts: "running" }, /no option "stauts"; did you mean status\?/],
      [{ status: "bogus" }, /status has no value "bogus"; there are pending, running/],
      [{ since: new Date("yesterday") }, /since must be/],
      [{ limit: -1 }, /limit must be/],
      [{ limit: "5" }, /limit must be/],
      [{ before: "w-1" }, /before: "w-1" is no run id/],
    ] as const)
      await expect(e.runs.list(any(options))).rejects.toEqual(refused(message));
  });

  it("is refused by a start", async () => {
    const e = await bench().engine({ workflows: [w] });
    for (const [options, message] of [
      [{ idd: 1 }, /start\(\) has no option "idd"; did you mean id\?/],
      [{ reuse: "never" }, /reuse has no value "never"; there are allow, failed-only, reject/],
      [{ conflict: "x" }, /conflict has no value "x"/],
    ] as const)
      await expect(e.start(w, undefined, any(options))).rejects.toEqual(refused(message));
    const sent = { id: "a", signal: "go", payload: 1, reuse: "never" };
    await expect(e.signalWithStart(w, undefined, any(sent))).rejects.toEqual(refused(/reuse has no value/));
    expect(await e.runs.list()).toEqual([]);
  });

  it("is refused by what is asked of a run", async () => {
    const e = await bench().engine({ workflows: [w] });
    const handle = await e.start(w);
    await expect(handle.signal("go", 1, any({ keey: "k" }))).rejects.toEqual(refused(/signal\(\) has no option/));
    await expect(handle.update("up", 1, any({ timout: 1 }))).rejects.toEqual(refused(/did you mean timeout\?/));
    await expect(handle.startUpdate("up", 1, any({ key: 1 }))).rejects.toEqual(refused(/there are id, timeout/));
    await expect(handle.result(any({ timout: 1 }))).rejects.toEqual(refused(/did you mean timeout\?/));
    await expect(handle.fork(any({ frm: "a" }))).rejects.toEqual(refused(/did you mean from\?/));
    for (const [options, message] of [
      [{ from: 1, children: { kid: "keep" } }, /children: kid has no value "keep"; there is rerun/],
      [{ from: 1, messages: "no" }, /messages must be a boolean/],
    ] as const)
      await expect(handle.fork(any(options))).rejects.toEqual(refused(message));
    await expect(handle.fork(any(undefined))).rejects.toEqual(
      refused(/the options of fork\(\) are an object with from/),
    );
    await expect(handle.reset(any({ from: "a" }))).rejects.toEqual(refused(/there are to, reason, timeout/));
  });

  it("is refused by schedules", async () => {
    const e = await bench().engine({ workflows: [w] });
    const hourly = { workflow: w, every: "1h" };
    for (const [options, message] of [
      [{ workflow: w, evry: "1h" }, /schedule s has no option "evry"; did you mean every\?/],
      [{ ...hourly, overlp: "skip" }, /did you mean overlap\?/],
      [{ every: "1h" }, /schedule s: workflow is a workflow or the name of one/],
      [{ ...hourly, workflow: 5 }, /schedule s: workflow is/],
      [undefined, /the options of schedule s are an object/],
    ] as const)
      await expect(e.schedules.create("s", any(options))).rejects.toEqual(refused(message));
    await expect(e.schedules.create("s", any(hourly), any({ elsewher: true }))).rejects.toEqual(
      refused(/schedules\.create\(\) has no option "elsewher"/),
    );
    expect(await e.schedules.list()).toEqual([]);
    const s = await e.schedules.create("s", any(hourly));
    for (const [call, message] of [
      [s.update(any({ evry: "1h" })), /schedule s has no option "evry"/],
      [s.update({ every: "2h" }, any({ timout: 1 })), /update\(\) has no option "timout"; did you mean timeout\?/],
      [s.pause("n", any({ id: "k" })), /pause\(\) has no option "id"/],
      [s.pause(any({ timeout: 1 })), /the note of pause\(\) must be a text/],
      [s.resume("n", any({ timout: 1 })), /resume\(\) has no option/],
      [s.trigger(any({ overlp: "skip" })), /trigger\(\) has no option "overlp"/],
      [s.backfill(any({ form: 1, to: 2 })), /backfill\(\) has no option "form"; did you mean from\?/],
      [s.backfill(any(undefined)), /the options of backfill\(\) are an object/],
      [s.preview(Number.POSITIVE_INFINITY), /schedule s: preview\(\) tells at most 10,000 ticks/],
      [s.preview(-1), /count of preview\(\) must be a whole number/],
    ] as const)
      await expect(call).rejects.toEqual(refused(message));
    expect(await s.describe()).toMatchObject({ status: "active", spec: { everyMs: 3_600_000 }, started: 0 });
  });

  it("is refused by what replays, and by a test environment", async () => {
    const e = await bench().engine({ workflows: [w] });
    for (const [options, message] of [
      [{ workflw: "w" }, /replayRuns\(\) has no option "workflw"; did you mean workflow\?/],
      [{ status: ["runing"] }, /status has no value "runing"/],
      [{ status: "running" }, /status of replayRuns\(\) is "all" or a list of statuses/],
      [{ limit: 0 }, /limit must be a whole number/],
    ] as const)
      expect(() => e.replayRuns(any(options))).toThrow(refused(message));
    for (const [options, message] of [
      [{ workflow: [w] }, /createTestEnv\(\) has no option "workflow"; did you mean workflows\?/],
      [{ store: "memory:" }, /has no option "store"/],
      [{ unmocked: "fails" }, /unmocked has no value "fails"/],
      [{ unfinished: true }, /unfinished has no value/],
      [{ replay: "no" }, /replay must be a boolean/],
    ] as const)
      await expect(createTestEnv(any(options))).rejects.toEqual(refused(message));
  });

  it("keeps an engine from opening, and a connection", async () => {
    await expect(open(any({ workflow: [w] }))).rejects.toEqual(refused(/open\(\) has no option "workflow"/));
    await expect(open(any({ store: "memory:", claims: "mine" }))).rejects.toEqual(refused(/claims has no value/));
    await expect(connect(any({ stor: "memory:" }))).rejects.toEqual(refused(/did you mean store\?/));
  });
});
