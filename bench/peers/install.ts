/**
 * `npm run bench:peers -- install [NAME …]`: installs the peers, each in its own folder from its own lockfile, from the npm registry
 * and nowhere else. Scripts of packages do not run, but for the one that fetches the newer Node.
 */
import { spawnSync } from "node:child_process";
import { folderOf, newerNode, PEERS } from "./catalogue.ts";

const [command, ...names] = process.argv.slice(2);
if (command !== "install" || names.some((name) => !PEERS.some(({ folder }) => folder === name))) {
  const folders = [...new Set(PEERS.map(({ folder }) => folder))];
  process.stderr.write(`usage: npm run bench:peers -- install [${folders.join("] [")}]\n`);
  process.exit(2);
}

const wanted = PEERS.filter(({ folder }) => names.length === 0 || names.includes(folder));
const folders = new Set(wanted.map(({ folder }) => folder));
if (wanted.some((peer) => peer.newerNode)) install("node-24", []);
for (const folder of folders) install(folder, ["--ignore-scripts"]);
if (spawnSync(newerNode(), ["--version"]).status !== 0 && wanted.some((peer) => peer.newerNode)) {
  process.stderr.write(`${newerNode()} does not run: LangGraph, graphile-worker and Restate are left out\n`);
  process.exitCode = 1;
}

function install(folder: string, flags: readonly string[]): void {
  process.stdout.write(`${folder}\n`);
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund", ...flags], {
    cwd: folderOf(folder),
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status === 0) return;
  process.stderr.write(`${folder} could not be installed\n`);
  process.exitCode = 1;
}
