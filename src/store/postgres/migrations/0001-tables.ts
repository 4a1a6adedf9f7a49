import type { Migration } from "./migration.ts";

/**
 * Tables and indexes, in the shapes of the SQLite store. Two partial indexes cover the hot columns of `workflow_runs`, and
 * neither changes while a run runs: one keeps a workflow id to its newest run, the other serves claims, wake-ups and sweeps. It
 * holds `coalesce(owner, 0)`, because only an equality lets the database read runs without owner in the order of their time.
 *
 * `chain` is null in the first run of a chain. A child is unique by the command that started it among runs that are not superseded;
 * the index holds the superseded ones too, apart, so that it lists all children of a run.
 *
 * Tags are found by their hash, as an index cannot hold texts of any length.
 *
 * Rows of inboxes, attempts and engines come and go all the time: vacuum looks at those tables early.
 */
export const tables: Migration = {
  number: 1,
  name: "tables",
  sql: `
create table @.meta (
  key text primary key,
  value text not null
);

create table @.engines (
  engine bigint generated always as identity primary key,
  label text not null,
  registered_at bigint not null,
  batch bigint not null default 0,
  ttl_ms integer not null,
  expires timestamptz not null
) with (fillfactor = 20, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

create sequence @.run_numbers;

create table @.workflow_runs (
  run bigint primary key,
  workflow_id text not null,
  workflow text not null,
  version text,
  status text not null,
  owner bigint,
  wake_at bigint,
  inbox bigint not null default 0,
  created_at bigint not null,
  closed_at bigint,
  crashes integer not null default 0,
  detail text,
  meta text,
  length integer not null default 0,
  superseded smallint not null default 0,
  request text,
  chain bigint,
  parent bigint,
  parent_command integer,
  parent_generation integer,
  on_parent_close text,
  tags text,
  progress text
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

create unique index workflow_runs_current on @.workflow_runs (workflow_id) where superseded = 0;
create index workflow_runs_due on @.workflow_runs ((coalesce(owner, 0)), (hashtextextended(workflow, 0)), wake_at, run)
  where closed_at is null;
create index workflow_runs_chain on @.workflow_runs (chain) where chain is not null;
create unique index workflow_runs_child on @.workflow_runs (parent, parent_command, parent_generation, (superseded * run))
  where parent is not null;

create table @.events (
  run bigint not null,
  seq integer not null,
  type text not null,
  at bigint not null,
  data text not null,
  primary key (run, seq)
);

create table @.messages (
  run bigint not null,
  number bigint not null,
  kind text not null,
  name text not null,
  data text not null,
  at bigint not null,
  primary key (run, number)
) with (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05);

create table @.message_keys (
  run bigint not null,
  key text not null,
  number bigint not null,
  at bigint not null,
  primary key (run, key)
);
create index message_keys_age on @.message_keys (at);

create table @.attempts (
  run bigint not null,
  command integer not null,
  kind text not null,
  name text not null,
  attempt integer not null,
  started_at bigint,
  first_at bigint not null,
  next_at bigint,
  error text,
  details text,
  external smallint,
  primary key (run, command)
) with (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05);

create table @.answers (
  chain bigint not null,
  number bigint not null,
  status text not null,
  data text not null,
  at bigint not null,
  primary key (chain, number)
);
create index answers_age on @.answers (at) where status <> 'accepted';

create table @.run_tags (
  key text not null,
  value text not null,
  run bigint not null
);

create index run_tags_place on @.run_tags (hashtextextended(key || '=' || value, 0), run);

create table @.tx_outcomes (
  run bigint not null,
  command integer not null,
  generation integer not null,
  data text not null,
  at bigint not null,
  primary key (run, command, generation)
) with (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05);

create table @.definitions (
  hash text primary key,
  name text not null,
  body text not null,
  created_at bigint not null
);

create table @.secrets (
  run bigint primary key,
  body text not null
);

create table @.pauses (
  scope text not null,
  name text not null,
  reason text not null,
  at bigint not null,
  primary key (scope, name)
);
`,
};
