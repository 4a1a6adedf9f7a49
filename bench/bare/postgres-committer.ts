/**
 * Batches of the bare design into PostgreSQL: one statement each, prepared once, the rows as arrays of their columns, the lease checked
 * in the same statement; two connections, so that one batch is on its way while another one waits for the disk.
 */
import { Client } from "pg";
import type { Durability } from "../store-place.ts";
import type { BareBatch, BareCommitter } from "./bare-design.ts";

const LANES = 2;

const TABLES = `
  create table engines (engine integer primary key, expires timestamptz not null);
  create table runs (run bigint primary key, workflow_id text unique, input text, owner integer, status text not null, result text);
  create table events (run bigint, seq integer, type text not null, at bigint not null, data text, primary key (run, seq));
  insert into engines values (1, 'infinity');
`;

const COMMIT = `
  with lease as (
    select engine from engines where engine = 1 and expires > clock_timestamp() for share
  ), started as (
    insert into runs (run, workflow_id, input, owner, status)
    select t.run, t.id, t.input, lease.engine, 'running' from unnest($1::bigint[], $2::text[], $3::text[]) t (run, id, input), lease
  ), ended as (
    update runs set status = 'completed', owner = null, result = t.result
    from unnest($4::bigint[], $5::text[]) t (run, result), lease where runs.run = t.run and runs.owner = lease.engine
  ), happened as (
    insert into events select t.* from unnest($6::bigint[], $7::integer[], $8::text[], $9::bigint[], $10::text[]) t, lease
  ) select count(*)::integer as leases from lease
`;

class ColumnBatch implements BareBatch {
  readonly columns: [
    number[],
    string[],
    string[],
    number[],
    string[],
    number[],
    number[],
    string[],
    number[],
    string[],
  ] = [[], [], [], [], [], [], [], [], [], []];

  runStarted(run: number, workflowId: string, input: string): void {
    this.columns[0].push(run);
    this.columns[1].push(workflowId);
    this.columns[2].push(input);
  }

  runEnded(run: number, result: string): void {
    this.columns[3].push(run);
    this.columns[4].push(result);
  }

  event(run: number, seq: number, type: string, at: number, data: string): void {
    this.columns[5].push(run);
    this.columns[6].push(seq);
    this.columns[7].push(type);
    this.columns[8].push(at);
    this.columns[9].push(data);
  }
}

export class PostgresCommitter implements BareCommitter<ColumnBatch> {
  readonly lanes = LANES;
  readonly #clients: readonly Client[];
  readonly #idle: Client[];

  static async open(url: string, durability: Durability): Promise<PostgresCommitter> {
    const clients = Array.from({ length: LANES }, () => new Client({ connectionString: url }));
    for (const client of clients) {
      await client.connect();
      await client.query(`set synchronous_commit = ${durability === "full" ? "on" : "off"}`);
    }
    await clients[0]!.query(TABLES);
    return new PostgresCommitter(clients);
  }

  private constructor(clients: readonly Client[]) {
    this.#clients = clients;
    this.#idle = [...clients];
  }

  newBatch(): ColumnBatch {
    return new ColumnBatch();
  }

  async commit({ columns }: ColumnBatch): Promise<void> {
    const client = this.#idle.pop()!;
    const { rows } = await client.query<{ leases: number }>({ name: "commit", text: COMMIT, values: columns });
    if (rows[0]?.leases !== 1) throw new Error("the bare design lost its lease");
    this.#idle.push(client);
  }

  async close(): Promise<void> {
    for (const client of this.#clients) await client.end();
  }
}
