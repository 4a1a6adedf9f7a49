/**
 * Random programs against the model, as many as wanted: `npm run model -- --runs 5000` tries new ones every time. With the seed and the path that a
 * failure printed, `npm run model -- --seed N --path P` runs that case again.
 */
import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "1000" }, seed: { type: "string" }, path: { type: "string" } },
});
const seed = values.seed ?? String(randomInt(2 ** 31));
const env = { ...process.env, PERDURE_MODEL_RUNS: values.runs, PERDURE_SEED: seed };
if (values.path !== undefined) env.PERDURE_MODEL_PATH = values.path;
const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
const { status } = spawnSync(process.execPath, [vitest, "run", "test/model"], { env, stdio: "inherit" });
process.exitCode = status ?? 1;
