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
