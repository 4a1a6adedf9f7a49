import { describe, expect, test } from "vitest";
import { AGENTS, ECHO } from "./flows.ts";
import { folderWith, lastJson, perdure } from "./perdure.ts";

const EIGHT = `name: eight
stepz: 3
steps:
  - { id: a, task: t/one }
  - { id: a, task: t/two }
  - { id: b, task: t/three, depends_on: [zz] }
  - { id: c, timer: { delay: -5s } }
  - { id: d, timer: { cron: "99 * * * *" } }
  - { id: e, task: t/four, timeout: fast }
  - { id: f, task: t/five, needs: [a] }
  - { id: g, task: t/six, when: "input.n +" }
`;

describe("perdure validate", () => {
  test("reports all eight mistakes of a file with their places and exits with 2", async () => {
    const folder = folderWith({ "eight.yaml": EIGHT });
    const { code, stdout } = await perdure(folder, "validate", "eight.yaml");
    expect(code).toBe(2);
    const places = stdout.split("\n").filter((line) => /^eight\.yaml:\d+:\d+: /.test(line));
    expect(places.map((line) => Number(line.split(":")[1]))).toEqual([2, 5, 6, 7, 8, 9, 10, 11]);
    expect(stdout).toContain("8 errors in 1 file");
    expect(stdout).toContain("depends_on");
  });

  test("warns of a schedule that starts nothing any more", async () => {
    const folder = folderWith({
      "late.yaml": ECHO.replace("steps:", "schedule: { at: 2020-01-01T00:00:00Z }\nsteps:"),
    });
    const { code, stdout } = await perdure(folder, "validate", "late.yaml");
    expect(code).toBe(0);
    expect(stdout).toMatch(/late\.yaml:\d+:\d+: warning: .*starts nothing any more/);
  });

  test("gives the same as JSON, for all files", async () => {
    const folder = folderWith({ "eight.yaml": EIGHT, "echo.yaml": ECHO });
    const ended = await perdure(folder, "validate", "eight.yaml", "echo.yaml", "--json");
    expect(ended.code).toBe(2);
    const report = lastJson<{ errors: number; files: { file: string; ok: boolean; problems: object[] }[] }>(ended);
    expect(report.errors).toBe(8);
    expect(report.files.map(({ file, ok }) => [file, ok])).toEqual([
      ["eight.yaml", false],
      ["echo.yaml", true],
    ]);
    for (const problem of report.files[0]!.problems)
      expect(problem).toMatchObject({
        line: expect.any(Number),
        column: expect.any(Number),
        message: expect.any(String),
      });
  });

  test("checks names when it is told the agents", async () => {
    const folder = folderWith({
      "echo.yaml": ECHO,
      "typo.yaml": ECHO.replace("agent: echo", "agent: ecco"),
      "agents.yaml": AGENTS,
    });
    expect((await perdure(folder, "validate", "typo.yaml")).code).toBe(0);
    const { code, stdout } = await perdure(folder, "validate", "typo.yaml", "echo.yaml", "--agents", "agents.yaml");
    expect(code).toBe(2);
    expect(stdout).toContain("did you mean echo?");
  });

  test("tells of files that are missing, unreadable as YAML, or broken modules, without a stack", async () => {
    const folder = folderWith({ "bad.yaml": "name: [unclosed\nsteps:", "broken.ts": "export const a = ;\n" });
    const { code, stdout, stderr } = await perdure(folder, "validate", "nix.yaml", "bad.yaml", "broken.ts");
    expect(code).toBe(2);
    expect(stdout).toContain("there is no file nix.yaml");
    expect(stdout).toMatch(/bad\.yaml:\d+:\d+: /);
    expect(stdout).toMatch(/broken\.ts:1:\d+: /);
    expect(stdout + stderr).not.toMatch(/^\s+at /m);
  });
});

describe("perdure plan and graph", () => {
  const DIAMOND = `name: diamond
steps:
  - { id: fetch, task: t/fetch }
  - { id: left, task: t/left, depends_on: [fetch] }
  - { id: right, task: t/right, depends_on: [fetch] }
  - { id: ask, depends_on: [left, right], signal: { name: ok, timeout: 1h, on_timeout: escalate } }
  - { id: escalate, task: t/escalate }
`;

  test("plan shows levels, gates and branches, and gives them as JSON", async () => {
    const folder = folderWith({ "diamond.yaml": DIAMOND });
    const text = await perdure(folder, "plan", "diamond.yaml");
    expect(text.code).toBe(0);
    expect(text.stdout).toContain("5 steps in 4 levels · up to 2 side by side");
    expect(text.stdout).toContain("ask waits for signal ok, up to 1h, then escalate");
    expect(lastJson(await perdure(folder, "plan", "diamond.yaml", "--json"))).toMatchObject({
      name: "diamond",
      levels: [["fetch"], ["left", "right"], ["ask"], ["escalate"]],
    });
  });

  test("graph writes each format, chosen by name or by the file's ending", async () => {
    const folder = folderWith({ "diamond.yaml": DIAMOND });
    expect((await perdure(folder, "graph", "diamond.yaml")).stdout).toMatch(/^(?:flowchart|graph|---)/);
    expect((await perdure(folder, "graph", "diamond.yaml", "-f", "dot")).stdout).toMatch(/digraph/);
    expect((await perdure(folder, "graph", "diamond.yaml", "--format", "svg")).stdout).toMatch(/^<svg/);
    const out = await perdure(folder, "graph", "diamond.yaml", "--out", "d.svg", "--json");
    expect(lastJson(out)).toEqual({ name: "diamond", format: "svg", out: "d.svg" });
  });
});
