/** Most of a minute of chaos: engines killed and frozen, the database crashed, connections lost. Nothing may be wrong afterwards. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { chaos } from "./chaos.ts";
import { reportText, violationsText } from "./report.ts";

/** The same faults each time; when which process does what differs all the same. */
const SEED = 20261121;

it("leaves nothing lost, nothing done twice and nobody waiting", { timeout: 240_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "perdure-chaos-"));
  const load = { engines: 3, clients: 2, lanes: 10, atLeast: 40, ttlMs: 3000, faults: true };
  const { report, violations } = await chaos({ ...load, seed: SEED, troubleMs: 45_000, folder });
  console.log(reportText(report));
  expect(violations.length, `${violationsText(violations)}\nlogs and journals are in ${folder}`).toBe(0);
  expect(Object.keys(report.faults).length).toBeGreaterThan(3);
  expect(report.scenarios).toBeGreaterThan(0);
  rmSync(folder, { recursive: true });
});
