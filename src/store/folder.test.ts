import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { makeFolder } from "./folder.ts";

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "perdure-folder-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

it("makes what is missing, for whom it is meant, and leaves alone what is there", () => {
  const root = scratch();
  makeFolder(join(root, "a"));
  const mode = statSync(join(root, "a")).mode;
  makeFolder(join(root, "a", "b", "c"), 0o700);
  makeFolder(join(root, "a", "b", "c"));
  for (const made of ["a/b", "a/b/c"]) expect(statSync(join(root, made)).mode & 0o777).toBe(0o700);
  expect(statSync(join(root, "a")).mode).toBe(mode);
});

it("says what stands in the way", () => {
  const file = join(scratch(), "file");
  writeFileSync(file, "");
  expect(() => makeFolder(join(file, "a", "b"))).toThrow(/ENOTDIR/);
});

it("comes back where no folder can be made", () => {
  expect(() => makeFolder("/proc/nope/deeper/still")).toThrow(/no folder can be made in \/proc|EROFS|EACCES|EPERM/);
});
