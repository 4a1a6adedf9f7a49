/** A PgBouncer of the tests' own in front of a server of theirs, where the program is installed. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pass } from "node:timers/promises";
import type { PostgresServer } from "./server.ts";

const PROGRAM = ["pgbouncer", "/usr/sbin/pgbouncer"].find((name) => spawnSync(name, ["--version"]).status === 0);

/** The version that is installed, if one is. */
export const PGBOUNCER: string | undefined =
  PROGRAM && /PgBouncer (\S+)/.exec(String(spawnSync(PROGRAM, ["--version"]).stdout))?.[1];

/** Settings of its section `pgbouncer`. */
type Settings = Readonly<Record<string, string | number>>;

export class PgBouncer implements AsyncDisposable {
  /** Like the address of the server, but through it. */
  readonly url: string;
  readonly #folder: string;
  readonly #owner: { readonly uid?: number; readonly gid?: number };
  #process: ChildProcess | undefined;

  private constructor(server: PostgresServer, port: number, settings: Settings) {
    const to = new URL(server.url);
    const through = new URL(server.url);
    through.port = String(port);
    this.url = through.href;
    this.#folder = mkdtempSync(join(tmpdir(), "perdure-pgbouncer-"));
    const { uid, gid } = statSync(server.folder);
    this.#owner = process.getuid?.() === 0 ? { uid, gid } : {};
    const values = {
      listen_addr: "127.0.0.1",
      listen_port: port,
      unix_socket_dir: "",
      auth_type: "trust",
      auth_file: join(this.#folder, "users.txt"),
      max_client_conn: 200,
      ...settings,
    };
    const lines = Object.entries(values).map(([name, value]) => `${name} = ${value}`);
    const databases = `[databases]\n* = host=127.0.0.1 port=${to.port}\n`;
    this.#write("pgbouncer.ini", `${databases}[pgbouncer]\n${lines.join("\n")}\n`);
    this.#write("users.txt", '"perdure" ""\n"bouncer" ""\n');
    this.#give(this.#folder);
  }

  static async start(server: PostgresServer, settings: Settings): Promise<PgBouncer> {
    const bouncer = new PgBouncer(server, await freePort(), settings);
    await bouncer.resume();
    return bouncer;
  }

  /** Ends it, with every connection through it. */
  async stop(): Promise<void> {
    const ended = this.#process;
    this.#process = undefined;
    if (ended === undefined) return;
    const gone = new Promise((resolve) => ended.once("exit", resolve));
    ended.kill("SIGKILL");
    await gone;
  }

  async resume(): Promise<void> {
    const child = spawn(PROGRAM!, [join(this.#folder, "pgbouncer.ini")], { ...this.#owner, stdio: "ignore" });
    this.#process = child;
    while (!(await takesConnections(Number(new URL(this.url).port)))) {
      if (child.exitCode !== null) throw new Error(`pgbouncer ended with ${child.exitCode}`);
      await pass(10);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #write(name: string, text: string): void {
    const path = join(this.#folder, name);
    writeFileSync(path, text);
    this.#give(path);
  }

  #give(path: string): void {
    const { uid, gid } = this.#owner;
    if (uid !== undefined) chownSync(path, uid, gid!);
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
