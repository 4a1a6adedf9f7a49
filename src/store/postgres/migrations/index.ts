import { tables } from "./0001-tables.ts";
import { inboxes } from "./0002-inboxes.ts";
import { commit } from "./0003-commit.ts";
import { views } from "./0004-views.ts";
import { tasks } from "./0005-tasks.ts";
import { admissions } from "./0006-admissions.ts";
import { storage } from "./0007-storage.ts";
import { movingInboxes } from "./0008-moving-inboxes.ts";
import type { Migration } from "./migration.ts";

/** All migrations, in order. */
export const MIGRATIONS: readonly Migration[] = [
  tables,
  inboxes,
  commit,
  views,
  tasks,
  admissions,
  storage,
  movingInboxes,
];

export type { Migration };
