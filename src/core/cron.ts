/** Cron expressions: five or six fields, IANA time zones, daylight saving handled as croner does (Vixie-like). */
import { Cron } from "croner";
import { PerdureError } from "./errors.ts";
import { closest } from "./suggestion.ts";

/** What is wrong with the name of a time zone, or undefined. */
export function zoneProblem(timezone: string): string | undefined {
  try {
    new Intl.DateTimeFormat("en", { timeZone: timezone });
    return undefined;
  } catch {
    const zones = ["UTC", ...Intl.supportedValuesOf("timeZone")];
    const city = `/${timezone.trim().replaceAll(" ", "_")}`.toLowerCase();
    const meant = zones.find((zone) => zone.toLowerCase().endsWith(city)) ?? closest(timezone, zones);
    const hint = meant === undefined ? "they are written like Europe/Berlin" : `did you mean ${meant}?`;
    return `there is no time zone ${JSON.stringify(timezone)}; ${hint}`;
  }
}

/** What is wrong with a cron expression or time zone, or undefined. */
export function cronProblem(expression: string, timezone?: string): string | undefined {
  try {
    const next = new Cron(expression, { paused: true, timezone: timezone ?? "UTC" }).nextRun(new Date(0));
    return next === null ? "it never matches" : undefined;
  } catch (error) {
    return reason(error, timezone);
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
    throw new PerdureError("INVALID_ARGUMENT", `cron ${JSON.stringify(expression)}: ${reason(cause, timezone)}`, {
      cause,
    });
  }
  if (next === null)
    throw new PerdureError("INVALID_ARGUMENT", `cron ${JSON.stringify(expression)} never matches again`);
  return next.getTime();
}

/** Why the library refused it. Of a time zone it says so three times, one inside the other. */
function reason(error: unknown, timezone: string | undefined): string {
  const zone = timezone === undefined ? undefined : zoneProblem(timezone);
  return zone ?? (error as Error).message.replace(/^CronPattern: /, "");
}
