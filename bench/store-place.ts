/** A fresh place for a database, and how much its disk is worth. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const STORES = ["sqlite", "memory", "postgres"] as const;
export type StoreKind = (typeof STORES)[number];
export type Durability = "full" | "relaxed";

const TMPFS = 0x01021994;
/** Keeps a server for as long as its input is open. */
const KEEPER = fileURLToPath(new URL("../../test/postgres/keeper.mjs", import.meta.url));
const PATIENCE_MS = 60_000;

/** A folder of its own for one store, removed with everything in it at the end. PostgreSQL: a server of its own. */
export class StorePlace implements Disposable {
  readonly #folder: string;
  readonly #kind: StoreKind;
  readonly #server: Server | undefined;

  constructor(kind: StoreKind) {
    this.#kind = kind;
    this.#folder = mkdtempSync(join(tmpdir(), "perdure-bench-"));
    this.#server = kind === "postgres" ? startServer(join(this.#folder, "server.json")) : undefined;
  }

  /** Path of the database. */
  get path(): string {
    return join(this.#folder, "bench.db");
  }

  /** Address to open the store with. */
  get address(): string {
    if (this.#server !== undefined) return this.#server.url;
    return this.#kind === "memory" ? "memory:" : `sqlite:${this.path}`;
  }

  [Symbol.dispose](): void {
    this.#server?.keeper.stdin?.end();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

interface Server {
  readonly url: string;
  readonly keeper: ChildProcess;
}

/** Starts a server, with the options in `PERDURE_BENCH_POSTGRES` if there are any. Its address is awaited without giving way. */
function startServer(answerFile: string): Server {
  const output = openSync(answerFile, "w");
  const keeper = spawn(process.execPath, [KEEPER, process.env.PERDURE_BENCH_POSTGRES ?? "{}"], {
    stdio: ["pipe", output, "inherit"],
    detached: true,
  });
  closeSync(output);
  keeper.unref();
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const said = readFileSync(answerFile, "utf8");
    if (said.endsWith("\n")) {
      const { url, error } = JSON.parse(said) as { readonly url?: string; readonly error?: string };
      if (url === undefined) throw new Error(error);
      return { url, keeper };
    }
    if (performance.now() > until) throw new Error("the PostgreSQL server did not start");
    Atomics.wait(STILL, 0, 0, 20);
  }
}

const STILL = new Int32Array(new SharedArrayBuffer(4));

/** Whether temporary files live in memory, where a commit waits for no disk. */
export function placeIsInMemory(): boolean {
  return statfsSync(tmpdir()).type === TMPFS;
}
