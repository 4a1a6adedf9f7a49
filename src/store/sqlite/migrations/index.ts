import { initial } from "./0001-initial.ts";
import { views } from "./0002-views.ts";
import type { Migration } from "./migration.ts";

/** All migrations, in order. */
export const MIGRATIONS: readonly Migration[] = [initial, views];

export type { Migration };
