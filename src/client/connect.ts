/** Access to a store without an engine: reading runs and sending to them, wherever they are advanced. */
import { PerdureError } from "../core/errors.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { openStore } from "../store/open.ts";
import { createSealer } from "../store/sealing.ts";
import type { Store } from "../store/store.ts";
import { type Pause, PauseControl, type PauseTarget } from "./pause-control.ts";
import type { HandleHost, RunHandle } from "./run-handle.ts";
import { Runs } from "./runs.ts";
import { Schedules } from "./schedules.ts";
import { Tokens } from "./tokens.ts";

/** Options of {@link connect}. */
export interface ConnectOptions {
  /** `sqlite:PATH`, a path, or a store, which is then left open. */
  readonly store: string | Store;
  /** The codec that payloads were written with. */
  readonly codec?: PayloadCodec;
}

/** A store, and handles to every run in it. Nothing runs here: what is sent takes effect where an engine is. */
export interface Connection extends AsyncDisposable {
  readonly store: Store;
  readonly runs: Runs;
  /** The schedules of the store. Made they are through an engine, see {@link open}. */
  readonly schedules: Schedules;
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
  close(): Promise<void>;
}

/**
 * Opens a store for reading and sending.
 *
 * @throws PerdureError `UNAVAILABLE`, `INCOMPATIBLE_STORE`, `INVALID_ARGUMENT`.
 *
 * @example
 * await using connection = await connect({ store: "sqlite:app.db" });
 * await (await connection.handle("order-42")).signal("approved", { by: "ada" });
 */
export async function connect({ store: target, codec }: ConnectOptions): Promise<Connection> {
  const store = typeof target === "string" ? await openStore(target) : target;
  const host: HandleHost = {
    store,
    codec,
    now: () => Date.now(),
    hint: () => {},
    active: () => false,
    changed: (_run, ms) => changedWithin(store, ms),
    query: () => Promise.reject(noCode()),
  };
  const runs = new Runs(host);
  const tokens = new Tokens(host, createSealer(target));
  const pauses = new PauseControl({ store, now: host.now, changed: async () => {} });
  const close = async (): Promise<void> => {
    if (typeof target === "string") await store.close();
  };
  return {
    store,
    runs,
    schedules: new Schedules(host),
    handle: <O>(id: string): Promise<RunHandle<O>> => runs.handle<O>(id),
    complete: (token, result) => tokens.complete(token, result),
    fail: (token, error) => tokens.fail(token, error),
    pause: (of, reason = "") => pauses.pause(of, reason),
    unpause: (of) => pauses.unpause(of),
    pauses: () => pauses.list(),
    close,
    [Symbol.asyncDispose]: close,
  };
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
