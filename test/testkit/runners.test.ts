/** The test kit of the built package under other test runners than this one. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const exec = promisify(execFile);
const ROOT = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "perdure-runners-"));

/** Tests in the words of any runner: three that pass, two that fail and say why. */
const TESTS = `
import { activity, signal, workflow } from "perdure";
import { assertSteps, createTestEnv, fails, inTurn, returns } from "perdure/testing";

const charge = activity("charge", async (amount) => ({ paid: amount }));
const approved = signal("approved");
const order = workflow("order", async (wf, amount) => {
  const { paid } = await wf.call(charge, amount);
  const by = await wf.waitFor(approved, { timeout: "48h" });
  return { paid, by: by ?? "nobody" };
});
const leaky = workflow("leaky", async (wf) => {
  let rows = 0;
  await wf.step("count rows", () => { rows = 42; });
  return rows;
});

test("passes: time skips, mocks retry", async () => {
  await using env = await createTestEnv({ workflows: [order] });
  env.mock(charge, inTurn(fails("503"), returns({ paid: 7 })));
  const handle = await env.start(order, 5);
  assert.deepEqual(await handle.result(), { paid: 7, by: "nobody" });
  assertSteps(await handle.history(), ["charge", "approved timed_out"]);
});
test("passes: crashes", async () => {
  await using env = await createTestEnv({ workflows: [order] });
  env.crashAt({ unrecorded: charge });
  const handle = await env.start(order, 5);
  await handle.signal(approved, "ada");
  assert.deepEqual(await handle.result(), { paid: 5, by: "ada" });
  assert.equal(env.calls(charge).length, 2);
});
test("passes: real time is waited for", async () => {
  await using env = await createTestEnv({ workflows: [order] });
  env.mock(charge, () => new Promise((resolve) => setTimeout(() => resolve({ paid: 1 }), 50)));
  assert.equal((await (await env.start(order, 5)).result()).paid, 1);
});
test("fails: other steps", async () => {
  await using env = await createTestEnv({ workflows: [order] });
  const handle = await env.start(order, 5);
  await handle.result();
  assertSteps(await handle.history(), ["charge", "refund"]);
});
test("fails: no replay", async () => {
  await using env = await createTestEnv({ workflows: [leaky] });
  await (await env.start(leaky)).result();
});
`;

/** \`await using\` for runners and versions of Node that do not read it yet. */
const PLAIN = TESTS.replaceAll(
  /await using env = await createTestEnv\((.*)\);\n([\s\S]*?)\n\}\);/g,
  "const env = await createTestEnv($1);\ntry {\n$2\n} finally { await env.close(); }\n});",
);

beforeAll(() => {
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/perdure"), "dir");
  writeFileSync(join(folder, "package.json"), '{ "name": "somebody", "private": true, "type": "module" }');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a command prints, whether it fails or not. */
async function printed(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const options = { cwd: folder, env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0", ...env } };
  const { stdout, stderr } = await exec(command, args, options).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  return `${stdout}\n${stderr}`;
}

describe("the built test kit", () => {
  it("works in node:test", async () => {
    const head = 'import { test } from "node:test";\nimport assert from "node:assert/strict";\n';
    writeFileSync(join(folder, "order.test.mjs"), `${head}${PLAIN}`);
    const text = await printed(process.execPath, ["--test", "--test-reporter=tap", "order.test.mjs"]);
    expect(text.match(/^ *(not )?ok \d+ - (passes|fails).*$/gm)?.map((line) => line.trim())).toEqual([
      "ok 1 - passes: time skips, mocks retry",
      "ok 2 - passes: crashes",
      "ok 3 - passes: real time is waited for",
      "not ok 4 - fails: other steps",
      "not ok 5 - fails: no replay",
    ]);
    expect(text).toContain("> approved timed_out");
    expect(text).toContain("Inline steps of this run: count rows");
  });

  it("works in jest", async ({ skip }) => {
    const install = [
      "install",
      "--no-audit",
      "--no-fund",
      "--prefer-offline",
      "--fetch-retries=0",
      "--no-save",
      "jest@30",
    ];
    rmSync(join(folder, "node_modules/perdure"));
    const reachable = await exec("npm", install, { cwd: folder, timeout: 120_000 }).then(
      () => true,
      () => false,
    );
    symlinkSync(ROOT, join(folder, "node_modules/perdure"), "dir");
    if (!reachable) skip("jest cannot be installed: the registry is not reachable");
    writeFileSync(join(folder, "order.jest.js"), `import assert from "node:assert/strict";\n${PLAIN}`);
    const config = JSON.stringify({ testMatch: ["**/*.jest.js"], transform: {}, watchman: false });
    const text = await printed(process.execPath, ["node_modules/jest/bin/jest.js", "--ci", "--config", config], {
      NODE_OPTIONS: "--experimental-vm-modules",
    });
    expect(text).toContain("Tests:       2 failed, 3 passed, 5 total");
    expect(text).toContain("> approved timed_out");
    expect(text).toContain("Inline steps of this run: count rows");
  }, 180_000);
});
