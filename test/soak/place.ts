/** Where a soak writes: a folder of its own, and on PostgreSQL a server of its own, both gone at the end. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const KEEPER = fileURLToPath(new URL("../../test/postgres/keeper.mjs", import.meta.url));

/**
 * What the documentation of PostgreSQL recommends for a server of its own. Autovacuum looks every second instead of every minute: runs
 * are kept for seconds here instead of days, and everything else goes faster in the same way.
 */
const SETTINGS = {
  shared_buffers: "1GB",
  max_wal_size: "4GB",
  wal_buffers: "16MB",
  checkpoint_timeout: "5min",
  autovacuum_naptime: "1s",
};

export type StoreKind = "postgres" | "sqlite";

export class Place implements AsyncDisposable {
  readonly folder: string;
  /** Address of the store. */
  readonly address: string;
  /** Address of the database, for statistics. */
  readonly url: string | undefined;
  readonly #keeper: ChildProcess | undefined;

  private constructor(folder: string, url: string | undefined, keeper: ChildProcess | undefined) {
    this.folder = folder;
    this.url = url;
    this.address = url ?? `sqlite:${join(folder, "soak.db")}`;
    this.#keeper = keeper;
  }

  static async make(kind: StoreKind): Promise<Place> {
    const folder = mkdtempSync(join(tmpdir(), "perdure-soak-"));
    if (kind === "sqlite") return new Place(folder, undefined, undefined);
    const keeper = spawn(process.execPath, [KEEPER, JSON.stringify({ settings: SETTINGS })], {
      stdio: ["pipe", "pipe", "inherit"],
      detached: true,
    });
    const [line] = (await once(createInterface({ input: keeper.stdout! }), "line")) as [string];
    const { url, error } = JSON.parse(line) as { readonly url?: string; readonly error?: string };
    if (url === undefined) throw new Error(error);
    return new Place(folder, url, keeper);
  }

  get archive(): string {
    return join(this.folder, "archive");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#keeper !== undefined) {
      const gone = once(this.#keeper, "exit");
      this.#keeper.stdin!.end();
      await gone;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
