/** Tasks as they are written: what a run says of an attempt to whoever runs it. */
import type { Payload } from "../core/payload.ts";
import type { NewTask } from "../store/store.ts";
import type { SecretInput } from "../workflow/context.ts";
import { foreignOutcome } from "./foreign-outcome.ts";
import type { RunFacts } from "./run-facts.ts";
import { lostAttempt, type StepRun } from "./step-run.ts";

/** The body of a task. What is absent is unknown where the run is, or there is none. */
export interface TaskBody {
  /** Name of the step, if it has one of its own. */
  readonly label?: string;
  readonly extra?: Payload;
  readonly secretInputs?: readonly SecretInput[];
  readonly timeoutMs?: number;
  readonly heartbeatTimeoutMs?: number;
  /** The input has not been validated: the activity is unknown where the run is, or secrets are filled in first. */
  readonly unchecked?: true;
}

/** The task of a step's attempt. */
export function taskOf(step: StepRun, queue: string, { run, workflow }: RunFacts, at: number): NewTask {
  const { id: c, generation: g, name, label, spec } = step.command;
  const { timeoutMs, heartbeatTimeoutMs } = spec.config;
  const body: TaskBody = {
    ...(label !== undefined && { label }),
    ...(spec.extra !== undefined && { extra: spec.extra }),
    ...(spec.secretInputs !== undefined && { secretInputs: spec.secretInputs }),
    ...(Number.isFinite(timeoutMs) && { timeoutMs }),
    ...(Number.isFinite(heartbeatTimeoutMs) && { heartbeatTimeoutMs }),
    ...(spec.unchecked === true && { unchecked: true as const }),
  };
  return {
    generation: g,
    queue,
    activity: name,
    workflow,
    input: spec.input ?? null,
    body: JSON.stringify(body),
    lost: foreignOutcome({ c, g, a: step.attempt, u: run, e: lostAttempt(step.attempt) }),
    details: step.heartbeatText,
    at,
  };
}

/** What a task said of itself. */
export function bodyOf(text: string): TaskBody {
  return JSON.parse(text) as TaskBody;
}
