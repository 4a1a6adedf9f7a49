import type { Migration } from "./migration.ts";

/** ISO 8601 text of a column of epoch milliseconds. */
function iso(column: string): string {
  return `to_char(to_timestamp(${column} / 1000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/** One line for a failure in JSON. */
function failure(json: string): string {
  return `(${json} ->> 'name') || ': ' || (${json} ->> 'message')`;
}

/** Kinds of commands that are tried until they succeed; the others wait. */
const ATTEMPTED = "('activity', 'inline', 'transaction')";

/** Events with their data as JSON. */
const EVENTS = "@.events e join @.workflow_runs r using (run) cross join lateral @.readable(e.data) d";

/** What events carry from before them. */
const NOTES = `${EVENTS} cross join lateral json_array_elements(d -> 'o') o`;

/**
 * Views for people and auditors: `runs`, `stages` (one row per execution of a step, timer or wait, those in flight included),
 * `decisions` and `checkpoints`, and `blocked` for those who may see no payloads. Times are ISO 8601 in UTC. Signs that this database cannot hold as text (U+0000 and halves of
 * surrogate pairs) are shown as U+FFFD.
 */
export const views: Migration = {
  number: 4,
  name: "views",
  sql: `
create function @.readable(data text) returns json
language sql immutable as $$
  select case when data ~* '\\\\u(0000|d[89a-f][0-9a-f]{2})'
    then regexp_replace(data, '\\\\u(0000|d[89a-f][0-9a-f]{2})', '\\\\ufffd', 'gi') else data end::json
$$;

create view @.runs as
select
  r.run,
  (select value from @.meta where key = 'id') || '-' || (
    with recursive digits (rest, text) as (
      select r.run, ''
      union all
      select rest / 36, substr('0123456789abcdefghijklmnopqrstuvwxyz', (rest % 36)::integer + 1, 1) || text
      from digits where rest > 0
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
  (select @.readable(e.data) ->> 'p' from @.events e where e.run = r.run and e.seq = 1) as input,
  (select @.readable(e.data) ->> 'p' from @.events e where e.run = r.run and e.type = 'RunCompleted'
    order by e.seq desc limit 1) as result,
  case when r.status = 'failed' then
    (select ${failure("(@.readable(e.data) -> 'e')")} from @.events e where e.run = r.run and e.type = 'RunFailed'
      order by e.seq desc limit 1) end as error
from @.workflow_runs r;

create view @.stages as
select
  e.run,
  r.workflow_id,
  (d ->> 'c')::integer as command,
  coalesce(d ->> 'l', d ->> 'n') as step,
  d ->> 'k' as kind,
  case e.type
    when 'StepCompleted' then 'completed'
    when 'StepFailed' then 'failed'
    when 'StepCancelled' then 'cancelled'
    when 'TimerFired' then 'completed'
    else 'timed_out' end as status,
  case when e.type in ('StepCompleted', 'StepFailed') and d ->> 'k' in ${ATTEMPTED}
    then coalesce((d ->> 'a')::integer, 1) end as attempts,
  case when e.type in ('StepCompleted', 'StepFailed')
    then ${iso("(e.at - coalesce((d ->> 'd')::bigint, 0))")} end as started_at,
  ${iso("e.at")} as ended_at,
  case when e.type in ('StepCompleted', 'StepFailed') then coalesce((d ->> 'd')::bigint, 0) end as duration_ms,
  ${failure("(d -> 'e')")} as error
from ${EVENTS}
where e.type in ('StepCompleted', 'StepFailed', 'StepCancelled', 'TimerFired', 'WaitTimedOut')
union all
select
  e.run, r.workflow_id,
  (o ->> 'command')::integer,
  coalesce(o ->> 'label', o ->> 'name'),
  'wait', 'completed', null, null,
  ${iso("coalesce((o ->> 'at')::bigint, e.at)")},
  null, null
from ${NOTES} where o ->> 'k' = 'wait.completed'
union all
select
  e.run, r.workflow_id, null, o ->> 'step', null, 'skipped', 0, null, ${iso("e.at")}, null, null
from ${NOTES} where o ->> 'k' = 'step.skipped'
union all
select
  a.run, r.workflow_id, a.command, a.name, a.kind,
  case when a.attempt = 0 or a.started_at is not null then 'running' else 'pending' end,
  nullif(a.attempt, 0),
  ${iso("a.first_at")}, null, null,
  ${failure("@.readable(a.error)")}
from @.attempts a join @.workflow_runs r using (run);

create view @.decisions as
select e.run, r.workflow_id, e.seq, ${iso("coalesce((o ->> 'at')::bigint, e.at)")} as at,
  o ->> 'k' as kind, o ->> 'step' as step, (o::jsonb - 'k')::text as data
from ${NOTES} where o ->> 'k' in ('decision', 'step.goto', 'step.skipped', 'step.continued');

create view @.checkpoints as
select e.run, r.workflow_id, e.seq, ${iso("coalesce((o ->> 'at')::bigint, e.at)")} as at, (o::jsonb - 'k')::text as data
from ${NOTES} where o ->> 'k' = 'checkpoint';

-- Messages that quote an error, which may quote anything, are left out.
create view @.blocked as
select r.run, r.workflow_id, r.workflow, r.version, b ->> 'reason' as reason,
  case when b ->> 'reason' not in ('data_error', 'defect') then b ->> 'message' end as message
from @.workflow_runs r cross join lateral (select @.readable(r.detail) -> 'blocked' as b) d
where r.status = 'blocked' and r.closed_at is null;
`,
};
