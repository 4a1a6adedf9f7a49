/** Telling a schedule something: its code runs in an engine, which may be elsewhere, or nowhere yet. */
import type { Connection } from "../client/connection.ts";
import { type Duration, durationMs } from "../core/duration.ts";
import { isPerdureError } from "../core/errors.ts";

/** How long to wait when nobody says. */
const PATIENCE_MS = 30_000;

/** Whether a schedule has taken what it was told, and what it answered. */
export type ScheduleAnswer<T> =
  | { readonly taken: true; readonly answer: T }
  | { readonly taken: false; readonly why: string };

/** Calls `send` with how long to wait. What is not taken in time is kept. */
export async function scheduleAnswer<T>(
  { store }: Connection,
  timeout: string | undefined,
  send: (timeout: number) => Promise<T>,
): Promise<ScheduleAnswer<T>> {
  const alone = (await store.engines()).length === 0;
  const ms = timeout === undefined ? PATIENCE_MS : durationMs(timeout as Duration, "--timeout");
  try {
    return { taken: true, answer: await send(alone ? 1 : ms) };
  } catch (error) {
    if (!isPerdureError(error, "WAIT_TIMED_OUT")) throw error;
    const why = alone
      ? "no engine is running on this store: it takes effect once one with the workflow does"
      : "no engine has taken it yet: it takes effect once one with the workflow does";
    return { taken: false, why };
  }
}
