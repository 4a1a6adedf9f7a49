/**
 * What workflow code sees: the public context `wf`. It is an interface without I/O; graphs and flows are interpreters written
 * on it, so that whatever implements it can run all of them.
 */
import type { Duration } from "../core/duration.ts";
import type { RetryOptions } from "../core/retry-policy.ts";
import type { StoreTransaction } from "../core/sql-transaction.ts";
import type { OnParentClose } from "../core/status.ts";
import type { Activity, ActivityContext } from "./activity.ts";
import type { Logger } from "./logger.ts";
import type { MapFunction, MapOptions, MapTarget, Settled } from "./map.ts";
import type { Saga } from "./saga.ts";
import type { Query, Signal, Update } from "./signal.ts";
import type { Workflow } from "./workflow.ts";

/** Options of one step; what is left out comes from the activity's own options, then from the defaults. */
export interface StepOptions {
  /** Retry policy; fields left out keep the activity's. */
  readonly retry?: RetryOptions;
  /** Longest time of one attempt. Default 10 min. */
  readonly timeout?: Duration;
  /** Longest time of all attempts and waits between them together. Default none. */
  readonly totalTimeout?: Duration;
  /** Name under which people see this step; defaults to the activity's name. */
  readonly label?: string;
  /**
   * Data the activity can read as `ctx.extra`, such as a flow step's upstream outputs. Part of the step's input: it is
   * encoded and compared on replay like it.
   */
  readonly extra?: unknown;
  /**
   * Strings of the input that are put together at execution, because parts of them are secrets: workflow code, history and
   * logs only ever see the names.
   */
  readonly secretInputs?: readonly SecretInput[];
}

/** One string inside a step's input that is assembled from literal text and secrets when an attempt starts. */
export interface SecretInput {
  /** Keys and indexes from the input's root to the string. Empty means the input itself. */
  readonly path: readonly (string | number)[];
  readonly parts: readonly (string | { readonly secret: string })[];
}

/** Options of a child workflow. */
export interface ChildOptions {
  /** Business identity of the child; default one made of the parent's run id and the command. */
  readonly id?: string;
  /** Name under which people see the step; defaults to the workflow's name. */
  readonly label?: string;
  /** Longest life of the child, waits included. */
  readonly timeout?: Duration;
  /** What happens to the child when the parent ends before it. Default `cancel`. */
  readonly onParentClose?: OnParentClose;
  readonly tags?: Readonly<Record<string, string>>;
}

/** Another run, as workflow code sees it: it can be told things. */
export interface PeerHandle {
  readonly workflowId: string;
  /**
   * Sends a signal, exactly once however often the step is repeated. Rejects when there is no open run of this id.
   */
  signal<T>(
    signal: Signal<T, unknown> | string,
    ...args: undefined extends T ? [payload?: T] : [payload: T]
  ): Promise<void>;
  /** Asks the run to stop. */
  cancel(reason?: string): Promise<void>;
  /** Ends the run at once, without asking its code. */
  terminate(reason?: string): Promise<void>;
}

/** A child that was spawned. */
export interface ChildHandle<O> extends PeerHandle {
  readonly runId: string;
  /** Waits for the child's result; rejects as `wf.child` would. */
  result(): Promise<O>;
}

/** Somewhere to answer to from outside, once. */
export interface Callback<T> {
  /** What `engine.complete(token, payload)` is called with. Not to be guessed. */
  readonly token: string;
  /** Where to post the answer; undefined when the engine has no server. */
  readonly url: string | undefined;
  /** Waits for the answer; undefined when the timeout (counted from `wf.callback`) passed first. */
  wait(): Promise<T | undefined>;
}

/** What a person said. */
export interface Decision {
  readonly approved: boolean;
  readonly by: string;
  readonly comment: string | undefined;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** Facts about the run, the same live and on replay. */
export interface RunInfo {
  readonly workflow: string;
  readonly version: string | undefined;
  readonly workflowId: string;
  readonly runId: string;
  /** The run that started this one as its child. */
  readonly parent: { readonly runId: string } | undefined;
  /** Events applied so far: grows with the history, the same on replay. A reason to continue as new. */
  readonly historyLength: number;
  /** When the run was started, epoch milliseconds. */
  readonly startedAt: number;
}

/** What `wf.map` does with an item. */
export type MapWork<T, R> = MapFunction<T, R> | MapTarget<T, R>;

/** A scope from the inside. */
export interface CancelScope {
  /** Cancels the scope: what is pending in it rejects with a CancelledError, and what it asks for from now on rejects at once. */
  cancel(reason?: string): void;
}

/** What a workflow function gets as its first argument. */
export interface WorkflowContext {
  // The overload by name comes first: the compiler explains a wrong input by the last one.
  /** Calls an activity by its name and waits for its result. It must be registered with the engine. */
  call<O = unknown>(activity: string, input?: unknown, options?: StepOptions): Promise<O>;
  /** Calls an activity and waits for its result. */
  call<I, O>(
    activity: Activity<I, O>,
    ...args: undefined extends I ? [input?: I, options?: StepOptions] : [input: I, options?: StepOptions]
  ): Promise<O>;
  /** Runs a function once and keeps its result: an activity written in place. Names may repeat. */
  step<T>(name: string, fn: (ctx: ActivityContext) => T | Promise<T>, options?: StepOptions): Promise<T>;
  /** Waits. Days are as cheap as seconds. */
  sleep(duration: Duration, options?: { label?: string }): Promise<void>;
  /** Waits until a point in time (epoch milliseconds or Date); a past one returns in the next turn. */
  sleepUntil(time: number | Date, options?: { label?: string }): Promise<void>;
  /** Waits until the next time a cron expression matches, in an IANA time zone (default UTC). Returns that time. */
  sleepUntilCron(expression: string, options?: { timezone?: string; label?: string }): Promise<number>;
  /**
   * Waits for the next signal of this name. Signals that came earlier were kept and are taken in their order. With a `timeout`
   * the answer is `undefined` when it passes first.
   */
  waitFor<T>(
    signal: Signal<unknown, T> | string,
    options: { timeout: Duration; label?: string },
  ): Promise<T | undefined>;
  waitFor<T>(signal: Signal<unknown, T> | string, options?: { label?: string }): Promise<T>;
  /** The signals of this name, one after another, for `for await`. Ends with the loop. */
  signals<T>(signal: Signal<unknown, T> | string): AsyncIterableIterator<T>;
  /**
   * Answers messages from now on, until the run ends. Signals that came before are handled at once, in their order. A handler may be
   * async and use `wf`; several run side by side. A second handler of the same name replaces the first.
   */
  on<T>(signal: Signal<unknown, T>, handler: (payload: T) => void | Promise<void>): void;
  /** Answers a query. The handler is synchronous and changes nothing; queries are answered for closed runs, too. */
  on<O, I>(query: Query<unknown, never, O, I>, handler: (input: I) => O): void;
  /**
   * Handles an update. `validate` is synchronous and read-only; when it throws or returns false, the update is rejected and leaves no trace in
   * the history.
   */
  on<I, O>(
    update: Update<never, unknown, I, O>,
    handler: (input: I) => O | Promise<O>,
    options?: { validate?: (input: I) => unknown },
  ): void;
  /** Resolves once no handler of a signal or update is running: await it before the run ends or continues as new. */
  handlersFinished(): Promise<void>;
  /**
   * Waits until the predicate is true. It is asked after everything that happens to the run, must be cheap and change nothing.
   * With a `timeout` the answer is `false` when it passes first.
   */
  until(predicate: () => boolean, options: { timeout: Duration; label?: string }): Promise<boolean>;
  until(predicate: () => boolean, options?: { label?: string }): Promise<true>;
  /** Makes a token with which somebody outside answers, once. */
  callback<T = unknown>(options?: { timeout?: Duration; label?: string }): Promise<Callback<T>>;
  /**
   * Waits for a person's decision, given with `handle.approve`, `handle.reject` or `perdure approvals`. Undefined when the timeout passes first.
   *
   * @param options.approvers who may decide; others are turned away. Default anybody.
   */
  approval(
    name: string,
    options?: { approvers?: readonly string[]; timeout?: Duration; label?: string },
  ): Promise<Decision | undefined>;
  /** Starts a child workflow by its name and waits for its result. */
  child<O = unknown>(workflow: string, input?: unknown, options?: ChildOptions): Promise<O>;
  /** Starts a child workflow and waits for its result. */
  child<I, O>(
    workflow: Workflow<I, O>,
    ...args: undefined extends I ? [input?: I, options?: ChildOptions] : [input: I, options?: ChildOptions]
  ): Promise<O>;
  /** Starts a child workflow by its name; resolves once it exists. */
  spawn<O = unknown>(workflow: string, input?: unknown, options?: ChildOptions): Promise<ChildHandle<O>>;
  /** Starts a child workflow; resolves once it exists. */
  spawn<I, O>(
    workflow: Workflow<I, O>,
    ...args: undefined extends I ? [input?: I, options?: ChildOptions] : [input: I, options?: ChildOptions]
  ): Promise<ChildHandle<O>>;
  /** Another run, to be told something. Nothing is looked up yet. */
  handle(workflowId: string): PeerHandle;
  /**
   * Runs a function, activity or workflow for each item, some at a time. Results are in the order of the items. By default the first
   * failure cancels what runs and rejects; with `onError: "collect"` every item has its own outcome.
   */
  map<T, R>(
    items: Iterable<T>,
    work: MapFunction<T, R>,
    options: MapOptions & { onError: "collect" },
  ): Promise<Settled<R>[]>;
  map<T, R>(items: Iterable<T>, work: MapFunction<T, R>, options?: MapOptions & { onError?: "fail" }): Promise<R[]>;
  map<T, R>(
    items: Iterable<T>,
    work: MapTarget<T, R>,
    options: MapOptions & { onError: "collect" },
  ): Promise<Settled<R>[]>;
  map<T, R>(items: Iterable<T>, work: MapTarget<T, R>, options?: MapOptions & { onError?: "fail" }): Promise<R[]>;
  /**
   * Runs steps with their compensations. When the function throws, what was registered is undone in reverse order, also when the run is
   * cancelled, and the error is thrown again with `.compensations`.
   */
  saga<T>(fn: (saga: Saga) => Promise<T>): Promise<T>;
  /**
   * Runs statements in a transaction of the engine's own database, together with the record that they ran: exactly once.
   *
   * @throws PerdureError `INVALID_ARGUMENT` on a store without tables of its user's (memory).
   */
  transaction<T>(name: string, fn: (tx: StoreTransaction) => Promise<T>, options?: StepOptions): Promise<T>;
  /** True in runs that reach this place for the first time after the patch was deployed; false where older code has been already. */
  patched(id: string): boolean;
  /**
   * The version of a change this run goes by: `max` in runs that reach this place for the first time now, the recorded one later, 0 where
   * code from before the change has been already. Blocks the run when that is less than `min`.
   */
  version(id: string, range: { min: number; max: number }): number;
  /**
   * Ends this run and goes on with a new one under the same workflow id, with this input, an empty history and all messages that were not
   * taken. Write `return wf.continueAsNew(input)`.
   */
  continueAsNew(input?: unknown): Promise<never>;
  /** Sets tags to find the run by; `null` takes one away. */
  tag(tags: Readonly<Record<string, string | number | boolean | null>>): void;
  /**
   * Says how far the run is, for people: any small value. With `history: false` it is only where people see it, not in the history:
   * for what is said often, or is not that small.
   */
  progress(value: unknown, options?: { history?: boolean }): void;
  /**
   * Runs a function in a scope of its own. With a `timeout`, everything still pending inside is cancelled when it passes, and the
   * scope rejects with a TimeoutError (code `SCOPE_TIMEOUT`). What is still pending when the function ends is given up.
   */
  scope<T>(fn: (scope: CancelScope) => Promise<T>, options?: { timeout?: Duration; label?: string }): Promise<T>;
  /**
   * Runs a function that goes on although the run, or a scope around it, is cancelled: for cleaning up.
   *
   * @example try { await wf.call(work) } finally { await wf.uncancellable(() => wf.call(release)) }
   */
  uncancellable<T>(fn: () => Promise<T>): Promise<T>;
  /** The current time of the run, epoch milliseconds: that of the last thing that happened to it. */
  now(): number;
  /** A number in [0, 1), the same on replay. */
  random(): number;
  /** A UUID, the same on replay. */
  uuid(): string;
  /** Aborted when the run is cancelled. */
  readonly abortSignal: AbortSignal;
  /** Facts about this run. */
  readonly info: RunInfo;
  /** Logs with the run's identity attached, silent on replay. */
  readonly log: Logger;
  /** Records a decision (which branch, what was skipped) beside the next event, for people and audit. */
  note(kind: string, data: Record<string, unknown>): void;
}
