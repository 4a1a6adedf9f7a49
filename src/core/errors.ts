/**
 * The one error class of the public surface. Its `code` is a closed set, and one table gives each code its HTTP status,
 * exit code and retryability. What is stored in a history is a {@link Failure} (see failure.ts), never this.
 */

import { hasKey } from "./foreign.ts";

/** What a code means outside the process: HTTP status, exit code of the command line, whether trying again can help. */
interface Meaning {
  readonly http: number;
  readonly exit: number;
  readonly retryable: boolean;
}

/** The closed set of codes a {@link PerdureError} carries. */
export type ErrorCode =
  /** An argument, option or definition is wrong; nothing was done. */
  | "INVALID_ARGUMENT"
  /** No such run, workflow, definition or schedule. */
  | "NOT_FOUND"
  /** A run with this workflow id is open, or its closed run may not be reused. */
  | "ALREADY_EXISTS"
  /** The same idempotency key came with another input, or the state forbids the operation. */
  | "CONFLICT"
  /** The run has ended: it takes no more messages. */
  | "RUN_CLOSED"
  /** `result()` of a run that failed; the original error is the `cause`. */
  | "RUN_FAILED"
  /** An update was rejected, or its handler threw; that error is the `cause`. */
  | "UPDATE_FAILED"
  /** `result()` of a run that was cancelled. */
  | "RUN_CANCELLED"
  /** `result()` of a run that was terminated. */
  | "RUN_TERMINATED"
  /** `result()` of a run that passed its own timeout. */
  | "RUN_TIMED_OUT"
  /** The run stands still until somebody acts: its code disagrees with its history, or it kept crashing engines. */
  | "RUN_BLOCKED"
  /** The engine does not have the code (in that version) which the run needs. */
  | "VERSION_UNAVAILABLE"
  /** Waiting for an answer took longer than asked for; the run goes on. */
  | "WAIT_TIMED_OUT"
  /** A value is larger than allowed. */
  | "PAYLOAD_TOO_LARGE"
  /** A value cannot be kept in a history. */
  | "UNSERIALISABLE"
  /** A value holds a secret of its run in clear text. */
  | "SECRET_LEAK"
  /** A workflow context was used outside of the workflow's own turn. */
  | "OUT_OF_TURN"
  /** Workflow code used something that does not replay: a timer, the network, a file, the environment. */
  | "NONDETERMINISTIC"
  /** This engine lost its lease on the store; what it did not commit goes on elsewhere. */
  | "LEASE_LOST"
  /** The store cannot be reached or is busy beyond patience. */
  | "UNAVAILABLE"
  /** The store was written by a newer version, or its contents contradict themselves. */
  | "INCOMPATIBLE_STORE"
  /** A defect of the engine itself. */
  | "INTERNAL";

const MEANING: Readonly<Record<ErrorCode, Meaning>> = {
  INVALID_ARGUMENT: { http: 400, exit: 2, retryable: false },
  NOT_FOUND: { http: 404, exit: 2, retryable: false },
  ALREADY_EXISTS: { http: 409, exit: 2, retryable: false },
  CONFLICT: { http: 409, exit: 2, retryable: false },
  RUN_CLOSED: { http: 409, exit: 2, retryable: false },
  RUN_FAILED: { http: 500, exit: 1, retryable: false },
  UPDATE_FAILED: { http: 422, exit: 1, retryable: false },
  RUN_CANCELLED: { http: 500, exit: 1, retryable: false },
  RUN_TERMINATED: { http: 500, exit: 1, retryable: false },
  RUN_TIMED_OUT: { http: 500, exit: 1, retryable: false },
  RUN_BLOCKED: { http: 409, exit: 1, retryable: false },
  VERSION_UNAVAILABLE: { http: 503, exit: 3, retryable: true },
  WAIT_TIMED_OUT: { http: 504, exit: 1, retryable: true },
  PAYLOAD_TOO_LARGE: { http: 413, exit: 2, retryable: false },
  UNSERIALISABLE: { http: 400, exit: 2, retryable: false },
  SECRET_LEAK: { http: 400, exit: 1, retryable: false },
  OUT_OF_TURN: { http: 500, exit: 1, retryable: false },
  NONDETERMINISTIC: { http: 500, exit: 1, retryable: false },
  LEASE_LOST: { http: 503, exit: 3, retryable: true },
  UNAVAILABLE: { http: 503, exit: 3, retryable: true },
  INCOMPATIBLE_STORE: { http: 500, exit: 3, retryable: false },
  INTERNAL: { http: 500, exit: 1, retryable: false },
};

const BRAND = Symbol.for("perdure.error");

/**
 * Every error this package throws at its callers.
 *
 * @example
 * try { await handle.result() } catch (error) {
 *   if (isPerdureError(error, "RUN_FAILED")) console.error(error.cause);
 * }
 */
export class PerdureError extends Error {
  override readonly name: string = "PerdureError";
  readonly code: ErrorCode;
  /** JSON facts about what happened: ids, limits, positions. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: { details?: Record<string, unknown>; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** HTTP status for this code. */
  get httpStatus(): number {
    return MEANING[this.code].http;
  }

  /** Exit code of the command line for this code. */
  get exitCode(): number {
    return MEANING[this.code].exit;
  }

  /** Whether the same call may succeed later without a change. */
  get retryable(): boolean {
    return MEANING[this.code].retryable;
  }
}

/** Whether a value is a {@link PerdureError} (also one of another copy of this package), optionally of one code. */
export function isPerdureError(value: unknown, code?: ErrorCode): value is PerdureError {
  if (typeof value !== "object" || value === null || !hasKey(value, BRAND)) return false;
  return code === undefined || (value as unknown as PerdureError).code === code;
}

/** A call was given something else than it takes. */
export function wrongArgument(call: string, takes: string): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", `${call} takes ${takes}`);
}

/** A broken promise of the code itself: never a user's mistake, never retried. */
export class Defect extends Error {
  override readonly name: string = "Defect";
}

/** Throws a {@link Defect} unless `condition` holds. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Defect(message);
}
