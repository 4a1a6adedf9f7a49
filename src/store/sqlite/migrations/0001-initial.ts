import type { Migration } from "./migration.ts";

/**
 * Tables and indexes. Two partial indexes cover the hot columns of `workflow_runs`, and neither changes while a run runs: one
 * keeps a workflow id to its newest run, the other serves claims, wake-ups and sweeps.
 *
 * Events lie in the order in which they were written, not by run: the runs of a batch then share a few pages instead of dirtying
 * one each, which writes a third of the bytes.
 */
export const initial: Migration = {
  number: 1,
  name: "initial",
  sql: `
create table meta (
  key text primary key,
  value
) without rowid;

create table engines (
  engine integer primary key autoincrement,
  label text not null,
  registered_at integer not null,
  batch integer not null default 0,
  renewals integer not null default 0,
  process text not null
);

create table workflow_runs (
  run integer primary key,
  workflow_id text not null,
  workflow text not null,
  version text,
  status text not null,
  owner integer,
  wake_at integer,
  inbox integer not null default 0,
  created_at integer not null,
  closed_at integer,
  crashes integer not null default 0,
  detail text,
  meta text,
  length integer not null default 0,
  superseded integer not null default 0,
  request text
);

create unique index workflow_runs_current on workflow_runs (workflow_id) where superseded = 0;
create index workflow_runs_due on workflow_runs (owner, wake_at) where closed_at is null;

create table events (
  run integer not null,
  seq integer not null,
  type text not null,
  at integer not null,
  data text not null
);

create unique index events_place on events (run, seq);

create table messages (
  run integer not null,
  number integer not null,
  kind text not null,
  name text not null,
  data text not null,
  at integer not null,
  primary key (run, number)
) without rowid;

create table message_keys (
  run integer not null,
  key text not null,
  number integer not null,
  primary key (run, key)
) without rowid;

create table attempts (
  run integer not null,
  command integer not null,
  kind text not null,
  name text not null,
  attempt integer not null,
  started_at integer,
  first_at integer not null,
  next_at integer,
  error text,
  details text,
  primary key (run, command)
) without rowid;

create table definitions (
  hash text primary key,
  name text not null,
  body text not null,
  created_at integer not null
);

create table secrets (
  run integer primary key,
  body text not null
);
`,
};
