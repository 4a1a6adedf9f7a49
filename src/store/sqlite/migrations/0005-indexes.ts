import type { Migration } from "./migration.ts";

/**
 * Message keys and answers by age, as the oldest are deleted a batch at a time. Due runs by workflow: those whose code an engine does not
 * have are not in its way.
 */
export const indexes: Migration = {
  number: 5,
  name: "indexes",
  sql: `
drop index workflow_runs_due;
create index workflow_runs_due on workflow_runs (owner, workflow, wake_at) where closed_at is null;
create index message_keys_age on message_keys (at);
create index answers_age on answers (at) where status <> 'accepted';
`,
};
