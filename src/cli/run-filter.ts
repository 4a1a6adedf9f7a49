/** Options by which commands say which runs they mean. */
import type { RunsFilter } from "../client/runs.ts";
import { parseDuration } from "../core/duration.ts";
import type { Arguments } from "./arguments.ts";
import type { OptionSpecs } from "./command.ts";
import { statusesOf } from "./status-option.ts";
import { usageError } from "./usage-error.ts";

/** The options of a filter. */
export const FILTER_OPTIONS: OptionSpecs = {
  status: {
    short: "s",
    value: "STATUS",
    multiple: true,
    help: "only runs in this state; open means all that have not ended",
  },
  workflow: { short: "w", value: "NAME", help: "only runs of this workflow" },
  where: { value: "KEY=VALUE", multiple: true, help: "only runs with this tag" },
  since: { value: "TIME", help: "only runs started since: 1h, 2d, or 2026-11-21T08:00" },
  "older-than": { value: "TIME", help: "only runs that ended before that: 30d, or 2026-11-21" },
};

/** What the options of a filter say; spans end `now`. @throws PerdureError `INVALID_ARGUMENT`. */
export function filterOf(args: Arguments, now: number): RunsFilter {
  const status = args.list("status").flatMap(statusesOf);
  const workflow = args.text("workflow");
  const since = timeOf("since", args.text("since"), now);
  const closedBefore = timeOf("older-than", args.text("older-than"), now);
  const tags = Object.fromEntries(args.list("where").map(tagOf));
  return {
    ...(status.length > 0 && { status }),
    ...(workflow !== undefined && { workflow }),
    ...(since !== undefined && { since }),
    ...(closedBefore !== undefined && { closedBefore }),
    ...(Object.keys(tags).length > 0 && { tags }),
  };
}

function tagOf(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw usageError(`--where: ${JSON.stringify(text)} is no tag`, "write --where customer=42");
  return [text.slice(0, at), text.slice(at + 1)];
}

const DATE = /^(\d{4}-\d\d-\d\d)(?:[T ].*)?$/;

/** A point in time; NaN for what is none. Left to itself, Date.parse takes 12 for December 2001 and February 31 for March 3. */
function dateOf(text: string): number {
  const day = DATE.exec(text)?.[1];
  const start = day === undefined ? Number.NaN : Date.parse(day);
  return Number.isNaN(start) || new Date(start).toISOString().slice(0, 10) !== day ? Number.NaN : Date.parse(text);
}

function timeOf(option: string, text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const ago = /^\d+$/.test(text) ? undefined : parseDuration(text);
  const at = ago === undefined ? dateOf(text) : now - ago;
  if (Number.isNaN(at))
    throw usageError(`--${option}: ${JSON.stringify(text)} is no time`, "write 30m, 1h, 2d or 2026-11-21T08:00");
  return at;
}
