/** What people do with a schedule: pause, trigger, backfill, change, delete. */
import { describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { benchAt, CALM, HOUR, MINUTE, pass, quick, START, slow, started, told } from "./schedule-scene.ts";

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
