/** A fresh place for a database, and how much its disk is worth. */
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PostgresServer } from "./postgres-server.ts";

export const STORES = ["sqlite", "memory", "postgres"] as const;
export type StoreKind = (typeof STORES)[number];
export type Durability = "full" | "relaxed";

const TMPFS = 0x01021994;

/** A folder or database of its own for one store, removed with everything in it at the end. */
export class StorePlace implements AsyncDisposable {
  /** Address to open the store with. */
  readonly address: string;
  readonly #remove: () => Promise<void>;

  /** `server`: address of the PostgreSQL server to make the database on. Without one a server of its own is started. */
  static async make(kind: StoreKind, server?: string): Promise<StorePlace> {
    if (kind === "memory") return new StorePlace("memory:", async () => {});
    if (kind === "postgres") return onServer(server);
    const folder = scratchFolder();
    return new StorePlace(`sqlite:${join(folder, "bench.db")}`, async () => removeFolder(folder));
  }

  constructor(address: string, remove: () => Promise<void>) {
    this.address = address;
    this.#remove = remove;
  }

  /** Path of the SQLite database. */
  get path(): string {
    return this.address.slice("sqlite:".length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#remove();
  }
}

async function onServer(address: string | undefined): Promise<StorePlace> {
  const server = address === undefined ? await PostgresServer.start() : PostgresServer.at(address);
  const url = await server.createDatabase();
  return new StorePlace(url, async () => {
    await server.dropDatabase(url);
    await server[Symbol.asyncDispose]();
  });
}

/** A folder for temporary files. */
export function scratchFolder(): string {
  return mkdtempSync(join(tmpdir(), "perdure-bench-"));
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** Whether temporary files live in memory, where a commit waits for no disk. */
export function placeIsInMemory(): boolean {
  return statfsSync(tmpdir()).type === TMPFS;
}
