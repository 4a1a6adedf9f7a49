/**
 * The storage seam: everything the engine asks of a database, and nothing it decides. All rules live in the engine; a store
 * keeps rows, checks the conditions it is given inside its own transaction, and says which of them failed.
 *
 * Every implementation passes the same suite (`perdure/testing`, `storeConformance`). Times are epoch milliseconds and are
 * always passed in. Payloads and event data are text.
 */
import type { StoreTransaction } from "../core/sql-transaction.ts";
import type { OnParentClose, RunStatus } from "../core/status.ts";
import type { Admissions } from "./admissions.ts";
import type { NewTask, TaskStore } from "./tasks.ts";

export type {
  ClaimedTask,
  NewTask,
  QueueLimit,
  QueueRow,
  TaskBeat,
  TaskClaim,
  TaskEnd,
  TaskKey,
  TaskRow,
  TaskStore,
  TaskWant,
  WaitingActivity,
} from "./tasks.ts";

/** Proof that an engine is alive, named in every write it makes. See {@link Store.register}. */
export interface Lease {
  readonly engine: number;
}

/** One row of a history. `data` is JSON text, see core/events.ts. */
export interface EventRow {
  readonly type: string;
  readonly at: number;
  readonly data: string;
}

/** A row of `workflow_runs`. */
export interface RunRow {
  readonly run: number;
  readonly workflowId: string;
  readonly workflow: string;
  readonly version: string | null;
  readonly status: RunStatus;
  /** Engine that advances the run, or null when it is parked, waiting for an engine or closed. */
  readonly owner: number | null;
  /** When a run without owner is to be claimed; null when only a message can wake it. */
  readonly wakeAt: number | null;
  /** Number of the last message put into its inbox. */
  readonly inbox: number;
  readonly createdAt: number;
  readonly closedAt: number | null;
  /** Takeovers after a crash since the last progress. */
  readonly crashes: number;
  /** JSON the engine wrote when it last let go of the run: why it waits or is blocked, and the command check. */
  readonly detail: string | null;
  /** JSON given at start for people and tools (source file and the like). */
  readonly meta: string | null;
  /** Length of the history when the row was last written at park or close; 0 before. */
  readonly length: number;
  /** Whether a newer run has taken over its workflow id. */
  readonly superseded: boolean;
  /** Keyed hash of what was asked for at start, to compare repeated starts with. */
  readonly request: string | null;
  /** First run of the chain of runs that continued one another; its own number when it continued none. */
  readonly chain: number;
  /** The command of another run that started this one as its child. */
  readonly parent: ParentLink | null;
  /** JSON object of strings: what `tag` and the start said. */
  readonly tags: string | null;
  /** Payload text of the last progress the workflow told. */
  readonly progress: string | null;
}

/** Address of the command that started a child: unique among runs that are not superseded. */
export interface ParentLink {
  readonly run: number;
  readonly command: number;
  readonly generation: number;
  readonly onClose: OnParentClose;
}

/** A message as it is put into the inbox of a run that is being created. */
export type FirstMessage = Omit<NewMessage, "run">;

/** A run to be created, with its first event. */
export interface NewRun {
  readonly workflowId: string;
  readonly workflow: string;
  readonly version: string | null;
  readonly createdAt: number;
  /** True: owned and advanced by the lease's engine at once. False: left for whoever claims it from `wakeAt` on. */
  readonly owned: boolean;
  readonly wakeAt: number | null;
  readonly first: EventRow;
  readonly meta: string | null;
  readonly request: string | null;
  /** Encrypted text, kept while the run may need it. */
  readonly secrets: string | null;
  /** Closed run that this one replaces under the same workflow id. */
  readonly supersedes: number | null;
  /** Events after the first, for a run that begins in the middle (a fork). Absent: none. */
  readonly rest?: readonly EventRow[];
  /** Messages in its inbox from the beginning, numbered from 1. Absent: none. */
  readonly messages?: readonly FirstMessage[];
  /**
   * Absent: no child. When a run that is not superseded has this (run, command, generation) already, nothing is created and that run
   * is the answer, before any conflict of the workflow id is looked at.
   */
  readonly parent?: ParentLink;
  /** Absent: none. */
  readonly tags?: string;
}

/**
 * What became of a {@link NewRun}: its number, or the run that holds the workflow id. `existing`: the child was there already.
 * `orphan`: nothing was created, as the parent has ended (unless it was continued as new) and the child was not to outlive it.
 */
export type StartResult =
  | { readonly run: number; readonly existing?: true }
  | { readonly conflict: RunRow }
  | { readonly orphan: true };

/** The row of one command in flight: written when it lasts, updated when an attempt fails. Gone with the outcome. */
export interface AttemptRow {
  readonly command: number;
  readonly kind: string;
  readonly name: string;
  /** Number of the attempt that runs or runs next, from 1; 0 for timers and waits. */
  readonly attempt: number;
  /** When the running attempt started; null while none runs. Not null after a crash means: that attempt was lost. */
  readonly startedAt: number | null;
  /** When the first attempt started or the wait began. */
  readonly firstAt: number;
  /** When the next attempt, the timer or the wait's timeout is due; null when nothing is. */
  readonly nextAt: number | null;
  /** The last failure, JSON text. */
  readonly error: string | null;
  /** Details of the last heartbeat, payload text. */
  readonly details: string | null;
  /** The attempt goes on outside of every engine and is settled by a message: a crash does not lose it. Absent: no. */
  readonly external?: true;
  /**
   * Only with `external`: any engine that serves its queue may run the attempt. Given as {@link NewTask} it is written with this row, in place of
   * one that was there; `true`: it was, and is left alone. Absent: there is none, or it goes. Read rows say `true`, also when the task
   * has been settled since.
   */
  readonly task?: NewTask | true;
}

/** The final image of a run row after a transition. */
export interface RunImage {
  readonly status: RunStatus;
  /** Whether the lease's engine keeps the run. */
  readonly owned: boolean;
  readonly wakeAt: number | null;
  readonly closedAt: number | null;
  readonly crashes: number;
  readonly detail: string | null;
  /** The write happens only if the inbox still stands at this number; null means whatever it is. */
  readonly ifInbox: number | null;
  /** Drop the run's secrets. */
  readonly forget: boolean;
}

/** Everything one run does in one commit: all of it happens or none. */
export interface Transition {
  readonly run: number;
  /** Length of the history this builds on; the first event gets `base + 1`. */
  readonly base: number;
  readonly events: readonly EventRow[];
  /** Inbox numbers whose messages are in `events` now. */
  readonly consumed: readonly number[];
  readonly attempts: readonly AttemptRow[];
  /** Commands whose attempt rows go. */
  readonly settled: readonly number[];
  readonly image: RunImage | null;
  /** Rarer things, part of the same commit. Absent: none of them. */
  readonly also?: Also;
}

/** What a transition may do beside moving its run on. Everything absent: nothing. */
export interface Also {
  /** Messages to other runs (I9). One to a run that is closed or gone is dropped. */
  readonly sends?: readonly NewMessage[];
  /**
   * Stops the open children of this run that are not to outlive it: each gets a message of the kind its {@link OnParentClose} says.
   * With the refusal of `orphan`s, no child that is being started meanwhile is left behind.
   */
  readonly stopsChildren?: { readonly data: string; readonly at: number };
  /** Answers to updates of this run: each replaces the one of the same number. */
  readonly answers?: readonly AnswerRow[];
  /** Written to the row: what is absent stays as it is. */
  readonly facts?: { readonly tags?: string; readonly progress?: string };
  /** Commands whose kept outcome (see {@link Store.transact}) is in `events` now. */
  readonly outcomes?: readonly number[];
  /** Messages that go back into the inbox under the numbers they had (reset). */
  readonly returned?: readonly MessageRow[];
  /**
   * The run that continues this one: created under the same workflow id, with the same chain, parent, tags and inbox number. What is in
   * the inbox of this run when it closes moves to that of the new one, except what is for steps of this one (`outcome`, `retry`), which
   * is dropped; `messages`, which have left the inbox before, come back beside it. All keep their numbers. The new run is not owned.
   * What it has from this run is ignored in `start`: `workflowId`, `owned`, `supersedes`, `parent`, `tags`, `messages`. Only for an
   * `image` that closes this run; otherwise the batch is refused.
   */
  readonly successor?: { readonly start: NewRun; readonly messages: readonly MessageRow[] };
}

/** What an update was answered. Kept by (chain, number), so that it survives continue-as-new. */
export interface AnswerRow {
  /** Number of the message in the inbox. */
  readonly number: number;
  readonly status: "accepted" | "completed" | "rejected";
  /** Payload text of the result, JSON text of the failure, empty when accepted. */
  readonly data: string;
  readonly at: number;
}

/** Why a transition was left out of a commit: the inbox moved; the history is not as long as it assumed, or the run is not its engine's. */
export type Refusal = "inbox" | "history";

/** One fenced commit: the transitions of many runs. */
export interface Batch {
  /** Number of this commit, one more than the lease's last. */
  readonly number: number;
  readonly starts: readonly NewRun[];
  readonly transitions: readonly Transition[];
}

/** What became of a {@link Batch}: one result per start; the transitions left out, by index. */
export interface BatchResult {
  readonly starts: readonly StartResult[];
  readonly refused: ReadonlyMap<number, Refusal>;
}

/** Kinds of messages to a run. */
export type MessageKind =
  | "signal"
  | "cancel"
  | "terminate"
  | "update"
  /** A command that somebody else settles: a child, an activity that completes elsewhere, a step forced by hand. */
  | "outcome"
  /** Start the next attempt of a step now. */
  | "retry"
  | "pause";

/** A message in an inbox. */
export interface MessageRow {
  readonly run: number;
  readonly number: number;
  readonly kind: MessageKind;
  readonly name: string;
  readonly data: string;
  readonly at: number;
}

/** A message to send. `key` makes sending it twice the same as once. */
export interface NewMessage {
  readonly run: number;
  readonly kind: MessageKind;
  readonly name: string;
  readonly data: string;
  readonly at: number;
  readonly key: string | null;
}

/** Number of the message in the inbox, or why there is none. */
export type SendResult = { readonly number: number } | { readonly refused: "closed" | "not_found" };

/** The code a run needs: a workflow in any version, or in one (null: unversioned). */
export interface CodeKey {
  readonly workflow: string;
  /** Absent: any version. */
  readonly version?: string | null;
}

/** What an engine needs to go on with a run. */
export interface LoadedRun {
  readonly row: RunRow;
  /** The beginning of the history, up to the limit asked for. */
  readonly events: readonly EventRow[];
  readonly attempts: readonly AttemptRow[];
  readonly messages: readonly MessageRow[];
  readonly secrets: string | null;
  /** Children that are not closed and not superseded, by command. */
  readonly children: readonly ChildRow[];
  /** Numbers of updates that were accepted and not answered yet, ascending. */
  readonly unanswered: readonly number[];
  /** Outcomes of transactional steps that are not in the history yet. */
  readonly outcomes: readonly OutcomeRow[];
}

/** A child of a run. */
export interface ChildRow {
  readonly run: number;
  readonly workflowId: string;
  readonly command: number;
  readonly generation: number;
  readonly onClose: OnParentClose;
}

/** What a transactional step returned, kept in the transaction that did its work (rule 32). */
export interface OutcomeRow {
  readonly command: number;
  readonly generation: number;
  /** Payload text. */
  readonly data: string;
  readonly at: number;
}

/** Which runs to list, newest first. */
export interface RunFilter {
  readonly workflow?: string;
  readonly workflowId?: string;
  readonly status?: readonly RunStatus[];
  /** Created at or after. */
  readonly since?: number;
  /** Closed before. */
  readonly closedBefore?: number;
  /** All of these tags. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Children of this run. */
  readonly parent?: number;
  /** Cursor: only runs with a smaller number. */
  readonly before?: number;
  /** Cursor: only runs with a larger number, and the oldest first. */
  readonly after?: number;
  readonly limit: number;
}

/** A stored definition of a declarative workflow. */
export interface DefinitionRow {
  readonly hash: string;
  readonly name: string;
  readonly body: string;
  readonly createdAt: number;
}

/** An engine registered with the store. */
export interface EngineRow {
  readonly engine: number;
  readonly registeredAt: number;
  readonly label: string;
  readonly runs: number;
  /** Queues whose activities it runs; null: all. */
  readonly serves: readonly string[] | null;
  /** Names of the activities whose tasks it runs. */
  readonly activities: readonly string[];
}

/** Something people stopped: nothing of it is started until it is taken away. */
export interface PauseRow {
  readonly scope: "workflow" | "queue" | "all";
  /** Empty for `all`. */
  readonly name: string;
  readonly reason: string;
  readonly at: number;
}

/** How much the runs of a workflow take, by status. */
export interface SizeRow {
  readonly workflow: string;
  readonly status: RunStatus;
  readonly runs: number;
  readonly events: number;
  /** Characters of event data. */
  readonly size: number;
}

/** Runs that want to go on, by the code they need. */
export interface WaitingRow {
  readonly workflow: string;
  readonly version: string | null;
  readonly runs: number;
}

/** Which runs an engine wants. */
export interface RunClaim {
  readonly code: readonly CodeKey[];
  /** Only these, whatever code they need. Absent: all that are due. */
  readonly runs?: readonly number[];
  readonly limit: number;
  readonly at: number;
  /** False: no runs that have secrets. Not asked of runs that are named. */
  readonly sealed?: boolean;
  /** Of the runs due with at least `from` crashes, take `limit` at most. Not asked of runs that are named. */
  readonly suspects?: { readonly from: number; readonly limit: number };
}

/** A database under the engine. */
export interface Store extends TaskStore {
  /** `sqlite`, `memory`, `postgres`. */
  readonly kind: string;
  /** Random identity of this database, six to ten characters of [0-9a-z], made when it was created. */
  readonly id: string;

  /**
   * What time it is by the clock of the database, epoch milliseconds: everybody who uses the store goes by it. Absent: only one machine
   * uses the store, and its clock is good enough.
   */
  time?(): Promise<number>;

  /**
   * Enters an engine. Its lease lives while it is renewed (or commits) at least every `ttlMs` (default 10 s). For people, who look at what
   * waits: `serves`, the queues whose activities it runs (absent: all), and `activities`, the names of those it has (absent: none).
   */
  register(params: {
    readonly label: string;
    readonly at: number;
    readonly ttlMs?: number;
    readonly serves?: readonly string[];
    readonly activities?: readonly string[];
  }): Promise<Lease>;
  /** The engine has other activities than when it was entered: these. */
  announce(lease: Lease, activities: readonly string[]): Promise<void>;
  /** Says that the engine is alive. False: the lease is gone. */
  renew(lease: Lease): Promise<boolean>;
  /** Number of the last commit of the lease, or null when the lease is gone. Waits for a commit in doubt to settle. */
  lastBatch(lease: Lease): Promise<number | null>;
  /** Leaves: runs still owned are freed to be claimed at `at`, without counting a crash, and its tasks wait again. */
  release(lease: Lease, at: number): Promise<void>;
  /**
   * Removes engines that died or stood still for `ttlMs` (by the monotonic clock given) and frees their runs, counting a crash
   * for each; the runs of its tasks are told that the attempts were lost. Returns how many runs were freed. `monotonicMs` is as of the call: a store in which calls wait adds the wait, or
   * it would see fresh signs of life as old ones and remove the living. A store whose database has one clock for all goes by that
   * and by the time to live each lease was registered with.
   */
  sweep(params: { readonly ttlMs: number; readonly monotonicMs: number; readonly at: number }): Promise<number>;

  /** Commits a batch under the fence. Rejects with `LEASE_LOST` (nothing was written) or `UNAVAILABLE` (nobody knows). */
  commit(lease: Lease, batch: Batch): Promise<BatchResult>;

  /** Takes runs that are due and need code the engine has, or the ones named, and hands them to the lease's engine. */
  claim(lease: Lease, wanted: RunClaim): Promise<RunRow[]>;
  /** When the next unowned run that needs this code is due, or null. `sealed: false` leaves out runs that have secrets. */
  nextWake(code: readonly CodeKey[], sealed?: boolean): Promise<number | null>;
  /**
   * What is needed to go on with runs, each history up to `maxEvents`, messages from above the number `beyond` (default: all). Runs
   * that do not exist are left out.
   */
  load(runs: readonly number[], maxEvents: number, beyond?: number): Promise<LoadedRun[]>;
  /** Numbers of all runs the lease's engine owns. */
  owned(lease: Lease): Promise<number[]>;
  /** All messages waiting in inboxes of runs the lease's engine owns; of runs in `beyond` only those from above the number given. */
  inbox(lease: Lease, beyond?: ReadonlyMap<number, number>): Promise<MessageRow[]>;

  /**
   * Puts a message into an open run's inbox and makes the run due if nobody owns it. Keys are unique in a chain of runs; numbers go on
   * from run to run.
   */
  send(message: NewMessage): Promise<SendResult>;
  /**
   * Rewrites the row of a run nobody owns if its status is one of `from` and it is not superseded. False: it was not so. Of a run that had
   * ended, what was too late to stop it is dropped from its inbox; signals and updates stay.
   */
  amend(
    run: number,
    from: readonly RunStatus[],
    to: Pick<RunImage, "status" | "wakeAt" | "closedAt" | "crashes" | "detail">,
  ): Promise<boolean>;
  /** Deletes a run nobody owns, with everything that belongs to it. False: there is none, or somebody owns it. */
  remove(run: number): Promise<boolean>;
  /**
   * Deletes those of these runs that are closed and still have the `length` they were read with, as {@link remove} does, in short
   * transactions that wait for nobody. Returns their numbers, ascending; the others are gone, have gone on, or are in somebody's hands.
   */
  purge(runs: readonly Pick<RunRow, "run" | "length">[]): Promise<number[]>;

  /** The run of this number, or the current (newest) run of this workflow id. */
  find(by: { readonly run: number } | { readonly workflowId: string }): Promise<RunRow | undefined>;
  list(filter: RunFilter): Promise<RunRow[]>;
  /** Events after `after` (a sequence number), at most `limit`. */
  history(run: number, after: number, limit: number): Promise<EventRow[]>;
  /** The last event of a run. */
  lastEvent(run: number): Promise<EventRow | undefined>;
  attempts(run: number): Promise<AttemptRow[]>;
  engines(): Promise<EngineRow[]>;
  /** What the update with this number in the inbox of a run (or of one it continued) was answered. */
  answer(run: number, number: number): Promise<AnswerRow | undefined>;
  /** All that is kept of the answers in the chains of these runs, by run and in the order of numbers. Runs without any are left out. */
  answersOf(runs: readonly number[]): Promise<ReadonlyMap<number, readonly AnswerRow[]>>;
  /** Runs without owner that are due at `at`, counted by the code they need. */
  waiting(at: number): Promise<WaitingRow[]>;
  sizes(): Promise<SizeRow[]>;
  /** The secrets of some run, encrypted text, to see whether a key fits; undefined when no run has any. */
  someSecrets(): Promise<string | undefined>;
  /**
   * Deletes answers, message keys and decided admissions from before `at`, the oldest first and at most `limit` of each, of open runs
   * too, but no update that still waits for its answer. Returns how many.
   */
  forgetAnswers(at: number, limit: number): Promise<number>;

  pauses(): Promise<PauseRow[]>;
  /** Enters a pause, or replaces it. */
  pause(row: PauseRow): Promise<void>;
  /** Takes a pause away. False: there was none. */
  unpause(scope: PauseRow["scope"], name: string): Promise<boolean>;

  /**
   * Runs `work` in a transaction of this database and keeps what it answers in the same transaction, under (run, command, generation).
   * An outcome that is kept already is returned instead of working again. Nothing else is written by this store meanwhile; after `limitMs`
   * the transaction is rolled back. Absent: this store has no tables of its user's.
   *
   * @throws PerdureError LEASE_LOST when the lease's engine does not own the run any more; WAIT_TIMED_OUT after `limitMs`; what `work` threw.
   */
  transact?(
    lease: Lease,
    step: { readonly run: number; readonly command: number; readonly generation: number; readonly at: number },
    limitMs: number,
    work: (tx: StoreTransaction) => Promise<string>,
  ): Promise<OutcomeRow>;

  /**
   * Takes a job that one process of all does at a time, or keeps it: until `ttlMs` have passed nobody else gets it. `ttlMs` 0 gives it
   * back. False: somebody else has it. For work that may be done twice without harm; what must not, goes by {@link commit}'s fence.
   */
  takeTurn(turn: {
    readonly job: string;
    readonly holder: string;
    readonly ttlMs: number;
    readonly at: number;
  }): Promise<boolean>;
  /** Gives free space back to the file system; everybody else waits meanwhile. Absent: the database does so by itself. */
  compact?(): Promise<void>;

  /** What users ask for inside their own transactions. Absent: this store shares no database with its users. */
  readonly admissions?: Admissions;

  putDefinition(definition: DefinitionRow): Promise<void>;
  definition(hash: string): Promise<DefinitionRow | undefined>;

  /** Calls back when somebody else may have changed something. A hint: it can come late, too often or not at all. */
  watch(listener: () => void): () => void;
  close(): Promise<void>;
}
