/** What JavaScript lets through: names and values of options that nobody knows. */
import { describe, expect, it } from "vitest";
import { connect, open, workflow } from "../../src/index.ts";
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
    await expect(handle.fork(any(undefined))).rejects.toEqual(
      refused(/the options of fork\(\) are an object with from/),
    );
    await expect(handle.reset(any({ from: "a" }))).rejects.toEqual(refused(/there are to, reason, timeout/));
  });

  it("keeps an engine from opening, and a connection", async () => {
    await expect(open(any({ workflow: [w] }))).rejects.toEqual(refused(/open\(\) has no option "workflow"/));
    await expect(open(any({ store: "memory:", claims: "mine" }))).rejects.toEqual(refused(/claims has no value/));
    await expect(connect(any({ stor: "memory:" }))).rejects.toEqual(refused(/did you mean store\?/));
  });
});
