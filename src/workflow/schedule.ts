/**
 * Schedules: a schedule is a run of the workflow `perdure.schedule`, written on the public context like any other. It sleeps until its
 * next tick, starts a child that lives on without it, and continues as new by itself. One run per schedule and one writer per run make
 * one start per tick, however many engines there are.
 *
 * The version of such a run is the name of the workflow it starts, so that only engines take it that have that workflow.
 */
import { PerdureError } from "../core/errors.ts";
import type { WorkflowContext } from "./context.ts";
import { keptAlike } from "./retention.ts";
import { ScheduleRun } from "./schedule-run.ts";
import { OVERLAPS, type ScheduleSpec, specProblem, ticksAfter, ticksWithin } from "./schedule-spec.ts";
import type {
  BackfillRequest,
  ScheduleEntry,
  ScheduleInput,
  ScheduleReport,
  TriggerRequest,
} from "./schedule-state.ts";
import { type Query, query, type Update, update } from "./signal.ts";
import { type Workflow, workflowOf } from "./workflow.ts";

/** Name of the workflow whose runs are schedules. */
export const SCHEDULE_WORKFLOW = "perdure.schedule";

/** What a schedule can be told and asked. */
export const scheduleMessages: {
  readonly pause: Update<string, void>;
  readonly resume: Update<string, void>;
  readonly trigger: Update<TriggerRequest, ScheduleEntry>;
  readonly backfill: Update<BackfillRequest, ScheduleEntry[]>;
  readonly update: Update<ScheduleSpec, void>;
  readonly describe: Query<ScheduleReport>;
  readonly preview: Query<number[], number | undefined>;
} = {
  pause: update("pause"),
  resume: update("resume"),
  trigger: update("trigger"),
  backfill: update("backfill"),
  update: update("update"),
  describe: query("describe"),
  preview: query("preview"),
};

const KEPT_MS = 7 * 86_400_000;
/** Length of a history after which a schedule continues as new. */
const CONTINUE_AFTER = 1000;
/** Longest wait at a time: no timer is asked for a point in time too far away to be one. */
const LONGEST_WAIT_MS = 365 * 86_400_000;
const MOST_BACKFILLED = 1000;
const PREVIEWED = 10;

/** The workflow of schedules that start a workflow of this name. */
export function scheduleWorkflow(target: string): Workflow<ScheduleInput, void> {
  return workflowOf({ name: SCHEDULE_WORKFLOW, version: target, run: live, kept: keptAlike(KEPT_MS) });
}

/** Workflow id of the run of a schedule. */
export function scheduleId(name: string): string {
  return `schedule:${name}`;
}

async function live(wf: WorkflowContext, input: ScheduleInput): Promise<void> {
  const schedule = new ScheduleRun(wf, input);
  answer(wf, schedule);
  for (;;) {
    await schedule.settle();
    schedule.tell();
    if (wf.info.historyLength >= CONTINUE_AFTER && !schedule.busy) {
      await wf.handlersFinished();
      if (!schedule.busy) return wf.continueAsNew(schedule.carried());
    }
    const blind = wf.info.historyLength >= CONTINUE_AFTER && schedule.skipping;
    await news(wf, schedule, blind ? undefined : schedule.dueIn());
    if (blind) schedule.skipPassed("still running");
  }
}

/** Waits until something has happened or the next tick is due. */
async function news(wf: WorkflowContext, schedule: ScheduleRun, ms: number | undefined): Promise<void> {
  const happened = (): boolean => schedule.news;
  if (ms === undefined) await wf.until(happened, { label: "news" });
  else await wf.until(happened, { timeout: Math.min(ms, LONGEST_WAIT_MS), label: "next tick" });
  schedule.news = false;
}

function answer(wf: WorkflowContext, schedule: ScheduleRun): void {
  const { pause, resume, trigger, backfill, update: change, describe, preview } = scheduleMessages;
  /** The row says what happened in the same commit that answers. */
  const told =
    <I, O>(handle: (input: I) => O | Promise<O>) =>
    async (input: I): Promise<O> => {
      const result = await handle(input);
      schedule.tell();
      return result;
    };
  wf.on(
    pause,
    told((note) => schedule.pause(note)),
  );
  wf.on(
    resume,
    told((note) => schedule.resume(note)),
  );
  wf.on(
    trigger,
    told((request) => schedule.trigger(request ?? {})),
    { validate: (request) => checkOverlap(request) },
  );
  wf.on(
    backfill,
    told((request) => schedule.backfill(request)),
    { validate: (request) => checkBackfill(schedule, request) },
  );
  wf.on(
    change,
    told((spec) => schedule.change(spec)),
    { validate: (spec) => checkChange(schedule, spec) },
  );
  wf.on(describe, () => schedule.report());
  wf.on(preview, (count) => ticksAfter(schedule.spec, schedule.after, Math.min(count ?? PREVIEWED, MOST_BACKFILLED)));
}

function checkOverlap(request: { readonly overlap?: unknown } | undefined): void {
  const overlap = request?.overlap;
  if (overlap === undefined || OVERLAPS.includes(overlap as never)) return;
  throw wrong(`overlap is one of ${OVERLAPS.join(", ")}, not ${JSON.stringify(overlap)}`);
}

function checkBackfill(schedule: ScheduleRun, request: BackfillRequest): void {
  checkOverlap(request);
  const { from, to } = request;
  if (!Number.isFinite(from) || !Number.isFinite(to) || to < from)
    throw wrong("a backfill needs from and to, epoch milliseconds, to not before from");
  const ticks = ticksWithin(schedule.spec, from - 1, to);
  if (ticks !== undefined && (ticks.more || ticks.count > MOST_BACKFILLED))
    throw wrong(`the span has more than ${MOST_BACKFILLED} ticks; backfill it in parts`);
}

function checkChange({ spec: before }: ScheduleRun, spec: ScheduleSpec): void {
  const problem = specProblem(spec);
  if (problem !== undefined) throw wrong(problem);
  if (spec.workflow !== before.workflow)
    throw wrong(`it starts ${before.workflow}; delete it and create it anew to start ${spec.workflow}`);
}

function wrong(message: string): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", message);
}
