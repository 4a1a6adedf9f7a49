import type { Migration } from "./migration.ts";

/**
 * Settings of functions that are called from outside, for themselves and what they call: rows are found by their keys, whatever the
 * statistics say of tables that were empty a moment ago.
 */
export const BY_KEY = `set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan`;

/** When a run without owner is due after something came for it at `at`. */
export function due(at: string): string {
  return `case when owner is null and closed_at is null and status in ('pending', 'running')
    then least(coalesce(wake_at, ${at}), ${at}) else wake_at end`;
}

/**
 * Sending (rule 24): the number of a message comes from the run row, under its lock, and only an open run gives one. What is sent to
 * a run that was continued as new goes to the open run of its chain. Keys are unique in a chain; they are looked at under the lock
 * of the row, or two senders could both find nothing.
 *
 * `deliver` answers the number, -1 for a closed run, -2 for none. `send` does so for many messages, rows locked in order of run.
 */
export const inboxes: Migration = {
  number: 2,
  name: "inboxes",
  sql: `
create function @.put_message(p_run bigint, p_number bigint, p_kind text, p_name text, p_data text, p_at bigint) returns void
language sql as $$
  insert into @.messages (run, number, kind, name, data, at) values (p_run, p_number, p_kind, p_name, p_data, p_at)
  on conflict (run, number) do update
    set kind = excluded.kind, name = excluded.name, data = excluded.data, at = excluded.at
$$;

create function @.deliver(p_run bigint, p_kind text, p_name text, p_data text, p_at bigint, p_key text) returns bigint
language plpgsql as $$
declare
  the_chain bigint;
  place bigint;
  counted bigint;
begin
  if p_key is null then
    update @.workflow_runs set inbox = inbox + 1, wake_at = ${due("p_at")}
      where run = p_run and closed_at is null returning inbox into counted;
    if found then
      perform @.put_message(p_run, counted, p_kind, p_name, p_data, p_at);
      return counted;
    end if;
  end if;
  loop
    select coalesce(r.chain, r.run), case
        when r.closed_at is null then r.run
        when r.status = 'continued_as_new' then (
          select n.run from @.workflow_runs n where n.workflow_id = r.workflow_id and n.superseded = 0
            and n.closed_at is null and n.chain = coalesce(r.chain, r.run))
        end
      into the_chain, place from @.workflow_runs r where r.run = p_run;
    if not found then
      return -2;
    end if;
    if place is not null then
      perform 1 from @.workflow_runs where run = place and closed_at is null for no key update;
      -- Closed or continued since it was found.
      continue when not found;
    end if;
    if p_key is not null then
      select number into counted from @.message_keys where run = the_chain and key = p_key;
      if found then
        return counted;
      end if;
    end if;
    if place is null then
      return -1;
    end if;
    update @.workflow_runs set inbox = inbox + 1, wake_at = ${due("p_at")} where run = place returning inbox into counted;
    perform @.put_message(place, counted, p_kind, p_name, p_data, p_at);
    if p_key is not null then
      insert into @.message_keys (run, key, number, at) values (the_chain, p_key, counted, p_at);
    end if;
    return counted;
  end loop;
end
$$;

create function @.send(p_run bigint[], p_kind text[], p_name text[], p_data text[], p_at bigint[], p_key text[])
returns bigint[]
language plpgsql ${BY_KEY} as $$
declare
  results bigint[] := '{}';
begin
  if cardinality(p_run) > 1 then
    perform 1 from @.workflow_runs where run = any (p_run) order by run for no key update;
  end if;
  for i in 1 .. cardinality(p_run) loop
    results := results || @.deliver(p_run[i], p_kind[i], p_name[i], p_data[i], p_at[i], p_key[i]);
  end loop;
  return results;
end
$$;
`,
};
