/** Steps written in TypeScript. A bare number is milliseconds here, as everywhere in TypeScript. */
import { type Duration, durationMs } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import type { RetryOptions } from "../core/retry-policy.ts";
import { didYouMean } from "../core/suggestion.ts";
import { type AnyActivity, isActivity } from "../workflow/activity.ts";
import type { Signal } from "../workflow/signal.ts";
import { withActivity } from "./activity-reference.ts";
import type {
  AgentStep,
  FlowRetry,
  Join,
  Json,
  OnError,
  SignalStep,
  StepBase,
  TaskStep,
  TimerStep,
  WorkStep,
} from "./model.ts";

/** Options of every step. */
export interface StepSettings {
  readonly description?: string;
  /** Ids of steps that must settle first; they stand earlier in the flow. */
  readonly dependsOn?: readonly string[];
  /** CEL condition over `input`, `steps.<id>.output|status|error` and `run`; when it is false the step is skipped. */
  readonly when?: string;
  /** Default `fail`. */
  readonly onError?: OnError;
  /** Default `all`. */
  readonly join?: Join;
}

/** Options of steps that do work. */
export interface WorkSettings extends StepSettings {
  /** Input; texts may hold `${{ expressions }}`. Left out: the run's input. */
  readonly input?: Json;
  readonly retry?: RetryOptions;
  /** Longest time of one attempt. Default 10 min. */
  readonly timeout?: Duration;
  /** Names of shared objects the step needs for itself. Kept, not yet enforced. */
  readonly objectKeys?: readonly string[];
}

/** Options of a wait for a signal. */
export interface SignalSettings extends StepSettings {
  /** Longest wait. Default: for ever. */
  readonly timeout?: Duration;
  /** Id of the step that starts when the signal did not come in time, and only then. */
  readonly onTimeout?: string;
}

/** Options of a wait for a time: exactly one of `delay` and `cron`. */
export interface TimerSettings extends StepSettings {
  readonly delay?: Duration;
  readonly cron?: string;
  /** IANA time zone of `cron`. Default UTC. */
  readonly timezone?: string;
  /** A name for people and other systems; it has no effect. */
  readonly key?: string;
  /** Kept for flows that come from elsewhere; a durable timer needs no retries. */
  readonly maxRetries?: number;
}

const STEP_WORDS = ["description", "dependsOn", "when", "onError", "join"];
const WORK_WORDS = [...STEP_WORDS, "input", "retry", "timeout", "objectKeys"];
const SIGNAL_WORDS = [...STEP_WORDS, "timeout", "onTimeout"];
const TIMER_WORDS = [...STEP_WORDS, "delay", "cron", "timezone", "key", "maxRetries"];

/**
 * A step that calls an activity, given by name or by reference.
 *
 * @example task("load", "etl/load", { dependsOn: ["transform"], input: { table: "${{ input.table }}" } })
 */
export function task(id: string, activity: AnyActivity | string, settings: WorkSettings = {}): TaskStep {
  const name = isActivity(activity) ? activity.activityName : activity;
  const step: TaskStep = { kind: "task", ...workOf(id, settings), activity: name };
  return isActivity(activity) ? withActivity(step, activity) : step;
}

/** A step that calls an agent. @example agent("review", "reviewer", { dependsOn: ["draft"] }) */
export function agent(id: string, name: string, settings: WorkSettings = {}): AgentStep {
  return { kind: "agent", ...workOf(id, settings), agent: name };
}

/**
 * A step that waits for a signal; its output is the signal's payload.
 *
 * @example waitForSignal("approval", "approved", { dependsOn: ["submit"], timeout: "48h", onTimeout: "escalate" })
 */
export function waitForSignal<T>(id: string, signal: Signal<T> | string, settings: SignalSettings = {}): SignalStep {
  checkWords(id, settings, SIGNAL_WORDS);
  const { timeout, onTimeout } = settings;
  return {
    kind: "signal",
    ...baseOf(id, settings),
    signal: {
      name: typeof signal === "string" ? signal : signal.name,
      ...(timeout !== undefined && { timeoutMs: span(timeout, "timeout", id) }),
      ...(onTimeout !== undefined && { onTimeout }),
    },
  };
}

/** A step that waits for a time. @example waitForTimer("night", { cron: "0 3 * * *", timezone: "Europe/Berlin" }) */
export function waitForTimer(id: string, settings: TimerSettings): TimerStep {
  checkWords(id, settings, TIMER_WORDS);
  const { key, delay, cron, timezone, maxRetries } = settings;
  return {
    kind: "timer",
    ...baseOf(id, settings),
    timer: {
      ...(key !== undefined && { key }),
      ...(delay !== undefined && { delayMs: span(delay, "delay", id) }),
      ...(cron !== undefined && { cron }),
      ...(timezone !== undefined && { timezone }),
      ...(maxRetries !== undefined && { maxRetries }),
    },
  };
}

function workOf(id: string, settings: WorkSettings): WorkStep {
  checkWords(id, settings, WORK_WORDS);
  const { input, retry, timeout, objectKeys } = settings;
  return {
    ...baseOf(id, settings),
    ...(input !== undefined && { input }),
    ...(retry !== undefined && { retry: flowRetry(retry, `of step ${id}`) }),
    ...(timeout !== undefined && { timeoutMs: span(timeout, "timeout", id) }),
    ...(objectKeys !== undefined && { objectKeys: [...objectKeys] }),
  };
}

function baseOf(id: string, settings: StepSettings): StepBase {
  const { description, dependsOn = [], when, onError, join } = settings;
  return {
    id,
    ...(description !== undefined && { description }),
    dependsOn: [...dependsOn],
    ...(when !== undefined && { when }),
    ...(onError !== undefined && { onError }),
    ...(join !== undefined && { join }),
  };
}

/** What an author wrote as {@link RetryOptions}, with its spans in milliseconds. */
export function flowRetry(retry: RetryOptions, whose: string): FlowRetry {
  const { initial, max, ...same } = retry;
  return {
    ...same,
    ...(initial !== undefined && { initialMs: span(initial, "retry.initial", whose) }),
    ...(max !== undefined && { maxMs: span(max, "retry.max", whose) }),
  };
}

/** Milliseconds. Numbers are taken as they are: the validation says what is wrong with them, together with all else. */
function span(duration: Duration, what: string, id: string): number {
  return typeof duration === "number" ? duration : durationMs(duration, `${what} of step ${id}`);
}

function checkWords(id: string, settings: object, known: readonly string[]): void {
  for (const word of Object.keys(settings)) {
    if (known.includes(word)) continue;
    const hint = didYouMean(word, known);
    throw new PerdureError(
      "INVALID_ARGUMENT",
      `step ${id} has an unknown option ${JSON.stringify(word)}${hint === undefined ? "" : `; ${hint}`}`,
    );
  }
}
