/** What the engine attaches to a command: how to carry it out. */
import type { Payload } from "../core/payload.ts";
import type { ActivityConfig, ActivityContext } from "../workflow/activity.ts";
import type { SecretInput } from "../workflow/context.ts";

/** An activity or inline step. */
export interface StepSpec {
  readonly run: (input: never, ctx: ActivityContext) => unknown;
  readonly input: Payload | undefined;
  readonly extra: Payload | undefined;
  readonly secretInputs: readonly SecretInput[] | undefined;
  readonly config: ActivityConfig;
}

/** A timer, or a wait that gives up at `due`. */
export interface WaitSpec {
  /** Epoch milliseconds; undefined for a wait without a timeout. */
  readonly due: number | undefined;
}

export type CommandSpec = StepSpec | WaitSpec;

/** Whether the command runs something, rather than waits. */
export function isStep(spec: CommandSpec): spec is StepSpec {
  return "run" in spec;
}
