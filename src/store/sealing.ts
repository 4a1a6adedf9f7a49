/**
 * Encryption of the secrets that lie in a store: AES-256-GCM under one key per store. The key comes from `PERDURE_KEY`, or from
 * a file beside the database that is made when it is first needed. Whoever has the database alone cannot read the secrets.
 */
import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from "node:crypto";
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { PerdureError } from "../core/errors.ts";
import { isPostgres, sqlitePath } from "./address.ts";
import { makeFolder } from "./folder.ts";

/** Turns text into text that only the holder of the key can read, and back. */
export interface Sealer {
  seal(text: string): string;
  /** @throws PerdureError INCOMPATIBLE_STORE when the key is another one or the text was changed. */
  unseal(text: string): string;
}

/** A store's address, or an opened store: those of files have a `path`. */
export type SealedStore = string | { readonly kind: string; readonly id?: string; readonly path?: string };

const PREFIX = "v1.";
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * The sealer of a store. The key is looked for at the first use: `PERDURE_KEY` (any text), else the file `<database>.key`, else,
 * for stores in memory, a random one that lives as long as this process. Stores on a server have no other than `PERDURE_KEY`, as
 * every process must have the same.
 */
export function createSealer(
  store?: SealedStore,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Sealer {
  let known: Buffer | undefined;
  const key = (creating: boolean): Buffer => {
    known ??= findKey(store, env.PERDURE_KEY, creating);
    return known;
  };
  return { seal: (text) => seal(key(true), text), unseal: (text) => unseal(key(false), text) };
}

function seal(key: Buffer, text: string): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return PREFIX + Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString("base64url");
}

function unseal(key: Buffer, text: string): string {
  if (!text.startsWith(PREFIX)) throw unreadable("they were sealed by another version");
  const bytes = Buffer.from(text.slice(PREFIX.length), "base64url");
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    return decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES), undefined, "utf8") + decipher.final("utf8");
  } catch (cause) {
    throw unreadable("they were sealed with another key; set PERDURE_KEY or put the key file back as it was", cause);
  }
}

function findKey(store: SealedStore | undefined, given: string | undefined, creating: boolean): Buffer {
  if (given !== undefined && given !== "") return scryptSync(given.normalize("NFC"), "perdure.secrets", KEY_BYTES);
  if (store !== undefined && (typeof store === "string" ? isPostgres(store) : store.kind === "postgres")) {
    if (!creating) throw unreadable("PERDURE_KEY is not set");
    throw new PerdureError(
      "INVALID_ARGUMENT",
      "secrets and callback tokens on PostgreSQL need a key: set PERDURE_KEY to the same long random text for every process, for example what `openssl rand -base64 32` prints",
    );
  }
  const database = databaseFile(store);
  return database === undefined ? passingKey(store) : keyFromFile(`${database}.key`, creating);
}

/** Keys of stores that live as long as this process, by store. */
const passing = new Map<string, Buffer>();

function passingKey(store: SealedStore | undefined): Buffer {
  const id = typeof store === "object" ? store.id : undefined;
  const key = (id === undefined ? undefined : passing.get(id)) ?? randomBytes(KEY_BYTES);
  if (id !== undefined) passing.set(id, key);
  return key;
}

function databaseFile(store: SealedStore | undefined): string | undefined {
  const path = typeof store === "string" ? sqlitePath(store) : store?.path;
  return path === undefined || path === ":memory:" ? undefined : resolve(path);
}

function keyFromFile(file: string, creating: boolean): Buffer {
  if (!existsSync(file)) {
    if (!creating) throw unreadable(`the key file ${file} is missing`);
    createKeyFile(file);
  }
  const key = readFileSync(file);
  if (key.length !== KEY_BYTES)
    throw unreadable(`the key file ${file} has ${key.length} bytes instead of ${KEY_BYTES}`);
  return key;
}

/** Written aside and linked into place, so that of two processes one wins and nobody reads half a key. */
function createKeyFile(file: string): void {
  makeFolder(dirname(file), 0o700);
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  writeFileSync(draft, randomBytes(KEY_BYTES), { mode: 0o600, flag: "wx" });
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function unreadable(why: string, cause?: unknown): PerdureError {
  return new PerdureError("INCOMPATIBLE_STORE", `the secrets of this store cannot be read: ${why}`, { cause });
}
