/** Schedules that flows bring along. */
import { describe, expect, test } from "vitest";
import type { Perdure } from "../../src/client/perdure.ts";
import { silentLogger } from "../../src/engine/log.ts";
import { type Flow, parseFlow } from "../../src/flow/index.ts";
import { benchAt, CALM, HOUR, MINUTE, pass, START, started } from "./schedule-scene.ts";

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
