import { BY_KEY } from "./0002-inboxes.ts";
import type { Migration } from "./migration.ts";

/**
 * Admissions: what users ask for inside their own transactions (rule 15). Such a transaction may take its time, so all it does to the store
 * is to insert a row here, which nothing waits for: neither the unique workflow ids nor rows of runs nor those of engines are
 * touched. Once it has committed, any engine admits: the run is started or the signal delivered, and the row is decided in the same
 * transaction.
 *
 * `ask` answers the number of the row and that of the transaction, by which its fate can be found out when the row is not to be seen.
 * A signal may be meant for the run of a start that has not been admitted yet: `after_number`, `after_xid` are those of that start.
 *
 * A decided start stays for a while with its run or the reason why it was refused, for those who ask. What is decided has no body.
 *
 * `admit` decides rows of one kind. It passes over those that somebody else is deciding, and those that others of the same workflow id come
 * before, so that everything for an id happens in the order it was asked for. Starts are made in the order of their ids, and rows of
 * runs are locked in the order of their numbers, as everybody does.
 */
export const admissions: Migration = {
  number: 6,
  name: "admissions",
  sql: `
create table @.admissions (
  number bigint generated always as identity primary key,
  kind text not null,
  workflow_id text not null,
  asked_at bigint not null,
  body text,
  after_number bigint,
  after_xid text,
  decided_at bigint,
  run bigint,
  refused text
) with (fillfactor = 70, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05);

create index admissions_waiting on @.admissions (number) where decided_at is null;
create index admissions_order on @.admissions (workflow_id, number) where decided_at is null;
create index admissions_decided on @.admissions (decided_at) where decided_at is not null;

create function @.ask(
  p_store text, p_kind text, p_workflow_id text, p_at text, p_body text, p_after_number text, p_after_xid text
) returns text
language plpgsql as $$
declare
  fresh bigint;
begin
  if not exists (select from @.meta where key = 'id' and value = p_store) then
    raise exception 'this is not the store %', p_store using errcode = 'PF003';
  end if;
  insert into @.admissions (kind, workflow_id, asked_at, body, after_number, after_xid)
    values (p_kind, p_workflow_id, p_at::bigint, p_body, nullif(p_after_number, '')::bigint, nullif(p_after_xid, '')) returning number into fresh;
  perform pg_notify('perdure_' || p_store, 'admissions');
  return fresh || ':' || pg_current_xact_id();
end
$$;

-- What became of the transaction of a row that is not there. One that is unknown here is from before a restore.
create function @.fate(p_xid text) returns text
language plpgsql as $$
begin
  return case pg_xact_status(p_xid::xid8) when 'in progress' then 'open' else 'gone' end;
exception when invalid_parameter_value then
  return 'gone';
end
$$;

create function @.admit(p_kind text, p_at bigint, p_items json) returns text[]
language plpgsql ${BY_KEY} as $$
declare
  wanted bigint[];
  held bigint[];
  answers text[] := '{}';
  item json;
  place bigint;
  answer text;
begin
  select array_agg((e ->> 'number')::bigint) into wanted from json_array_elements(p_items) e;
  select array_agg(number) into held from (
    select number from @.admissions where number = any (wanted) and decided_at is null order by number for update skip locked) a;
  -- In a statement of its own, as what others were deciding may be decided by now.
  select array_agg(a.number) into held from @.admissions a where a.number = any (held) and not exists (
    select from @.admissions b where b.decided_at is null and b.workflow_id = a.workflow_id and b.number < a.number
      and b.number <> all (held));
  if held is null then
    return answers;
  end if;
  perform 1 from @.workflow_runs where run in (
    select (e ->> 'run')::bigint from json_array_elements(p_items) e where (e ->> 'number')::bigint = any (held) and e ->> 'run' is not null
  ) order by run for no key update;
  for item in
    select e from json_array_elements(p_items) e where (e ->> 'number')::bigint = any (held)
    order by e #>> '{start,workflowId}' collate "C", (e ->> 'number')::bigint
  loop
    answer := null;
    place := (item ->> 'run')::bigint;
    if item ->> 'refused' is null then
      if p_kind = 'start' and item -> 'start' is not null then
        place := @.start_one(null, item #>> '{start,workflowId}', item #>> '{start,workflow}', item #>> '{start,version}', false,
          (item #>> '{start,wakeAt}')::bigint, (item #>> '{start,createdAt}')::bigint, item #>> '{start,meta}', item #>> '{start,request}',
          item #>> '{start,secrets}', (item #>> '{start,supersedes}')::bigint, item #>> '{start,first,type}',
          (item #>> '{start,first,at}')::bigint, item #>> '{start,first,data}', null, null, null, null,
          case when item #>> '{start,tags}' is not null then json_build_object('tags', item #>> '{start,tags}') end);
        if place <= 0 then
          answer := coalesce(@.holder(item #>> '{start,workflowId}'), 'again');
        end if;
      elsif p_kind = 'signal' then
        answer := nullif(@.deliver(place, 'signal', item ->> 'name', item ->> 'data', (item ->> 'at')::bigint, item ->> 'key'), 0)::text;
        if answer::bigint > 0 then
          delete from @.admissions where number = (item ->> 'number')::bigint;
        end if;
      end if;
    end if;
    if answer is null then
      update @.admissions set decided_at = p_at, run = place, refused = item ->> 'refused', body = null
        where number = (item ->> 'number')::bigint;
      answer := coalesce(place::text, 'refused');
    end if;
    answers := answers || array[item ->> 'number', answer];
  end loop;
  return answers;
end
$$;
`,
};
