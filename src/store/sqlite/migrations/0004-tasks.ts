import { iso } from "./0002-views.ts";
import type { Migration } from "./migration.ts";

/**
 * Attempts that any engine may run. A task lies beside its row in `attempts`, whose column `external` is 2 then, and goes with it; `place`
 * is the order of writing. Two partial indexes serve claims, and counts of what is claimed. `assignments` shows people who runs what.
 */
export const tasks: Migration = {
  number: 4,
  name: "tasks",
  sql: `
alter table engines add column serves text;
alter table engines add column activities text not null default '[]';

create table tasks (
  place integer primary key autoincrement,
  run integer not null,
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
  created_at integer not null,
  owner integer,
  started_at integer,
  beat_at integer
);

create unique index tasks_command on tasks (run, command);
create index tasks_waiting on tasks (queue, place) where owner is null;
create index tasks_claimed on tasks (owner, queue) where owner is not null;

create table queue_limits (
  queue text primary key,
  everywhere integer not null
) without rowid;

create view assignments as
select
  t.run,
  r.workflow_id,
  t.command,
  t.queue,
  t.activity,
  t.attempt,
  case when t.owner is null then 'waiting' else 'running' end as status,
  t.owner as engine,
  (select e.label from engines e where e.engine = t.owner) as process,
  ${iso("t.created_at")} as created_at,
  ${iso("t.started_at")} as started_at,
  ${iso("t.beat_at")} as beat_at
from tasks t join workflow_runs r using (run);
`,
};
