import type { MigrationState } from "../migration-state.ts";
import { Database } from "./database.ts";
import { migrationState } from "./migrate.ts";
import { postgresSettings } from "./settings.ts";

/**
 * Which migrations a PostgreSQL store has and lacks, without changing it.
 *
 * @throws PerdureError INCOMPATIBLE_STORE, UNAVAILABLE
 */
export async function postgresMigrationStatus(address: string): Promise<MigrationState> {
  const settings = postgresSettings(address);
  const database = new Database(settings);
  try {
    const client = await database.connect();
    try {
      return await migrationState(client, settings.schema);
    } finally {
      await client.end();
    }
  } catch (error) {
    throw database.error(error);
  } finally {
    await database.close();
  }
}
