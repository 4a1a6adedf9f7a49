/**
 * Proof of life that the operating system keeps: each engine holds an exclusive lock on a small file beside the database, and
 * the lock is gone the moment its process is. The file is a SQLite database in rollback mode, as Node has no file locks of its own.
 *
 * POSIX locks belong to processes and fall when any descriptor of the file is closed, so the file of an engine of one's own
 * process is never tested.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isBusy } from "./busy.ts";
import { createFile, IN_MEMORY } from "./database.ts";
import { type Connection, openConnection } from "./driver.ts";

/** The sidecar files of one database. */
export class Sidecars {
  readonly #path: string;
  readonly #held = new Map<number, Connection>();

  constructor(path: string) {
    this.#path = path;
  }

  /** Takes the lock of an engine of this process. */
  hold(engine: number): void {
    if (this.#path === IN_MEMORY) return;
    const file = this.#file(engine);
    createFile(file);
    const db = openConnection(file);
    db.exec("begin exclusive");
    this.#held.set(engine, db);
  }

  /** Lets go of an engine's lock, if held here, and removes its file. */
  discard(engine: number): void {
    const db = this.#held.get(engine);
    this.#held.delete(engine);
    db?.close();
    if (this.#path === IN_MEMORY) return;
    for (const suffix of ["", "-journal"]) rmSync(this.#file(engine) + suffix, { force: true });
  }

  /** Whether nobody holds the lock of an engine of another process: it is dead. */
  isFree(engine: number): boolean {
    if (this.#path === IN_MEMORY) return false;
    const file = this.#file(engine);
    if (!existsSync(file)) return true;
    const db = openConnection(file);
    try {
      db.exec("pragma busy_timeout = 0");
      db.exec("begin exclusive");
      db.exec("rollback");
      return true;
    } catch (error) {
      if (isBusy(error)) return false;
      throw error;
    } finally {
      db.close();
    }
  }

  /** Removes files of engines that are not registered: whoever removed their rows died before it came to the files. */
  removeOrphans(registered: ReadonlySet<number>): void {
    if (this.#path === IN_MEMORY) return;
    const prefix = `${basename(this.#path)}-engine-`;
    for (const name of readdirSync(dirname(this.#path))) {
      const number = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN;
      if (Number.isInteger(number) && !registered.has(number)) rmSync(join(dirname(this.#path), name), { force: true });
    }
  }

  /** Numbers of the engines whose lock is held here. */
  held(): number[] {
    return [...this.#held.keys()];
  }

  #file(engine: number): string {
    return `${this.#path}-engine-${engine}`;
  }
}
