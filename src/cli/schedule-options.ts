/** Options that say when and how a schedule starts its workflow. */
import type { Duration } from "../core/duration.ts";
import { OVERLAPS, type Overlap, type ScheduleTiming } from "../workflow/schedule-spec.ts";
import type { Arguments } from "./arguments.ts";
import type { OptionSpecs } from "./command.ts";
import { readValue } from "./input-values.ts";
import { usageError } from "./usage-error.ts";

/** The options of `schedules create` and `schedules update`. */
export const TIMING_OPTIONS: OptionSpecs = {
  cron: { value: "EXPRESSION", help: 'five or six fields: "0 3 * * *"' },
  every: { value: "DURATION", help: "at multiples of 15m, 6h, …" },
  at: { value: "TIME", help: "once: 2027-01-31T09:00:00Z" },
  timezone: { value: "ZONE", help: "of --cron, such as Europe/Berlin (default UTC)" },
  overlap: { value: "POLICY", help: `when the run before has not ended: ${OVERLAPS.join(", ")} (default skip)` },
  input: { short: "i", value: "VALUE", multiple: true, help: "input of the runs: key=value, JSON, @FILE or -" },
  "catch-up": { value: "DURATION", help: "how late a start may be made up for (default 1h)" },
  jitter: { value: "DURATION", help: "delay each start by a part of this" },
  "start-at": { value: "TIME", help: "no starts before" },
  "end-at": { value: "TIME", help: "no starts after" },
  limit: { value: "COUNT", help: "at most so many starts" },
  tag: { value: "KEY=VALUE", multiple: true, help: "a tag of the runs" },
  "run-timeout": { value: "DURATION", help: "longest life of a run" },
  note: { value: "TEXT", help: "what the schedule is for" },
};

/** What the options say. */
export async function timingOf(args: Arguments): Promise<ScheduleTiming> {
  const given = <K extends string>(key: K, option: string): { [P in K]?: string } => {
    const text = args.text(option);
    return (text === undefined ? {} : { [key]: text }) as { [P in K]?: string };
  };
  const texts = {
    ...given("cron", "cron"),
    ...given("timezone", "timezone"),
    ...given("at", "at"),
    ...given("startAt", "start-at"),
    ...given("endAt", "end-at"),
    ...given("note", "note"),
  };
  const spans = {
    ...given("every", "every"),
    ...given("catchUp", "catch-up"),
    ...given("jitter", "jitter"),
    ...given("timeout", "run-timeout"),
  } as { [key: string]: Duration };
  const overlap = overlapOf(args);
  const limit = args.count("limit");
  const input = await readValue("input", args.list("input"));
  const tags = args.list("tag");
  return {
    ...texts,
    ...spans,
    ...(overlap !== undefined && { overlap }),
    ...(limit !== undefined && { limit }),
    ...(input !== undefined && { input }),
    ...(tags.length > 0 && { tags: Object.fromEntries(tags.map(tagOf)) }),
  };
}

function tagOf(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw usageError(`--tag takes KEY=VALUE, not ${JSON.stringify(text)}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** The value of `--overlap`. */
export function overlapOf(args: Arguments): Overlap | undefined {
  const text = args.text("overlap");
  if (text === undefined || OVERLAPS.includes(text as Overlap)) return text as Overlap | undefined;
  throw usageError(`--overlap is one of ${OVERLAPS.join(", ")}, not ${JSON.stringify(text)}`);
}
