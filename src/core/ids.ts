/** Identities: run ids as people see them, and the idempotency keys derived from them. */

/** Number of a run inside its store: dense in time, never used again. */
export type RunNumber = number;

/**
 * A run id is `<store>-<number>`: the store's random identity and the run's number in base 36. It is unique across stores,
 * so that keys derived from it are too, and short enough to type.
 */
export function formatRunId(storeId: string, run: RunNumber): string {
  return `${storeId}-${run.toString(36)}`;
}

/** The number of a run id of this store, or `undefined` for anything else. */
export function parseRunId(storeId: string, text: string): RunNumber | undefined {
  if (!text.startsWith(`${storeId}-`)) return undefined;
  const digits = text.slice(storeId.length + 1);
  return /^[0-9a-z]{1,10}$/.test(digits) ? Number.parseInt(digits, 36) : undefined;
}

/** Key under which an activity's effect is the same effect: stable over attempts and crashes, new after a resume. */
export function idempotencyKey(runId: string, command: number, generation: number): string {
  return generation === 0 ? `${runId}:${command}` : `${runId}:${command}:${generation}`;
}

/** Longest workflow id, step id and name accepted. */
export const MAX_NAME: number = 1000;
