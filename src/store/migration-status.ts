import { isPostgres, sqlitePath } from "./address.ts";
import type { MigrationState } from "./migration-state.ts";

/**
 * Which migrations the store at an address has and lacks, without changing it; undefined for stores that have no migrations.
 *
 * @throws PerdureError INCOMPATIBLE_STORE, UNAVAILABLE, INVALID_ARGUMENT
 */
export async function migrationStatusOf(address: string): Promise<MigrationState | undefined> {
  if (isPostgres(address)) {
    const { postgresMigrationStatus } = await import("./postgres/migration-status.ts");
    return postgresMigrationStatus(address);
  }
  const path = sqlitePath(address);
  if (path === undefined || path === ":memory:") return undefined;
  const { migrationStatus } = await import("./sqlite/migration-status.ts");
  return migrationStatus(path);
}
