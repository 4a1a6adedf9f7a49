import { tables } from "./0001-tables.ts";
import { inboxes } from "./0002-inboxes.ts";
import { commit } from "./0003-commit.ts";
import { views } from "./0004-views.ts";
import type { Migration } from "./migration.ts";

/** All migrations, in order. */
export const MIGRATIONS: readonly Migration[] = [tables, inboxes, commit, views];

export type { Migration };
