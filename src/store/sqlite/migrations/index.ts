import { initial } from "./0001-initial.ts";
import { views } from "./0002-views.ts";
import { relations } from "./0003-relations.ts";
import { tasks } from "./0004-tasks.ts";
import { indexes } from "./0005-indexes.ts";
import type { Migration } from "./migration.ts";

/** All migrations, in order. */
export const MIGRATIONS: readonly Migration[] = [initial, views, relations, tasks, indexes];

export type { Migration };
