/**
 * What the database itself saw: triggers beside the tables of the store write down when each event, message and lease came, and on
 * whose connection. That is evidence no engine can colour.
 */
import pg from "pg";

/** Tables of the application: a bank whose total must not change, and what schedules start. */
const APPLICATION = `
create table public.accounts (account integer primary key, balance bigint not null);
insert into public.accounts select n, 1000 from generate_series(1, 8) n;
create table public.ledger (run_id text not null, step text not null, source integer not null, target integer not null, amount bigint not null);
create table public.orders (id text primary key);
create table public.ticks (workflow_id text not null);
`;

function records(schema: string): string {
  return `
create schema seen;
create table seen.events (run bigint not null, seq integer not null, at double precision not null, by text not null, tx text not null);
create table seen.messages (run bigint not null, number bigint not null, kind text not null, at double precision not null, by text not null, tx text not null);
create table seen.leases (engine bigint primary key, label text not null, by text not null, began double precision not null, ended double precision, ended_by text);
create function seen.now() returns double precision language sql volatile as 'select extract(epoch from clock_timestamp())::double precision * 1000';
create function seen.saw_events() returns trigger language plpgsql as $$ begin
  insert into seen.events select run, seq, seen.now(), current_setting('application_name'), pg_current_xact_id()::text from fresh;
  return null;
end $$;
create trigger seen after insert on ${schema}.events referencing new table as fresh for each statement execute function seen.saw_events();
create function seen.saw_messages() returns trigger language plpgsql as $$ begin
  insert into seen.messages values (new.run, new.number, new.kind, seen.now(), current_setting('application_name'), pg_current_xact_id()::text);
  return null;
end $$;
create trigger seen after insert or update on ${schema}.messages for each row execute function seen.saw_messages();
create function seen.saw_leases() returns trigger language plpgsql as $$ begin
  if tg_op = 'INSERT' then
    insert into seen.leases values (new.engine, new.label, current_setting('application_name'), seen.now());
  else
    update seen.leases set ended = seen.now(), ended_by = current_setting('application_name') where engine = old.engine;
  end if;
  return null;
end $$;
create trigger seen after insert or delete on ${schema}.engines for each row execute function seen.saw_leases();
`;
}

/** Prepares a database in which a store has just been made. */
export async function prepare(url: string, schema: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(APPLICATION);
    await client.query(records(schema));
  } finally {
    await client.end();
  }
}
