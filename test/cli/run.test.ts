import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { AGENTS, ASKING, ECHO, FAILING, HOLDING } from "./flows.ts";
import { folderWith, lastJson, linesOf, perdure, Running } from "./perdure.ts";

describe("perdure run", () => {
  test("prints the result object as the last line and exits with 0", async () => {
    const folder = folderWith({ "echo.yaml": ECHO, "agents.yaml": AGENTS });
    const ended = await perdure(
      folder,
      "run",
      "echo.yaml",
      "--id",
      "e1",
      "--json",
      "--input",
      "n=1",
      "--input",
      "who.name=Ada",
    );
    expect(ended.code).toBe(0);
    expect(lastJson(ended)).toMatchObject({
      status: "completed",
      workflowId: "e1",
      runId: expect.stringMatching(/^[0-9a-z]+-1$/),
      output: { n: 1, who: { name: "Ada" } },
      durationMs: expect.any(Number),
    });
  });

  test("reads inputs as JSON where they are JSON, from pairs, texts and files", async () => {
    const folder = folderWith({ "echo.yaml": ECHO, "agents.yaml": AGENTS, "in.json": '{"a": [1], "b": {"c": 1}}' });
    const run = async (...input: string[]): Promise<unknown> =>
      lastJson(await perdure(folder, "run", "echo.yaml", "--json", ...input)).output;
    expect(await run("-i", "@in.json", "-i", "b.d=true", "x=null", "id=12345678901234567890", "t=a=b")).toEqual({
      a: [1],
      b: { c: 1, d: true },
      x: null,
      id: "12345678901234567890",
      t: "a=b",
    });
    expect(await run("--input", '{"deep": {"list": [1, "two"]}}')).toEqual({ deep: { list: [1, "two"] } });
    expect(await run("--input", '"only text"')).toBe("only text");
  });

  test("shows steps as lines where it cannot redraw, and the output at the end", async () => {
    const folder = folderWith({ "echo.yaml": ECHO, "agents.yaml": AGENTS });
    const { stdout, stderr } = await perdure(folder, "run", "echo.yaml", "--id", "e1", "-i", "n=1");
    expect(stdout).toMatch(
      /^echo {2}e1 {2}\S+\necho: started\necho: completed .*\n\ncompleted in .*\noutput {2}\{ "n": 1 \}\n/,
    );
    expect(stdout).toContain("perdure runs show e1");
    expect(stdout).not.toContain("\u001b");
    expect(stderr).toBe("");
  });

  test("exits with 1 when the run fails, says why, and goes on after a resume without repeating steps", async () => {
    const folder = folderWith({ "failing.yaml": FAILING, "agents.yaml": AGENTS });
    const failed = await perdure(folder, "run", "failing.yaml", "--id", "f1", "--json");
    expect(failed.code).toBe(1);
    expect(lastJson(failed)).toMatchObject({
      status: "failed",
      error: { name: "FlowStepError", step: "two", attempts: 1, message: expect.stringContaining("no such table") },
    });
    const again = await perdure(folder, "run", "failing.yaml", "--id", "f1");
    expect(again.code).toBe(1);
    expect(again.stdout).toContain("perdure runs resume f1");
    writeFileSync(join(folder, "agents.yaml"), AGENTS.replaceAll("process.exit(65)", "process.exit(0)"));
    const resumed = await perdure(folder, "runs", "resume", "f1", "--json");
    expect(lastJson(resumed)).toMatchObject({ status: "completed", workflowId: "f1" });
    expect(resumed.code).toBe(0);
    expect(linesOf(folder, "done.txt")).toEqual(["one", "three"]);
  });

  test("goes on with the first unfinished step when the same id is run again after a kill", async () => {
    const folder = folderWith({ "holding.yaml": HOLDING, "agents.yaml": AGENTS });
    const first = new Running(folder, ["run", "holding.yaml", "--id", "h1"]);
    await first.printed(/two: started/);
    first.kill("SIGKILL");
    await first.ended;
    writeFileSync(join(folder, "go"), "");
    const second = await perdure(folder, "run", "holding.yaml", "--id", "h1", "--json");
    expect(second.code).toBe(0);
    expect(lastJson(second)).toMatchObject({ status: "completed", workflowId: "h1" });
    const done = linesOf(folder, "done.txt");
    expect(done.filter((step) => step === "one")).toHaveLength(1);
    expect(done.filter((step) => step === "three")).toHaveLength(1);
    const third = await perdure(folder, "run", "holding.yaml", "--id", "h1");
    expect(third.code).toBe(0);
    expect(third.stdout).toContain("h1 has completed before");
    expect(linesOf(folder, "done.txt")).toEqual(done);
  });

  test("keeps the definition of an open run when its file changes, and says so", async () => {
    const folder = folderWith({ "holding.yaml": HOLDING, "agents.yaml": AGENTS });
    const first = new Running(folder, ["run", "holding.yaml", "--id", "h1"]);
    await first.printed(/two: started/);
    first.kill("SIGKILL");
    await first.ended;
    writeFileSync(join(folder, "holding.yaml"), HOLDING.replace("id: three", "id: third"));
    writeFileSync(join(folder, "go"), "");
    const second = await perdure(folder, "run", "holding.yaml", "--id", "h1");
    expect(second.stderr).toContain("holding.yaml has changed since h1 was started");
    expect(second.code).toBe(0);
    expect(linesOf(folder, "done.txt").at(-1)).toBe("three");
  });

  test("is answered from a second process", async () => {
    const folder = folderWith({ "asking.yaml": ASKING, "agents.yaml": AGENTS });
    const run = new Running(folder, ["run", "asking.yaml", "--id", "a1", "--json"]);
    await waiting(folder, "a1");
    const wrong = await perdure(folder, "runs", "signal", "a1", "aproved");
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain("did you mean approved?");
    const signal = await perdure(folder, "runs", "signal", "a1", "approved", "ok=true", "by=ada");
    expect(signal.code).toBe(0);
    const ended = await run.ended;
    expect(ended.code).toBe(0);
    expect(lastJson(ended)).toMatchObject({ status: "completed", output: { ok: true, by: "ada" } });
  });

  test("is cancelled by the first ctrl-C", async () => {
    const folder = folderWith({ "holding.yaml": HOLDING, "agents.yaml": AGENTS });
    const run = new Running(folder, ["run", "holding.yaml", "--id", "h1"]);
    await run.printed(/two: started/);
    run.kill("SIGINT");
    const { code, stdout } = await run.ended;
    expect(code).toBe(1);
    expect(stdout).toContain("cancelling h1");
    expect(stdout).toMatch(/\ncancelled in /);
    expect(await statusOf(folder, "h1")).toBe("cancelled");
  });

  test("is left open by the second ctrl-C", async () => {
    const folder = folderWith({ "stubborn.ts": STUBBORN });
    const run = new Running(folder, ["run", "stubborn.ts", "--id", "s1"]);
    await run.printed(/stubborn: started/);
    run.kill("SIGINT");
    await run.printed(/cancelling s1/);
    run.kill("SIGINT");
    const { code, stdout } = await run.ended;
    expect(code).toBe(130);
    expect(stdout).toContain("perdure runs resume s1");
    expect(["running", "pending"]).toContain(await statusOf(folder, "s1"));
  });

  test("is left by SIGTERM without being cancelled", async () => {
    const folder = folderWith({ "holding.yaml": HOLDING, "agents.yaml": AGENTS });
    const run = new Running(folder, ["run", "holding.yaml", "--id", "h1", "--json"]);
    await running(folder, "began.txt");
    run.kill("SIGTERM");
    const ended = await run.ended;
    expect(ended.code).toBe(143);
    expect(lastJson(ended)).toMatchObject({ left: true, workflowId: "h1", resume: "perdure runs resume h1" });
    writeFileSync(join(folder, "go"), "");
    const resumed = await perdure(folder, "runs", "resume", "h1", "--json");
    expect(lastJson(resumed)).toMatchObject({ status: "completed" });
    expect(linesOf(folder, "done.txt")).toEqual(["one", "two", "three"]);
  });

  test("runs a workflow of a TypeScript module, and asks which one when there are several", async () => {
    const folder = folderWith({ "hello.ts": MODULE });
    const which = await perdure(folder, "run", "hello.ts");
    expect(which.code).toBe(2);
    expect(which.stderr).toContain("--workflow hello");
    const ended = await perdure(
      folder,
      "run",
      "hello.ts",
      "--workflow",
      "hello",
      "--json",
      "--input",
      '"Ada"',
      "--secret",
      "TOKEN=s3cret-value",
    );
    expect(lastJson(ended)).toMatchObject({ status: "completed", output: "Hello Ada 12" });
  });

  test("starts the other workflows of its module as children, and goes on with them after a kill", async () => {
    const module = `
      import { activity, signal, workflow } from "perdure";
      import { flow, task } from "perdure/flow";
      export const answer = workflow("answer", (wf) => wf.waitFor("go"));
      export const counted = flow("counted", [task("count", activity("count", async () => 3))]);
      export const broken = flow("broken", [task("lost", "no/such")]);
      export const main = workflow("main", async (wf) => [
        await wf.child(counted, {}),
        await wf.child("answer", undefined, { id: "a1" }),
      ]);`;
    const folder = folderWith({ "family.ts": module });
    const args = ["run", "family.ts", "--workflow", "main", "--id", "m1"];
    const first = new Running(folder, args);
    await first.printed(/answer: waits/);
    first.kill("SIGKILL");
    await first.ended;
    const second = new Running(folder, [...args, "--json"]);
    expect((await perdure(folder, "runs", "signal", "a1", "go", "--data", '"on"')).code).toBe(0);
    expect(lastJson(await second.ended)).toMatchObject({ status: "completed", output: [{ count: 3 }, "on"] });
  });

  test("deletes no runs, whatever their workflows say", async () => {
    const module = `import { workflow } from "perdure";
export default workflow("brief", { retention: "1ms" }, async (wf, ms) => wf.sleep(ms));`;
    const folder = folderWith({ "brief.mjs": module });
    expect((await perdure(folder, "run", "brief.mjs", "--id", "b1", "--input", "0")).code).toBe(0);
    expect((await perdure(folder, "run", "brief.mjs", "--id", "b2", "--input", "1500")).code).toBe(0);
    expect((await perdure(folder, "runs", "result", "b1")).code).toBe(0);
  });

  test("says where the code of a workflow failed, and what kind of error it was", async () => {
    const module = `import { workflow } from "perdure";
export const torn = workflow("torn", async (wf, input) => {
  return input.customer.name;
});`;
    const folder = folderWith({ "torn.mjs": module });
    const error = /error {3}TypeError: Cannot read .*\n {8}at \S*torn\.mjs:3:\d+\n/;
    expect((await perdure(folder, "run", "torn.mjs", "--id", "t1", "a=1")).stdout).toMatch(error);
    const show = await perdure(folder, "runs", "show", "t1");
    expect(show.stdout).toMatch(error);
    expect(show.stdout).not.toMatch(/\n\n\n| \n/);
  });

  test("goes on with the runs a workflow continues as", async () => {
    const module = `
      import { workflow } from "perdure";
      export const count = workflow("count", async (wf, n) => (n > 0 ? wf.continueAsNew(n - 1) : "over"));`;
    const folder = folderWith({ "count.ts": module });
    const ended = await perdure(folder, "run", "count.ts", "--input", "2", "--json", "--timeout", "10s");
    expect(lastJson(ended)).toMatchObject({ status: "completed", output: "over" });
  });

  test("finds flows by name in flows/, .parac/workflows/ and the configuration", async () => {
    const folder = folderWith({
      "flows/echo.yaml": ECHO,
      ".parac/workflows/data.yaml": ECHO.replace("name: echo", "name: data-pipeline"),
      "other/third.yaml": ECHO.replace("name: echo", "name: third"),
      "perdure.config.ts":
        'export default { flows: ["other"], agents: "config-agents.yaml", store: "sqlite:data/runs.db" };',
      "config-agents.yaml": AGENTS,
      "sub/.keep": "",
    });
    for (const name of ["echo", "data-pipeline", "third"]) {
      const ended = await perdure(folder, "run", name, "--json", "-i", "n=1");
      expect(lastJson(ended)).toMatchObject({ status: "completed", output: { n: 1 } });
    }
    const listed = await perdure(join(folder, "sub"), "runs", "list", "--json");
    expect(lastJson<unknown[]>(listed)).toHaveLength(3);
    const unknown = await perdure(folder, "run", "data-pipelin");
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain("did you mean data-pipeline?");
  });

  test("does not start a flow that lacks an agent or a secret", async () => {
    const folder = folderWith({
      "lacking.yaml": "name: lacking\nsteps:\n  - { id: a, agent: nobody }\n",
      "secret.yaml": `name: secret\n${AGENTS}steps:\n  - { id: a, agent: echo, input: { key: "\${{ secrets.API_KEY }}" } }\n`,
    });
    const lacking = await perdure(folder, "run", "lacking.yaml");
    expect(lacking.code).toBe(2);
    expect(lacking.stderr).toMatch(/lacking\.yaml:3:\d+: there is no agent "nobody"/);
    const secret = await perdure(folder, "run", "secret.yaml");
    expect(secret.code).toBe(2);
    expect(secret.stderr).toContain("--secret API_KEY");
  });
});

const MODULE = `import { activity, workflow } from "perdure";
const greet = activity("greet", async (name: string, ctx) => \`Hello \${name} \${ctx.secrets.TOKEN?.length ?? 0}\`);
export const hello = workflow("hello", async (wf, name: string) => wf.call(greet, name));
export const other = workflow("other", async () => 1);
`;

/** Does not stop when it is asked to. */
const STUBBORN = `import { activity, workflow } from "perdure";
const stubborn = activity("stubborn", () => new Promise((resolve) => setTimeout(resolve, 60_000)));
export default workflow("stubborn", async (wf) => {
  try {
    await wf.call(stubborn);
  } catch {
    await new Promise(() => {});
  }
});
`;

async function statusOf(folder: string, id: string): Promise<unknown> {
  return lastJson(await perdure(folder, "runs", "show", id, "--json")).status;
}

/** Resolves when a run waits for a signal, as another process sees it. */
async function waiting(folder: string, id: string): Promise<void> {
  for (;;) {
    const { code, stdout } = await perdure(folder, "runs", "show", id);
    if (code === 0 && stdout.includes("waits for signal")) return;
  }
}

/** Resolves when an agent has begun. */
async function running(folder: string, file: string): Promise<void> {
  while (linesOf(folder, file).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
}
