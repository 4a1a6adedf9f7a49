/** When a schedule starts its workflow: what people write, checked and brought into one form, and the ticks that follow from it. */
import { cronProblem, nextCron, zoneProblem } from "../core/cron.ts";
import { digest } from "../core/digest.ts";
import { type Duration, durationMs, formatDuration } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import { checkOptions, optionNames } from "../core/options.ts";
import { encodePayload } from "../core/payload.ts";
import { unitInterval } from "../core/random.ts";
import { textTags } from "../core/tags.ts";
import type { AnyWorkflow } from "./workflow.ts";

/** What happens to a tick that comes while what the schedule started before is still running. */
export type Overlap = "skip" | "buffer-one" | "buffer-all" | "cancel-other" | "terminate-other" | "allow-all";

/** All overlap policies. */
export const OVERLAPS: readonly Overlap[] = [
  "skip",
  "buffer-one",
  "buffer-all",
  "cancel-other",
  "terminate-other",
  "allow-all",
];

/** A point in time: epoch milliseconds, a Date, or ISO 8601 text with its zone. */
export type Time = number | Date | string;

/** When, and how: everything about a schedule but the workflow it starts. Exactly one of `cron`, `every` and `at`. */
export interface ScheduleTiming {
  /** Cron expression of five or six fields: `0 3 * * *`. */
  readonly cron?: string;
  /** IANA time zone of `cron`. Default UTC. */
  readonly timezone?: string;
  /** At multiples of this span, at least 1 s, counted from `startAt`, or else from 1970-01-01T00:00Z. */
  readonly every?: Duration;
  /** Once, at this time. */
  readonly at?: Time;
  /** What happens to a tick while what was started before is running. Default `skip`. */
  readonly overlap?: Overlap;
  /** A tick that nobody was there for is made up for when it is no older than this, otherwise skipped. Default 1 h. */
  readonly catchUp?: Duration;
  /** Each start is delayed by a part of this span, always the same part for the same tick. Default none. */
  readonly jitter?: Duration;
  /** No ticks before. */
  readonly startAt?: Time;
  /** No ticks after. */
  readonly endAt?: Time;
  /** At most so many starts by ticks. Those by hand do not count. Default no limit. */
  readonly limit?: number;
  /** Input of the runs. */
  readonly input?: unknown;
  /** Tags of the runs, beside `schedule`, which has the name of the schedule. */
  readonly tags?: Readonly<Record<string, string | number | boolean>>;
  /** Longest life of a run, waits included. */
  readonly timeout?: Duration;
  /** For people: what the schedule is for. */
  readonly note?: string;
}

/** What `engine.schedules.create` takes. */
export interface ScheduleOptions extends ScheduleTiming {
  /** The workflow to start, or its name. */
  readonly workflow: AnyWorkflow | string;
}

/** A schedule in one form: spans and times in milliseconds. */
export interface ScheduleSpec {
  readonly workflow: string;
  readonly input?: unknown;
  readonly cron?: string;
  readonly timezone?: string;
  readonly everyMs?: number;
  readonly at?: number;
  readonly overlap: Overlap;
  readonly catchUpMs: number;
  readonly jitterMs: number;
  readonly startAt?: number;
  readonly endAt?: number;
  readonly limit?: number;
  readonly tags?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly note?: string;
  /** Where it is told: stands for an input that is too large for that. */
  readonly inputDigest?: string;
  /** Written in a flow, which takes it away again when it is no longer there. */
  readonly fromFlow?: true;
}

const OPTIONS: ReadonlySet<string> = optionNames<ScheduleOptions>({
  workflow: true,
  cron: true,
  timezone: true,
  every: true,
  at: true,
  overlap: true,
  catchUp: true,
  jitter: true,
  startAt: true,
  endAt: true,
  limit: true,
  input: true,
  tags: true,
  timeout: true,
  note: true,
});

const DEFAULT_CATCH_UP_MS = 3_600_000;
const LEAST_EVERY_MS = 1000;

/**
 * Brings what people write into one form.
 *
 * @throws PerdureError `INVALID_ARGUMENT` that names the schedule and what is wrong.
 */
export function scheduleSpec(name: string, options: ScheduleOptions): ScheduleSpec {
  checkOptions(options, OPTIONS, `schedule ${name}`);
  const { workflow, input, cron, timezone, every, at, catchUp, jitter, startAt, endAt, timeout } = options;
  const { overlap = "skip", limit, tags, note } = options;
  const span = (value: Duration, what: string): number => durationMs(value, `${what} of schedule ${name}`);
  const spec: ScheduleSpec = {
    workflow: workflowName(name, workflow),
    ...(input !== undefined && { input }),
    ...(cron !== undefined && { cron }),
    ...(timezone !== undefined && { timezone }),
    ...(every !== undefined && { everyMs: span(every, "every") }),
    ...(at !== undefined && { at: timeMs(at, `at of schedule ${name}`) }),
    overlap,
    catchUpMs: catchUp === undefined ? DEFAULT_CATCH_UP_MS : span(catchUp, "catchUp"),
    jitterMs: jitter === undefined ? 0 : span(jitter, "jitter"),
    ...(startAt !== undefined && { startAt: timeMs(startAt, `startAt of schedule ${name}`) }),
    ...(endAt !== undefined && { endAt: timeMs(endAt, `endAt of schedule ${name}`) }),
    ...(limit !== undefined && { limit }),
    ...(tags !== undefined && { tags: textTags(tags) }),
    ...(timeout !== undefined && { timeoutMs: span(timeout, "timeout") }),
    ...(note !== undefined && { note }),
  };
  const problem = specProblem(spec);
  if (problem !== undefined) throw new PerdureError("INVALID_ARGUMENT", `schedule ${name}: ${problem}`);
  return spec;
}

function workflowName(schedule: string, workflow: AnyWorkflow | string | undefined): string {
  const name = typeof workflow === "string" ? workflow : workflow?.name;
  if (typeof name === "string") return name;
  throw new PerdureError("INVALID_ARGUMENT", `schedule ${schedule}: workflow is a workflow or the name of one`);
}

/** Longest text of an input that is told. */
const TOLD_INPUT = 2000;

/** The form in which a schedule is told with every change: without a large input. */
export function toldSpec(spec: ScheduleSpec): ScheduleSpec {
  const { input, ...rest } = spec;
  const text = input === undefined ? "" : encodePayload(input);
  return text.length <= TOLD_INPUT ? spec : { ...rest, inputDigest: digest(text) };
}

/** What is wrong with a schedule, or undefined. */
export function specProblem(spec: ScheduleSpec): string | undefined {
  const { cron, timezone, everyMs, at, overlap, limit, startAt, endAt } = spec;
  const given = [cron, everyMs, at].filter((one) => one !== undefined).length;
  if (given !== 1)
    return `say when: exactly one of cron, every and at, not ${given === 0 ? "none of them" : `${given} of them`}`;
  if (cron === undefined && timezone !== undefined)
    return "timezone belongs to cron; times of every and at have theirs";
  const nowhere = timezone === undefined ? undefined : zoneProblem(timezone);
  if (nowhere !== undefined) return nowhere;
  const wrong = cron === undefined ? undefined : cronProblem(cron, timezone);
  if (wrong !== undefined) return `${JSON.stringify(cron)} cannot be used: ${wrong}`;
  if (everyMs !== undefined && everyMs < LEAST_EVERY_MS) return `every must be at least 1s, not ${everyMs}ms`;
  if (!OVERLAPS.includes(overlap)) return `overlap is one of ${OVERLAPS.join(", ")}, not ${JSON.stringify(overlap)}`;
  if (limit !== undefined && (!Number.isInteger(limit) || limit < 1)) return "limit must be a whole number from 1";
  if (startAt !== undefined && endAt !== undefined && endAt < startAt) return "endAt is before startAt";
  return undefined;
}

const ZONED = /(?:Z|[+-]\d\d:?\d\d)$/i;

/** Epoch milliseconds of a {@link Time}. @throws PerdureError `INVALID_ARGUMENT`. */
export function timeMs(time: Time, what: string): number {
  const zoned = typeof time !== "string" || /^\d{4}-\d\d-\d\d$/.test(time) || ZONED.test(time);
  const ms = typeof time === "number" ? time : zoned ? new Date(time).getTime() : Number.NaN;
  if (Number.isFinite(ms)) return Math.round(ms);
  const shown = typeof time === "string" ? JSON.stringify(time) : String(time);
  const message = `${what}: ${shown} is no point in time; write 2027-01-31T09:00:00Z, 2027-01-31T10:00:00+01:00, a Date or milliseconds`;
  throw new PerdureError("INVALID_ARGUMENT", message);
}

/** The first tick after a point in time, or undefined when there is none. */
export function nextTick(spec: ScheduleSpec, after: number): number | undefined {
  const from = Math.max(after, (spec.startAt ?? Number.NEGATIVE_INFINITY) - 1);
  const tick = rawTick(spec, from);
  return tick === undefined || tick > (spec.endAt ?? Number.POSITIVE_INFINITY) ? undefined : tick;
}

function rawTick({ cron, timezone, everyMs, at, startAt = 0 }: ScheduleSpec, after: number): number | undefined {
  if (at !== undefined) return at > after ? at : undefined;
  if (everyMs !== undefined) return startAt + (Math.floor((after - startAt) / everyMs) + 1) * everyMs;
  try {
    return nextCron(cron!, timezone, after);
  } catch {
    return undefined;
  }
}

/** When a tick is to be started: later than the tick itself by its share of the jitter, but before the `next` one. */
export function dueTime(name: string, spec: ScheduleSpec, tick: number, next: number | undefined): number {
  if (spec.jitterMs === 0) return tick;
  const room = next === undefined ? spec.jitterMs : Math.min(spec.jitterMs, next - tick - 1);
  return tick + Math.floor(unitInterval(`${name}@${tick}`) * room);
}

/** The next ticks after a point in time. */
export function ticksAfter(spec: ScheduleSpec, after: number, count: number): number[] {
  const ticks: number[] = [];
  for (let tick = nextTick(spec, after); tick !== undefined && ticks.length < count; tick = nextTick(spec, tick))
    ticks.push(tick);
  return ticks;
}

/** Ticks in a span, without a list of them. */
export interface TickSpan {
  readonly first: number;
  readonly last: number;
  readonly count: number;
  /** There are more than were counted; `last` is the last that was. */
  readonly more: boolean;
}

/** Ticks of cron expressions are looked for one after another: so many at a time. */
const MOST_COUNTED = 1000;

/** The ticks after one point in time up to another, or undefined when there are none. */
export function ticksWithin(spec: ScheduleSpec, after: number, until: number): TickSpan | undefined {
  const first = nextTick(spec, after);
  if (first === undefined || first > until) return undefined;
  if (spec.everyMs !== undefined) {
    const count = Math.floor((Math.min(until, spec.endAt ?? until) - first) / spec.everyMs) + 1;
    return { first, last: first + (count - 1) * spec.everyMs, count, more: false };
  }
  let last = first;
  for (let count = 1; ; count++) {
    const next = nextTick(spec, last);
    if (next === undefined || next > until) return { first, last, count, more: false };
    if (count === MOST_COUNTED) return { first, last, count, more: true };
    last = next;
  }
}

/** When a schedule ticks, for people: `cron 0 3 * * * Europe/Berlin`, `every 15m`, `at 2027-01-31T09:00:00.000Z`. */
export function timingText({ cron, timezone, everyMs, at }: ScheduleSpec): string {
  if (cron !== undefined) return `cron ${cron}${timezone === undefined ? "" : ` ${timezone}`}`;
  return everyMs === undefined ? `at ${new Date(at ?? 0).toISOString()}` : `every ${formatDuration(everyMs)}`;
}
