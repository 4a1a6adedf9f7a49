/** Workflows: named, optionally versioned, deterministic functions. */
import { PerdureError } from "../core/errors.ts";
import { checkedName } from "../core/names.ts";
import type { WorkflowContext } from "./context.ts";
import { type KeptMs, keptMs, type Retention } from "./retention.ts";
import type { ScheduleTiming } from "./schedule-spec.ts";

const WORKFLOW: unique symbol = Symbol.for("perdure.workflow");

/** A workflow definition. Flows and graphs are workflows too. */
export interface Workflow<I, O> {
  readonly [WORKFLOW]: true;
  readonly name: string;
  /** Version that runs are pinned to; undefined means unpinned. Flows use the hash of their definition. */
  readonly version: string | undefined;
  readonly run: (wf: WorkflowContext, input: I) => Promise<O>;
  /** For declarative workflows: the definition as JSON text, stored under `version` when a run starts. */
  readonly definition?: string;
  /** Longest life of a run in milliseconds, waits included. Default none. */
  readonly timeoutMs?: number;
  /** How long its runs are kept after their end, by the way they ended. Default for ever. */
  readonly kept?: KeptMs | undefined;
  /** For declarative workflows: the schedule that belongs to the definition, made when an engine is opened with it. */
  readonly schedule?: ScheduleTiming | undefined;
  /** Looks for problems that only show beside the engine's activities. @throws PerdureError `INVALID_ARGUMENT` listing them. */
  readonly check?: (known: {
    activity(name: string): unknown;
    readonly activityNames: readonly string[];
    /** Whether an activity is one that only other engines run. */
    elsewhere(name: string): boolean;
  }) => void;
  /** For declarative workflows: makes the workflow of another stored definition of the same name. */
  readonly revive?: (definition: string) => AnyWorkflow;
}

/** Any workflow, whatever its types. */
// biome-ignore lint/suspicious/noExplicitAny: the only type every workflow is assignable to
export type AnyWorkflow = Workflow<any, any>;

/** Options of {@link workflow}. */
export interface WorkflowOptions {
  /** Version that runs are pinned to. */
  readonly version?: string;
  /** How long runs are kept after their end: `"30d"`, or `{ completed: "7d", failed: "90d" }`; then the engine deletes them. Default for ever. */
  readonly retention?: Retention;
}

type WorkflowFunction<I, O> = (wf: WorkflowContext, input: I) => Promise<O>;

/**
 * Defines a workflow.
 *
 * @example
 * const hello = workflow("hello", async (wf, name: string) => wf.call(greet, name));
 */
export function workflow<I = undefined, O = unknown>(name: string, fn: WorkflowFunction<I, O>): Workflow<I, O>;
export function workflow<I = undefined, O = unknown>(
  name: string,
  options: WorkflowOptions,
  fn: WorkflowFunction<I, O>,
): Workflow<I, O>;
export function workflow<I, O>(
  name: string,
  options: WorkflowOptions | WorkflowFunction<I, O>,
  fn?: WorkflowFunction<I, O>,
): Workflow<I, O> {
  const run = typeof options === "function" ? options : fn;
  if (typeof run !== "function")
    throw new PerdureError("INVALID_ARGUMENT", `workflow ${JSON.stringify(name)} has no function`);
  const { version, retention } = typeof options === "function" ? ({} as WorkflowOptions) : options;
  if (version !== undefined) checkedName(version, `the version of workflow ${name}`);
  const kept = retention === undefined ? {} : { kept: keptMs(retention, `retention of ${name}`) };
  return workflowOf({ name, version, run, ...kept });
}

/** Makes a {@link Workflow} of its parts, for interpreters such as flows and graphs. */
export function workflowOf<I, O>(parts: Omit<Workflow<I, O>, typeof WORKFLOW>): Workflow<I, O> {
  checkedName(parts.name, "a workflow's name");
  return { ...parts, [WORKFLOW]: true };
}

/** Whether a value is a workflow. */
export function isWorkflow(value: unknown): value is AnyWorkflow {
  return typeof value === "object" && value !== null && WORKFLOW in value;
}
