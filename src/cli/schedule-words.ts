/** Schedules for people and for programs. */
import type { ScheduleDescription } from "../client/schedules.ts";
import { formatDuration } from "../core/duration.ts";
import { timingText } from "../workflow/schedule-spec.ts";
import type { ScheduleEntry } from "../workflow/schedule-state.ts";
import type { Part } from "./text/styled-line.ts";
import { clockText, isoTime } from "./text/time-text.ts";

const iso = (at: number | undefined): string | null => (at === undefined ? null : isoTime(at));

/** A decision as JSON. */
export function entryRecord({ tick, last, at, reason, workflowId, ...same }: ScheduleEntry): object {
  const span = last === undefined ? {} : { last: isoTime(last) };
  return {
    tick: isoTime(tick),
    ...span,
    ...same,
    reason: reason ?? null,
    workflowId: workflowId ?? null,
    at: isoTime(at),
  };
}

/** A schedule as JSON: times are ISO 8601. */
export function scheduleRecord(schedule: ScheduleDescription): object {
  const { spec, next, paused, recent, waiting, blocked, waitingFor, ...same } = schedule;
  const { at, startAt, endAt, everyMs, catchUpMs, jitterMs, timeoutMs, workflow: _, ...plain } = spec;
  const span = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : formatDuration(ms));
  return {
    ...same,
    spec: {
      ...plain,
      every: span(everyMs),
      at: at === undefined ? undefined : isoTime(at),
      catchUp: span(catchUpMs),
      jitter: span(jitterMs),
      timeout: span(timeoutMs),
      startAt: startAt === undefined ? undefined : isoTime(startAt),
      endAt: endAt === undefined ? undefined : isoTime(endAt),
    },
    next: iso(next),
    paused: paused === undefined ? null : { note: paused.note, at: isoTime(paused.at) },
    waiting: waiting.map(({ tick, cause }) => ({ tick: isoTime(tick), cause })),
    recent: recent.map(entryRecord),
    blocked: blocked ?? null,
    waitingFor: waitingFor === undefined ? null : { ...waitingFor, since: isoTime(waitingFor.since) },
  };
}

/** When a schedule ticks, for people. */
export function whenText({ spec }: ScheduleDescription): string {
  return timingText(spec);
}

/** The state of a schedule, coloured. */
export function statusPart({ status, paused, blocked, waitingFor }: ScheduleDescription): Part {
  if (waitingFor !== undefined) return ["yellow", `waits: no engine has ${waitingFor.workflow}`];
  if (status === "active") return ["green", "active"];
  if (status === "paused") return ["yellow", paused?.note ? `paused: ${paused.note}` : "paused"];
  return status === "blocked" ? ["red", `blocked: ${blocked ?? ""}`] : ["dim", status];
}

/** What became of a tick, in one line. */
export function entryLine(
  { tick, last, count, cause, outcome, reason, workflowId }: ScheduleEntry,
  now: number,
): Part[] {
  const until = last === undefined ? "" : ` to ${clockText(last, now)}`;
  const times = count > 1 ? ` (${count} ticks)` : "";
  const by = cause === "tick" ? "" : ` by ${cause}`;
  const what = outcome === "started" ? `started${by}  ${workflowId ?? ""}` : `${outcome}${by}: ${reason ?? ""}${times}`;
  const style = outcome === "started" ? "green" : outcome === "waiting" ? "yellow" : "dim";
  return [`${clockText(tick, now)}${until}`, [style, what]];
}
