/**
 * Brings a schema to the state of this version. Migrations are applied in order in one transaction, under an advisory lock, and
 * recorded with the checksum of their text; a schema that knows migrations this version does not, or knows them differently, is
 * refused.
 */
import type { Client } from "pg";
import { PerdureError } from "../../core/errors.ts";
import { type AppliedMigration, checksum, compareMigrations, type MigrationState } from "../migration-state.ts";
import { randomStoreId } from "../store-id.ts";
import { sqlState } from "./failures.ts";
import { MIGRATIONS, type Migration } from "./migrations/index.ts";

/** Compares a schema with this version. @throws PerdureError INCOMPATIBLE_STORE */
export async function migrationState(client: Client, schema: string): Promise<MigrationState> {
  return compareMigrations(await appliedMigrations(client, schema), MIGRATIONS, {
    text: `the schema "${schema}"`,
    instead: "use another schema",
    details: { schema },
  });
}

/** Applies what is pending. @throws PerdureError INCOMPATIBLE_STORE, UNAVAILABLE */
export async function migrate(client: Client, schema: string): Promise<void> {
  if ((await migrationState(client, schema)).pending.length === 0) return;
  await client.query("begin");
  try {
    await client.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [`perdure.${schema}`]);
    await applyPending(client, schema);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw sqlState(error) === "42501" ? notAllowed(schema, error) : error;
  }
}

async function applyPending(client: Client, schema: string): Promise<void> {
  const pending = new Set((await migrationState(client, schema)).pending.map(({ number }) => number));
  const { rows } = await client.query("select from pg_namespace where nspname = $1", [schema]);
  if (rows.length === 0) await client.query(`create schema ${schema}`);
  await client.query(`create table if not exists ${schema}.migrations (
    number integer primary key, name text not null, checksum text not null, applied_at bigint not null)`);
  for (const migration of MIGRATIONS) if (pending.has(migration.number)) await apply(client, schema, migration);
  await client.query(`insert into ${schema}.meta (key, value) values ('id', $1) on conflict do nothing`, [
    randomStoreId(),
  ]);
}

async function apply(client: Client, schema: string, migration: Migration): Promise<void> {
  const { number, name, sql } = migration;
  await client.query(sql.replaceAll("@.", `${schema}.`));
  await client.query(`insert into ${schema}.migrations (number, name, checksum, applied_at) values ($1, $2, $3, $4)`, [
    number,
    name,
    checksum(migration),
    Date.now(),
  ]);
}

async function appliedMigrations(client: Client, schema: string): Promise<AppliedMigration[]> {
  const { rows } = await client.query<{ relname: string }>(
    "select relname from pg_class where relnamespace = (select oid from pg_namespace where nspname = $1) and relkind in ('r', 'p')",
    [schema],
  );
  const tables = new Set(rows.map(({ relname }) => relname));
  if (!tables.has("migrations")) {
    if (tables.size > 0) throw foreign(schema);
    return [];
  }
  const found = await client.query<{ number: number; name: string; checksum: string; applied_at: string }>(
    `select number, name, checksum, applied_at from ${schema}.migrations order by number`,
  );
  return found.rows.map(({ applied_at, ...row }) => ({ ...row, appliedAt: Number(applied_at) }));
}

function foreign(schema: string): PerdureError {
  return new PerdureError(
    "INCOMPATIBLE_STORE",
    `the schema "${schema}" is used by something else: it has tables, but no record of migrations. Give perdure a schema of its own with ?schema=NAME.`,
    { details: { schema } },
  );
}

function notAllowed(schema: string, cause: unknown): PerdureError {
  return new PerdureError(
    "UNAVAILABLE",
    `the schema "${schema}" lacks migrations, and this role may not make them (${(cause as Error).message}). Run "perdure migrate" as the schema's owner, then start again.`,
    { details: { schema }, cause },
  );
}
