import { BY_KEY, due } from "./0002-inboxes.ts";
import type { Migration } from "./migration.ts";

/** Columns of an attempt behind its run. */
const ATTEMPT = "command, kind, name, attempt, started_at, first_at, next_at, error, details, external";

/**
 * The fenced commit (rules 12 to 14). Everything of a batch comes as arrays and is written set by set; only the rare things, as
 * JSON, are written one by one. Arrays without elements are null.
 *
 * The fence comes first: the row of the lease is locked and counted before anything else, so that of two commits with one number only
 * one happens, and its error `PF001` says that nothing did. Runs the sender is not sure of are checked for their owner and the
 * length of their history; images are conditional on the inbox they have seen. A run of which either fails is left out of
 * everything that follows, and its number returned.
 *
 * Rows of runs are locked in order of their numbers: images come sorted, and with messages to other runs on board, or starts of
 * children, all rows are locked beforehand.
 *
 * A start that conflicts costs a number only when somebody else starts the same run at the very same time.
 */
export const commit: Migration = {
  number: 3,
  name: "commit",
  sql: `
create function @.set_tags(p_run bigint, p_tags text) returns void
language plpgsql as $$
declare
  before text;
begin
  select tags into before from @.workflow_runs where run = p_run;
  if before is not null then
    delete from @.run_tags t using json_each_text(before::json) j where hashtextextended(t.key || '=' || t.value, 0) = hashtextextended(j.key || '=' || j.value, 0)
        and t.key = j.key and t.value = j.value and t.run = p_run;
  end if;
  update @.workflow_runs set tags = p_tags where run = p_run;
  insert into @.run_tags (key, value, run) select j.key, j.value, p_run from json_each_text(p_tags::json) j;
end
$$;

create function @.append_events(p_run bigint, p_after integer, p_events json) returns void
language sql as $$
  insert into @.events (run, seq, type, at, data)
  select p_run, p_after + ord::integer, e ->> 'type', (e ->> 'at')::bigint, e ->> 'data'
  from json_array_elements(p_events) with ordinality t (e, ord)
$$;

create function @.complete_start(p_run bigint, p_extra json) returns void
language plpgsql as $$
declare
  message json;
  counted bigint := 0;
begin
  if p_extra ->> 'tags' is not null then
    perform @.set_tags(p_run, p_extra ->> 'tags');
  end if;
  for message in select value from json_array_elements(p_extra -> 'messages') loop
    if message ->> 'key' is not null then
      insert into @.message_keys (run, key, number, at)
        values (p_run, message ->> 'key', counted + 1, (message ->> 'at')::bigint) on conflict do nothing;
      continue when not found;
    end if;
    counted := counted + 1;
    perform @.put_message(p_run, counted, message ->> 'kind', message ->> 'name', message ->> 'data', (message ->> 'at')::bigint);
  end loop;
  if counted > 0 then
    update @.workflow_runs set inbox = counted where run = p_run;
  end if;
  perform @.append_events(p_run, 1, p_extra -> 'rest');
end
$$;

create function @.succeed(p_old bigint, p_start json, p_messages json) returns void
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
  perform @.put_message(fresh, (m ->> 'number')::bigint, m ->> 'kind', m ->> 'name', m ->> 'data', (m ->> 'at')::bigint)
    from json_array_elements(p_messages) t (m);
end
$$;

-- Those that are open, by an index of children only.
create function @.open_children(p_run bigint) returns setof @.workflow_runs
language sql stable as $$
  select * from @.workflow_runs where parent = p_run and superseded + 0 = 0 and coalesce(closed_at, 0) = 0
$$;

-- In this order: what is written to the row goes over to the run that continues it, and that one takes messages already.
create function @.apply_also(p_run bigint, p_also json) returns void
language plpgsql as $$
declare
  item json;
begin
  for item in select value from json_array_elements(p_also -> 'answers') loop
    insert into @.answers (chain, number, status, data, at)
      select coalesce(chain, run), (item ->> 'number')::bigint, item ->> 'status', item ->> 'data', (item ->> 'at')::bigint
      from @.workflow_runs where run = p_run
      on conflict (chain, number) do update set status = excluded.status, data = excluded.data, at = excluded.at;
  end loop;
  if p_also #>> '{facts,tags}' is not null then
    perform @.set_tags(p_run, p_also #>> '{facts,tags}');
  end if;
  if p_also #>> '{facts,progress}' is not null then
    update @.workflow_runs set progress = p_also #>> '{facts,progress}' where run = p_run;
  end if;
  if p_also -> 'outcomes' is not null then
    delete from @.tx_outcomes where run = p_run
      and command in (select value::text::integer from json_array_elements(p_also -> 'outcomes'));
  end if;
  for item in select value from json_array_elements(p_also -> 'returned') loop
    perform @.put_message(
      p_run, (item ->> 'number')::bigint, item ->> 'kind', item ->> 'name', item ->> 'data', (item ->> 'at')::bigint);
    update @.workflow_runs set wake_at = ${due("(item ->> 'at')::bigint")} where run = p_run;
  end loop;
  if p_also -> 'successor' is not null then
    perform @.succeed(p_run, p_also #> '{successor,start}', p_also #> '{successor,messages}');
  end if;
  if p_also -> 'stopsChildren' is not null then
    perform @.deliver(run, on_parent_close, '', p_also #>> '{stopsChildren,data}', (p_also #>> '{stopsChildren,at}')::bigint,
        'parent:' || parent_generation || ':' || parent_command || ':' || on_parent_close)
      from (select run, on_parent_close, parent_generation, parent_command from @.open_children(p_run) order by run) c
      where on_parent_close <> 'abandon';
  end if;
  for item in select value from json_array_elements(p_also -> 'sends') loop
    perform @.deliver((item ->> 'run')::bigint, item ->> 'kind', item ->> 'name', item ->> 'data', (item ->> 'at')::bigint,
      item ->> 'key');
  end loop;
end
$$;

-- The current run of a workflow id, in the order of the columns of a run.
create function @.holder(p_workflow_id text) returns text
language sql as $$
  select json_build_array(run, workflow_id, workflow, version, status, owner, wake_at, inbox, created_at, closed_at, crashes, detail,
    meta, length, superseded, request, coalesce(chain, run), parent, parent_command, parent_generation, on_parent_close, tags,
    progress)::text
  from @.workflow_runs where workflow_id = p_workflow_id and superseded = 0
$$;

-- Creates one run: its number, minus the number of the child that was there already, 0 for a conflict, or null when its parent has
-- ended.
create function @.start_one(
  p_engine bigint, p_workflow_id text, p_workflow text, p_version text, p_owned boolean, p_wake_at bigint, p_created_at bigint,
  p_meta text, p_request text, p_secrets text, p_supersedes bigint, p_type text, p_at bigint, p_data text,
  p_parent bigint, p_parent_command integer, p_parent_generation integer, p_on_parent_close text, p_extra json
) returns bigint
language plpgsql as $$
declare
  fresh bigint;
begin
  if p_parent is not null then
    select run into fresh from @.workflow_runs where parent = p_parent and parent_command = p_parent_command
      and parent_generation = p_parent_generation and superseded * run = 0;
    if found then
      return -fresh;
    end if;
    -- Its row is locked: nobody ends it while its child comes into being.
    if p_on_parent_close <> 'abandon' and not exists (
      select from @.workflow_runs where run = p_parent and (closed_at is null or status = 'continued_as_new')
    ) then
      return null;
    end if;
  end if;
  if p_supersedes is not null then
    update @.workflow_runs set superseded = 1
      where run = p_supersedes and workflow_id = p_workflow_id and superseded = 0 and closed_at is not null;
  end if;
  insert into @.workflow_runs (run, workflow_id, workflow, version, status, owner, wake_at, created_at, meta, request,
      parent, parent_command, parent_generation, on_parent_close)
    select nextval('@.run_numbers'), p_workflow_id, p_workflow, p_version, case when p_owned then 'running' else 'pending' end,
      case when p_owned then p_engine end, case when not p_owned then p_wake_at end, p_created_at, p_meta, p_request,
      p_parent, p_parent_command, p_parent_generation, p_on_parent_close
    where not exists (select from @.workflow_runs where workflow_id = p_workflow_id and superseded = 0)
    on conflict do nothing returning run into fresh;
  if fresh is null then
    return 0;
  end if;
  insert into @.events (run, seq, type, at, data) values (fresh, 1, p_type, p_at, p_data);
  if p_secrets is not null then
    insert into @.secrets (run, body) values (fresh, p_secrets);
  end if;
  if p_extra is not null then
    perform @.complete_start(fresh, p_extra);
  end if;
  return fresh;
end
$$;

create function @.commit(
  p_engine bigint, p_number bigint, p_fence boolean,
  s_one_by_one boolean, s_workflow_id text[], s_workflow text[], s_version text[], s_owned boolean[], s_wake_at bigint[],
  s_created_at bigint[], s_meta text[], s_request text[], s_secrets text[], s_supersedes bigint[],
  s_type text[], s_at bigint[], s_data text[],
  s_parent bigint[], s_parent_command integer[], s_parent_generation integer[], s_on_parent_close text[], s_extra text[],
  l_run bigint[], k_run bigint[], c_run bigint[], c_base integer[],
  e_run bigint[], e_seq integer[], e_type text[], e_at bigint[], e_data text[],
  i_run bigint[], i_status text[], i_owned boolean[], i_wake_at bigint[], i_closed_at bigint[], i_crashes integer[],
  i_detail text[], i_length integer[], i_if_inbox bigint[], f_run bigint[],
  m_run bigint[], m_number bigint[], d_run bigint[], d_command integer[], a_rows json, o_rows json,
  out started bigint[], out holders text[], out refused_history bigint[], out refused_inbox bigint[]
)
language plpgsql ${BY_KEY} as $$
declare
  refused bigint[];
  written bigint[];
  item json;
  count integer;
begin
  if p_fence then
    update @.engines set batch = p_number, expires = clock_timestamp() + ttl_ms * interval '1 millisecond'
      where engine = p_engine and batch = p_number - 1;
    if not found then
      raise exception 'engine % may not commit batch %', p_engine, p_number using errcode = 'PF001';
    end if;
  end if;

  if l_run is not null then
    perform 1 from @.workflow_runs
      where run = any (l_run || array(select c.run from unnest(k_run) k (run), @.open_children(k.run) c))
      order by run for no key update;
  end if;

  if s_one_by_one then
    started := '{}';
    for i in 1 .. cardinality(s_workflow_id) loop
      started := started || @.start_one(p_engine, s_workflow_id[i], s_workflow[i], s_version[i], s_owned[i], s_wake_at[i],
        s_created_at[i], s_meta[i], s_request[i], s_secrets[i], s_supersedes[i], s_type[i], s_at[i], s_data[i], s_parent[i],
        s_parent_command[i], s_parent_generation[i], s_on_parent_close[i], s_extra[i]::json);
      if started[i] = 0 then
        holders := holders || @.holder(s_workflow_id[i]);
      end if;
    end loop;
  elsif s_workflow_id is not null then
    -- Numbers for those that look free; a row that turns out not to be is found out by its insert.
    select array_agg(case when not exists (select from @.workflow_runs r where r.workflow_id = s.id and r.superseded = 0)
        then nextval('@.run_numbers') end order by s.ord)
      into started from unnest(s_workflow_id) with ordinality s (id, ord);
    with inserted as (
      insert into @.workflow_runs (run, workflow_id, workflow, version, status, owner, wake_at, created_at, meta, request)
      select s.run, s.workflow_id, s.workflow, s.version, case when s.owned then 'running' else 'pending' end,
        case when s.owned then p_engine end, case when not s.owned then s.wake_at end, s.created_at, s.meta, s.request
      from unnest(started, s_workflow_id, s_workflow, s_version, s_owned, s_wake_at, s_created_at, s_meta, s_request)
        s (run, workflow_id, workflow, version, owned, wake_at, created_at, meta, request)
      where s.run is not null
      order by s.workflow_id
      on conflict do nothing returning run
    ) select array_agg(run) into written from inserted;
    if coalesce(cardinality(written), 0) < cardinality(started) then
      written := coalesce(written, '{}');
      select array_agg(case when s.run = any (written) then s.run else 0 end order by s.ord) into started
        from unnest(started) with ordinality s (run, ord);
      select array_agg(@.holder(s.id) order by s.ord) into holders
        from unnest(started, s_workflow_id) with ordinality s (run, id, ord) where s.run = 0;
    end if;
    insert into @.events (run, seq, type, at, data)
      select s.run, 1, s.type, s.at, s.data from unnest(started, s_type, s_at, s_data) s (run, type, at, data) where s.run > 0;
    if s_secrets is not null then
      insert into @.secrets (run, body)
        select s.run, s.body from unnest(started, s_secrets) s (run, body) where s.run > 0 and s.body is not null;
    end if;
  end if;

  -- It was there when the start failed and is gone, or the same child came with another workflow id: try again.
  if array_position(holders, null) is not null then
    raise exception 'a run came or went meanwhile' using errcode = 'serialization_failure';
  end if;

  if c_run is not null then
    select array_agg(c.run) into refused from unnest(c_run, c_base) c (run, base)
      where not exists (select from @.workflow_runs r where r.run = c.run and r.owner = p_engine)
        or (select max(e.seq) from @.events e where e.run = c.run) is distinct from c.base;
    refused_history := refused;
  end if;
  if i_run is not null then
    with updated as (
      update @.workflow_runs r set status = i.status, owner = case when i.owned then p_engine end, wake_at = i.wake_at,
        closed_at = i.closed_at, crashes = i.crashes, detail = i.detail, length = i.length
      from unnest(i_run, i_status, i_owned, i_wake_at, i_closed_at, i_crashes, i_detail, i_length, i_if_inbox)
        i (run, status, owned, wake_at, closed_at, crashes, detail, length, if_inbox)
      where r.run = i.run and r.inbox = coalesce(i.if_inbox, r.inbox) and (refused is null or i.run <> all (refused))
      returning r.run
    ) select array_agg(run) into written from updated;
    if coalesce(cardinality(written), 0) < cardinality(i_run) then
      select array_agg(i.run) into refused_inbox from unnest(i_run) i (run)
        where i.run <> all (coalesce(written, '{}')) and i.run <> all (coalesce(refused_history, '{}'));
      refused := refused_history || refused_inbox;
    end if;
  end if;

  if e_run is not null then
    if refused is null then
      insert into @.events (run, seq, type, at, data) select * from unnest(e_run, e_seq, e_type, e_at, e_data);
    else
      insert into @.events (run, seq, type, at, data)
        select * from unnest(e_run, e_seq, e_type, e_at, e_data) e (run, seq, type, at, data) where e.run <> all (refused);
    end if;
  end if;
  if f_run is not null then
    delete from @.secrets where run = any (f_run) and (refused is null or run <> all (refused));
  end if;
  if m_run is not null then
    delete from @.messages m using unnest(m_run, m_number) t (run, number)
      where m.run = t.run and m.number = t.number and (refused is null or t.run <> all (refused));
  end if;
  if d_run is not null then
    delete from @.attempts a using unnest(d_run, d_command) t (run, command)
      where a.run = t.run and a.command = t.command and (refused is null or t.run <> all (refused));
  end if;
  if a_rows is not null then
    insert into @.attempts (run, ${ATTEMPT})
      select run, ${ATTEMPT} from json_to_recordset(a_rows) a (
        run bigint, command integer, kind text, name text, attempt integer, started_at bigint, first_at bigint, next_at bigint,
        error text, details text, external smallint)
      where refused is null or run <> all (refused)
      on conflict (run, command) do update set (kind, name, attempt, started_at, first_at, next_at, error, details, external) =
        (excluded.kind, excluded.name, excluded.attempt, excluded.started_at, excluded.first_at, excluded.next_at,
         excluded.error, excluded.details, excluded.external);
  end if;
  if o_rows is not null then
    for item in select value from json_array_elements(o_rows) loop
      continue when (item ->> 'of')::bigint = any (refused);
      perform @.apply_also((item ->> 'of')::bigint, item);
    end loop;
  end if;
end
$$;
`,
};
