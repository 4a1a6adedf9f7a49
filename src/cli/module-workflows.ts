/** Workflows and activities that a TypeScript or JavaScript module exports. */
import { dirname, resolve } from "node:path";
import { AgentSet } from "../flow/agents/agent-set.ts";
import { loadModule } from "../flow/agents/module.ts";
import { addExports } from "../flow/agents/module-exports.ts";
import { isActivity } from "../workflow/activity.ts";
import { type AnyWorkflow, isWorkflow } from "../workflow/workflow.ts";
import type { Activities } from "./activity-sources.ts";
import { usageError } from "./usage-error.ts";

/** What a module has for an engine. */
export interface ModuleExports {
  readonly workflows: readonly AnyWorkflow[];
  readonly activities: Activities;
}

/** Loads a module. Workflows are exports, or lists and records of them in `workflows`, `flows` or the default export. */
export async function loadWorkflows(file: string): Promise<ModuleExports> {
  const exports = await loadModule(file);
  const { default: main, ...named } = exports;
  const found = new Set<AnyWorkflow>();
  for (const value of [...Object.values(named), main, ...inside(main)]) {
    if (isWorkflow(value)) found.add(value);
    else for (const item of inside(value)) if (isWorkflow(item)) found.add(item);
  }
  return { workflows: [...found], activities: moduleActivities(named, main, dirname(resolve(file))) };
}

function inside(value: unknown): unknown[] {
  return typeof value === "object" && value !== null && !isWorkflow(value) ? Object.values(value) : [];
}

function moduleActivities(named: Readonly<Record<string, unknown>>, main: unknown, folder: string): Activities {
  const set = new AgentSet();
  const groups = Object.entries(named).filter(
    ([name, value]) => isActivity(value) || name === "agents" || name === "activities",
  );
  if (groups.length > 0) addExports(set, Object.fromEntries(groups), folder);
  if (typeof main === "object" && main !== null && ("agents" in main || "activities" in main) && !isWorkflow(main))
    addExports(set, { default: main }, folder);
  return set.activities;
}

/** The workflow meant: the one of this name, or the only one. */
export function chosenWorkflow(file: string, workflows: readonly AnyWorkflow[], name: string | undefined): AnyWorkflow {
  const names = workflows.map((workflow) => workflow.name);
  if (workflows.length === 0)
    throw usageError(
      `${file} exports no workflow`,
      'write: export const hello = workflow("hello", async (wf, input) => …)',
    );
  if (name !== undefined) {
    const found = workflows.find((workflow) => workflow.name === name);
    if (found === undefined)
      throw usageError(`${file} exports no workflow ${JSON.stringify(name)}`, `it exports ${names.join(", ")}`);
    return found;
  }
  if (workflows.length > 1)
    throw usageError(
      `${file} exports ${workflows.length} workflows: ${names.join(", ")}`,
      `say which one: --workflow ${names[0]}`,
    );
  return workflows[0]!;
}
