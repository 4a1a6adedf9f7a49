/**
 * Breaks the engine on purpose, one small mutation at a time, and reports which check of the simulation notices.
 *
 *     npm run mutations            all of them
 *     npm run mutations -- fence   those whose name contains the word
 *
 * Each mutation is applied to a copy of the sources outside of the repository. One that survives is a hole in the checks,
 * unless it says why it cannot show in a simulation. A mutation whose text is no longer found must be brought up to date.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { MUTATIONS } from "./mutation-list.js";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const SEEDS = 3000;
const BATCH = 100;
const LIMIT_MS = 180_000;

const wanted = process.argv[2] ?? "";
const scratch = mkdtempSync(join(tmpdir(), "perdure-mutations-"));
try {
  process.exitCode = run(MUTATIONS.filter(({ name }) => name.includes(wanted))) ? 0 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** @param {typeof MUTATIONS} mutations */
function run(mutations) {
  for (const part of ["src", "test/sim", "tsconfig.base.json", "package.json"]) {
    cpSync(join(ROOT, part), join(scratch, part), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(scratch, "node_modules"));
  let surprises = 0;
  for (const mutation of mutations) {
    const { verdict, expected } = attempt(mutation);
    if (!expected) surprises++;
    console.log(`${expected ? "ok  " : "HOLE"} ${mutation.name}: ${verdict}`);
  }
  console.log(`${mutations.length} mutations, ${surprises} surprises`);
  return surprises === 0;
}

/** @param {typeof MUTATIONS[number]} mutation */
function attempt({ edits, survives }) {
  const originals = new Map();
  for (const [file, from, to] of edits) {
    const path = join(scratch, file);
    const text = readFileSync(path, "utf8");
    if (!originals.has(path)) originals.set(path, text);
    if (text.split(from).length !== 2) {
      restore(originals);
      return { verdict: `${file} does not hold this text exactly once: ${from}`, expected: false };
    }
    writeFileSync(
      path,
      text.replace(from, () => to),
    );
  }
  const caught = simulate();
  restore(originals);
  if (caught === undefined) return { verdict: survives ?? `survived ${SEEDS} seeds`, expected: survives !== undefined };
  return { verdict: caught, expected: true };
}

/** @param {Map<string, string>} originals */
function restore(originals) {
  for (const [path, text] of originals) writeFileSync(path, text);
}

/** Which check caught the mutation first, and how many seeds that took. */
function simulate() {
  execFileSync(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", "test/sim"], { cwd: scratch });
  const main = join(scratch, "out/sim/test/sim/main.js");
  const began = Date.now();
  for (let from = 1; from <= SEEDS && Date.now() - began < LIMIT_MS; from += BATCH) {
    const { status, stdout, stderr, signal } = spawnSync(
      process.execPath,
      [main, "--seeds", `${BATCH}`, "--from", `${from}`],
      {
        encoding: "utf8",
        timeout: LIMIT_MS,
        maxBuffer: 1 << 28,
      },
    );
    if (status === 0) continue;
    const seed = /^seed (\d+):/m.exec(stdout)?.[1];
    const check = /^ {2}at \d+: \[([^\]]+)\]/m.exec(stdout)?.[1];
    if (check !== undefined) return `caught by "${check}" at seed ${seed}`;
    return signal === null
      ? `broke the simulation: ${stderr
          .trim()
          .split("\n")
          .find((line) => /Error/.test(line))}`
      : "made it hang";
  }
  return undefined;
}
