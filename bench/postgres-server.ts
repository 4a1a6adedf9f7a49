/** The PostgreSQL server of a benchmark: the one whose address is given, or one of its own, gone at the end. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Client } from "pg";

/** Keeps a server for as long as its input is open. */
const KEEPER = fileURLToPath(new URL("../../test/postgres/keeper.mjs", import.meta.url));

/** Commits wait for the disk, as PostgreSQL does by itself; the rest is what its documentation recommends for a server of its own. */
const SETTINGS = {
  shared_buffers: "512MB",
  min_wal_size: "1GB",
  max_wal_size: "4GB",
  wal_buffers: "16MB",
  checkpoint_timeout: "15min",
};

/** Of 16 MB each. */
const USED_FILES = 40;

/** What a table says about the server. */
export const SERVER_SETTINGS: string = [
  "fsync=on",
  ...Object.entries(SETTINGS).map(([name, value]) => `${name}=${value}`),
].join(", ");

/** A server to make databases on. */
export class PostgresServer implements AsyncDisposable {
  readonly url: string;
  readonly #keeper: ChildProcess | undefined;

  private constructor(url: string, keeper?: ChildProcess) {
    this.url = url;
    this.#keeper = keeper;
  }

  /** A server that is there, by the address of a database whose user may make databases. */
  static at(url: string): PostgresServer {
    return new PostgresServer(url);
  }

  /** A server of its own, with the settings above and those in `PERDURE_BENCH_POSTGRES`. */
  static async start(): Promise<PostgresServer> {
    const settings = { ...SETTINGS, ...JSON.parse(process.env.PERDURE_BENCH_POSTGRES ?? "{}") };
    const keeper = spawn(process.execPath, [KEEPER, JSON.stringify({ settings })], {
      stdio: ["pipe", "pipe", "inherit"],
      detached: true,
    });
    const [line] = (await once(createInterface({ input: keeper.stdout! }), "line")) as [string];
    const { url, error } = JSON.parse(line) as { readonly url?: string; readonly error?: string };
    if (url === undefined) throw new Error(error);
    await useUpFiles(url);
    return new PostgresServer(url, keeper);
  }

  /** What the server says it is, e.g. `18.4`. */
  async version(): Promise<string> {
    const [row] = await this.ask<{ server_version: string }>("show server_version");
    return row!.server_version.split(" ")[0]!;
  }

  /** Makes an empty database and gives its address. */
  async createDatabase(): Promise<string> {
    const name = `perdure_bench_${randomBytes(6).toString("hex")}`;
    await this.ask(`create database ${name}`);
    const url = new URL(this.url);
    url.pathname = `/${name}`;
    return url.href;
  }

  async dropDatabase(url: string): Promise<void> {
    await this.ask(`drop database if exists ${new URL(url).pathname.slice(1)} with (force)`);
  }

  async ask<Row extends object>(sql: string): Promise<Row[]> {
    return ask(this.url, sql);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#keeper === undefined) return;
    const gone = once(this.#keeper, "exit");
    this.#keeper.stdin!.end();
    await gone;
  }
}

/**
 * A server that has run for a while writes its log into files it used before, a new one has to make each of them first. So some are
 * used up before anything is measured.
 */
async function useUpFiles(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  for (let file = 0; file < USED_FILES; file++) {
    await client.query("select pg_logical_emit_message(false, 'bench', 'x')");
    await client.query("select pg_switch_wal()");
  }
  await client.query("checkpoint");
  await client.end();
}

/** Asks a database one thing, on a connection of its own. */
export async function ask<Row extends object>(url: string, sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}
