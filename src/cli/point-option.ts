/** Points of histories as people type them: a step, the number of a command, or `@12` for event 12. */
import type { Point } from "../core/cut.ts";
import { usageError } from "./usage-error.ts";

/** The point an option names. @throws PerdureError `INVALID_ARGUMENT`. */
export function pointOf(option: string, text: string | undefined): Point {
  if (text === undefined || text === "")
    throw usageError(
      `--${option} is missing`,
      `--${option} STEP, --${option} 3 (a command) or --${option} @12 (an event)`,
    );
  if (/^@\d+$/.test(text)) return { event: Number(text.slice(1)) };
  return /^\d+$/.test(text) ? Number(text) : text;
}
