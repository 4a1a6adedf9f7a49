/** What is made sure of when a PostgreSQL store is opened: version, encoding, schema, durability. */
import type { Client } from "pg";
import { PerdureError } from "../../core/errors.ts";
import { assertMigrated } from "../migration-state.ts";
import type { Database } from "./database.ts";
import { migrate, migrationState } from "./migrate.ts";

const OLDEST = 140_000;
/** Values of `synchronous_commit` with which a commit has reached the disk when it is answered. */
const DURABLE: ReadonlySet<string> = new Set(["on", "remote_apply"]);

/**
 * Brings the schema up to date, or makes sure that it is (`migrates` false), and returns the identity of the store.
 *
 * @throws PerdureError INCOMPATIBLE_STORE, UNAVAILABLE
 */
export async function prepareDatabase(database: Database, migrates: boolean): Promise<string> {
  const { schema, shown } = database.settings;
  try {
    const client = await database.connect();
    try {
      await checkServer(client);
      if (database.settings.prepare) await checkSession(client, database.settings.serverOptions);
      if (migrates) await migrate(client, schema);
      else assertMigrated(await migrationState(client, schema), shown);
      const { rows } = await client.query<{ value: string }>(`select value from ${schema}.meta where key = 'id'`);
      return rows[0]!.value;
    } finally {
      await client.end();
    }
  } catch (error) {
    throw database.error(error);
  }
}

async function checkServer(client: Client): Promise<void> {
  const { rows } = await client.query<Record<"version" | "encoding" | "durability", string>>(
    "select current_setting('server_version_num') as version, current_setting('server_encoding') as encoding, current_setting('synchronous_commit') as durability",
  );
  const { version, encoding, durability } = rows[0]!;
  if (Number(version) < OLDEST) {
    throw new PerdureError(
      "INCOMPATIBLE_STORE",
      `the server is PostgreSQL ${Math.floor(Number(version) / 10_000)}; 14 is the oldest that will do`,
    );
  }
  if (encoding !== "UTF8") {
    throw new PerdureError(
      "INCOMPATIBLE_STORE",
      `the database is encoded as ${encoding}; create one with encoding UTF8`,
    );
  }
  if (!DURABLE.has(durability)) {
    throw new PerdureError(
      "UNAVAILABLE",
      `the server would answer commits before they are on disk (synchronous_commit is ${durability}). Set it for the role: alter role … set synchronous_commit = on`,
    );
  }
}

/** Settings and prepared statements stay with a session; where they do not, that must not be found out under load. */
async function checkSession(client: Client, serverOptions: string): Promise<void> {
  if (serverOptions.includes("plan_cache_mode")) return;
  const { rows } = await client.query<{ mode: string }>("select current_setting('plan_cache_mode') as mode");
  if (rows[0]!.mode === "force_custom_plan") return;
  throw new PerdureError(
    "UNAVAILABLE",
    "something between here and the server keeps back the settings of sessions, as PgBouncer does with ignore_startup_parameters. Behind PgBouncer add prepare=false to the address, and give the role the settings, see the page on PostgreSQL",
  );
}
