/** What can be run: a workflow with everything its steps call, and where it came from. */
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Flow, flowOf, isFlow } from "../flow/flow.ts";
import type { FlowDefinition, Problem } from "../flow/model.ts";
import { hasErrors } from "../flow/problem.ts";
import { flowFromJSON, readFlow } from "../flow/reader.ts";
import type { Store } from "../store/store.ts";
import { SCHEDULE_WORKFLOW } from "../workflow/schedule.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import { type Activities, activitiesFor, knownNames } from "./activity-sources.ts";
import { calledActivities, childWorkflows, problemsHere } from "./child-workflows.ts";
import { isFlowFile, locate, named, namedFlows } from "./flow-files.ts";
import { flowErrors, readText } from "./flow-target.ts";
import { chosenWorkflow, loadWorkflows, type ModuleExports } from "./module-workflows.ts";
import type { Project } from "./project.ts";
import { usageError } from "./usage-error.ts";

/** Kept beside a run as its `meta`, so that it can be gone on with from anywhere. */
export interface Origin {
  /** Absolute path of the flow file or module. */
  readonly file?: string;
  /** Absolute paths of the files of agents. */
  readonly agents?: readonly string[];
  readonly cwd?: string;
}

/** A workflow with all it needs. */
export interface Runnable {
  readonly workflow: AnyWorkflow;
  /** All that the engine is to know: those that it may start as children, {@link workflow} last. */
  readonly workflows: readonly AnyWorkflow[];
  /** The definition, for flows. */
  readonly definition: FlowDefinition | undefined;
  readonly activities: Activities;
  readonly origin: Origin;
  /** Queues whose activities run here; undefined: all. */
  readonly serves: readonly string[] | undefined;
  /** Problems that do not forbid running. */
  readonly warnings: readonly Problem[];
}

/** What was loaded for a workflow. */
interface Loaded {
  readonly activities: Activities;
  readonly files: readonly string[];
  readonly children?: readonly AnyWorkflow[];
}

const NOTHING_BESIDE: ModuleExports = { workflows: [], activities: {} };

/** Which workflow is wanted. */
export interface Wanted {
  /** A file, or the name of a flow or workflow of the project. */
  readonly target: string;
  readonly workflow: string | undefined;
  readonly agents: readonly string[];
}

/** Finds, reads and checks what is to be run. @throws PerdureError `INVALID_ARGUMENT` with all problems. */
export async function loadRunnable(project: Project, wanted: Wanted): Promise<Runnable> {
  const { target, agents } = wanted;
  const found = await locate(project, target);
  if ("file" in found) return fromFile(project, found.file, wanted);
  return fromWorkflow(project, found.workflow, project.configFile, agents, NOTHING_BESIDE);
}

async function fromFile(project: Project, file: string, { workflow: name, agents }: Wanted): Promise<Runnable> {
  if (isFlowFile(file)) return fromFlowFile(project, file, agents);
  const { workflows, activities } = await loadWorkflows(file);
  const beside = { workflows, activities: { ...calledActivities(workflows), ...activities } };
  return fromWorkflow(project, chosenWorkflow(file, workflows, name), file, agents, beside);
}

/** Reads a flow file; its problems are an error that lists all of them. */
async function fromFlowFile(project: Project, file: string, agents: readonly string[]): Promise<Runnable> {
  const text = await readText(file);
  const first = readFlow(text, { file });
  const loaded = await activitiesFor(project, { definition: first.definition, file }, agents);
  const { definition, problems } = readFlow(text, {
    file,
    ...knownNames(loaded.activities, { definition: first.definition, serves: project.serves }),
  });
  if (definition === undefined || hasErrors(problems)) throw flowErrors(file, problems);
  return runnable(project, flowOf(definition, { baseDir: dirname(file) }), loaded, file, problems);
}

async function fromWorkflow(
  project: Project,
  workflow: AnyWorkflow | Flow,
  file: string | undefined,
  agents: readonly string[],
  beside: ModuleExports,
): Promise<Runnable> {
  const definition = isFlow(workflow) ? workflow.model : undefined;
  const loaded = await activitiesFor(project, { definition, file }, agents);
  const activities = { ...beside.activities, ...loaded.activities };
  const children = beside.workflows;
  if (isFlow(workflow)) {
    const problems = problemsHere(workflow, activities, project.serves);
    if (hasErrors(problems)) throw flowErrors(file ?? workflow.name, problems);
    return runnable(project, workflow, { activities, files: loaded.files, children }, file, problems);
  }
  return runnable(project, workflow, { activities, files: loaded.files, children }, file, []);
}

function runnable(
  project: Project,
  workflow: AnyWorkflow | Flow,
  loaded: Loaded,
  file: string | undefined,
  problems: readonly Problem[],
): Runnable {
  const agents = loaded.files.map((path) => resolve(path));
  return {
    workflow,
    workflows: [...childWorkflows(project, workflow, loaded.children ?? [], loaded.activities), workflow],
    definition: isFlow(workflow) ? workflow.model : undefined,
    activities: loaded.activities,
    origin: {
      ...(file !== undefined && { file: resolve(file) }),
      ...(agents.length > 0 && { agents }),
      cwd: project.cwd,
    },
    serves: project.serves,
    warnings: problems,
  };
}

/** What a run was started from: flows come from the store by the hash the run is pinned to, modules from their file. */
export async function loadOrigin(
  project: Project,
  store: Store,
  run: { readonly workflow: string; readonly version: string | null; readonly meta: string | null },
  agents: readonly string[],
): Promise<Runnable> {
  if (run.workflow === SCHEDULE_WORKFLOW)
    throw usageError(
      `this run is a schedule: it goes on where an engine has the workflow ${run.version ?? ""}`,
      "perdure schedules list shows the schedules; perdure schedules resume NAME lifts a pause",
    );
  const origin = originOf(run.meta);
  const agentFiles = agents.length > 0 ? agents : presentFiles(origin.agents ?? []);
  const stored = run.version === null ? undefined : await store.definition(run.version);
  if (stored !== undefined) {
    const flow = flowFromJSON(stored.body, origin.file === undefined ? {} : { baseDir: dirname(origin.file) });
    const from = { definition: flow.model, file: origin.file };
    const loaded = await activitiesFor(project, from, agentFiles);
    const beside =
      origin.file !== undefined && !isFlowFile(origin.file) && existsSync(origin.file)
        ? await loadWorkflows(origin.file)
        : NOTHING_BESIDE;
    const activities = { ...calledActivities(beside.workflows), ...beside.activities, ...loaded.activities };
    const all = { activities, files: loaded.files, children: beside.workflows };
    assertNames(flow, all.activities, project.serves);
    return { ...runnable(project, flow, all, origin.file, []), origin };
  }
  if (origin.file !== undefined && existsSync(origin.file))
    return fromFile(project, origin.file, { target: origin.file, workflow: run.workflow, agents: agentFiles });
  const found = named(run.workflow, await namedFlows(project));
  if (found !== undefined && "workflow" in found)
    return fromWorkflow(project, found.workflow, project.configFile, agentFiles, NOTHING_BESIDE);
  throw usageError(
    origin.file === undefined
      ? `nothing says where the workflow ${JSON.stringify(run.workflow)} is defined`
      : `${origin.file}, which defines the workflow ${JSON.stringify(run.workflow)}, does not exist any more`,
    "name it in perdure.config.ts (workflows: […]), or go on with it where an engine has it",
  );
}

function assertNames(flow: Flow, activities: Activities, serves: Project["serves"]): void {
  const problems = flow.validate(knownNames(activities, { definition: flow.model, serves }));
  if (!hasErrors(problems)) return;
  const missing = problems.filter(({ severity }) => severity === "error").map(({ message }) => `  ${message}`);
  throw usageError(
    `the run of ${flow.name} cannot go on here:\n${missing.join("\n")}`,
    "name the files that define them: --agents FILE",
  );
}

function presentFiles(files: readonly string[]): string[] {
  return files.filter((file) => existsSync(file));
}

/** What a run's meta says of its origin. */
export function originOf(meta: string | null | undefined): Origin {
  if (meta === null || meta === undefined) return {};
  const { file, agents, cwd } = JSON.parse(meta) as Record<string, unknown>;
  return {
    ...(typeof file === "string" && { file }),
    ...(Array.isArray(agents) && { agents: agents.map(String) }),
    ...(typeof cwd === "string" && { cwd }),
  };
}
