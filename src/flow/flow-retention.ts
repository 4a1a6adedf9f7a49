/** How long runs of a flow are kept: the `retention` key, read and written. */
import { formatDuration, parseDuration } from "../core/duration.ts";
import { CLOSED_STATUSES } from "../core/status.ts";
import type { FlowRetention, Json } from "./model.ts";
import type { Finding } from "./problem.ts";
import type { JsonSchema } from "./schema.ts";

const WORDS: readonly (keyof Exclude<FlowRetention, number>)[] = [...CLOSED_STATUSES, "default"];

/** Reads the key: a duration, or one for each way to end. What has the wrong type is left out. */
export function readRetention(value: unknown, findings: Finding[]): FlowRetention | undefined {
  if (typeof value !== "object") return spanMs(value, ["retention"], findings);
  if (value === null || Array.isArray(value)) return undefined;
  const spans = value as Readonly<Record<string, unknown>>;
  const read: Partial<Record<string, number>> = {};
  for (const word of WORDS) {
    const ms = spanMs(spans[word], ["retention", word], findings);
    if (ms !== undefined) read[word] = ms;
  }
  return read;
}

function spanMs(value: unknown, path: readonly string[], findings: Finding[]): number | undefined {
  if (typeof value === "number" && value >= 0) return Math.round(value * 1000);
  const ms = typeof value === "string" ? parseDuration(value, 1000) : undefined;
  if (ms === undefined && typeof value === "string") {
    const name = path.join(".");
    const message = `${name} must be a duration such as 30d, 12h, P90D or a number of seconds, not ${JSON.stringify(value)}`;
    findings.push({ code: "bad_duration", path, message });
  }
  return ms;
}

/** Writes the key. */
export function writeRetention(retention: FlowRetention | undefined): Json | undefined {
  if (retention === undefined) return undefined;
  if (typeof retention === "number") return formatDuration(retention);
  return Object.fromEntries(Object.entries(retention).map(([word, ms]) => [word, formatDuration(ms)]));
}

/** The words of the key. `duration` is referred to. */
export const RETENTION_SCHEMA: JsonSchema = {
  title: "a retention such as 30d or { completed: 7d, failed: 90d }",
  description: "How long runs are kept after their end, then engines delete them. Default for ever.",
  anyOf: [
    { $ref: "#/$defs/duration" },
    {
      type: "object",
      additionalProperties: false,
      properties: Object.fromEntries(
        WORDS.map((word) => [
          word,
          {
            $ref: "#/$defs/duration",
            description:
              word === "default"
                ? "How long runs are kept that ended otherwise. Default for ever."
                : `How long runs are kept that ended as ${word}.`,
          },
        ]),
      ),
    },
  ],
};
