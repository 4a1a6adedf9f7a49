/**
 * The storage seam: everything the engine asks of a database, and nothing it decides. All rules live in the engine; a store
 * keeps rows, checks the conditions it is given inside its own transaction, and says which of them failed.
 *
 * Every implementation passes the same suite (`perdure/testing`, `storeConformance`). Times are epoch milliseconds and are
 * always passed in. Payloads and event data are text.
 */
import type { RunStatus } from "../core/status.ts";

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
}

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
}

/** What became of a {@link NewRun}: its number, or the run that holds the workflow id. */
export type StartResult = { readonly run: number } | { readonly conflict: RunRow };

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
export type MessageKind = "signal" | "cancel" | "terminate";

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

/** What an engine needs to go on with a run. */
export interface LoadedRun {
  readonly row: RunRow;
  /** The beginning of the history, up to the limit asked for. */
  readonly events: readonly EventRow[];
  readonly attempts: readonly AttemptRow[];
  readonly messages: readonly MessageRow[];
  readonly secrets: string | null;
}

/** Which runs to list, newest first. */
export interface RunFilter {
  readonly workflow?: string;
  readonly workflowId?: string;
  readonly status?: readonly RunStatus[];
  /** Created at or after. */
  readonly since?: number;
  /** Cursor: only runs with a smaller number. */
  readonly before?: number;
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
}

/** A database under the engine. */
export interface Store {
  /** `sqlite`, `memory`, `postgres`. */
  readonly kind: string;
  /** Random identity of this database, six to ten characters of [0-9a-z], made when it was created. */
  readonly id: string;

  /** Enters an engine. Its lease lives while it is renewed (or commits) at least every `ttlMs`. */
  register(params: { readonly label: string; readonly at: number }): Promise<Lease>;
  /** Says that the engine is alive. False: the lease is gone. */
  renew(lease: Lease): Promise<boolean>;
  /** Number of the last commit of the lease, or null when the lease is gone. Waits for a commit in doubt to settle. */
  lastBatch(lease: Lease): Promise<number | null>;
  /** Leaves: runs still owned are freed to be claimed at `at`, without counting a crash. */
  release(lease: Lease, at: number): Promise<void>;
  /**
   * Removes engines that died or stood still for `ttlMs` (by the monotonic clock given) and frees their runs, counting a crash
   * for each. Returns how many runs were freed. `monotonicMs` is as of the call: a store in which calls wait adds the wait, or
   * it would see fresh signs of life as old ones and remove the living.
   */
  sweep(params: { readonly ttlMs: number; readonly monotonicMs: number; readonly at: number }): Promise<number>;

  /** Commits a batch under the fence. Rejects with `LEASE_LOST` (nothing was written) or `UNAVAILABLE` (nobody knows). */
  commit(lease: Lease, batch: Batch): Promise<BatchResult>;

  /** Takes runs that are due, or the ones named, and hands them to the lease's engine. */
  claim(
    lease: Lease,
    params: {
      readonly workflows: readonly string[];
      readonly runs?: readonly number[];
      readonly limit: number;
      readonly at: number;
      /** Of the runs due with at least `from` crashes, take `limit` at most. Not asked of runs that are named. */
      readonly suspects?: { readonly from: number; readonly limit: number };
    },
  ): Promise<RunRow[]>;
  /** When the next unowned run of these workflows is due, or null. */
  nextWake(workflows: readonly string[]): Promise<number | null>;
  /** What is needed to go on with runs, each history up to `maxEvents`. Runs that do not exist are left out. */
  load(runs: readonly number[], maxEvents: number): Promise<LoadedRun[]>;
  /** Numbers of all runs the lease's engine owns. */
  owned(lease: Lease): Promise<number[]>;
  /** All messages waiting in inboxes of runs the lease's engine owns. */
  inbox(lease: Lease): Promise<MessageRow[]>;

  /** Puts a message into an open run's inbox and makes the run due if nobody owns it. */
  send(message: NewMessage): Promise<SendResult>;
  /**
   * Rewrites the row of a run nobody owns if its status is one of `from` and it is not superseded. False: it was not so.
   */
  amend(
    run: number,
    from: readonly RunStatus[],
    to: Pick<RunImage, "status" | "wakeAt" | "closedAt" | "crashes" | "detail">,
  ): Promise<boolean>;
  /** Deletes a run nobody owns, with everything that belongs to it. False: there is none, or somebody owns it. */
  remove(run: number): Promise<boolean>;

  /** The run of this number, or the current (newest) run of this workflow id. */
  find(by: { readonly run: number } | { readonly workflowId: string }): Promise<RunRow | undefined>;
  list(filter: RunFilter): Promise<RunRow[]>;
  /** Events after `after` (a sequence number), at most `limit`. */
  history(run: number, after: number, limit: number): Promise<EventRow[]>;
  /** The last event of a run. */
  lastEvent(run: number): Promise<EventRow | undefined>;
  attempts(run: number): Promise<AttemptRow[]>;
  engines(): Promise<EngineRow[]>;

  putDefinition(definition: DefinitionRow): Promise<void>;
  definition(hash: string): Promise<DefinitionRow | undefined>;

  /** Calls back when somebody else may have changed something. A hint: it can come late, too often or not at all. */
  watch(listener: () => void): () => void;
  close(): Promise<void>;
}
