/** What the engine attaches to a command: how to carry it out. */
import type { Payload } from "../core/payload.ts";
import type { StoreTransaction } from "../core/sql-transaction.ts";
import type { ActivityConfig, ActivityContext } from "../workflow/activity.ts";
import type { ChildOptions, SecretInput } from "../workflow/context.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";

/** An activity, an inline step, or something the engine does that is retried like one. */
export interface StepSpec {
  readonly run: (input: never, ctx: ActivityContext) => unknown;
  readonly input: Payload | undefined;
  readonly extra: Payload | undefined;
  readonly secretInputs: readonly SecretInput[] | undefined;
  readonly config: ActivityConfig;
  /** Nobody has validated the input: whoever runs the attempt does, if the activity has a schema. `run` does it here. */
  readonly unchecked?: boolean;
  /** Set for an activity whose attempts are handed out as tasks of this queue: `run` is not called then. */
  readonly queue?: string;
  /** Set for a step that runs in a transaction of the store: `run` is not called then. */
  readonly transaction?: (tx: StoreTransaction) => Promise<unknown>;
}

/** A timer, or a wait that gives up at `due`. */
export interface WaitSpec {
  /** Epoch milliseconds; undefined for a wait without a timeout. */
  readonly due: number | undefined;
  /** Of an approval: who may decide. */
  readonly approvers?: readonly string[];
}

/** A child workflow. */
export interface ChildSpec {
  readonly workflow: AnyWorkflow;
  readonly input: Payload;
  readonly options: ChildOptions;
  /** The code wants to know when the child exists. */
  readonly spawned: boolean;
}

export type CommandSpec = StepSpec | WaitSpec | ChildSpec;

/** Whether the command runs something, rather than waits. */
export function isStep(spec: CommandSpec): spec is StepSpec {
  return "run" in spec;
}

/** Whether the command is a child workflow. */
export function isChild(spec: CommandSpec): spec is ChildSpec {
  return "spawned" in spec;
}

/** Whether the command does something outside of its run, rather than waits. */
export function isEffect({ spec }: { readonly spec: CommandSpec }): boolean {
  return isStep(spec) || isChild(spec);
}

/** When a wait is due by itself. */
export function dueOf(spec: CommandSpec): number | undefined {
  return isStep(spec) || isChild(spec) ? undefined : spec.due;
}
