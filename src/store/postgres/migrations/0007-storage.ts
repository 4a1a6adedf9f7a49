import { BY_KEY } from "./0002-inboxes.ts";
import type { Migration } from "./migration.ts";

/** Tables whose rows go with their run. */
const RUN_TABLES = ["events", "messages", "attempts", "secrets", "tx_outcomes"] as const;

function tagHash(key: string, value: string): string {
  return `hashtextextended(${key} || '=' || ${value}, 0)`;
}

/** Tables that grow and shrink with runs, which had the settings of the server until now. */
const GROWING = ["events", "run_tags", "message_keys", "answers", "secrets"] as const;

/**
 * With retention as many rows go as come. Vacuum begins when a twentieth of a table is dead instead of a fifth: so one vacuum has less to
 * do.
 *
 * `purge` deletes many closed runs at once. Rows that somebody has locked are passed over, so that it never waits, and a run that went on
 * since it was looked at has another length.
 */
export const storage: Migration = {
  number: 7,
  name: "storage",
  sql: `
${GROWING.map(
  (table) => `alter table @.${table} set (
  autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);`,
).join("\n")}

create function @.purge(p_run bigint[], p_length integer[]) returns bigint[]
language plpgsql ${BY_KEY} as $$
declare
  gone bigint[];
  chains bigint[];
begin
  with wanted as (select unnest(p_run) as run, unnest(p_length) as length),
  free as materialized (
    select r.run from @.workflow_runs r join wanted w on w.run = r.run
      where r.length = w.length and r.closed_at is not null and r.owner is null for update of r skip locked
  ), deleted as (
    delete from @.workflow_runs r using free where r.run = free.run returning r.run, r.chain, r.tags
  ), untagged as (
    delete from @.run_tags t using deleted d cross join lateral json_each_text(d.tags::json) j
      where d.tags is not null and t.run = d.run and t.key = j.key and t.value = j.value
        and ${tagHash("t.key", "t.value")} = ${tagHash("j.key", "j.value")}
  )
  select array_agg(run), array_agg(distinct coalesce(chain, run)) into gone, chains from deleted;
  if gone is null then
    return '{}';
  end if;
${RUN_TABLES.map((table) => `  delete from @.${table} where run = any (gone);`).join("\n")}
  delete from @.message_keys k where k.run = any (chains)
    and not exists (select from @.workflow_runs r where r.run = k.run)
    and not exists (select from @.workflow_runs r where r.chain = k.run);
  delete from @.answers a where a.chain = any (chains)
    and not exists (select from @.workflow_runs r where r.run = a.chain)
    and not exists (select from @.workflow_runs r where r.chain = a.chain);
  return gone;
end
$$;
`,
};
