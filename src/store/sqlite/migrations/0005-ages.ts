import type { Migration } from "./migration.ts";

/** Message keys and answers by age, as the oldest are deleted a batch at a time. */
export const ages: Migration = {
  number: 5,
  name: "ages",
  sql: `
create index message_keys_age on message_keys (at);
create index answers_age on answers (at) where status <> 'accepted';
`,
};
