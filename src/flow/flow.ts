/** Flows as workflows: what `engine.start` takes. */
import { type Duration, durationMs } from "../core/duration.ts";
import type { RetryOptions } from "../core/retry-policy.ts";
import type { AnyActivity } from "../workflow/activity.ts";
import { keptMs, type Retention } from "../workflow/retention.ts";
import { type AnyWorkflow, type Workflow, workflowOf } from "../workflow/workflow.ts";
import { activityOf, withActivity } from "./activity-reference.ts";
import { agentsOf } from "./agents/file.ts";
import { canonicalJson, contentHash, sortedKeys } from "./canonical-json.ts";
import { type FlowDict, writeDict } from "./definition-dict.ts";
import { type FlowJson, readDefinition, writeDefinition } from "./definition-json.ts";
import { timingOf } from "./flow-schedule.ts";
import { runFlow } from "./interpreter.ts";
import type { FlowDefinition, FlowRetention, FlowSchedule, FlowStep, Json, Problem } from "./model.ts";
import { agentActivity, compileFlow, type FlowProgram } from "./program.ts";
import { flowRetry } from "./step-builders.ts";
import { assertValid, type KnownNames, validateFlow } from "./validation.ts";

/** Options of a flow written in TypeScript. A bare number is milliseconds. */
export interface FlowOptions {
  readonly description?: string;
  /** Default retry policy of all steps. */
  readonly retry?: RetryOptions;
  /** Longest life of a run, waits included. Default none. */
  readonly timeout?: Duration;
  /** How long runs are kept after their end: `"30d"`, or `{ completed: "7d", failed: "90d" }`. Default for ever. */
  readonly retention?: Retention;
  /** How many tasks and agents may run at a time. Waits do not count. Default: no limit. */
  readonly maxParallel?: number;
  /** When the flow starts by itself: a cron expression, or more. */
  readonly schedule?: string | FlowSchedule;
  /** Template of the run's output. Default: the outputs of the last steps, by id. */
  readonly output?: Json;
}

const FLOW: unique symbol = Symbol.for("perdure.flow");

/**
 * A flow: a workflow whose function is an interpreter of its definition. `version` is the hash of the definition and
 * `definition` its canonical JSON; reading them, as starting and opening do, throws `INVALID_ARGUMENT` with all problems when
 * the flow is invalid.
 */
export interface Flow<I = unknown, O = unknown> extends Workflow<I, O> {
  readonly [FLOW]: true;
  readonly version: string;
  readonly definition: string;
  /** The definition as data, valid or not. */
  readonly model: FlowDefinition;
  /** Activities that steps were given by reference. */
  readonly activities: readonly AnyActivity[];
  /** Names of the secrets that inputs ask for. */
  readonly secrets: readonly string[];
  /** Adds steps at the end. Runs that have started keep the definition they started with. */
  add(...steps: readonly FlowStep[]): this;
  /** Everything that is wrong. Names of activities and agents are checked when they are given. */
  validate(known?: KnownNames): Problem[];
  /** The definition in the words of a flow file. */
  toJSON(): FlowJson;
  /** The definition as `{steps: [{name, service_name, …}]}`. @throws PerdureError for what that form has no word for. */
  toDict(): FlowDict;
}

/**
 * A flow written in TypeScript.
 *
 * @example
 * const etl = flow("etl", [
 *   task("extract", "etl/extract"),
 *   task("load", "etl/load", { dependsOn: ["extract"] }),
 * ]);
 */
export function flow<I = unknown, O = unknown>(name: string, steps?: readonly FlowStep[]): Flow<I, O>;
export function flow<I = unknown, O = unknown>(
  name: string,
  options: FlowOptions,
  steps?: readonly FlowStep[],
): Flow<I, O>;
export function flow<I = unknown, O = unknown>(
  name: string,
  options: FlowOptions | readonly FlowStep[] = [],
  steps?: readonly FlowStep[],
): Flow<I, O> {
  const settings = isList(options) ? {} : options;
  return flowOf<I, O>({ name, ...topOf(settings), steps: isList(options) ? options : (steps ?? []) });
}

function isList(value: FlowOptions | readonly FlowStep[]): value is readonly FlowStep[] {
  return Array.isArray(value);
}

function topOf(options: FlowOptions): Omit<FlowDefinition, "name" | "steps"> {
  const { description, retry, timeout, maxParallel, schedule, retention, output } = options;
  const timeoutMs = typeof timeout === "string" ? durationMs(timeout, "timeout of the flow") : timeout;
  return {
    ...(description !== undefined && { description }),
    ...(retry !== undefined && { retry: flowRetry(retry, "of the flow") }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(maxParallel !== undefined && { maxParallel }),
    ...(schedule !== undefined && { schedule: typeof schedule === "string" ? { cron: schedule } : schedule }),
    ...(retention !== undefined && { retention: retentionOf(retention) }),
    ...(output !== undefined && { output }),
  };
}

function retentionOf(retention: Retention): FlowRetention {
  keptMs(retention, "retention of the flow");
  if (typeof retention !== "object") return durationMs(retention, "retention of the flow");
  const spans = Object.entries(retention).filter(([, span]) => span !== undefined);
  return Object.fromEntries(spans.map(([word, span]) => [word, durationMs(span, `retention of the flow (${word})`)]));
}

/** What a flow has beside its definition. */
export interface FlowSurroundings {
  /** Folder in which the programs of the flow's own agents run. Default: the current one. */
  readonly baseDir?: string;
}

/** What is worked out once for a definition and thrown away when steps are added. */
interface Ready {
  readonly text: string;
  readonly version: string;
  readonly program: FlowProgram;
}

/** Makes a {@link Flow} of a model. */
export function flowOf<I = unknown, O = unknown>(
  initial: FlowDefinition,
  { baseDir = "." }: FlowSurroundings = {},
): Flow<I, O> {
  let model: FlowDefinition = { ...initial, steps: [...initial.steps] };
  let ready: Ready | undefined;
  const prepare = (): Ready => {
    if (ready !== undefined) return ready;
    assertValid(model.name, validateFlow(model));
    const { retention: _, ...words } = writeDefinition(model);
    const text = canonicalJson(words);
    ready = { text, version: contentHash(text), program: programOf(model, baseDir) };
    return ready;
  };
  const base = workflowOf<I, O>({
    name: model.name,
    version: undefined,
    run: async (wf, input) => (await runFlow(prepare().program, wf, input)) as O,
    check: (known) => assertValid(model.name, validateFlow(model, namesFor(model, known))),
    revive: (text) => revived(text, model, baseDir),
  });
  const made = Object.assign(base, {
    [FLOW]: true as const,
    add(...steps: readonly FlowStep[]) {
      model = { ...model, steps: [...model.steps, ...steps] };
      ready = undefined;
      return made;
    },
    validate: (known?: KnownNames) => validateFlow(model, known),
    toJSON: () => writeDefinition(model),
    toDict: () => writeDict(model),
  });
  const getters = {
    version: () => prepare().version,
    definition: () => prepare().text,
    timeoutMs: () => model.timeoutMs,
    kept: () => (model.retention === undefined ? undefined : keptMs(model.retention, "retention of the flow")),
    schedule: () => (model.schedule === undefined ? undefined : timingOf(model.schedule)),
    model: () => model,
    activities: () => referencedActivities(model),
    secrets: () => compileFlow(model).secrets,
  };
  for (const [key, get] of Object.entries(getters)) {
    Object.defineProperty(made, key, { get, enumerable: true, configurable: true });
  }
  return made as unknown as Flow<I, O>;
}

/** Inputs are compared with what histories say, and stored definitions have their keys sorted: so all have. */
function programOf(model: FlowDefinition, baseDir: string): FlowProgram {
  const { output } = model;
  const steps = model.steps.map((step) =>
    (step.kind === "task" || step.kind === "agent") && step.input !== undefined
      ? { ...step, input: sortedKeys(step.input) }
      : step,
  );
  const ordered = { ...model, steps, ...(output !== undefined && { output: sortedKeys(output) }) };
  return compileFlow(ordered, agentsOf(model.agents, baseDir)).program;
}

/** A definition that an open run is pinned to. It was valid when the run started, and is taken as it is. */
function revived(text: string, current: FlowDefinition, baseDir: string): AnyWorkflow {
  const byName = new Map(referencedActivities(current).map((activity) => [activity.activityName, activity]));
  const stored = readDefinition(JSON.parse(text)).definition;
  const steps = stored.steps.map((step) => {
    const activity = step.kind === "task" ? byName.get(step.activity) : undefined;
    return activity === undefined ? step : withActivity(step, activity);
  });
  const program = programOf({ ...stored, steps }, baseDir);
  return workflowOf<unknown, unknown>({
    name: stored.name,
    version: contentHash(text),
    definition: text,
    ...(stored.timeoutMs !== undefined && { timeoutMs: stored.timeoutMs }),
    run: (wf, input) => runFlow(program, wf, input),
  });
}

/** The names an engine knows, as the validation wants them. */
function namesFor(
  model: FlowDefinition,
  known: { readonly activityNames: readonly string[]; elsewhere(name: string): boolean },
): KnownNames {
  const registered = known.activityNames;
  const prefix = agentActivity("");
  const called = model.steps.flatMap((step) => (step.kind === "task" ? [step.activity] : []));
  return {
    activities: [
      ...registered,
      ...referencedActivities(model).map(({ activityName }) => activityName),
      ...called.filter((name) => known.elsewhere(name)),
    ],
    agents: registered.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length)),
  };
}

function referencedActivities(model: FlowDefinition): AnyActivity[] {
  const found = new Set<AnyActivity>();
  for (const step of model.steps) {
    const activity = activityOf(step);
    if (activity !== undefined) found.add(activity);
  }
  return [...found];
}

/** Whether a value is a flow. */
export function isFlow(value: unknown): value is Flow {
  return typeof value === "object" && value !== null && FLOW in value;
}
