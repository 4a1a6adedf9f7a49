/** Workflows: named, optionally versioned, deterministic functions. */
import { checkedName, inShort } from "../core/names.ts";
import { optionNames } from "../core/options.ts";
import {
  type InferInput,
  type InferOutput,
  type StandardSchemaV1,
  schemasOf,
  type ValueSchemas,
} from "../core/schema.ts";
import type { WorkflowContext } from "./context.ts";
import { definitionOf } from "./definition.ts";
import { type KeptMs, keptMs, type Retention } from "./retention.ts";
import type { ScheduleTiming } from "./schedule-spec.ts";

const WORKFLOW: unique symbol = Symbol.for("perdure.workflow");

/** A workflow definition. Flows and graphs are workflows too. */
export interface Workflow<I, O> extends ValueSchemas {
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

/** Options of {@link workflow}, beside `input` and `output`: the schemas of what a run is given and of what it returns. */
export interface WorkflowOptions {
  /** Version that runs are pinned to. */
  readonly version?: string;
  /** How long runs are kept after their end: `"30d"`, or `{ completed: "7d", failed: "90d" }`; then the engine deletes them. Default for ever. */
  readonly retention?: Retention;
}

const OPTIONS: ReadonlySet<string> = optionNames<WorkflowOptions & ValueSchemas>({
  version: true,
  retention: true,
  input: true,
  output: true,
});

/** Beside a schema this is not given. */
interface NoSchemas {
  readonly input?: undefined;
  readonly output?: undefined;
}

type WorkflowFunction<I, O> = (wf: WorkflowContext, input: I) => Promise<O>;

/**
 * Defines a workflow.
 *
 * @example
 * const hello = workflow("hello", async (wf, name: string) => wf.call(greet, name));
 */
export function workflow<I = undefined, O = unknown>(name: string, fn: WorkflowFunction<I, O>): Workflow<I, O>;
/**
 * Defines a workflow whose input, output or both go through a Standard Schema: callers are typed by what goes into it, code by what
 * comes out.
 *
 * @example
 * const order = workflow("order", { input: z.object({ id: z.string() }), output: z.number() }, async (wf, { id }) => …);
 */
export function workflow<In extends StandardSchemaV1, Out extends StandardSchemaV1>(
  name: string,
  options: WorkflowOptions & { readonly input: In; readonly output: Out },
  fn: WorkflowFunction<InferOutput<In>, InferInput<Out>>,
): Workflow<InferInput<In>, InferOutput<Out>>;
export function workflow<In extends StandardSchemaV1, O>(
  name: string,
  options: WorkflowOptions & { readonly input: In; readonly output?: undefined },
  fn: WorkflowFunction<InferOutput<In>, O>,
): Workflow<InferInput<In>, O>;
export function workflow<Out extends StandardSchemaV1, I = undefined>(
  name: string,
  options: WorkflowOptions & { readonly input?: undefined; readonly output: Out },
  fn: WorkflowFunction<I, InferInput<Out>>,
): Workflow<I, InferOutput<Out>>;
export function workflow<I = undefined, O = unknown>(
  name: string,
  options: WorkflowOptions & NoSchemas,
  fn: WorkflowFunction<I, O>,
): Workflow<I, O>;
export function workflow<I, O>(
  name: string,
  options: (WorkflowOptions & ValueSchemas) | WorkflowFunction<I, O>,
  fn?: WorkflowFunction<I, O>,
): Workflow<I, O> {
  checkedName(name, "a workflow's name");
  const { options: given, run } = definitionOf<WorkflowOptions & ValueSchemas, WorkflowFunction<I, O>>(
    `workflow ${inShort(name)}`,
    OPTIONS,
    options,
    fn,
  );
  const { version, retention } = given;
  if (version !== undefined) checkedName(version, `the version of workflow ${name}`);
  const kept = retention === undefined ? {} : { kept: keptMs(retention, `retention of ${name}`) };
  return workflowOf({ name, version, run, ...kept, ...schemasOf(`workflow ${name}`, given) });
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
