/** Steps written in TypeScript may name their activity by the function itself; the definition only has its name. */
import type { AnyActivity } from "../workflow/activity.ts";
import type { FlowStep } from "./model.ts";

const REFERENCE: unique symbol = Symbol("perdure.flow.activity");

/** Attaches the activity to a step; copies made by spreading keep it, JSON does not. */
export function withActivity<T extends FlowStep>(step: T, activity: AnyActivity): T {
  return { ...step, [REFERENCE]: activity };
}

/** The activity a step was written with, if it was not named by its name. */
export function activityOf(step: FlowStep): AnyActivity | undefined {
  return (step as { [REFERENCE]?: AnyActivity })[REFERENCE];
}
