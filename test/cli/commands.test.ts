import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { openConnection } from "../../src/store/sqlite/driver.ts";
import { AGENTS, ASKING, ECHO, FAILING } from "./flows.ts";
import { folderWith, lastJson, perdure, Running } from "./perdure.ts";

describe("the command line", () => {
  test("shows its commands, and options with examples for each of them", async () => {
    const folder = folderWith({});
    const help = await perdure(folder, "--help");
    expect(help.code).toBe(0);
    const names = [...help.stdout.matchAll(/^ {2}((?:runs )?[a-z]+) {2,}/gm)].map(([, name]) => name!);
    expect(names.length).toBeGreaterThan(12);
    for (const name of names) {
      const page = await perdure(folder, ...name.split(" "), "--help");
      expect(page.code, name).toBe(0);
      expect(page.stdout, name).toContain("Examples");
    }
    expect((await perdure(folder, "--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test("answers mistakes with what was meant, exit code 2 and no stack", async () => {
    const folder = folderWith({ "broken.ts": 'import "./nowhere.ts";\n', "echo.yaml": ECHO, "agents.yaml": AGENTS });
    const mistakes: [string[], RegExp][] = [
      [["rnu"], /did you mean perdure run\?/],
      [["runs", "lsit"], /did you mean perdure runs list\?/],
      [["list"], /did you mean perdure runs list\?/],
      [["run", "echo.yaml", "--agnets", "x"], /did you mean --agents\?/],
      [["run"], /FILE is missing/],
      [["run", "nix.yaml"], /no file nix\.yaml/],
      [["run", "broken.ts"], /broken\.ts/],
      [["run", "echo.yaml", "--input", "{oops"], /neither key=value nor JSON/],
      [["run", "echo.yaml", "--input", "@nix.json"], /no such file/],
      [["run", "echo.yaml", "--secret", "PERDURE_TEST_UNSET"], /no variable PERDURE_TEST_UNSET/],
      [["run", "echo.yaml", "--timeout", "30"], /--timeout 30s/],
      [["run", "echo.yaml", "--durability", "none"], /full or relaxed/],
      [["graph", "echo.yaml", "--format", "sgv"], /did you mean svg\?/],
      [["plan", "echo.yaml", "extra"], /one argument too many/],
    ];
    for (const [args, expected] of mistakes) {
      const { code, stdout, stderr } = await perdure(folder, ...args);
      expect(code, args.join(" ")).toBe(2);
      expect(stderr, args.join(" ")).toMatch(expected);
      expect(stdout + stderr, args.join(" ")).not.toMatch(/^\s+at /m);
    }
    expect(existsSync(join(folder, ".perdure"))).toBe(false);
  });

  test("exits with 3 when there is no store, or it is none, and says it as JSON too", async () => {
    const folder = folderWith({
      "text.db": "this is no database, it is a text that is long enough to look like one\n".repeat(20),
    });
    const missing = await perdure(folder, "runs", "list");
    expect(missing.code).toBe(3);
    expect(missing.stderr).toContain("/.perdure/store.db");
    expect(existsSync(join(folder, ".perdure"))).toBe(false);
    const wrong = await perdure(folder, "runs", "list", "--store", "sqlite:text.db", "--json");
    expect(wrong.code).toBe(3);
    expect(lastJson(wrong)).toMatchObject({
      error: { code: expect.any(String), message: expect.stringContaining("text.db") },
    });
  });

  test("is quiet when nobody reads its output", async () => {
    const folder = folderWith({ "echo.yaml": ECHO, "agents.yaml": AGENTS });
    await perdure(folder, "run", "echo.yaml", "--id", "e1");
    const reading = new Running(folder, ["runs", "history", "e1"]);
    reading.process.stdout?.destroy();
    const { stderr } = await reading.ended;
    expect(stderr).toBe("");
  });
});

describe("perdure init", () => {
  test("writes an example that runs, and overwrites nothing", async () => {
    const folder = folderWith({ "agents.yaml": "# mine\n" });
    const { written, kept } = lastJson<{ written: string[]; kept: string[] }>(await perdure(folder, "init", "--json"));
    expect(kept).toEqual(["agents.yaml"]);
    expect(written).toContain("flows/hello.yaml");
    expect(readFileSync(join(folder, "agents.yaml"), "utf8")).toBe("# mine\n");
    const fresh = folderWith({});
    expect((await perdure(fresh, "init")).code).toBe(0);
    expect((await perdure(fresh, "validate", "--agents", "agents.yaml")).code).toBe(0);
    const run = new Running(fresh, ["run", "hello", "--id", "hello-1", "--input", "name=Ada"]);
    await run.printed(/approval: waits for signal approved/);
    await perdure(fresh, "runs", "signal", "hello-1", "approved", "by=Grace");
    const { code, stdout } = await run.ended;
    expect(code).toBe(0);
    expect(stdout).toContain('"text": "Hi Ada, how is London?"');
  });
});

describe("perdure runs", () => {
  let folder = "";

  beforeAll(async () => {
    folder = folderWith({ "echo.yaml": ECHO, "failing.yaml": FAILING, "asking.yaml": ASKING, "agents.yaml": AGENTS });
    await perdure(folder, "run", "echo.yaml", "--id", "e1", "-i", "n=1");
    await perdure(folder, "run", "failing.yaml", "--id", "f1");
    const asking = new Running(folder, ["run", "asking.yaml", "--id", "a1"]);
    await asking.printed(/answer: waits for signal/);
    asking.kill("SIGTERM");
    await asking.ended;
  });

  test("list shows the newest first and filters by status and workflow", async () => {
    const ids = async (...options: string[]): Promise<unknown[]> =>
      lastJson<{ workflowId: string }[]>(await perdure(folder, "runs", "list", "--json", ...options)).map(
        ({ workflowId }) => workflowId,
      );
    expect(await ids()).toEqual(["a1", "f1", "e1"]);
    expect(await ids("--limit", "1")).toEqual(["a1"]);
    expect(await ids("--status", "failed,completed")).toEqual(["f1", "e1"]);
    expect(await ids("--status", "open")).toEqual(["a1"]);
    expect(await ids("--workflow", "echo", "--since", "1h")).toEqual(["e1"]);
    expect(await ids("--since", "2999-01-01")).toEqual([]);
    const { stdout } = await perdure(folder, "runs", "list");
    expect(stdout).toMatch(/^STATUS +WORKFLOW +ID +STARTED +TOOK +RUN\n/);
  });

  test("show lists the steps in the flow's order, those that did not run too", async () => {
    const failed = lastJson<{ status: string; steps: { step: string; status: string }[] }>(
      await perdure(folder, "runs", "show", "f1", "--json"),
    );
    expect(failed.status).toBe("failed");
    expect(failed.steps.map(({ step, status }) => [step, status])).toEqual([
      ["one", "completed"],
      ["two", "failed"],
      ["three", "pending"],
    ]);
    const { stdout } = await perdure(folder, "runs", "show", "a1");
    expect(stdout).toMatch(/answer +waits for signal approved until/);
    expect(stdout).toContain("perdure runs signal a1 approved");
    expect(stdout).toContain("perdure runs resume a1");
  });

  test("takes run ids and their unique beginnings", async () => {
    const { runId } = lastJson<{ runId: string }>(await perdure(folder, "runs", "show", "e1", "--json"));
    expect(lastJson(await perdure(folder, "runs", "show", runId, "--json"))).toMatchObject({ workflowId: "e1" });
    const failed = lastJson<{ runId: string }>(await perdure(folder, "runs", "show", "f1", "--json"));
    const beginning = failed.runId.slice(0, -1);
    expect(lastJson(await perdure(folder, "runs", "show", beginning, "--json"))).toMatchObject({ workflowId: "f1" });
    const several = await perdure(folder, "runs", "show", runId.slice(0, 4));
    expect(several.code).toBe(2);
    expect(several.stderr).toContain("3 runs begin with");
    expect((await perdure(folder, "runs", "show", "nobody")).code).toBe(2);
  });

  test("history gives every event with ISO times", async () => {
    const events = lastJson<{ type: string; at: string }[]>(await perdure(folder, "runs", "history", "f1", "--json"));
    expect(events.map(({ type }) => type)).toEqual(["RunStarted", "StepCompleted", "StepFailed", "RunFailed"]);
    for (const { at } of events) expect(at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(
      (await perdure(folder, "runs", "history", "f1")).stdout.split("\n").filter((line) => line !== ""),
    ).toHaveLength(4);
  });

  test("result gives the outcome and its exit code, or gives up in time", async () => {
    const completed = await perdure(folder, "runs", "result", "e1", "--json");
    expect([completed.code, lastJson(completed)]).toMatchObject([0, { output: { n: 1 } }]);
    const failed = await perdure(folder, "runs", "result", "f1", "--json");
    expect([failed.code, lastJson(failed)]).toMatchObject([1, { status: "failed" }]);
    const waiting = await perdure(folder, "runs", "result", "a1", "--timeout", "0s", "--json");
    expect([waiting.code, lastJson(waiting)]).toMatchObject([1, { error: { code: "WAIT_TIMED_OUT" } }]);
  });

  test("signals early answers, cancels, terminates and deletes without an engine", async () => {
    const own = folderWith({ "asking.yaml": ASKING, "agents.yaml": AGENTS });
    for (const id of ["x1", "x2", "x3"]) {
      const run = new Running(own, ["run", "asking.yaml", "--id", id]);
      await run.printed(/answer: waits for signal/);
      run.kill("SIGTERM");
      await run.ended;
    }
    expect((await perdure(own, "runs", "signal", "x1", "approved", "--data", '{"ok":true}')).stdout).toContain(
      "no engine is running",
    );
    expect(lastJson(await perdure(own, "runs", "resume", "x1", "--json"))).toMatchObject({
      status: "completed",
      output: { ok: true },
    });
    expect((await perdure(own, "runs", "cancel", "x2", "--reason", "too late")).code).toBe(0);
    const cancelled = await perdure(own, "runs", "resume", "x2", "--json");
    expect([cancelled.code, lastJson(cancelled)]).toMatchObject([1, { status: "cancelled" }]);
    expect(lastJson(await perdure(own, "runs", "terminate", "x3", "--json"))).toMatchObject({ terminated: true });
    expect((await perdure(own, "runs", "resume", "x3")).code).toBe(2);
    expect((await perdure(own, "runs", "delete", "x3")).stderr).toContain("--yes");
    expect((await perdure(own, "runs", "delete", "x3", "--yes")).code).toBe(0);
    expect((await perdure(own, "runs", "show", "x3")).code).toBe(2);
  });
});

describe("perdure doctor and migrate", () => {
  test("doctor is green with and without a store, and red when a run is blocked", async () => {
    const folder = folderWith({ "asking.yaml": ASKING, "agents.yaml": AGENTS });
    expect((await perdure(folder, "doctor")).code).toBe(0);
    const run = new Running(folder, ["run", "asking.yaml", "--id", "a1"]);
    await run.printed(/answer: waits for signal/);
    const alive = lastJson<{ checks: { name: string; details?: string[] }[] }>(
      await perdure(folder, "doctor", "--json"),
    );
    const details = (name: string): string =>
      alive.checks.find((check) => check.name === name)?.details?.join("\n") ?? "";
    expect(details("engines")).toContain(`:${run.process.pid}`);
    expect(details("open runs")).toMatch(/a1 \(asking\): waits at answer until/);
    run.kill("SIGTERM");
    await run.ended;
    writeFileSync(
      join(folder, "foreign.db"),
      "no database at all, whatever its name says, and long enough to be read\n".repeat(9),
    );
    const wrong = await perdure(folder, "doctor", "--store", "sqlite:foreign.db");
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toContain("✖");
  });

  test("doctor says whether the secrets of runs can be read with the key that is here", async () => {
    const folder = folderWith({
      "fails.mjs": `import { workflow } from "perdure";
export default workflow("fails", async () => { throw new Error("no"); });
`,
    });
    expect((await perdure(folder, "run", "fails.mjs", "--secret", "TOKEN=s3cret-value")).code).toBe(1);
    const right = await perdure(folder, "doctor");
    expect([right.code, right.stdout]).toEqual([0, expect.stringMatching(/✔ key /)]);
    const wrong = await new Running(folder, ["doctor"], { PERDURE_KEY: "another" }).ended;
    expect([wrong.code, wrong.stdout]).toEqual([1, expect.stringMatching(/✖ key .*another key/)]);
  });

  test("looking neither makes a store nor migrates it; doctor says that it is behind", async () => {
    const folder = folderWith({});
    const missing = await perdure(folder, "runs", "list", "--store", "sqlite:typo.db");
    expect([missing.code, missing.stderr]).toEqual([
      3,
      expect.stringMatching(/there is no store at .*typo\.db.*from --store/s),
    ]);
    expect(existsSync(join(folder, "typo.db"))).toBe(false);
    await perdure(folder, "migrate");
    const db = openConnection(join(folder, ".perdure/store.db"));
    db.exec("delete from migrations where number > 2");
    db.close();
    const pending = async (): Promise<number> =>
      lastJson<{ pending: object[] }>(await perdure(folder, "migrate", "--status", "--json")).pending.length;
    const behind = await pending();
    for (const command of [["runs", "list"], ["replay"], ["gc"], ["runs", "cancel", "x"]])
      expect((await perdure(folder, ...command)).code, command.join(" ")).toBe(3);
    const doctor = await perdure(folder, "doctor");
    expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringMatching(/✖ schema.*version 2.*missing/)]);
    expect(await pending()).toBe(behind);
  });

  test("migrate shows what is missing, and applies it", async () => {
    const folder = folderWith({});
    const before = lastJson<{ pending: object[] }>(await perdure(folder, "migrate", "--status", "--json"));
    expect(before.pending.length).toBeGreaterThan(0);
    expect(existsSync(join(folder, ".perdure"))).toBe(false);
    const after = lastJson<{ applied: { appliedAt: string }[]; pending: object[] }>(
      await perdure(folder, "migrate", "--json"),
    );
    expect(after.pending).toEqual([]);
    expect(after.applied[0]?.appliedAt).toMatch(/Z$/);
  });
});
