/** When a flow starts by itself: the `schedule` key, read, written and checked. */
import { formatDuration, parseDuration } from "../core/duration.ts";
import type { Overlap, ScheduleTiming } from "../workflow/schedule-spec.ts";
import { nextTick, scheduleSpec } from "../workflow/schedule-spec.ts";
import type { FlowDefinition, FlowSchedule, Json } from "./model.ts";
import type { Finding } from "./problem.ts";
import type { JsonSchema } from "./schema.ts";

type Values = Readonly<Record<string, unknown>>;

/** The words of a schedule that are spans, with those of the model. */
const SPANS = { every: "everyMs", catch_up: "catchUpMs", jitter: "jitterMs" } as const;
const TEXTS = { cron: "cron", timezone: "timezone", overlap: "overlap", at: "at" } as const;
const MORE_TEXTS = { start_at: "startAt", end_at: "endAt", note: "note" } as const;

/** Reads the key: a cron expression, or an object. */
export function readSchedule(value: unknown, findings: Finding[]): FlowSchedule | undefined {
  if (typeof value === "string") return { cron: value };
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const values = value as Values;
  const read: Record<string, unknown> = {};
  for (const [word, field] of Object.entries({ ...TEXTS, ...MORE_TEXTS }))
    if (typeof values[word] === "string") read[field] = values[word];
  for (const [word, field] of Object.entries(SPANS)) {
    if (values[word] === undefined) continue;
    const ms = spanMs(values[word]);
    if (ms === undefined) findings.push(noDuration(word, values[word]));
    else read[field] = ms;
  }
  if (typeof values.limit === "number") read.limit = values.limit;
  if (values.input !== undefined) read.input = values.input;
  return read as FlowSchedule;
}

function spanMs(value: unknown): number | undefined {
  if (typeof value === "number") return value < 0 ? undefined : Math.round(value * 1000);
  return typeof value === "string" ? parseDuration(value, 1000) : undefined;
}

function noDuration(word: string, value: unknown): Finding {
  const message = `${word} must be a duration such as 30s, 1h30m, 2d, PT10S or a number of seconds, not ${JSON.stringify(value)}`;
  return { code: "bad_duration", path: ["schedule", word], message };
}

/** Writes the key; one that is only a cron expression as that. */
export function writeSchedule(schedule: FlowSchedule | undefined): Json | undefined {
  if (schedule === undefined) return undefined;
  const given = Object.entries(schedule).filter(([, value]) => value !== undefined);
  if (given.length === 1 && schedule.cron !== undefined) return schedule.cron;
  const fields = schedule as Values;
  const written: Record<string, Json> = {};
  for (const [word, field] of Object.entries({ ...TEXTS, ...MORE_TEXTS }))
    if (fields[field] !== undefined) written[word] = fields[field] as string;
  for (const [word, field] of Object.entries(SPANS))
    if (fields[field] !== undefined) written[word] = formatDuration(fields[field] as number);
  if (schedule.limit !== undefined) written.limit = schedule.limit;
  if (schedule.input !== undefined) written.input = schedule.input;
  return written;
}

/** The schedule as an engine takes it. */
export function timingOf(schedule: FlowSchedule): ScheduleTiming {
  const { everyMs, catchUpMs, jitterMs, overlap, ...same } = schedule;
  return {
    ...same,
    ...(overlap !== undefined && { overlap: overlap as Overlap }),
    ...(everyMs !== undefined && { every: everyMs }),
    ...(catchUpMs !== undefined && { catchUp: catchUpMs }),
    ...(jitterMs !== undefined && { jitter: jitterMs }),
  };
}

/** What is wrong with the schedule of a flow, `now` or at any time. */
export function checkSchedule({ name, schedule }: FlowDefinition, now: number | undefined): Finding[] {
  if (schedule === undefined) return [];
  try {
    const spec = scheduleSpec(name, { ...timingOf(schedule), workflow: name });
    if (now === undefined || nextTick(spec, now - 1) !== undefined) return [];
    const message = "the flow's schedule starts nothing any more: there is no such time in the future";
    return [{ severity: "warning", code: "bad_schedule", path: ["schedule"], message }];
  } catch (error) {
    const message = `the flow's schedule: ${(error as Error).message.replace(`schedule ${name}: `, "")}`;
    return [{ code: "bad_schedule", path: ["schedule"], message, hint: 'write "0 3 * * *" or { every: 15m }' }];
  }
}

/** The words of the key. `duration` is referred to. */
export const SCHEDULE_SCHEMA: JsonSchema = {
  title: 'a schedule such as "0 3 * * *" or { every: 15m }',
  description: "When the flow starts by itself. A bare text is a cron expression.",
  anyOf: [
    { type: "string", minLength: 1 },
    {
      type: "object",
      additionalProperties: false,
      properties: {
        cron: {
          description: "A cron expression of five or six fields.",
          type: "string",
          title: 'a cron expression such as "0 3 * * *"',
          examples: ["0 3 * * *"],
        },
        timezone: {
          description: "IANA time zone of the cron expression. Default UTC.",
          type: "string",
          title: "a time zone such as Europe/Berlin",
          examples: ["Europe/Berlin"],
        },
        every: { $ref: "#/$defs/duration", description: "Start at multiples of this span, counted from start_at." },
        at: {
          description: "Start once, at this time.",
          type: "string",
          title: "a time such as 2027-01-31T09:00:00Z",
          examples: ["2027-01-31T09:00:00Z"],
        },
        overlap: {
          description: "What happens when the run before has not ended. Default skip.",
          enum: ["skip", "buffer-one", "buffer-all", "cancel-other", "terminate-other", "allow-all"],
        },
        catch_up: { $ref: "#/$defs/duration", description: "How late a start may be made up for. Default 1h." },
        jitter: { $ref: "#/$defs/duration", description: "Delay each start by a part of this span. Default none." },
        start_at: { description: "No starts before.", type: "string", title: "a time such as 2027-01-31T09:00:00Z" },
        end_at: { description: "No starts after.", type: "string", title: "a time such as 2027-01-31T09:00:00Z" },
        limit: { description: "At most so many starts.", type: "integer", minimum: 1, title: "a whole number from 1" },
        input: { description: "Input of the runs." },
        note: { description: "What the schedule is for.", type: "string" },
      },
    },
  ],
};
