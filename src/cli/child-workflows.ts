/** What a run may start as its children: the other workflows of its module and of the configuration. */
import { type Flow, isFlow } from "../flow/flow.ts";
import type { Problem } from "../flow/model.ts";
import { hasErrors } from "../flow/problem.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import { type Activities, knownNames } from "./activity-sources.ts";
import type { Project } from "./project.ts";

/** Each name and version once, without that of the workflow itself. Flows that cannot run here are left out: no child needs them yet. */
export function childWorkflows(
  { config, serves }: Project,
  workflow: AnyWorkflow,
  exported: readonly AnyWorkflow[],
  activities: Activities,
): AnyWorkflow[] {
  const known = new Map<string, AnyWorkflow>();
  for (const one of [...(config.workflows ?? []), ...exported]) known.set(codeKey(one), one);
  known.delete(codeKey(workflow));
  return [...known.values()].filter((one) => !isFlow(one) || !hasErrors(problemsHere(one, activities, serves)));
}

function codeKey({ name, version }: AnyWorkflow): string {
  return JSON.stringify([name, version]);
}

/** What is wrong with a flow that was written in TypeScript, when it calls these activities. */
export function problemsHere(flow: Flow, activities: Activities, serves: Project["serves"]): readonly Problem[] {
  const names = knownNames(activities, { definition: flow.model, serves });
  const own = flow.activities.map(({ activityName }) => activityName);
  return flow.validate({ ...names, activities: [...names.activities, ...own] });
}

/** What flows that were written in TypeScript call. */
export function calledActivities(workflows: readonly AnyWorkflow[]): Activities {
  const called = workflows.filter(isFlow).flatMap((flow) => flow.activities);
  return Object.fromEntries(called.map((one) => [one.activityName, one]));
}
