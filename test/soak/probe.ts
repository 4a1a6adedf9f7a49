/** What a database says about itself while it is worked on. */
import { statSync } from "node:fs";
import pg from "pg";

/** A table of PostgreSQL, or a SQLite file. */
export interface TableState {
  readonly name: string;
  readonly bytes: number;
  readonly indexBytes: number;
  readonly live: number;
  readonly dead: number;
  /** Times that autovacuum was there. */
  readonly vacuums: number;
}

export interface Probe extends AsyncDisposable {
  tables(): Promise<TableState[]>;
  /** Share of each table that holds nothing, in percent. Reads them whole. */
  bloat(): Promise<Readonly<Record<string, number>>>;
}

export async function postgresProbe(url: string, schema: string): Promise<Probe> {
  const client = new pg.Client({ connectionString: url, application_name: "soak" });
  client.on("error", () => undefined);
  await client.connect();
  const tuples = await client.query("create extension if not exists pgstattuple").then(
    () => true,
    () => false,
  );
  const names = async (): Promise<string[]> =>
    (await client.query("select relname from pg_stat_user_tables where schemaname = $1", [schema])).rows.map(
      ({ relname }) => relname as string,
    );
  return {
    async tables() {
      const { rows } = await client.query(
        `select relname as name, pg_table_size(relid)::float8 as bytes, pg_indexes_size(relid)::float8 as "indexBytes",
           n_live_tup::float8 as live, n_dead_tup::float8 as dead, (autovacuum_count + vacuum_count)::float8 as vacuums
         from pg_stat_user_tables where schemaname = $1 order by pg_total_relation_size(relid) desc`,
        [schema],
      );
      return rows as TableState[];
    },
    async bloat() {
      if (!tuples) return {};
      const found: Record<string, number> = {};
      for (const name of await names()) {
        const { rows } = await client.query(
          "select table_len::float8 as len, free_percent + dead_tuple_percent as empty from pgstattuple($1)",
          [`${schema}.${name}`],
        );
        if (rows[0].len > 1e6) found[name] = Number(rows[0].empty);
      }
      return found;
    },
    [Symbol.asyncDispose]: () => client.end(),
  };
}

export function sqliteProbe(path: string): Probe {
  const size = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const file = (name: string, suffix: string): TableState => ({
    name,
    bytes: size(`${path}${suffix}`),
    indexBytes: 0,
    live: 0,
    dead: 0,
    vacuums: 0,
  });
  return {
    tables: async () => [file("database", ""), file("write-ahead log", "-wal")],
    bloat: async () => ({}),
    [Symbol.asyncDispose]: async () => {},
  };
}
