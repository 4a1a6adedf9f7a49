/** What the compiler says about mistakes: the text that an author sees. Runs on the built declarations. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const STRICT = ["--strict", "--noEmit", "--ignoreConfig", "--module", "nodenext", "--types", "node"];

function complaints(program: string): string {
  const folder = mkdtempSync(join(tmpdir(), "perdure-types-"));
  try {
    const file = join(folder, "program.mts");
    writeFileSync(file, `import { activity, open, workflow } from "${join(ROOT, "dist/index.js")}";\n${program}`);
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    const roots = ["--typeRoots", join(ROOT, "node_modules/@types")];
    return spawnSync(process.execPath, [tsc, ...STRICT, ...roots, file], { encoding: "utf8" }).stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("a wrong input is explained by the input, not by the name that could have been given instead", () => {
  const said = complaints(`
    const double = activity("double", async (n: number) => n * 2);
    const leaf = workflow("leaf", async (wf, n: number) => wf.call(double, "four"));
    const root = workflow("root", async (wf) => [await wf.child(leaf, "five"), await wf.spawn(leaf, "six")]);
    const engine = await open({ workflows: [leaf, root] });
    await engine.start(leaf, "seven");
  `);
  expect(said.match(/error TS\d+/g)).toHaveLength(4);
  expect(said.match(/'string' is not assignable to parameter of type 'number'/g)).toHaveLength(4);
});
