/** The workflows of the simulated fleet. */
import { SCHEDULE_WORKFLOW, scheduleWorkflow } from "../../src/workflow/schedule.ts";
import type { AnyWorkflow } from "../../src/workflow/workflow.ts";
import { ALPHA, BETA } from "./interpreter.ts";
import { TALLY } from "./tally.ts";

export const WORKFLOWS: readonly AnyWorkflow[] = [ALPHA, BETA, TALLY];

/** The definition of a workflow; the version of a schedule is the workflow it starts. */
export function definitionOf(name: string, version: string | null = null): AnyWorkflow | undefined {
  if (name === SCHEDULE_WORKFLOW) return scheduleWorkflow(version!) as AnyWorkflow;
  return WORKFLOWS.find((one) => one.name === name);
}

/** The workflow an engine must have to advance runs of one. */
export function codeFor(name: string, version: string | null): string {
  return name === SCHEDULE_WORKFLOW ? version! : name;
}
