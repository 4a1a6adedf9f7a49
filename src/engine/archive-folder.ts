/**
 * An archive in files: DIR/WORKFLOW/DAY.jsonl, a run a line, in the file of the day (UTC) on which it ended.
 *
 * Owner: whoever archives. A run is in its file, and the file on the disk, before anybody is told so; only then it may be deleted. A
 * crash in between leaves it in both places, and the next attempt writes it once more: so a run is in its file at least once. Lines are
 * appended with one write each batch, so that several processes may share a folder. What a crash tore stays as a line of its own,
 * which readers leave out: nothing that was written is ever taken away.
 */
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { PerdureError } from "../core/errors.ts";
import { makeFolder } from "../store/folder.ts";
import { type ArchivedRun, archiveLine } from "./archived-run.ts";

export class ArchiveFolder {
  readonly #folder: string;
  /** Files whose names are known to survive. One that others began may not: they may have died before they saw to it. */
  readonly #named = new Set<string>();

  constructor(folder: string) {
    this.#folder = resolve(folder);
  }

  /** Appends runs. When it resolves they survive a power cut. @throws PerdureError `UNAVAILABLE` */
  async keep(runs: readonly ArchivedRun[]): Promise<void> {
    const files = new Map<string, string[]>();
    for (const run of runs) {
      const file = join(this.#folder, archiveFile(run));
      const lines = files.get(file) ?? [];
      lines.push(archiveLine(run));
      files.set(file, lines);
    }
    try {
      await Promise.all(Array.from(files, ([file, lines]) => this.#append(file, lines.join(""))));
    } catch (cause) {
      const { message } = cause as Error;
      throw new PerdureError("UNAVAILABLE", `the archive ${this.#folder} cannot be written: ${message}`, { cause });
    }
  }

  /** Appends to a file, and waits until it is on the disk under its name. */
  async #append(file: string, text: string): Promise<void> {
    const handle = await opened(file);
    try {
      const { size } = await handle.stat();
      await handle.appendFile((await endsLine(handle, size)) ? text : `\n${text}`);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    if (this.#named.has(file)) return;
    for (const folder of [dirname(file), this.#folder, dirname(this.#folder)]) await syncFolder(folder);
    this.#named.add(file);
  }
}

/** The file of a run, as a path below the folder of an archive. */
export function archiveFile({ workflow, closedAt }: Pick<ArchivedRun, "workflow" | "closedAt">): string {
  const safe = workflow
    .replaceAll(/[^\w.@-]+/g, "_")
    .replace(/^\.+/, "_")
    .slice(0, 150);
  return join(safe === "" ? "_" : safe, `${new Date(closedAt).toISOString().slice(0, 10)}.jsonl`);
}

async function opened(file: string): Promise<FileHandle> {
  try {
    return await open(file, "a+", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    makeFolder(dirname(file), 0o700);
    return open(file, "a+", 0o600);
  }
}

/** Whether whoever wrote last came to the end of a line. */
async function endsLine(file: FileHandle, size: number): Promise<boolean> {
  if (size === 0) return true;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] === 10;
}

/** The new name of a file survives a power cut once its folder is on the disk. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
