/** Access to a store without an engine: reading runs and sending to them, wherever they are advanced. */
import { PerdureError } from "../core/errors.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { systemClock } from "../engine/clock.ts";
import { calibrate, clockFor, refreshed } from "../engine/store-clock.ts";
import { createSealer, type SealedStore } from "../store/sealing.ts";
import type { Store } from "../store/store.ts";
import { type AnyWorkflow, isWorkflow, type Workflow } from "../workflow/workflow.ts";
import type { HandleHost } from "./handle-host.ts";
import { type Pause, PauseControl, type PauseTarget } from "./pause-control.ts";
import { listQueues, type QueueStatus } from "./queues.ts";
import type { RunHandle } from "./run-handle.ts";
import { Runs } from "./runs.ts";
import { Schedules } from "./schedules.ts";
import { type AskOptions, askStart } from "./starts.ts";
import { Tokens } from "./tokens.ts";

/** A store, and handles to every run in it. Nothing runs here: what is sent takes effect where an engine is. */
export interface Connection extends AsyncDisposable {
  readonly store: Store;
  readonly runs: Runs;
  /** The schedules of the store. Made they are through an engine, see {@link open}. */
  readonly schedules: Schedules;
  /** What time it is by the clock of the store, epoch milliseconds: the one that everything in it goes by. */
  now(): number;
  /**
   * Starts a workflow inside a transaction of yours on the PostgreSQL database of the store: an engine makes the run once it has committed.
   * Without a transaction runs are started through an engine, see {@link open}.
   *
   * @throws PerdureError `INVALID_ARGUMENT`, `PAYLOAD_TOO_LARGE`, `UNSERIALISABLE`, `UNAVAILABLE`.
   */
  start<I, O>(workflow: Workflow<I, O>, input: I, options: AskOptions): Promise<RunHandle<O>>;
  /** The handle of a run, by workflow id or run id. @throws PerdureError `NOT_FOUND`. */
  handle<O = unknown>(id: string): Promise<RunHandle<O>>;
  /**
   * Completes what waits for a token: an attempt that called `ctx.completeLater()`, or a `wf.callback()`.
   *
   * @throws PerdureError `INVALID_ARGUMENT` for what is no token of this store, `RUN_CLOSED`, `NOT_FOUND`.
   */
  complete(token: string, result?: unknown): Promise<void>;
  /** Fails the attempt that waits for a token; its retry policy applies. A callback takes no failure. */
  fail(token: string, error: Error): Promise<void>;
  /** Stops the runs of a workflow, the activities of a queue, or everything, on every engine of the store. */
  pause(target: PauseTarget, reason?: string): Promise<void>;
  /** Lets go on what was stopped. Resolves to false when it was not. */
  unpause(target: PauseTarget): Promise<boolean>;
  /** What is stopped now. */
  pauses(): Promise<Pause[]>;
  /** What waits in which queue, and who serves it. */
  queues(): Promise<QueueStatus[]>;
  close(): Promise<void>;
}

/** What `connect` connects. */
export interface Connected {
  readonly codec: PayloadCodec | undefined;
  /** Whether the store is closed with it. */
  readonly ownsStore: boolean;
  readonly sealed: SealedStore;
}

/** A connection to an opened store. */
export async function connection(store: Store, { codec, ownsStore, sealed }: Connected): Promise<Connection> {
  const clock = clockFor(store, systemClock);
  await calibrate(clock);
  const host: HandleHost = {
    store,
    codec,
    now: () => refreshed(clock),
    hint: () => {},
    active: () => false,
    changed: (_run, ms) => changedWithin(store, ms),
    query: () => Promise.reject(noCode()),
  };
  const runs = new Runs(host);
  const sealer = createSealer(sealed);
  const tokens = new Tokens(host, sealer);
  const pauses = new PauseControl({ store, now: host.now, changed: async () => {} });
  const close = async (): Promise<void> => {
    if (ownsStore) await store.close();
  };
  return {
    store,
    runs,
    schedules: new Schedules(host),
    now: host.now,
    start: async <I, O>(workflow: Workflow<I, O>, input: I, options: AskOptions): Promise<RunHandle<O>> =>
      (await askStart(host, sealer.seal, startable(workflow, options), input, options)) as RunHandle<O>,
    handle: <O>(id: string): Promise<RunHandle<O>> => runs.handle<O>(id),
    complete: (token, result) => tokens.complete(token, result),
    fail: (token, error) => tokens.fail(token, error),
    pause: (of, reason = "") => pauses.pause(of, reason),
    unpause: (of) => pauses.unpause(of),
    pauses: () => pauses.list(),
    queues: () => listQueues(store),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** @throws PerdureError INVALID_ARGUMENT */
function startable<I, O>(workflow: Workflow<I, O>, { transaction, version }: AskOptions): AnyWorkflow {
  if (transaction === undefined)
    throw new PerdureError(
      "INVALID_ARGUMENT",
      "a connection starts runs inside a transaction only; without one use open({ workflows }) and start there",
    );
  if (!isWorkflow(workflow))
    throw new PerdureError(
      "INVALID_ARGUMENT",
      "a connection knows no workflows by name: give start what workflow(…) or flow(…) returned",
    );
  if (version === undefined || version === workflow.version) return workflow as AnyWorkflow;
  throw new PerdureError(
    "INVALID_ARGUMENT",
    `this is ${workflow.name}@${workflow.version ?? "unversioned"}, not @${version}`,
  );
}

function noCode(): PerdureError {
  const message =
    "a query is answered by the code of its workflow, which a connection does not have; use open({ workflows })";
  return new PerdureError("VERSION_UNAVAILABLE", message);
}

/** Resolves at the store's next hint, or after `ms`. */
function changedWithin(store: Store, ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      unwatch();
      resolve(undefined);
    };
    const timer = setTimeout(done, ms);
    const unwatch = store.watch(done);
  });
}
