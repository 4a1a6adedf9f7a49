/** The storage seam, for those who write a store of their own, and the stores that come with it. */

export type * from "./admissions.ts";
export { createMemoryStore } from "./memory/memory-store.ts";
export type { MigrationState } from "./migration-state.ts";
export { DEFAULT_STORE, type OpenStoreOptions, openStore } from "./open.ts";
export { postgresMigrationStatus } from "./postgres/migration-status.ts";
export { openPostgresStore, type PostgresStore } from "./postgres/postgres-store.ts";
export type { PostgresOptions } from "./postgres/settings.ts";
export { createSealer, type SealedStore, type Sealer } from "./sealing.ts";
export { migrationStatus } from "./sqlite/migration-status.ts";
export type { Durability } from "./sqlite/protocol.ts";
export { openSqliteStore, type SqliteOptions, type SqliteStore } from "./sqlite/sqlite-store.ts";
export type * from "./store.ts";
