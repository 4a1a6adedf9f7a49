/** What a store has of the migrations of this version, and whether it may be used. */
import { createHash } from "node:crypto";
import { PerdureError } from "../core/errors.ts";

/** What a database holds of the migrations of this version. */
export interface MigrationState {
  readonly applied: readonly { readonly number: number; readonly name: string; readonly appliedAt: number }[];
  readonly pending: readonly { readonly number: number; readonly name: string }[];
}

/**
 * Refuses a store that is not there or lacks migrations, for those who open one without changing it.
 *
 * @throws PerdureError UNAVAILABLE
 */
export function assertMigrated({ applied, pending }: MigrationState, store: string): void {
  if (pending.length === 0) return;
  if (applied.length === 0) {
    throw new PerdureError(
      "UNAVAILABLE",
      `there is no store at ${store}: "perdure migrate" makes one, and so does an engine that is opened on it`,
      { details: { store, missing: true } },
    );
  }
  const names = pending.map(({ number, name }) => `${number} (${name})`).join(", ");
  throw new PerdureError(
    "UNAVAILABLE",
    `the store ${store} is of an older version and cannot be read before it has ${pending.length === 1 ? "migration" : "migrations"} ${names}. Run "perdure migrate", then try again`,
    { details: { store, pending } },
  );
}

/** A migration as a store recorded it. */
export interface AppliedMigration {
  readonly number: number;
  readonly name: string;
  readonly checksum: string;
  readonly appliedAt: number;
}

/** A migration of this version. */
interface KnownMigration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

/** How errors name the place of a store, what to do instead of using it, and their details. */
export interface StorePlace {
  readonly text: string;
  readonly instead: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/**
 * Compares what a store has recorded with the migrations of this version.
 *
 * @throws PerdureError INCOMPATIBLE_STORE when it has others.
 */
export function compareMigrations(
  applied: readonly AppliedMigration[],
  known: readonly KnownMigration[],
  place: StorePlace,
): MigrationState {
  for (const row of applied) checkApplied(row, known, place);
  const numbers = new Set(applied.map(({ number }) => number));
  return {
    applied: applied.map(({ number, name, appliedAt }) => ({ number, name, appliedAt })),
    pending: known.filter(({ number }) => !numbers.has(number)).map(({ number, name }) => ({ number, name })),
  };
}

/** Checksum of a migration's text. */
export function checksum({ sql }: Pick<KnownMigration, "sql">): string {
  return createHash("sha256").update(sql).digest("hex");
}

function checkApplied(
  row: AppliedMigration,
  known: readonly KnownMigration[],
  { text, instead, details }: StorePlace,
): void {
  const migration = known.find(({ number }) => number === row.number);
  const newest = known.at(-1)?.number ?? 0;
  if (migration === undefined) {
    throw new PerdureError(
      "INCOMPATIBLE_STORE",
      `${text} was written by a newer version: it has migration ${row.number} (${row.name}), this version knows up to ${newest}. Update perdure, or ${instead}.`,
      { details: { ...details, migration: row.number, newest } },
    );
  }
  if (checksum(migration) !== row.checksum) {
    throw new PerdureError(
      "INCOMPATIBLE_STORE",
      `${text} was made by a different migration ${row.number} (${row.name}) than the one of this version, so its tables may differ. Open it with the version that made it.`,
      { details: { ...details, migration: row.number } },
    );
  }
}
