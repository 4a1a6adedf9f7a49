/** When and how a failed attempt is tried again: one policy for activities, inline steps and flow steps. */
import { type Duration, durationMs } from "./duration.ts";
import { PerdureError } from "./errors.ts";
import type { Failure } from "./failure.ts";
import { checkOptions, optionNames } from "./options.ts";
import { unitInterval } from "./random.ts";

/** What authors write. All fields are optional; see {@link DEFAULT_RETRY} for what is left out. */
export interface RetryOptions {
  /** Attempts in all, the first one included. `Infinity` never gives up. Default 3. */
  readonly maxAttempts?: number;
  /** Wait before the second attempt. Default 1 s. */
  readonly initial?: Duration;
  /** What each wait is multiplied by when they grow exponentially. Default 2. */
  readonly factor?: number;
  /** Longest wait. Default 1 min. */
  readonly max?: Duration;
  /** Share of each wait that is random, 0 to 1. Derived from run, step and attempt, so that it replays. Default 0. */
  readonly jitter?: number;
  /** How waits grow: times `factor` (default), by `initial` each time (`linear`), or not at all. */
  readonly backoff?: "exponential" | "linear" | "constant";
  /** Retry only errors whose class (or a parent class), `name` or `code` is listed. */
  readonly on?: readonly string[];
  /** Never retry errors whose class (or a parent class), `name` or `code` is listed. */
  readonly notOn?: readonly string[];
}

const RETRY_OPTIONS = optionNames<RetryOptions>({
  maxAttempts: true,
  initial: true,
  factor: true,
  max: true,
  jitter: true,
  backoff: true,
  on: true,
  notOn: true,
});

/** A complete policy in plain numbers. */
export interface RetryPolicy {
  readonly maxAttempts: number;
  readonly initialMs: number;
  readonly factor: number;
  readonly maxMs: number;
  readonly jitter: number;
  readonly backoff: "exponential" | "linear" | "constant";
  readonly on: readonly string[];
  readonly notOn: readonly string[];
}

/** The default everywhere: 3 attempts, 1 s then twice as long each time, at most 1 min, no jitter. */
export const DEFAULT_RETRY: RetryPolicy = {
  maxAttempts: 3,
  initialMs: 1000,
  factor: 2,
  maxMs: 60_000,
  jitter: 0,
  backoff: "exponential",
  on: [],
  notOn: [],
};

/**
 * Completes what an author wrote over `base`.
 *
 * @throws PerdureError `INVALID_ARGUMENT` naming the field.
 */
export function retryPolicy(options: RetryOptions | undefined, base: RetryPolicy = DEFAULT_RETRY): RetryPolicy {
  if (options === undefined) return base;
  checkOptions(options, RETRY_OPTIONS, "retry");
  const policy: RetryPolicy = {
    maxAttempts: options.maxAttempts ?? base.maxAttempts,
    initialMs: options.initial === undefined ? base.initialMs : durationMs(options.initial, "retry.initial"),
    factor: options.factor ?? base.factor,
    maxMs: options.max === undefined ? base.maxMs : durationMs(options.max, "retry.max"),
    jitter: options.jitter ?? base.jitter,
    backoff: options.backoff ?? base.backoff,
    on: options.on ?? base.on,
    notOn: options.notOn ?? base.notOn,
  };
  const wrong = problem(policy);
  if (wrong !== undefined) throw new PerdureError("INVALID_ARGUMENT", wrong);
  return policy;
}

function problem(policy: RetryPolicy): string | undefined {
  const whole = policy.maxAttempts === Number.POSITIVE_INFINITY || Number.isInteger(policy.maxAttempts);
  if (!whole || policy.maxAttempts < 1)
    return `retry.maxAttempts must be a whole number from 1, or Infinity; got ${typeof policy.maxAttempts === "number" ? policy.maxAttempts : JSON.stringify(policy.maxAttempts)}`;
  if (!(policy.factor >= 1)) return `retry.factor must be at least 1; got ${policy.factor}`;
  if (!(policy.jitter >= 0 && policy.jitter <= 1)) return `retry.jitter must lie between 0 and 1; got ${policy.jitter}`;
  if (!["exponential", "linear", "constant"].includes(policy.backoff)) {
    return `retry.backoff must be exponential, linear or constant; got ${String(policy.backoff)}`;
  }
  const unlisted = (["on", "notOn"] as const).find((field) => !isListOfTexts(policy[field]));
  if (unlisted !== undefined)
    return `retry.${unlisted} must be a list of texts, the names or codes of errors, like ["ECONNRESET"]`;
  return undefined;
}

function isListOfTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((listed) => typeof listed === "string");
}

/** Milliseconds to wait after failed attempt number `attempt` (from 1). `seed` makes the jitter repeatable. */
export function backoffMs(policy: RetryPolicy, attempt: number, seed: string): number {
  const grown =
    policy.backoff === "constant"
      ? policy.initialMs
      : policy.backoff === "linear"
        ? policy.initialMs * attempt
        : policy.initialMs * Math.min(policy.factor ** (attempt - 1), Number.MAX_VALUE);
  const capped = Math.min(grown, policy.maxMs);
  if (policy.jitter === 0) return Math.round(capped);
  return Math.round(capped * (1 - policy.jitter * unitInterval(`${seed}:${attempt}`)));
}

/** Whether a failure may be tried again at all, whatever the number of attempts. */
export function isRetryable(policy: RetryPolicy, failure: Failure): boolean {
  if (failure.fatal === true) return false;
  const { name, classes = [], code } = failure;
  const names = ["Error", name, ...classes, ...(code === undefined ? [] : [String(code)])];
  if (policy.notOn.some((listed) => names.includes(listed))) return false;
  return policy.on.length === 0 || policy.on.some((listed) => names.includes(listed));
}
