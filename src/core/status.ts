/** The states of runs and steps: one word each, for ever. */

/** Every state of a run. */
export type RunStatus =
  | "pending"
  | "running"
  | "paused"
  | "blocked"
  | "completed"
  | "failed"
  | "cancelled"
  | "terminated"
  | "timed_out"
  | "continued_as_new";

/** States in which a run has ended. */
export type ClosedStatus = Exclude<RunStatus, "pending" | "running" | "paused" | "blocked">;

/** States of runs that have not ended. */
export const OPEN_STATUSES: readonly RunStatus[] = ["pending", "running", "paused", "blocked"];

/** The ways to end. */
export const CLOSED_STATUSES: readonly ClosedStatus[] = [
  "completed",
  "failed",
  "cancelled",
  "terminated",
  "timed_out",
  "continued_as_new",
];

/** Every state of a run, in the order in which runs go through them. */
export const RUN_STATUSES: readonly RunStatus[] = [...OPEN_STATUSES, ...CLOSED_STATUSES];

/** Every state of a step. */
export type StepStatus = "pending" | "running" | "completed" | "failed" | "skipped" | "timed_out" | "cancelled";

const OPEN: ReadonlySet<RunStatus> = new Set(OPEN_STATUSES);

/** Whether a run in this state has ended. */
export function isClosed(status: RunStatus): status is ClosedStatus {
  return !OPEN.has(status);
}

/** States from which `resume` goes on. */
export const RESUMABLE: ReadonlySet<RunStatus> = new Set<RunStatus>([
  "paused",
  "failed",
  "cancelled",
  "blocked",
  "timed_out",
]);

/** What happens to a child when its parent ends. */
export type OnParentClose = "cancel" | "terminate" | "abandon";
