/** Waiting for what a run answers: the run's code runs in an engine, which may be elsewhere, or nowhere. */
import type { Connection } from "../client/connection.ts";
import { type Duration, durationMs } from "../core/duration.ts";
import { isPerdureError, PerdureError } from "../core/errors.ts";
import type { RunRow } from "../store/store.ts";
import { shellWord } from "./progress/run-display.ts";

/** How long to wait when nobody says. */
const PATIENCE_MS = 30_000;

/**
 * Calls `send` with how long to wait for the answer. Without an engine on the store nobody waits: what was sent is kept.
 *
 * @throws PerdureError `WAIT_TIMED_OUT` that says what to do.
 */
export async function answerWithin<T>(
  { store }: Connection,
  { workflowId }: RunRow,
  timeout: string | undefined,
  send: (timeout: number) => Promise<T>,
): Promise<T> {
  const alone = (await store.engines()).length === 0;
  const ms = timeout === undefined ? PATIENCE_MS : durationMs(timeout as Duration, "--timeout");
  try {
    return await send(alone ? 1 : ms);
  } catch (error) {
    if (!isPerdureError(error, "WAIT_TIMED_OUT")) throw error;
    const id = shellWord(workflowId);
    const hint = alone
      ? `no engine is running on this store; perdure runs resume ${id} goes on with the run, which then answers`
      : `it is kept; perdure runs show ${id} shows what the run does`;
    throw new PerdureError("WAIT_TIMED_OUT", `sent, but ${workflowId} has not answered yet`, { details: { hint } });
  }
}
