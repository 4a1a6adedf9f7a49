/** Schedules that are written in flows: made, changed and taken away when their flow comes to an engine. */
import { isPerdureError } from "../core/errors.ts";
import type { Logger } from "../workflow/logger.ts";
import { nextTick, type ScheduleSpec, scheduleSpec, toldSpec } from "../workflow/schedule-spec.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import type { ScheduleHandle, Schedules } from "./schedules.ts";

/**
 * Makes the schedules of the workflows what they say. A schedule of the same name that was made by hand is left alone, and so is one that
 * people paused: it stays paused.
 */
export async function deploySchedules(
  schedules: Schedules,
  workflows: readonly AnyWorkflow[],
  { log, now }: { log: Logger; now: number },
): Promise<void> {
  const last = new Map(workflows.map((workflow) => [workflow.name, workflow]));
  for (const workflow of last.values()) {
    const { name, schedule } = workflow;
    if (workflow.definition === undefined) continue;
    const spec = schedule === undefined ? undefined : specOf(name, schedule);
    /** Not refused: the time may have passed since the flow was written. */
    const warnOfPast = (): void => {
      if (spec !== undefined && nextTick(spec, now - 1) === undefined)
        log.warn(
          { schedule: name },
          `the schedule of flow ${name} starts nothing: there is no such time in the future`,
        );
    };
    const existing = await existingOf(schedules, name);
    if (existing === undefined) {
      if (spec === undefined) continue;
      warnOfPast();
      await schedules.make(name, spec, 0);
      continue;
    }
    const { spec: before } = await existing.describe();
    if (before.fromFlow !== true) {
      if (spec !== undefined)
        log.warn(
          { schedule: name },
          `flow ${name} has a schedule, but one of this name was made by hand; it is left alone`,
        );
    } else if (spec === undefined) void settled(existing, existing.delete(), log);
    else if (JSON.stringify(sorted(before)) !== JSON.stringify(sorted(toldSpec(spec)))) {
      warnOfPast();
      void settled(existing, existing.change(spec), log);
    }
  }
}

function specOf(name: string, schedule: NonNullable<AnyWorkflow["schedule"]>): ScheduleSpec {
  return { ...scheduleSpec(name, { ...schedule, workflow: name }), fromFlow: true };
}

async function existingOf(schedules: Schedules, name: string): Promise<ScheduleHandle | undefined> {
  try {
    return await schedules.get(name);
  } catch (error) {
    if (isPerdureError(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

/** Not waited for: it takes an engine to answer, which may be this one. */
async function settled({ name }: ScheduleHandle, done: Promise<void>, log: Logger): Promise<void> {
  try {
    await done;
  } catch (error) {
    log.warn(
      { schedule: name, error: String(error) },
      "the schedule of a flow could not be changed; opening again does it",
    );
  }
}

/** With keys in one order, to be compared. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one)]));
}
