/**
 * `npm run soak -- --runs 1000000 --store postgres|sqlite`: so many runs of several shapes while retention archives and deletes those that
 * have ended. Needs what `npm run build` makes. `--json` prints everything that was seen.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = (...args) => spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status ?? 1;
const built = run("node_modules/typescript/bin/tsc", "-p", "test/soak");
process.exitCode = built === 0 ? run("out/soak/main.js", ...process.argv.slice(2)) : built;
