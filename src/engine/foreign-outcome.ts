/**
 * Outcomes that come as messages (rule 27): each says which command it settles, and may say for which run, generation and attempt
 * it is meant. Names are one letter long, because they are stored.
 */
import type { Failure } from "../core/failure.ts";
import type { Payload } from "../core/payload.ts";

/** An outcome that comes as a message: from a child, from an activity that completes elsewhere, or by hand. */
export interface ForeignOutcome {
  /** Command it settles. */
  readonly c: number;
  /** Generation and attempt it is meant for; absent: whichever there is. */
  readonly g?: number;
  readonly a?: number;
  /** Parsed payload of the result. */
  readonly p?: unknown;
  readonly e?: Failure;
  /** Workflow id and run id of the child. */
  readonly w?: string;
  readonly h?: string;
  /** Said by hand: why. */
  readonly r?: string;
  /** Of a task: details of its last heartbeat, and when it started. */
  readonly d?: unknown;
  readonly s?: number;
  /** Of a task that goes on outside of every engine: how long it may take from its start, in milliseconds. */
  readonly l?: number;
  /** The result went through the schema of its activity. */
  readonly q?: true;
  /** Number of the run it is meant for: one that continues it has other commands under the same numbers (rule 27). */
  readonly u?: number;
}

/** Text of an outcome. `result` and `details` are payload text. */
export function foreignOutcome(
  outcome: Omit<ForeignOutcome, "p" | "d">,
  result?: Payload,
  details: Payload | null = null,
): string {
  let text = JSON.stringify(outcome);
  if (result !== undefined) text = `${text.slice(0, -1)},"p":${result}}`;
  if (details !== null) text = `${text.slice(0, -1)},"d":${details}}`;
  return text;
}
