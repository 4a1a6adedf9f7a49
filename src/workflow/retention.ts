/** How long runs are kept after their end. */
import { type Duration, durationMs } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import { CLOSED_STATUSES, type ClosedStatus } from "../core/status.ts";

/**
 * One span for all runs, or one for each way to end: what is not named is kept for ever, unless there is a `default`.
 *
 * @example
 * workflow("etl", { retention: { completed: "7d", failed: "90d" } }, …)
 */
export type Retention = Duration | { readonly [Status in ClosedStatus | "default"]?: Duration };

/** The same in milliseconds, by the status a run ended with. Those that are missing are kept for ever. */
export type KeptMs = { readonly [Status in ClosedStatus]?: number };

const WORDS: ReadonlySet<string> = new Set([...CLOSED_STATUSES, "default"]);

/** Reads a retention. `what` is said in errors. @throws PerdureError `INVALID_ARGUMENT` */
export function keptMs(retention: Retention, what: string): KeptMs {
  if (typeof retention !== "object" || retention === null) return keptAlike(durationMs(retention, what));
  const unknown = Object.keys(retention).find((word) => !WORDS.has(word));
  if (unknown !== undefined)
    throw new PerdureError(
      "INVALID_ARGUMENT",
      `${what}: no run ends as ${JSON.stringify(unknown)}; there are ${[...WORDS].join(", ")}`,
    );
  const kept: Partial<Record<ClosedStatus, number>> = {};
  for (const status of CLOSED_STATUSES) {
    const word = retention[status] === undefined ? "default" : status;
    const span = retention[word];
    if (span !== undefined) kept[status] = durationMs(span, `${what} (${word})`);
  }
  return kept;
}

/** One span for all runs, however they end. */
export function keptAlike(ms: number): KeptMs {
  return Object.fromEntries(CLOSED_STATUSES.map((status) => [status, ms]));
}
