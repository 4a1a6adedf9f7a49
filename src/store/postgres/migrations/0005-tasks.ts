import { BY_KEY } from "./0002-inboxes.ts";
import type { Migration } from "./migration.ts";

/** ISO 8601 text of a column of epoch milliseconds. */
function iso(column: string): string {
  return `to_char(to_timestamp(${column} / 1000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/** Keys of tasks as arrays. */
const KEYS = "p_run bigint[], p_command integer[], p_generation integer[], p_attempt integer[]";
const KEY_ROWS = "unnest(p_run, p_command, p_generation, p_attempt)";
const SAME_KEY = "t.run = k.run and t.command = k.command and t.generation = k.generation and t.attempt = k.attempt";

/** What an engine is given with a task. */
const CLAIMED = `t.run, t.command, t.generation, t.attempt, t.queue, t.activity, t.workflow, r.workflow_id, t.input, t.body, t.details,
        (select s.body from @.secrets s where s.run = t.run), t.created_at`;

/**
 * Attempts that any engine may run. A task lies beside its row in `attempts`, whose column `external` is 2 then, and goes with it, whoever
 * takes that away. Two partial indexes serve claims, and counts of what is claimed. `assignments` shows people who runs what.
 *
 * Locks: claims pass over tasks that somebody else has in hand. A queue with a limit is claimed from by one engine at a time: its row in
 * `queue_limits` is locked before what is claimed is counted. Whoever ends a task locks the row of its run first, as commits do, runs in
 * order of their numbers. All lock the row of the lease against being removed, so that a task is never given to an engine that is gone,
 * nor settled by one.
 */
export const tasks: Migration = {
  number: 5,
  name: "tasks",
  sql: `
alter table @.engines add column serves text, add column activities text not null default '[]';

create table @.tasks (
  run bigint not null,
  command integer not null,
  generation integer not null,
  attempt integer not null,
  queue text not null,
  activity text not null,
  workflow text not null,
  input text,
  body text not null,
  lost text not null,
  details text,
  created_at bigint not null,
  owner bigint,
  started_at bigint,
  beat_at bigint,
  place bigint generated always as identity,
  primary key (run, command)
) with (fillfactor = 80, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05);

create index tasks_waiting on @.tasks (queue, activity, place) where owner is null;
create index tasks_claimed on @.tasks (queue, owner) where owner is not null;

create table @.queue_limits (
  queue text primary key,
  everywhere integer not null
);

create function @.task_follows() returns trigger
language plpgsql as $$
begin
  delete from @.tasks where run = old.run and command = old.command;
  return null;
end
$$;

create trigger task_goes after delete on @.attempts
  for each row when (old.external = 2) execute function @.task_follows();
create trigger task_ends after update on @.attempts
  for each row when (old.external = 2 and new.external is distinct from 2) execute function @.task_follows();

-- Before it, what a transition does beside moving its run on: now its tasks are part of that. The outcome of a transaction that the
-- history has taken leaves its row, without data: a late attempt of the step finds it and does nothing (rule 32).
alter function @.apply_also(bigint, json) rename to apply_also_of_runs;

create function @.apply_also(p_run bigint, p_also json) returns void
language plpgsql as $$
begin
  if p_also -> 'tasks' is not null then
    delete from @.tasks where run = p_run
      and command in (select (value ->> 'command')::integer from json_array_elements(p_also -> 'tasks'));
    insert into @.tasks (run, command, generation, attempt, queue, activity, workflow, input, body, lost, details, created_at)
      select p_run, command, generation, attempt, queue, activity, workflow, input, body, lost, details, at
      from json_to_recordset(p_also -> 'tasks') t (
        command integer, generation integer, attempt integer, queue text, activity text, workflow text, input text, body text,
        lost text, details text, at bigint)
      order by command;
  end if;
  if p_also -> 'taken' is not null then
    update @.tx_outcomes set data = '' where run = p_run
      and command in (select value::text::integer from json_array_elements(p_also -> 'taken'));
  end if;
  perform @.apply_also_of_runs(p_run, p_also);
end
$$;

create function @.hold_lease(p_engine bigint) returns void
language plpgsql as $$
begin
  perform 1 from @.engines where engine = p_engine for key share;
  if not found then
    raise exception 'engine % is gone', p_engine using errcode = 'PF001';
  end if;
end
$$;

create function @.claim_tasks(p_engine bigint, p_at bigint, p_wants json, p_runs bigint[], p_not_of text[])
returns table (
  run bigint, command integer, generation integer, attempt integer, queue text, activity text, workflow text, workflow_id text,
  input text, body text, details text, secrets text, created_at bigint)
language plpgsql ${BY_KEY} as $$
#variable_conflict use_column
declare
  want record;
  name text;
  room bigint;
  taken bigint;
begin
  perform @.hold_lease(p_engine);
  for want in
    select w ->> 'queue' as queue, (w ->> 'limit')::integer as most,
      array(select json_array_elements_text(w -> 'activities')) as activities
    from json_array_elements(p_wants) w order by w ->> 'queue' collate "C"
  loop
    room := want.most;
    select l.everywhere into taken from @.queue_limits l where l.queue = want.queue for update;
    if found then
      room := least(room, taken - (select count(*) from @.tasks t where t.queue = want.queue and t.owner is not null));
    end if;
    for name in
      select n from unnest(want.activities) n
        cross join lateral (select t.place from @.tasks t where t.owner is null and t.queue = want.queue and t.activity = n
          order by t.place limit 1) first
      order by first.place
    loop
      exit when room <= 0;
      return query with picked as (
        select t.run, t.command from @.tasks t
        where t.owner is null and t.queue = want.queue and t.activity = name
          and (p_runs is null or t.run = any (p_runs)) and t.workflow <> all (p_not_of)
          and exists (select from @.workflow_runs r where r.run = t.run and r.closed_at is null and r.status in ('pending', 'running'))
        order by t.place limit room for update of t skip locked
      ), given as (
        update @.tasks t set owner = p_engine, started_at = p_at, beat_at = p_at from picked p
        where t.run = p.run and t.command = p.command returning t.*
      ) select ${CLAIMED} from given t join @.workflow_runs r on r.run = t.run order by t.place;
      get diagnostics taken = row_count;
      room := room - taken;
    end loop;
  end loop;
end
$$;

create function @.settle_tasks(p_engine bigint, ${KEYS}, p_data text[], p_at bigint[]) returns boolean[]
language plpgsql ${BY_KEY} as $$
declare
  ended boolean[] := '{}';
begin
  perform @.hold_lease(p_engine);
  perform 1 from @.workflow_runs where run = any (p_run) order by run for no key update;
  for i in 1 .. cardinality(p_run) loop
    delete from @.tasks t where t.run = p_run[i] and t.command = p_command[i] and t.generation = p_generation[i]
      and t.attempt = p_attempt[i] and t.owner = p_engine;
    ended := ended || found;
    if found then
      perform @.deliver(p_run[i], 'outcome', '', p_data[i], p_at[i], null);
    end if;
  end loop;
  return ended;
end
$$;

create function @.beat_tasks(p_engine bigint, ${KEYS}, p_details text[], p_at bigint) returns void
language sql ${BY_KEY} as $$
  update @.tasks t set beat_at = p_at, details = coalesce(k.details, t.details)
  from unnest(p_run, p_command, p_generation, p_attempt, p_details) k (run, command, generation, attempt, details)
  where ${SAME_KEY} and t.owner = p_engine
$$;

create function @.return_tasks(p_engine bigint, ${KEYS}) returns void
language sql ${BY_KEY} as $$
  update @.tasks t set owner = null, started_at = null, beat_at = null
  from ${KEY_ROWS} k (run, command, generation, attempt) where ${SAME_KEY} and t.owner = p_engine
$$;

-- Tasks whose engine is gone: their runs are told that the attempts were lost. Returns how many there were.
create function @.lose_tasks(p_at bigint) returns integer
language plpgsql ${BY_KEY} as $$
declare
  task record;
  lost integer := 0;
begin
  perform 1 from @.workflow_runs where run in (
    select t.run from @.tasks t where t.owner is not null and not exists (select from @.engines e where e.engine = t.owner)
  ) order by run for no key update;
  for task in
    delete from @.tasks t where t.owner is not null and not exists (select from @.engines e where e.engine = t.owner)
    returning t.run, case when t.details is null then t.lost else left(t.lost, -1) || ',"d":' || t.details || '}' end as data
  loop
    perform @.deliver(task.run, 'outcome', '', task.data, p_at, null);
    lost := lost + 1;
  end loop;
  return lost;
end
$$;

create view @.assignments as
select
  t.run,
  r.workflow_id,
  t.command,
  t.queue,
  t.activity,
  t.attempt,
  case when t.owner is null then 'waiting' else 'running' end as status,
  t.owner as engine,
  (select e.label from @.engines e where e.engine = t.owner) as process,
  ${iso("t.created_at")} as created_at,
  ${iso("t.started_at")} as started_at,
  ${iso("t.beat_at")} as beat_at
from @.tasks t join @.workflow_runs r using (run);
`,
};
