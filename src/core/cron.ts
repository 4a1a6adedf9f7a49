/** Cron expressions: five or six fields, IANA time zones, daylight saving handled as croner does (Vixie-like). */
import { Cron } from "croner";
import { PerdureError } from "./errors.ts";

/** What is wrong with a cron expression or time zone, or undefined. */
export function cronProblem(expression: string, timezone?: string): string | undefined {
  try {
    const next = new Cron(expression, { paused: true, timezone: timezone ?? "UTC" }).nextRun(new Date(0));
    return next === null ? "it never matches" : undefined;
  } catch (error) {
    return (error as Error).message.replace(/^CronPattern: /, "");
  }
}

/**
 * The first time after `after` (epoch milliseconds) that the expression matches in the time zone, UTC by default.
 *
 * @throws PerdureError `INVALID_ARGUMENT` for a bad expression or zone, or one that never matches again.
 */
export function nextCron(expression: string, timezone: string | undefined, after: number): number {
  let next: Date | null;
  try {
    next = new Cron(expression, { paused: true, timezone: timezone ?? "UTC" }).nextRun(new Date(after));
  } catch (cause) {
    throw new PerdureError("INVALID_ARGUMENT", `cron ${JSON.stringify(expression)}: ${(cause as Error).message}`, {
      cause,
    });
  }
  if (next === null)
    throw new PerdureError("INVALID_ARGUMENT", `cron ${JSON.stringify(expression)} never matches again`);
  return next.getTime();
}
