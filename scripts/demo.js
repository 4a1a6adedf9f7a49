/** `npm run demo`: runs examples/nightly-etl with the command `perdure`, as anybody would, and says where its results are. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const id = `demo-${new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-")}`;
const example = "examples/nightly-etl";
const perdure = "node bin/perdure.js";
const command = [
  "run",
  `${example}/nightly-etl.yaml`,
  ...["--agents", `${example}/activities.ts`],
  ...["--input", "wait_for_window=false"],
  ...["--id", id],
];

console.log(`${perdure} ${command.join(" ")}\n`);
// ctrl-C reaches the child as well, which cancels the run in good order.
process.on("SIGINT", () => {});
process.exitCode = await run();
if (process.exitCode === 0) tellResults();

/** Exit code of the command. */
function run() {
  const child = spawn(process.execPath, ["bin/perdure.js", ...command], { cwd: root, stdio: "inherit" });
  return new Promise((done, failed) => {
    child.once("error", failed);
    child.once("close", (code) => done(code ?? 1));
  });
}

function tellResults() {
  const report = resolve(root, "out/nightly-etl", id, "report.html");
  const warehouse = resolve(root, "out/nightly-etl/warehouse.db");
  for (const file of [report, warehouse]) if (!existsSync(file)) throw new Error(`${file} was not written`);
  console.log(`
report     ${report}
warehouse  ${warehouse}

Open the report in a browser; what the run did, event by event: ${perdure} runs history ${id}
Kill it half-way and let it go on: ${relative(process.cwd(), resolve(root, example, "README.md"))}`);
}
