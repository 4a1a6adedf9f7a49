import { isPostgres, sqlitePath } from "./address.ts";
import type { Durability } from "./sqlite/protocol.ts";
import { openSqliteStore } from "./sqlite/sqlite-store.ts";
import type { Store } from "./store.ts";

/** How to open a store. */
export interface OpenStoreOptions {
  /** For stores on a disk. Default `full`. */
  readonly durability?: Durability;
  /** Whether a store that is not there is made, and one of an older version brought up to date; else it is refused. Default true. */
  readonly migrate?: boolean;
}

/** Where stores live when nothing else is said. */
export const DEFAULT_STORE = "sqlite:.perdure/store.db";

/**
 * Opens the store an address names: `sqlite:PATH` or just a path, `sqlite::memory:`, `postgres://…`, or `memory:` for one that lives
 * as long as the object.
 *
 * @throws PerdureError INVALID_ARGUMENT, UNAVAILABLE, INCOMPATIBLE_STORE
 */
export async function openStore(address: string, options: OpenStoreOptions = {}): Promise<Store> {
  if (isPostgres(address)) {
    const { openPostgresStore } = await import("./postgres/postgres-store.ts");
    return openPostgresStore(address, options);
  }
  const path = sqlitePath(address);
  if (path !== undefined) return openSqliteStore({ path, ...options });
  const { createMemoryStore } = await import("./memory/memory-store.ts");
  return createMemoryStore();
}
