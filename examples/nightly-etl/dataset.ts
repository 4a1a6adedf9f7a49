/** Tables between steps: files of JSON lines. Steps pass references to them, so that histories stay small. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { FatalError } from "perdure";

/** A reference to a table: where it is and what must be in it. */
export interface Dataset {
  readonly file: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** Writes rows as JSON lines. The file appears whole or not at all, so an attempt that dies leaves nothing half done. */
export async function writeDataset(file: string, rows: readonly unknown[]): Promise<Dataset> {
  const text = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  await writeWhole(file, text);
  return { file, rows: rows.length, bytes: Buffer.byteLength(text), sha256: sha256(text) };
}

/** Reads the rows back and proves that they are those the reference was made for. */
export async function readDataset<T>({ file, sha256: expected }: Dataset): Promise<T[]> {
  const text = await readFile(file, "utf8");
  if (sha256(text) !== expected) {
    throw new FatalError(`${file} was changed since the step before wrote it; start a new run`);
  }
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

/** Writes a file under a temporary name first and renames it: readers never see half of it. */
export async function writeWhole(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}.tmp`;
  await writeFile(draft, text);
  await rename(draft, file);
}

/** Checksum of a text or file content in hexadecimal digits. */
export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
