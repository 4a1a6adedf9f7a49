import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A path in an empty folder that is gone when the tests of the file are over. */
export function scratchFile(name = "store.db"): string {
  const folder = mkdtempSync(join(tmpdir(), "perdure-store-"));
  folders.push(folder);
  return join(folder, name);
}
