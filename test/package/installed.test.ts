/** The package as somebody else gets it: packed, installed into an empty folder, used. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "perdure-installed-"));

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

beforeAll(() => {
  execFileSync("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], { cwd: ROOT, stdio: "pipe" });
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"))!;
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "somebody", private: true, type: "module" }));
  run("npm", "install", "--no-audit", "--no-fund", "--prefer-offline", join(folder, tarball));
}, 180_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the installed package", () => {
  it("runs a flow through its command", () => {
    const flow = `name: greeting
agents:
  greeter: { command: [node, -e, "console.log('hello')"] }
steps:
  - id: greet
    agent: greeter
`;
    writeFileSync(join(folder, "flow.yaml"), flow);
    const lines = run("npx", "perdure", "run", "flow.yaml", "--id", "one", "--json").trim().split("\n");
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({
      status: "completed",
      workflowId: "one",
      output: { greet: "hello" },
    });
    expect(JSON.parse(run("npx", "perdure", "runs", "show", "one", "--json").trim().split("\n").at(-1)!)).toMatchObject(
      { status: "completed" },
    );
  });

  it("is imported by its name and runs a durable function", () => {
    const program = `
import { activity, open, workflow } from "perdure";
const double = activity("double", async (n) => n * 2);
const twice = workflow("twice", async (wf, n) => wf.call(double, await wf.call(double, n)));
const engine = await open({ store: "sqlite:app.db", workflows: [twice] });
console.log(await (await engine.start(twice, 3)).result());
await engine.close();
`;
    writeFileSync(join(folder, "main.js"), program);
    expect(run("node", "main.js").trim()).toBe("12");
  });

  it("brings no test, no source, no notes of the compiler, and the schema", () => {
    const files = readdirSync(join(folder, "node_modules/perdure"), { recursive: true, encoding: "utf8" });
    expect(files.filter((name) => /\.test\.|\.fixture\.|(^|\/)src\//.test(name))).toEqual([]);
    expect(files.filter((name) => /\.tsbuildinfo$/.test(name))).toEqual([]);
    expect(files).toContain("schema/flow.schema.json");
    expect(files).toContain("dist/index.d.ts");
  });
});
