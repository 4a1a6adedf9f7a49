import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { MigrationState } from "../migration-state.ts";
import { lookInto } from "./database.ts";
import { migrationState } from "./migrate.ts";
import { MIGRATIONS } from "./migrations/index.ts";

/**
 * Which migrations a SQLite store has and lacks, without changing it. A file that does not exist lacks all of them.
 *
 * @throws PerdureError INCOMPATIBLE_STORE, UNAVAILABLE
 */
export function migrationStatus(path: string): MigrationState {
  if (!existsSync(path)) return { applied: [], pending: MIGRATIONS.map(({ number, name }) => ({ number, name })) };
  return lookInto(resolve(path), (db) => migrationState(db, path));
}
