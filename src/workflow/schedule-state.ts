/** What a schedule knows of itself, and what it tells of it. */
import type { Overlap, ScheduleSpec } from "./schedule-spec.ts";

/** Why something is started: its time has come, somebody asked for it now, or for a time that has passed. */
export type ScheduleCause = "tick" | "trigger" | "backfill";

/** What became of a tick, or of several in a row that were skipped for the same reason. */
export interface ScheduleEntry {
  /** The time it was for, epoch milliseconds; of several, the first. */
  readonly tick: number;
  /** Of several, the last. */
  readonly last?: number;
  /** How many; `1000` stands for at least so many. */
  readonly count: number;
  /** When this was decided, epoch milliseconds. */
  readonly at: number;
  readonly cause: ScheduleCause;
  readonly outcome: "started" | "waiting" | "skipped";
  /** Why it was skipped or has to wait. */
  readonly reason?: string;
  /** The run that was started. */
  readonly workflowId?: string;
}

/** A start that waits until what runs has ended. */
export interface WaitingStart {
  readonly tick: number;
  readonly cause: ScheduleCause;
}

/** Why a schedule stands still, and since when. */
export interface SchedulePause {
  readonly note: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** What goes on from run to run. */
export interface ScheduleState {
  readonly spec: ScheduleSpec;
  readonly paused?: SchedulePause;
  /** Ticks up to here are settled. */
  readonly after: number;
  /** Starts by ticks since the schedule was made or changed. */
  readonly used: number;
  /** Starts by hand, to tell their ids apart. */
  readonly triggered: number;
  /** In all. */
  readonly started: number;
  readonly skipped: number;
  /** The newest last. */
  readonly recent: readonly ScheduleEntry[];
}

/** The state of a schedule that has just been made. */
export function freshState(spec: ScheduleSpec, after: number): ScheduleState {
  return { spec, after, used: 0, triggered: 0, started: 0, skipped: 0, recent: [] };
}

/** What a run of a schedule begins with. */
export interface ScheduleInput {
  readonly name: string;
  readonly spec: ScheduleSpec;
  /** Absent in the first run. */
  readonly state?: ScheduleState;
}

/** What a schedule tells everybody who reads its row, as the progress of its run. */
export interface ScheduleReport extends ScheduleState {
  /** Workflow ids of what it started and waits for. */
  readonly running: readonly string[];
  readonly waiting: readonly WaitingStart[];
  /** The next tick, epoch milliseconds; undefined while it is paused and after the last one. */
  readonly next: number | undefined;
  /** For people who see the run of the schedule among others. */
  readonly message: string;
}

/** What a schedule is asked to start now. */
export interface TriggerRequest {
  readonly overlap?: Overlap;
}

/** Ticks to be started although they have passed. Epoch milliseconds, both ends included. */
export interface BackfillRequest {
  readonly from: number;
  readonly to: number;
  readonly overlap?: Overlap;
}

/** How many decisions a schedule remembers. */
const REMEMBERED = 10;

/** Adds a decision; one that is like the last is counted with it. */
export function remember(recent: readonly ScheduleEntry[], entry: ScheduleEntry): readonly ScheduleEntry[] {
  const before = recent.at(-1);
  const alike =
    before?.outcome === "skipped" &&
    entry.outcome === "skipped" &&
    before.reason === entry.reason &&
    before.cause === entry.cause;
  if (!alike) return [...recent, entry].slice(-REMEMBERED);
  const joined = { ...entry, tick: before.tick, last: entry.last ?? entry.tick, count: before.count + entry.count };
  return [...recent.slice(0, -1), joined];
}
