/**
 * Brings a database to the schema of this version. Migrations are applied in order under one write lock and recorded with the
 * checksum of their text; a database that knows migrations this version does not, or knows them differently, is refused.
 */
import { PerdureError } from "../../core/errors.ts";
import { type AppliedMigration, checksum, compareMigrations, type MigrationState } from "../migration-state.ts";
import { randomStoreId } from "../store-id.ts";
import type { Connection } from "./driver.ts";
import { MIGRATIONS, type Migration } from "./migrations/index.ts";
import type { WriteLock } from "./write-lock.ts";

/** Compares a database with this version. @throws PerdureError INCOMPATIBLE_STORE */
export function migrationState(db: Connection, path: string): MigrationState {
  return compareMigrations(appliedMigrations(db, path), MIGRATIONS, {
    text: path,
    instead: "open another store",
    details: { path },
  });
}

/** Applies what is pending. @throws PerdureError INCOMPATIBLE_STORE */
export function migrate(db: Connection, path: string, lock: WriteLock): void {
  if (migrationState(db, path).pending.length === 0) return;
  lock.hold(() => {
    const numbers = new Set(migrationState(db, path).pending.map(({ number }) => number));
    db.exec(
      "create table if not exists migrations (number integer primary key, name text not null, checksum text not null, applied_at integer not null)",
    );
    for (const migration of MIGRATIONS) if (numbers.has(migration.number)) apply(db, migration);
    db.prepare("insert into meta (key, value) values ('id', ?), ('next_run', 1) on conflict do nothing").run([
      randomStoreId(),
    ]);
  });
}

function apply(db: Connection, migration: Migration): void {
  db.exec(migration.sql);
  db.prepare("insert into migrations (number, name, checksum, applied_at) values (?, ?, ?, ?)").run([
    migration.number,
    migration.name,
    checksum(migration),
    Date.now(),
  ]);
}

function appliedMigrations(db: Connection, path: string): AppliedMigration[] {
  const tables = db.prepare("select name from sqlite_master where type = 'table'").all([]).flat();
  if (!tables.includes("migrations")) {
    if (tables.some((name) => name !== "sqlite_sequence")) throw foreign(path);
    return [];
  }
  const rows = db.prepare("select number, name, checksum, applied_at from migrations order by number").all([]);
  return rows.map(([number, name, sum, appliedAt]) => ({
    number: number as number,
    name: name as string,
    checksum: sum as string,
    appliedAt: appliedAt as number,
  }));
}

function foreign(path: string): PerdureError {
  return new PerdureError(
    "INCOMPATIBLE_STORE",
    `${path} is a SQLite database of something else: it has tables, but no record of migrations. Give perdure a file of its own.`,
    { details: { path } },
  );
}
