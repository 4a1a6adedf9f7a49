/** `connect`: access to a store without an engine. */
import { checkOptions, optionNames } from "../core/options.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { openStore } from "../store/open.ts";
import type { Store } from "../store/store.ts";
import type { Connection } from "./connection.ts";

/** Options of {@link connect}. */
export interface ConnectOptions {
  /** `sqlite:PATH`, a path, `postgres://…`, or a store, which is then left open. */
  readonly store: string | Store;
  /** The codec that payloads were written with. */
  readonly codec?: PayloadCodec;
}

const CONNECT: ReadonlySet<string> = optionNames<ConnectOptions>({ store: true, codec: true });

/**
 * Opens a store for reading and sending. It must be there and of this version: only `open` and `perdure migrate` make or change one.
 *
 * @throws PerdureError `UNAVAILABLE`, `INCOMPATIBLE_STORE`, `INVALID_ARGUMENT`.
 *
 * @example
 * await using connection = await connect({ store: "sqlite:app.db" });
 * await (await connection.handle("order-42")).signal("approved", { by: "ada" });
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  checkOptions(options, CONNECT, "connect()");
  const { store: target, codec } = options;
  const ownsStore = typeof target === "string";
  const opening = ownsStore ? openStore(target, { migrate: false }) : Promise.resolve(target);
  // The store's thread starts meanwhile.
  const [store, { connection }] = await Promise.all([opening, import("./connection.ts")]);
  return connection(store, { codec, ownsStore, sealed: target });
}
