import { failure, iso, NOTES } from "./0002-views.ts";
import type { Migration } from "./migration.ts";

/** Kinds of commands that are tried until they succeed; the others wait. */
const ATTEMPTED = "('activity', 'inline', 'transaction')";

/**
 * What runs have to do with each other and with people: chains of runs that continued one another, parents and children, answers
 * to updates, tags, progress, kept outcomes of transactional steps, pauses.
 *
 * `chain` is null in the first run of a chain. A child is unique by the command that started it among runs that are not superseded;
 * the index holds the superseded ones too, apart, so that it lists all children of a run. The view of stages counts attempts only
 * of what is attempted, not of the waits for children, approvals and conditions.
 */
export const relations: Migration = {
  number: 3,
  name: "relations",
  sql: `
alter table workflow_runs add column chain integer;
alter table workflow_runs add column parent integer;
alter table workflow_runs add column parent_command integer;
alter table workflow_runs add column parent_generation integer;
alter table workflow_runs add column on_parent_close text;
alter table workflow_runs add column tags text;
alter table workflow_runs add column progress text;

create index workflow_runs_chain on workflow_runs (chain) where chain is not null;
create unique index workflow_runs_child on workflow_runs (parent, parent_command, parent_generation, superseded * run)
  where parent is not null;

alter table attempts add column external integer;

alter table message_keys add column at integer not null default 0;
update message_keys set at = cast(strftime('%s', 'now') as integer) * 1000;

create table answers (
  chain integer not null,
  number integer not null,
  status text not null,
  data text not null,
  at integer not null,
  primary key (chain, number)
) without rowid;

create table run_tags (
  key text not null,
  value text not null,
  run integer not null,
  primary key (key, value, run)
) without rowid;

create table tx_outcomes (
  run integer not null,
  command integer not null,
  generation integer not null,
  data text not null,
  at integer not null,
  primary key (run, command, generation)
) without rowid;

create table pauses (
  scope text not null,
  name text not null,
  reason text not null,
  at integer not null,
  primary key (scope, name)
) without rowid;

drop view stages;
create view stages as
select
  e.run,
  r.workflow_id,
  json_extract(e.data, '$.c') as command,
  coalesce(json_extract(e.data, '$.l'), json_extract(e.data, '$.n')) as step,
  json_extract(e.data, '$.k') as kind,
  case e.type
    when 'StepCompleted' then 'completed'
    when 'StepFailed' then 'failed'
    when 'StepCancelled' then 'cancelled'
    when 'TimerFired' then 'completed'
    else 'timed_out' end as status,
  case when e.type in ('StepCompleted', 'StepFailed') and json_extract(e.data, '$.k') in ${ATTEMPTED}
    then coalesce(json_extract(e.data, '$.a'), 1) end as attempts,
  case when e.type in ('StepCompleted', 'StepFailed')
    then ${iso("(e.at - coalesce(json_extract(e.data, '$.d'), 0))")} end as started_at,
  ${iso("e.at")} as ended_at,
  case when e.type in ('StepCompleted', 'StepFailed') then coalesce(json_extract(e.data, '$.d'), 0) end as duration_ms,
  ${failure("e.data", "$.e")} as error
from events e join workflow_runs r using (run)
where e.type in ('StepCompleted', 'StepFailed', 'StepCancelled', 'TimerFired', 'WaitTimedOut')
union all
select
  e.run, r.workflow_id,
  json_extract(o.value, '$.command'),
  coalesce(json_extract(o.value, '$.label'), json_extract(o.value, '$.name')),
  'wait', 'completed', null, null,
  ${iso("coalesce(json_extract(o.value, '$.at'), e.at)")},
  null, null
from ${NOTES} where json_extract(o.value, '$.k') = 'wait.completed'
union all
select
  e.run, r.workflow_id, null, json_extract(o.value, '$.step'), null, 'skipped', 0, null, ${iso("e.at")}, null, null
from ${NOTES} where json_extract(o.value, '$.k') = 'step.skipped'
union all
select
  a.run, r.workflow_id, a.command, a.name, a.kind,
  case when a.attempt = 0 or a.started_at is not null then 'running' else 'pending' end,
  nullif(a.attempt, 0),
  ${iso("a.first_at")}, null, null,
  ${failure("a.error", "$")}
from attempts a join workflow_runs r using (run);
`,
};
