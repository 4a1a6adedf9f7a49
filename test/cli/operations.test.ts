/** Forks, resets, steps settled by hand, many runs at once and gc, as typed. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { open, workflow } from "../../src/index.ts";
import { AGENTS, ASKING, ECHO, FAILING } from "./flows.ts";
import { folderWith, lastJson, linesOf, perdure, Running } from "./perdure.ts";

/** The second step fails as long as there is no file `ok`. */
const STEPS = `name: steps
agents:
  one: { command: [node, -e, 'require("fs").appendFileSync("done.txt", "one\\n"); console.log("1")'] }
  two: { command: [node, -e, 'require("fs").appendFileSync("done.txt", "two\\n"); require("fs").readFileSync("ok"); console.log("2")'] }
steps:
  - { id: one, agent: one }
  - { id: two, agent: two, depends_on: [one], retry: { max_attempts: 1 } }
output: { sum: "\${{ steps.one.output + steps.two.output }}", of: "\${{ input }}" }
`;

describe("perdure runs fork and reset", () => {
  test("begin with a step: what was finished before it does not run again", async () => {
    const folder = folderWith({ "steps.yaml": STEPS });
    expect((await perdure(folder, "run", "steps.yaml", "--id", "s", "n=1")).code).toBe(1);
    writeFileSync(join(folder, "ok"), "");
    const fork = await perdure(folder, "runs", "fork", "s", "--from", "two", "--input", "n=2", "--json");
    expect(fork.code).toBe(0);
    expect(lastJson(fork)).toMatchObject({ workflowId: "s~fork-1", output: { sum: 3, of: { n: 2 } } });
    expect(linesOf(folder, "done.txt")).toEqual(["one", "two", "two"]);
    const reset = await perdure(folder, "runs", "reset", "s", "--to", "one", "--reason", "all of it", "--json");
    expect(lastJson(reset)).toMatchObject({ workflowId: "s", status: "completed", output: { sum: 3, of: { n: 1 } } });
    expect(linesOf(folder, "done.txt")).toEqual(["one", "two", "two", "one", "two"]);
    expect((await perdure(folder, "runs", "history", "s")).stdout).toContain("reset: all of it; set aside 2, 3, 4");
    const unknown = await perdure(folder, "runs", "fork", "s", "--from", "three");
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining("two (command 2, event 7)")]);
    const missing = await perdure(folder, "runs", "reset", "s");
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining("--to STEP")]);
  });

  test("a reset is left for another engine with --detach", async () => {
    const folder = folderWith({ "steps.yaml": STEPS, ok: "" });
    await perdure(folder, "run", "steps.yaml", "--id", "s");
    expect(lastJson(await perdure(folder, "runs", "show", "s", "--json"))).toMatchObject({ output: { sum: 3 } });
    const reset = await perdure(folder, "runs", "reset", "s", "--to", "2", "--detach", "--json");
    expect(lastJson(reset)).toMatchObject({ reset: true, workflowId: "s" });
    const shown = lastJson(await perdure(folder, "runs", "show", "s", "--json"));
    expect([shown.status, shown.output]).toEqual(["pending", undefined]);
    expect(linesOf(folder, "done.txt")).toEqual(["one", "two"]);
    expect((await perdure(folder, "runs", "resume", "s")).code).toBe(0);
    expect(linesOf(folder, "done.txt")).toEqual(["one", "two", "two"]);
  });
});

describe("one of the runs that continue one another", () => {
  test("is shown and deleted when its run id is given, not the last one", async () => {
    const folder = folderWith({});
    const chain = workflow("chain", async (wf, n: number) => (n < 2 ? wf.continueAsNew(n + 1) : n));
    const engine = await open({ store: join(folder, ".perdure/store.db"), workflows: [chain] });
    const handle = await engine.start(chain, 0, { id: "c" });
    const first = handle.runId;
    await handle.result();
    await engine.close();
    const shown = lastJson(await perdure(folder, "runs", "show", first, "--json"));
    expect(shown).toMatchObject({ runId: first, status: "continued_as_new", input: 0 });
    const deleted = lastJson(await perdure(folder, "runs", "delete", first, "--yes", "--json"));
    expect(deleted).toMatchObject({ deleted: true, runId: first });
    const left = lastJson<{ status: string; runId: string }[]>(await perdure(folder, "runs", "list", "--json"));
    expect(left.map(({ status }) => status)).toEqual(["completed", "continued_as_new"]);
    expect(left.map(({ runId }) => runId)).not.toContain(first);
  });
});

describe("perdure runs complete-step and skip-step", () => {
  test("settle the step that failed a run", async () => {
    const folder = folderWith({ "steps.yaml": STEPS });
    await perdure(folder, "run", "steps.yaml", "--id", "a");
    const done = await perdure(folder, "runs", "complete-step", "a", "two", "--data", "41", "--json");
    expect(lastJson(done)).toMatchObject({ done: true, step: "two" });
    expect(lastJson(await perdure(folder, "runs", "resume", "a", "--json"))).toMatchObject({ output: { sum: 42 } });
    const wrong = await perdure(folder, "runs", "retry-step", "a", "two");
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("in flight")]);
  });
});

describe("many runs at once", () => {
  test("are shown, asked about, and done", async () => {
    const folder = folderWith({ "asking.yaml": ASKING, "echo.yaml": ECHO, "agents.yaml": AGENTS });
    for (const id of ["a", "b"]) {
      const waiting = new Running(folder, ["run", "asking.yaml", "--id", id]);
      await waiting.printed(/answer/);
      waiting.kill("SIGTERM");
      await waiting.ended;
    }
    await perdure(folder, "run", "echo.yaml", "--id", "c", "x=1");
    const plan = await perdure(folder, "runs", "terminate", "--workflow", "asking", "--dry-run");
    expect([plan.code, plan.stdout]).toEqual([0, expect.stringContaining("would terminate 2 runs")]);
    const unasked = await perdure(folder, "runs", "terminate", "--workflow", "asking");
    expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringContaining("--yes")]);
    expect((await perdure(folder, "runs", "pause", "a", "--reason", "lunch")).stdout).toContain("a stands still");
    expect(lastJson(await perdure(folder, "runs", "resume", "--status", "paused", "--yes", "--json"))).toEqual({
      action: "resume",
      matched: 1,
      done: 1,
      failed: [],
    });
    const both = await perdure(folder, "runs", "cancel", "a", "--all", "--yes");
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining("one or the other")]);
    const done = await perdure(folder, "runs", "terminate", "--all", "--yes", "--reason", "over");
    expect([done.code, done.stdout]).toEqual([0, expect.stringContaining("2 runs terminated")]);
    const list = await perdure(folder, "runs", "list", "--status", "terminated", "--json");
    expect(JSON.parse(list.stdout)).toHaveLength(2);
    const gone = await perdure(folder, "runs", "delete", "--status", "terminated", "--yes", "--json");
    expect(lastJson(gone)).toMatchObject({ done: 2 });
    expect(JSON.parse((await perdure(folder, "runs", "list", "--json")).stdout)).toMatchObject([{ workflowId: "c" }]);
  });

  test("are all listed when a limit says so, and not meant by a time that is none", async () => {
    const folder = folderWith({});
    const short = workflow("short", async () => 1);
    const engine = await open({
      store: join(folder, ".perdure/store.db"),
      workflows: [short],
      durability: "relaxed",
    });
    await Promise.all(Array.from({ length: 1005 }, async () => (await engine.start(short)).result()));
    await engine.close();
    for (const [limit, count] of [
      [1003, 1003],
      [5000, 1005],
    ] as const) {
      const listed = lastJson<unknown[]>(await perdure(folder, "runs", "list", "--limit", String(limit), "--json"));
      expect(listed).toHaveLength(count);
    }
    for (const time of ["12", "2026", "last 7", "2026-02-31", "2026-13-01T08:00"]) {
      const wrong = await perdure(folder, "runs", "delete", "--since", time, "--yes");
      expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("is no time")]);
    }
    const today = new Date().toISOString();
    for (const time of [today.slice(0, 10), today, "1h"]) {
      const deleted = await perdure(folder, "runs", "delete", "--older-than", time, "--dry-run", "--json");
      expect(lastJson(deleted)).toMatchObject({ dryRun: true });
    }
  });

  test("runs are listed by tag, with tags and progress", async () => {
    const folder = folderWith({
      "job.ts": `import { workflow } from ${JSON.stringify(join(import.meta.dirname, "../../dist/index.js"))};
export const job = workflow("job", async (wf, { n }) => { wf.tag({ region: n > 1 ? "eu" : "us", n }); wf.progress("half"); return wf.step("work", () => n); });
`,
    });
    for (const n of [1, 2, 3]) expect((await perdure(folder, "run", "job.ts", "--id", `j${n}`, `n=${n}`)).code).toBe(0);
    const where = ["--where", "region=eu", "--where", "n=3"];
    expect(JSON.parse((await perdure(folder, "runs", "list", ...where, "--json")).stdout)).toMatchObject([
      { workflowId: "j3", tags: { region: "eu", n: "3" }, progress: "half" },
    ]);
    const { stdout } = await perdure(folder, "runs", "list");
    expect(stdout).toMatch(/TAGS +PROGRESS/);
    expect(stdout).toMatch(/region=us n=1 +half/);
    expect((await perdure(folder, "runs", "list", "--where", "region")).code).toBe(2);
  });
});

describe("perdure gc", () => {
  test("shows what runs take, and deletes those that ended long enough ago", async () => {
    const folder = folderWith({ "echo.yaml": ECHO, "failing.yaml": FAILING, "agents.yaml": AGENTS });
    await perdure(folder, "run", "echo.yaml", "--id", "e", "x=1");
    await perdure(folder, "run", "failing.yaml", "--id", "f");
    const table = await perdure(folder, "gc");
    expect(table.stdout).toMatch(/echo +completed +1 +3 +\d+ B/);
    expect(JSON.parse((await perdure(folder, "gc", "--workflow", "failing", "--json")).stdout)).toMatchObject([
      { workflow: "failing", status: "failed", runs: 1, bytes: expect.any(Number) },
    ]);
    expect((await perdure(folder, "gc", "--older-than", "1d", "--yes")).stdout).toContain("nothing is old enough");
    const some = ["--older-than", "0s", "--status", "completed"];
    expect((await perdure(folder, "gc", ...some, "--dry-run")).stdout).toContain("1 run would be deleted");
    expect((await perdure(folder, "gc", ...some)).code).toBe(2);
    expect(lastJson(await perdure(folder, "gc", ...some, "--yes", "--json"))).toEqual({
      matched: 1,
      deleted: 1,
      failed: 0,
    });
    expect(JSON.parse((await perdure(folder, "runs", "list", "--json")).stdout)).toMatchObject([{ workflowId: "f" }]);
    expect((await perdure(folder, "gc", "--status", "failed")).code).toBe(2);
    expect(lastJson(await perdure(folder, "gc", "--compact", "--json"))).toEqual({ compact: true });
    const unwritable = await perdure(folder, "runs", "export", "f", "--out", "echo.yaml", "--json");
    expect([unwritable.code, lastJson<{ error: object }>(unwritable).error]).toEqual([
      2,
      { code: "INVALID_ARGUMENT", message: expect.stringMatching(/echo\.yaml.f\.json cannot be written/) },
    ]);
    const files = lastJson<unknown[]>(await perdure(folder, "runs", "export", "f", "f", "--json"));
    expect(files).toHaveLength(1);
    rmSync(join(folder, ".perdure"), { recursive: true });
    expect((await perdure(folder, "gc")).code).toBe(3);
  });
});
