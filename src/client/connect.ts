/** Access to a store without an engine: reading runs and sending to them, wherever they are advanced. */
import { PerdureError } from "../core/errors.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { openStore } from "../store/open.ts";
import type { Store } from "../store/store.ts";
import { Runs } from "./open.ts";
import type { HandleHost, RunHandle } from "./run-handle.ts";

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
  /** The handle of a run, by workflow id or run id. @throws PerdureError `NOT_FOUND`. */
  handle<O = unknown>(id: string): Promise<RunHandle<O>>;
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
  const close = async (): Promise<void> => {
    if (typeof target === "string") await store.close();
  };
  return {
    store,
    runs,
    handle: <O>(id: string): Promise<RunHandle<O>> => runs.handle<O>(id),
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
