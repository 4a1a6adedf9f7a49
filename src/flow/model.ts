/**
 * The one model of a flow, whatever it was written in (YAML, JSON, TypeScript, the `to_dict` form). Names are camelCase,
 * spans are milliseconds; readers and writers translate. A model may be invalid: `validateFlow` says what is wrong.
 */
import type { RetryPolicy } from "../core/retry-policy.ts";
import type { ClosedStatus } from "../core/status.ts";

export type { RetryPolicy } from "../core/retry-policy.ts";

/** Any JSON value; strings in a step's `input` and a flow's `output` may hold `${{ expressions }}`. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The fields of a retry policy that an author wrote; what is left out comes from the flow, the activity, the defaults. */
export type FlowRetry = Partial<RetryPolicy>;

/** What happens when a step has failed for good. `retry` is another word for `fail`: the retry policy applies first. */
export type OnError = "fail" | "continue" | "retry" | { readonly goto: string };

/** When a step with several dependencies starts: after all of them have settled, or at the first that completes. */
export type Join = "all" | "any";

/** A declarative workflow: steps that depend on one another. */
export interface FlowDefinition {
  readonly name: string;
  readonly description?: string;
  /** Default for all steps. */
  readonly retry?: FlowRetry;
  /** Longest life of a run, waits included. */
  readonly timeoutMs?: number;
  /** How many tasks and agents may run at a time. Waits do not count. */
  readonly maxParallel?: number;
  /** When the flow starts by itself. */
  readonly schedule?: FlowSchedule;
  /** How long runs are kept after their end. Has no part in the version: runs of all versions are kept by what stands here now. */
  readonly retention?: FlowRetention;
  /** Agents described in the flow itself, by name, in the words they were written with. */
  readonly agents?: Readonly<Record<string, Json>>;
  /** Template of the run's output. Default: the outputs of the last steps, by id. */
  readonly output?: Json;
  readonly steps: readonly FlowStep[];
}

/** Milliseconds, for all runs or for each way to end. */
export type FlowRetention = number | { readonly [Status in ClosedStatus | "default"]?: number };

/** When a flow starts by itself: exactly one of `cron`, `everyMs` and `at`. Times are ISO 8601. */
export interface FlowSchedule {
  readonly cron?: string;
  readonly timezone?: string;
  readonly everyMs?: number;
  readonly at?: string;
  readonly overlap?: string;
  readonly catchUpMs?: number;
  readonly jitterMs?: number;
  readonly startAt?: string;
  readonly endAt?: string;
  readonly limit?: number;
  readonly input?: Json;
  readonly note?: string;
}

/** What every step has. */
export interface StepBase {
  readonly id: string;
  readonly description?: string;
  /** Ids of steps that must settle first. */
  readonly dependsOn: readonly string[];
  /** CEL condition; when it is false the step is skipped. */
  readonly when?: string;
  readonly onError?: OnError;
  readonly join?: Join;
}

/** What steps have that do work. */
export interface WorkStep extends StepBase {
  /** Template of the input. Left out: the run's input. */
  readonly input?: Json;
  readonly retry?: FlowRetry;
  /** Longest time of one attempt. */
  readonly timeoutMs?: number;
  /** Names of shared objects the step needs for itself. Kept, not yet enforced. */
  readonly objectKeys?: readonly string[];
}

/** Calls an activity. */
export interface TaskStep extends WorkStep {
  readonly kind: "task";
  /** Name of the activity; `etl/extract` means activity `etl/extract` on queue `etl`. */
  readonly activity: string;
}

/** Calls an agent: an activity that is described by configuration. */
export interface AgentStep extends WorkStep {
  readonly kind: "agent";
  readonly agent: string;
}

/** Waits for a signal. Its output is the signal's payload. */
export interface SignalStep extends StepBase {
  readonly kind: "signal";
  readonly signal: SignalConfig;
}

/** Waits for a time. Its output is `null`. */
export interface TimerStep extends StepBase {
  readonly kind: "timer";
  readonly timer: TimerConfig;
}

/** One step of a flow. */
export type FlowStep = TaskStep | AgentStep | SignalStep | TimerStep;

/** Which signal a step waits for, how long, and which step starts when it does not come. */
export interface SignalConfig {
  readonly name: string;
  readonly timeoutMs?: number;
  readonly onTimeout?: string;
}

/** How long a step waits: a delay, or until a cron expression matches. Exactly one of the two. */
export interface TimerConfig {
  /** A name for people and other systems; it has no effect. */
  readonly key?: string;
  readonly delayMs?: number;
  readonly cron?: string;
  /** IANA time zone of `cron`. Default UTC. */
  readonly timezone?: string;
  /** Kept for flows that come from elsewhere; a durable timer needs no retries. */
  readonly maxRetries?: number;
}

/** What kind of mistake a {@link Problem} is. */
export type ProblemCode =
  | "bad_syntax"
  | "too_large"
  | "duplicate_key"
  | "unknown_key"
  | "missing_key"
  | "wrong_type"
  | "unsupported"
  | "no_steps"
  | "bad_id"
  | "duplicate_id"
  | "unknown_dependency"
  | "later_dependency"
  | "self_dependency"
  | "duplicate_dependency"
  | "cycle"
  | "unknown_target"
  | "self_target"
  | "target_without_timeout"
  | "timer_choice"
  | "bad_cron"
  | "bad_timezone"
  | "bad_schedule"
  | "bad_duration"
  | "bad_retry"
  | "empty_name"
  | "unknown_activity"
  | "unknown_agent"
  | "unknown_step"
  | "not_upstream"
  | "bad_expression"
  | "secret_misused"
  | "bad_value";

/** One thing that is wrong with a flow. */
export interface Problem {
  /** A flow with errors cannot run; warnings are for people. */
  readonly severity: "error" | "warning";
  readonly code: ProblemCode;
  readonly message: string;
  /** Where, in the words of the file: `steps[2].depends_on[0]`. Empty for the whole flow. */
  readonly path: string;
  /** From 1. */
  readonly line?: number;
  /** From 1. */
  readonly column?: number;
  readonly file?: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** The step that starts only when this one times out or fails, if there is one. */
export function targetsOf(step: FlowStep): readonly string[] {
  const targets: string[] = [];
  if (step.kind === "signal" && step.signal.onTimeout !== undefined) targets.push(step.signal.onTimeout);
  if (typeof step.onError === "object") targets.push(step.onError.goto);
  return targets;
}
