import type { Migration } from "./migration.ts";

/** ISO 8601 text of a column of epoch milliseconds. */
export function iso(column: string): string {
  return `strftime('%Y-%m-%dT%H:%M:%S', ${column} / 1000, 'unixepoch') || printf('.%03dZ', ${column} % 1000)`;
}

/** One line for a failure in JSON. */
export function failure(json: string, path: string): string {
  return `json_extract(${json}, '${path}.name') || ': ' || json_extract(${json}, '${path}.message')`;
}

/** What events carry from before them. */
export const NOTES: string = "events e join workflow_runs r using (run) join json_each(e.data, '$.o') o";

/**
 * Views for people and auditors: `runs`, `stages` (one row per execution of a step, timer or wait, those in flight included),
 * `decisions` and `checkpoints`. Times are ISO 8601 in UTC.
 */
export const views: Migration = {
  number: 2,
  name: "views",
  sql: `
create view runs as
select
  r.run,
  (select value from meta where key = 'id') || '-' || (
    with recursive digits (rest, text) as (
      select r.run, ''
      union all
      select rest / 36, substr('0123456789abcdefghijklmnopqrstuvwxyz', rest % 36 + 1, 1) || text from digits where rest > 0
    )
    select text from digits where rest = 0
  ) as run_id,
  r.workflow_id,
  r.workflow,
  r.version,
  r.status,
  ${iso("r.created_at")} as created_at,
  ${iso("r.closed_at")} as closed_at,
  r.closed_at - r.created_at as duration_ms,
  ${iso("r.wake_at")} as wake_at,
  r.owner as engine,
  r.crashes,
  (select json_extract(e.data, '$.p') from events e where e.run = r.run and e.seq = 1) as input,
  (select json_extract(e.data, '$.p') from events e where e.run = r.run and e.type = 'RunCompleted'
    order by e.seq desc limit 1) as result,
  case when r.status = 'failed' then
    (select ${failure("e.data", "$.e")} from events e where e.run = r.run and e.type = 'RunFailed'
      order by e.seq desc limit 1) end as error
from workflow_runs r;

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
  case when e.type in ('StepCompleted', 'StepFailed') then coalesce(json_extract(e.data, '$.a'), 1) end as attempts,
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
  case when a.kind in ('timer', 'wait') or a.started_at is not null then 'running' else 'pending' end,
  case when a.kind not in ('timer', 'wait') then a.attempt end,
  ${iso("a.first_at")}, null, null,
  ${failure("a.error", "$")}
from attempts a join workflow_runs r using (run);

create view decisions as
select e.run, r.workflow_id, e.seq, ${iso("coalesce(json_extract(o.value, '$.at'), e.at)")} as at,
  json_extract(o.value, '$.k') as kind, json_extract(o.value, '$.step') as step, json_remove(o.value, '$.k') as data
from ${NOTES} where json_extract(o.value, '$.k') in ('decision', 'step.goto', 'step.skipped', 'step.continued');

create view checkpoints as
select e.run, r.workflow_id, e.seq, ${iso("coalesce(json_extract(o.value, '$.at'), e.at)")} as at,
  json_remove(o.value, '$.k') as data
from ${NOTES} where json_extract(o.value, '$.k') = 'checkpoint';
`,
};
