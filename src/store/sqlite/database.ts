/** Opens database files: creates them for their owner only, sets what durability needs and reads it back. */
import { closeSync, existsSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { PerdureError } from "../../core/errors.ts";
import { makeFolder } from "../folder.ts";
import { BUSY_TIMEOUT_MS, retryBusy } from "./busy.ts";
import { type Connection, openConnection } from "./driver.ts";
import type { Durability } from "./protocol.ts";

/** Path of a private database without a file. */
export const IN_MEMORY = ":memory:";

const SYNCHRONOUS: Readonly<Record<Durability, number>> = { full: 2, relaxed: 1 };

/** Opens a database, made if there is none. @throws PerdureError UNAVAILABLE, INCOMPATIBLE_STORE */
export function openDatabase(path: string, durability: Durability): Connection {
  return opened(path, () => {
    if (path !== IN_MEMORY) createFile(path);
    const db = openConnection(path);
    try {
      retryBusy(() => configure(db, path, durability));
    } catch (error) {
      db.close();
      throw error;
    }
    return db;
  });
}

/** Asks a database that is there what it is: nothing is set in it. @throws PerdureError UNAVAILABLE, INCOMPATIBLE_STORE */
export function lookInto<T>(path: string, ask: (db: Connection) => T): T {
  return opened(path, () => {
    const db = openConnection(path);
    try {
      return retryBusy(() => ask(db));
    } finally {
      db.close();
    }
  });
}

function opened<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw openingFailed(path, error);
  }
}

/** Creates an empty file that only its owner may read. Never opens one that exists: closing it would drop its locks. */
export function createFile(path: string): void {
  if (existsSync(path)) {
    if (statSync(path).isDirectory()) throw new Error("it is a directory");
    return;
  }
  makeFolder(dirname(path), 0o700);
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

function configure(db: Connection, path: string, durability: Durability): void {
  db.exec(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`);
  const mode = db.prepare("pragma journal_mode = wal").all([])[0]?.[0];
  if (path !== IN_MEMORY && mode !== "wal") throw new Error(`its file system has no write-ahead log (got ${mode})`);
  db.exec(`pragma synchronous = ${SYNCHRONOUS[durability]}`);
  db.exec("pragma foreign_keys = off");
  db.exec("pragma temp_store = memory");
  const synchronous = db.prepare("pragma synchronous").all([])[0]?.[0];
  if (synchronous !== SYNCHRONOUS[durability]) {
    throw new Error(`SQLite refused to commit durably (synchronous is ${synchronous})`);
  }
}

function openingFailed(path: string, error: unknown): PerdureError {
  if (error instanceof PerdureError) return error;
  const { code, message, errcode } = error as { code?: unknown; message?: unknown; errcode?: unknown };
  if (code === "SQLITE_NOTADB" || errcode === 26 || String(message).includes("not a database")) {
    return new PerdureError("INCOMPATIBLE_STORE", `${path} is not a SQLite database; give perdure a file of its own`, {
      details: { path },
      cause: error,
    });
  }
  return new PerdureError("UNAVAILABLE", `the SQLite store ${path} cannot be opened: ${String(message)}`, {
    details: { path },
    cause: error,
  });
}
