/** A fresh place for a database, and how much its disk is worth. */
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type StoreKind = "sqlite" | "memory";
export type Durability = "full" | "relaxed";

const TMPFS = 0x01021994;

/** A folder of its own for one store, removed with everything in it at the end. */
export class StorePlace implements Disposable {
  readonly #folder: string;
  readonly #kind: StoreKind;

  constructor(kind: StoreKind) {
    this.#kind = kind;
    this.#folder = mkdtempSync(join(tmpdir(), "perdure-bench-"));
  }

  /** Path of the database. */
  get path(): string {
    return join(this.#folder, "bench.db");
  }

  /** Address to open the store with. */
  get address(): string {
    return this.#kind === "memory" ? "memory:" : `sqlite:${this.path}`;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Whether temporary files live in memory, where a commit waits for no disk. */
export function placeIsInMemory(): boolean {
  return statfsSync(tmpdir()).type === TMPFS;
}
