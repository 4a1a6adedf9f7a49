import { PerdureError } from "../core/errors.ts";
import { isPostgres, schemeOf, sqlitePath } from "./address.ts";
import { createMemoryStore } from "./memory/memory-store.ts";
import type { Durability } from "./sqlite/protocol.ts";
import { openSqliteStore } from "./sqlite/sqlite-store.ts";
import type { Store } from "./store.ts";

/** Where stores live when nothing else is said. */
export const DEFAULT_STORE = "sqlite:.perdure/store.db";

/**
 * Opens the store an address names: `sqlite:PATH` or just a path, `sqlite::memory:`, `postgres://…`, or `memory:` for one that lives
 * as long as the object. `durability` (default `full`) is for stores on a disk.
 *
 * @throws PerdureError INVALID_ARGUMENT, UNAVAILABLE, INCOMPATIBLE_STORE
 */
export async function openStore(address: string, options: { readonly durability?: Durability } = {}): Promise<Store> {
  const scheme = schemeOf(address);
  if (scheme === "memory") return createMemoryStore();
  if (isPostgres(address)) {
    const { openPostgresStore } = await import("./postgres/postgres-store.ts");
    return openPostgresStore(address);
  }
  const path = sqlitePath(address);
  if (path === undefined) {
    throw new PerdureError(
      "INVALID_ARGUMENT",
      `no store is called "${scheme}:"; use sqlite:PATH, postgres://… or memory:`,
    );
  }
  return openSqliteStore({ path, ...options });
}
