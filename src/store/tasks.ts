/**
 * Tasks: attempts that any engine may run which serves their queue. A task is written with the attempt row it belongs to, in the
 * transition of its run (see `AttemptRow.task`), and goes with it. An engine claims it, shows that it is alive by its lease, and settles
 * it: then the task is gone and the outcome lies in the inbox of the run, in one transaction.
 *
 * The store decides nothing: what an attempt that was lost means to its run, is said when the task is written.
 */
import type { AttemptRow, Lease } from "./store.ts";

/** A task to be written with its attempt row, which says the run, the command and the number of the attempt. */
export interface NewTask {
  readonly generation: number;
  readonly queue: string;
  /** Name of the activity. */
  readonly activity: string;
  /** Workflow of the run. */
  readonly workflow: string;
  /** Payload text of the activity's input. */
  readonly input: string | null;
  /** JSON text for whoever runs it. */
  readonly body: string;
  /** JSON text of an object: data of the outcome message that the run gets if the engine that runs the task dies. */
  readonly lost: string;
  /** Details of the last heartbeat, payload text. */
  readonly details: string | null;
  readonly at: number;
}

/** Names one attempt of one command. */
export interface TaskKey {
  readonly run: number;
  readonly command: number;
  readonly generation: number;
  readonly attempt: number;
}

/** A task in an engine's hands, with what the engine needs of its run. */
export interface ClaimedTask extends TaskKey {
  readonly queue: string;
  readonly activity: string;
  readonly workflow: string;
  readonly workflowId: string;
  readonly input: string | null;
  readonly body: string;
  readonly details: string | null;
  /** The run's secrets, encrypted text. */
  readonly secrets: string | null;
  readonly createdAt: number;
}

/** Which tasks of one queue are wanted. */
export interface TaskWant {
  readonly queue: string;
  /** Names of the activities that can be run. */
  readonly activities: readonly string[];
  /** At most this many. */
  readonly limit: number;
}

/** What an engine asks for. */
export interface TaskClaim {
  /** Sorted by the name of the queue, one for each or several. */
  readonly wants: readonly TaskWant[];
  readonly at: number;
  /** Only tasks of these runs. Absent: of all. */
  readonly runs?: readonly number[];
  /** No tasks of runs of these workflows. */
  readonly notOf: readonly string[];
}

/** A sign of life of a running task. */
export interface TaskBeat extends TaskKey {
  /** New details of the heartbeat, payload text; null for the old ones. */
  readonly details: string | null;
}

/** The end of a task. */
export interface TaskEnd extends TaskKey {
  /** Data of the outcome message to the run. */
  readonly data: string;
  readonly at: number;
}

/** A task as people see it. */
export interface TaskRow extends TaskKey {
  readonly queue: string;
  readonly activity: string;
  readonly createdAt: number;
  /** The engine that runs it, or null while it waits. */
  readonly engine: number | null;
  readonly startedAt: number | null;
  readonly beatAt: number | null;
}

/** A queue that has tasks, or a limit. */
export interface QueueRow {
  readonly queue: string;
  readonly waiting: number;
  readonly running: number;
  /** When the oldest waiting task was written. */
  readonly oldestAt: number | null;
  /** How many of its tasks may be claimed at a time in all of the store; null: no limit. */
  readonly everywhere: number | null;
}

/** An activity that an engine is needed for. */
export interface WaitingActivity {
  readonly queue: string;
  readonly activity: string;
  /** The run whose task has waited the longest. */
  readonly run: number;
}

/** A limit of a queue in all of the store. */
export interface QueueLimit {
  readonly queue: string;
  readonly everywhere: number;
}

/** The part of a {@link Store} that hands out tasks. */
export interface TaskStore {
  /**
   * Takes waiting tasks of runs that advance, the oldest of an activity first, and gives them to the lease's engine. Of a queue with a limit
   * no more than that are ever claimed at a time, whoever asks. Rejects with `LEASE_LOST` before anything is claimed.
   */
  claimTasks(lease: Lease, claim: TaskClaim): Promise<ClaimedTask[]>;
  /** Notes signs of life of tasks, as far as the engine has them; answers with all tasks that it has. */
  beatTasks(lease: Lease, beats: readonly TaskBeat[], at: number): Promise<TaskKey[]>;
  /**
   * Ends tasks: each goes, and the run gets the outcome, in one transaction. False for those that the engine does not have (any more):
   * nothing was written for them. Rejects with `LEASE_LOST`.
   */
  settleTasks(lease: Lease, ends: readonly TaskEnd[]): Promise<boolean[]>;
  /** Lets go of tasks that were claimed and not run: others may claim them. */
  returnTasks(lease: Lease, tasks: readonly TaskKey[]): Promise<void>;
  /** The tasks of a run, by command. */
  tasksOf(run: number): Promise<TaskRow[]>;
  /** Queues that have tasks or a limit, by name. */
  queues(): Promise<QueueRow[]>;
  /** The activities of waiting tasks, by queue and name. */
  waitingActivities(): Promise<WaitingActivity[]>;
  /** The limits of queues in all of the store, by name of the queue. */
  queueLimits(): Promise<QueueLimit[]>;
  /** Limits a queue in all of the store, or takes its limit away (null). What is claimed already stays claimed. */
  limitQueue(queue: string, everywhere: number | null): Promise<void>;
}

/** Whether attempt rows bring tasks that somebody else may want. */
export function handsOut(attempts: readonly AttemptRow[]): boolean {
  return attempts.some(({ task }) => task !== undefined && task !== true);
}
