/** Folders for files of ours. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it that are missing; one that is there is left alone.
 *
 * Node's own recursive way never comes back where the system says of a folder in one that is there that there is none, as `/proc` does.
 *
 * @throws Error of the system, which says what stands in the way
 */
export function makeFolder(folder: string, mode = 0o777): void {
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    const above = dirname(folder);
    if (code !== "ENOENT" || above === folder) throw error;
    makeFolder(above, mode);
    makeIn(above, folder, mode);
  }
}

function makeIn(above: string, folder: string, mode: number): void {
  try {
    mkdirSync(folder, { mode });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    throw code === "ENOENT" ? new Error(`no folder can be made in ${above}`, { cause }) : cause;
  }
}
