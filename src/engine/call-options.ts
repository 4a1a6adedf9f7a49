/**
 * Options of the calls of workflow code: those of a step, and those that nobody knows. What is thrown for these would break runs that are open, so the run's log warns: once
 * for each workflow, call and name in this process, and not for what is replayed.
 */
import { durationMs } from "../core/duration.ts";
import { optionNames, type UnknownOption, unknownOptions } from "../core/options.ts";
import { retryPolicy } from "../core/retry-policy.ts";
import type { ActivityConfig } from "../workflow/activity.ts";
import type { ChildOptions, StepOptions } from "../workflow/context.ts";
import type { Logger } from "../workflow/logger.ts";
import type { MapOptions } from "../workflow/map.ts";

/** Whose code calls. */
export interface CallOwner {
  /** The logger of the run's code. */
  readonly codeLog: Logger;
  /** What the code asks for was asked before: its log is silent. */
  readonly replays: boolean;
}

const STEP = optionNames<StepOptions>({
  retry: true,
  timeout: true,
  totalTimeout: true,
  label: true,
  extra: true,
  secretInputs: true,
});
const CHILD = optionNames<ChildOptions>({ id: true, timeout: true, onParentClose: true, tags: true, label: true });
const LABELLED = new Set(["label"]);
const TIMED = new Set(["timeout", "label"]);

/** A call of `wf` that takes options. */
export type CallWithOptions =
  | "call"
  | "step"
  | "transaction"
  | "sleep"
  | "sleepUntil"
  | "sleepUntilCron"
  | "waitFor"
  | "on"
  | "until"
  | "callback"
  | "approval"
  | "child"
  | "spawn"
  | "map"
  | "progress"
  | "scope";

const KNOWN: Readonly<Record<CallWithOptions, ReadonlySet<string>>> = {
  call: STEP,
  step: STEP,
  transaction: STEP,
  sleep: LABELLED,
  sleepUntil: LABELLED,
  sleepUntilCron: new Set(["timezone", "label"]),
  waitFor: TIMED,
  on: new Set(["validate"]),
  until: TIMED,
  callback: TIMED,
  approval: new Set(["approvers", "timeout", "label"]),
  child: CHILD,
  spawn: CHILD,
  map: optionNames<MapOptions>({ concurrency: true, onError: true }),
  progress: new Set(["history"]),
  scope: TIMED,
};

/** Told already. They are words in code; where code makes them up, they are told up to this many. */
const told = new Set<string>();
const MAX_TOLD = 10_000;

/** Warns of options of `wf.<call>` that nobody knows. */
export function lookAt(options: unknown, call: CallWithOptions, workflow: string, owner: CallOwner): void {
  const wrong = unknownOptions(options, KNOWN[call], `wf.${call}`);
  if (wrong === undefined || owner.replays) return;
  for (const one of wrong) tell(one, call, workflow, owner.codeLog);
}

function tell({ name, message }: UnknownOption, call: string, workflow: string, log: Logger): void {
  const key = JSON.stringify([workflow, call, name]);
  if (told.has(key) || told.size >= MAX_TOLD) return;
  told.add(key);
  log.warn(
    { call: `wf.${call}`, option: name },
    `${message}${message.endsWith("?") ? "" : "."} What was given is ignored.`,
  );
}

/** The configuration of a step: what its call says goes over what its activity says. */
export function withOptions(base: ActivityConfig, options: StepOptions, name: string): ActivityConfig {
  const { retry, timeout, totalTimeout } = options;
  if (retry === undefined && timeout === undefined && totalTimeout === undefined) return base;
  return {
    ...base,
    retry: retryPolicy(retry, base.retry),
    timeoutMs: timeout === undefined ? base.timeoutMs : durationMs(timeout, `timeout of ${name}`),
    totalTimeoutMs:
      totalTimeout === undefined ? base.totalTimeoutMs : durationMs(totalTimeout, `totalTimeout of ${name}`),
  };
}
