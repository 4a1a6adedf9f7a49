/**
 * What workflow code sees: the public context `wf`. It is an interface without I/O; graphs and flows are interpreters written
 * on it, so that whatever implements it can run all of them.
 */
import type { Duration } from "../core/duration.ts";
import type { RetryOptions } from "../core/retry-policy.ts";
import type { Activity, ActivityContext } from "./activity.ts";
import type { Logger } from "./logger.ts";
import type { Signal } from "./signal.ts";

/** Options of one step; what is left out comes from the activity's own options, then from the defaults. */
export interface StepOptions {
  /** Retry policy; fields left out keep the activity's. */
  readonly retry?: RetryOptions;
  /** Longest time of one attempt. Default 10 min. */
  readonly timeout?: Duration;
  /** Longest time of all attempts and waits between them together. Default none. */
  readonly totalTimeout?: Duration;
  /** Name under which people see this step; defaults to the activity's name. */
  readonly label?: string;
  /**
   * Data the activity can read as `ctx.extra`, such as a flow step's upstream outputs. Part of the step's input: it is
   * encoded and compared on replay like it.
   */
  readonly extra?: unknown;
  /**
   * Strings of the input that are put together at execution, because parts of them are secrets: workflow code, history and
   * logs only ever see the names.
   */
  readonly secretInputs?: readonly SecretInput[];
}

/** One string inside a step's input that is assembled from literal text and secrets when an attempt starts. */
export interface SecretInput {
  /** Keys and indexes from the input's root to the string. Empty means the input itself. */
  readonly path: readonly (string | number)[];
  readonly parts: readonly (string | { readonly secret: string })[];
}

/** Facts about the run, the same live and on replay. */
export interface RunInfo {
  readonly workflow: string;
  readonly version: string | undefined;
  readonly workflowId: string;
  readonly runId: string;
  /** When the run was started, epoch milliseconds. */
  readonly startedAt: number;
}

/** What a workflow function gets as its first argument. */
export interface WorkflowContext {
  /** Calls an activity and waits for its result. By name, the activity must be registered with the engine. */
  call<I, O>(
    activity: Activity<I, O>,
    ...args: undefined extends I ? [input?: I, options?: StepOptions] : [input: I, options?: StepOptions]
  ): Promise<O>;
  call<O = unknown>(activity: string, input?: unknown, options?: StepOptions): Promise<O>;
  /** Runs a function once and keeps its result: an activity written in place. Names may repeat. */
  step<T>(name: string, fn: (ctx: ActivityContext) => T | Promise<T>, options?: StepOptions): Promise<T>;
  /** Waits. Days are as cheap as seconds. */
  sleep(duration: Duration, options?: { label?: string }): Promise<void>;
  /** Waits until a point in time (epoch milliseconds or Date); a past one returns in the next turn. */
  sleepUntil(time: number | Date, options?: { label?: string }): Promise<void>;
  /** Waits until the next time a cron expression matches, in an IANA time zone (default UTC). Returns that time. */
  sleepUntilCron(expression: string, options?: { timezone?: string; label?: string }): Promise<number>;
  /**
   * Waits for the next signal of this name. Signals that came earlier were kept and are taken in their order. With a `timeout`
   * the answer is `undefined` when it passes first.
   */
  waitFor<T>(signal: Signal<T> | string, options: { timeout: Duration; label?: string }): Promise<T | undefined>;
  waitFor<T>(signal: Signal<T> | string, options?: { label?: string }): Promise<T>;
  /**
   * Runs a function in a scope of its own. With a `timeout`, everything still pending inside is cancelled when it passes, and the
   * scope rejects with a TimeoutError (code `SCOPE_TIMEOUT`). What is still pending when the function ends is given up.
   */
  scope<T>(fn: () => Promise<T>, options?: { timeout?: Duration; label?: string }): Promise<T>;
  /**
   * Runs a function that goes on although the run, or a scope around it, is cancelled: for cleaning up.
   *
   * @example try { await wf.call(work) } finally { await wf.uncancellable(() => wf.call(release)) }
   */
  uncancellable<T>(fn: () => Promise<T>): Promise<T>;
  /** The current time of the run, epoch milliseconds: that of the last thing that happened to it. */
  now(): number;
  /** A number in [0, 1), the same on replay. */
  random(): number;
  /** A UUID, the same on replay. */
  uuid(): string;
  /** Aborted when the run is cancelled. */
  readonly abortSignal: AbortSignal;
  /** Facts about this run. */
  readonly info: RunInfo;
  /** Logs with the run's identity attached, silent on replay. */
  readonly log: Logger;
  /** Records a decision (which branch, what was skipped) beside the next event, for people and audit. */
  note(kind: string, data: Record<string, unknown>): void;
}
