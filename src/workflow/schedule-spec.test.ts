import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  dueTime,
  nextTick,
  type ScheduleOptions,
  type ScheduleSpec,
  scheduleSpec,
  ticksAfter,
  ticksWithin,
  timeMs,
} from "./schedule-spec.ts";

const HOUR = 3_600_000;
const spec = (options: Omit<ScheduleOptions, "workflow">): ScheduleSpec =>
  scheduleSpec("s", { workflow: "w", ...options });
const at = (iso: string): number => Date.parse(iso);
const iso = (ticks: readonly number[]): string[] => ticks.map((tick) => new Date(tick).toISOString().slice(0, 16));
const ticks = (options: Omit<ScheduleOptions, "workflow">, from: string, count: number): string[] =>
  iso(ticksAfter(spec(options), at(from), count));

describe("cron", () => {
  it("keeps the time on the clock of its zone when summer begins, and makes up for one that does not exist", () => {
    const berlin = { timezone: "Europe/Berlin" };
    expect(ticks({ cron: "0 4 * * *", ...berlin }, "2027-03-26T12:00:00Z", 3)).toEqual([
      "2027-03-27T03:00",
      "2027-03-28T02:00",
      "2027-03-29T02:00",
    ]);
    expect(ticks({ cron: "30 2 * * *", ...berlin }, "2027-03-26T12:00:00Z", 3)).toEqual([
      "2027-03-27T01:30",
      "2027-03-28T01:00",
      "2027-03-29T00:30",
    ]);
  });

  it("runs once at a time that the end of summer repeats, and every hour of it when told every hour", () => {
    const berlin = { timezone: "Europe/Berlin" };
    expect(ticks({ cron: "30 2 * * *", ...berlin }, "2027-10-29T12:00:00Z", 3)).toEqual([
      "2027-10-30T00:30",
      "2027-10-31T00:30",
      "2027-11-01T01:30",
    ]);
    expect(ticks({ cron: "0 * * * *", ...berlin }, "2027-10-30T22:30:00Z", 4)).toEqual([
      "2027-10-30T23:00",
      "2027-10-31T00:00",
      "2027-10-31T01:00",
      "2027-10-31T02:00",
    ]);
  });

  it("does so where summer is half an hour", () => {
    const howe = { timezone: "Australia/Lord_Howe" };
    expect(ticks({ cron: "15 2 * * *", ...howe }, "2027-10-01T12:00:00Z", 3)).toEqual([
      "2027-10-01T15:45",
      "2027-10-02T15:30",
      "2027-10-03T15:15",
    ]);
    expect(ticks({ cron: "45 1 * * *", ...howe }, "2027-04-02T12:00:00Z", 3)).toEqual([
      "2027-04-02T14:45",
      "2027-04-03T14:45",
      "2027-04-04T15:15",
    ]);
    expect(ticks({ cron: "0 * * * *", ...howe }, "2027-04-03T13:15:00Z", 3)).toEqual([
      "2027-04-03T14:00",
      "2027-04-03T15:30",
      "2027-04-03T16:30",
    ]);
  });
});

describe("intervals and times", () => {
  it("are multiples from 1970 on, or from startAt", () => {
    expect(ticks({ every: "15m" }, "2027-01-01T10:07:00Z", 2)).toEqual(["2027-01-01T10:15", "2027-01-01T10:30"]);
    const startAt = "2027-01-01T12:05:00Z";
    expect(ticks({ every: "15m", startAt }, "2027-01-01T10:07:00Z", 2)).toEqual([
      "2027-01-01T12:05",
      "2027-01-01T12:20",
    ]);
  });

  it("end with endAt, which is the last", () => {
    expect(ticks({ every: "15m", endAt: "2027-01-01T10:30:00Z" }, "2027-01-01T10:07:00Z", 9)).toEqual([
      "2027-01-01T10:15",
      "2027-01-01T10:30",
    ]);
  });

  it("come once for at", () => {
    expect(ticks({ at: "2027-01-01T11:00:00+01:00" }, "2027-01-01T09:00:00Z", 9)).toEqual(["2027-01-01T10:00"]);
    expect(ticks({ at: "2027-01-01T11:00:00+01:00" }, "2027-01-01T10:00:00Z", 9)).toEqual([]);
  });

  it("are counted without being listed as when they are listed", () => {
    const zone = fc.constantFrom("Europe/Berlin", "Australia/Lord_Howe", "UTC");
    const cron = fc.constantFrom("0 3 * * *", "*/20 * * * *", "15 2 * * 1-5", "0 0 1 * *");
    const some = fc.oneof(
      fc.record({ cron, timezone: zone }),
      fc.record({ every: fc.integer({ min: 1000, max: 5 * HOUR }) }),
    );
    const start = at("2027-03-27T00:00:00Z");
    const point = fc.integer({ min: 0, max: 48 * HOUR });
    fc.assert(
      fc.property(some, point, fc.integer({ min: 0, max: 300 }), (timing, from, minutes) => {
        const one = spec(timing);
        const [after, until] = [start + from, start + from + minutes * 1000];
        const listed = ticksAfter(one, after, 1001).filter((tick) => tick <= until);
        const counted = ticksWithin(one, after, until);
        expect([counted?.count ?? 0, counted?.first, counted?.last]).toEqual([listed.length, listed[0], listed.at(-1)]);
      }),
      { numRuns: 60 },
    );
  });
});

describe("jitter", () => {
  it("delays each tick by a part of it, the same each time, and never past the next tick", () => {
    const jittered = spec({ every: "10s", jitter: "1m" });
    const delays = ticksAfter(jittered, at("2027-01-01T00:00:00Z"), 200).map((tick) => {
      const next = nextTick(jittered, tick)!;
      const due = dueTime("s", jittered, tick, next);
      expect(due).toBe(dueTime("s", jittered, tick, next));
      expect(due).toBeLessThan(next);
      return due - tick;
    });
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(new Set(delays).size).toBeGreaterThan(100);
    expect(dueTime("other", jittered, 10_000, 20_000)).not.toBe(dueTime("s", jittered, 10_000, 20_000));
  });
});

describe("what cannot be meant", () => {
  it.each([
    [{}, "exactly one of cron, every and at, not none"],
    [{ cron: "* * * * *", every: "1m" as const }, "not 2 of them"],
    [{ cron: "61 * * * *" }, "61"],
    [
      { cron: "* * * * *", timezone: "Europe/Berlinn" },
      /^schedule s: there is no time zone "Europe\/Berlinn"; did you mean Europe\/Berlin\?$/,
    ],
    [{ cron: "* * * * *", timezone: "new york" }, "did you mean America/New_York?"],
    [{ cron: "* * * * *", timezone: "Mars/Olympus Mons" }, 'no time zone "Mars/Olympus Mons"; they are written like'],
    [{ every: "1m" as const, timezone: "UTC" }, "timezone belongs to cron"],
    [{ every: "10ms" as const }, "at least 1s"],
    [{ every: "1m" as const, overlap: "never" as never }, "overlap is one of skip"],
    [{ every: "1m" as const, limit: 0 }, "limit"],
    [{ every: "1m" as const, startAt: 5, endAt: 4 }, "endAt is before startAt"],
    [{ at: "2027-01-01T10:00:00" }, "no point in time"],
    [{ at: "tomorrow" }, "no point in time"],
  ])("%j", (options, message) => {
    expect(() => spec(options)).toThrow(message);
  });

  it("is told from a day, which begins in UTC", () => {
    expect(timeMs("2027-01-01", "at")).toBe(at("2027-01-01T00:00:00Z"));
  });
});
