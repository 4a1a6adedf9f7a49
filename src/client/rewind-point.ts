/** Finding the point that a run is to go back to, or to be forked from, and checking that it may (rule 30). */
import { endOf, firstUndone, type OpenPlace, type Point, placesText, pointIn } from "../core/cut.ts";
import { PerdureError } from "../core/errors.ts";
import type { Note } from "../core/events.ts";
import { shown } from "../core/names.ts";
import { planReplay, type ReplayPlan, type ReplayRow } from "../core/resume.ts";
import type { Standing } from "../engine/rewind.ts";
import type { EventRow, NewRun, RunRow, StartResult } from "../store/store.ts";

/** What an engine does for those who go back in histories. */
export interface Rewinding {
  /** Where the code of a run stands after some of its events. @throws PerdureError `VERSION_UNAVAILABLE`. */
  standing(row: RunRow, plan: ReplayPlan, rows: readonly ReplayRow[]): Promise<Standing>;
  /** Creates a run that begins in the middle. */
  create(run: NewRun): Promise<StartResult>;
  seal(text: string): string;
  /** An input as the schema of the run's workflow gives it. @throws PerdureError `INVALID_ARGUMENT` */
  input(row: RunRow, given: unknown): Promise<unknown>;
}

/** A point of a history. */
export interface CutPoint {
  readonly plan: ReplayPlan;
  /** Number of the first event that is cut off; one more than the last when none is. */
  readonly seq: number;
  /** Number of the event by which the run has ended, or of the next one. */
  readonly end: number;
}

/** What is known of the run beside its history. */
interface Known {
  readonly open: readonly OpenPlace[];
  readonly notes: readonly Note[];
}

/** @throws PerdureError `INVALID_ARGUMENT` for what can be no point. `option` is where it was given. */
export function checkPoint(point: unknown, option: string): void {
  const event = typeof point === "object" && point !== null && "event" in point ? point.event : undefined;
  if (typeof point === "string" || Number.isInteger(point) || Number.isInteger(event)) return;
  throw new PerdureError(
    "INVALID_ARGUMENT",
    `${option} says where to go back to: a step by its name or label, a command by its number, or { event: n }`,
  );
}

/**
 * Finds a point in a history.
 *
 * @throws PerdureError `NOT_FOUND` listing the points there are; `CONFLICT` for one after a compensated step.
 */
export async function findPoint(
  row: RunRow,
  history: readonly EventRow[],
  point: Point,
  rewinding: Pick<Rewinding, "standing"> | undefined,
): Promise<CutPoint> {
  const plan = planReplay(history);
  const end = endOf(plan.rows);
  const known = await knownOf(row, plan, end, rewinding);
  const seq = pointIn(plan.rows, known.open, point);
  if (seq === undefined) throw unknownPoint(row, plan, point, known.open);
  const undone = firstUndone(plan.rows, known.notes);
  if (undone !== undefined && seq > undone.seq) throw afterUndone(row, undone);
  return { plan, seq, end };
}

/** Where the run stands now, as far as its code can be asked. */
async function knownOf(
  row: RunRow,
  plan: ReplayPlan,
  end: number,
  rewinding: Pick<Rewinding, "standing"> | undefined,
): Promise<Known> {
  const nothing: Known = { open: [], notes: [] };
  if (rewinding === undefined) return nothing;
  const { blockage, open, notes } = await rewinding.standing(
    row,
    plan,
    plan.rows.filter(({ seq }) => seq < end),
  );
  return blockage === undefined ? { open, notes } : nothing;
}

function unknownPoint(
  { workflowId }: RunRow,
  { rows }: ReplayPlan,
  point: Point,
  open: readonly OpenPlace[],
): PerdureError {
  const what =
    typeof point === "object"
      ? `event ${point.event} is none that ${workflowId} can go back to`
      : typeof point === "number"
        ? `${workflowId} has no command ${point}`
        : `${workflowId} has no step ${shown(point)}`;
  return new PerdureError("NOT_FOUND", `${what}; it has ${placesText(rows, open)}`, { details: { workflowId } });
}

function afterUndone({ workflowId }: RunRow, { step, seq }: { step: string; seq: number }): PerdureError {
  const message = `${workflowId} has begun to undo its steps: it can only go back to ${JSON.stringify(step)} (event ${seq}), the first of them, or to something before it`;
  return new PerdureError("CONFLICT", message, { details: { workflowId, step, event: seq } });
}
