import type { Migration } from "./migration.ts";

/** A run that continues another has what was in its inbox at that very moment: nobody waits for a moment without senders. */
export const movingInboxes: Migration = {
  number: 8,
  name: "moving-inboxes",
  sql: `
create or replace function @.succeed(p_old bigint, p_start json, p_messages json) returns void
language plpgsql as $$
declare
  fresh bigint;
  the_tags text;
begin
  update @.workflow_runs set superseded = 1 where run = p_old and superseded = 0 and closed_at is not null;
  if not found then
    raise exception 'run % is continued, but not closed', p_old using errcode = 'PF002';
  end if;
  fresh := nextval('@.run_numbers');
  insert into @.workflow_runs (
      run, workflow_id, workflow, version, status, wake_at, inbox, created_at, meta, request,
      chain, parent, parent_command, parent_generation, on_parent_close, tags, progress
    ) select fresh, workflow_id, p_start ->> 'workflow', p_start ->> 'version', 'pending', (p_start ->> 'wakeAt')::bigint, inbox,
      (p_start ->> 'createdAt')::bigint, p_start ->> 'meta', p_start ->> 'request',
      coalesce(chain, run), parent, parent_command, parent_generation, on_parent_close, tags, progress
    from @.workflow_runs where run = p_old returning tags into the_tags;
  if the_tags is not null then
    insert into @.run_tags (key, value, run) select key, value, fresh from json_each_text(the_tags::json);
  end if;
  insert into @.events (run, seq, type, at, data)
    values (fresh, 1, p_start #>> '{first,type}', (p_start #>> '{first,at}')::bigint, p_start #>> '{first,data}');
  perform @.append_events(fresh, 1, p_start -> 'rest');
  if p_start ->> 'secrets' is not null then
    insert into @.secrets (run, body) values (fresh, p_start ->> 'secrets');
  end if;
  update @.messages set run = fresh where run = p_old and kind not in ('outcome', 'retry');
  delete from @.messages where run = p_old;
  perform @.put_message(fresh, (m ->> 'number')::bigint, m ->> 'kind', m ->> 'name', m ->> 'data', (m ->> 'at')::bigint)
    from json_array_elements(p_messages) t (m);
end
$$;
`,
};
