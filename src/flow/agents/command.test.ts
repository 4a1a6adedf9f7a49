import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { toFailure } from "../../core/failure.ts";
import { isRetryable, retryPolicy } from "../../core/retry-policy.ts";
import { activityParts, FatalError } from "../../workflow/activity.ts";
import { activityContext } from "./activity-context.fixture.ts";
import { type CommandConfig, CommandError, commandAgent } from "./command.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "perdure-command-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An agent that runs JavaScript in a process of its own. */
function script(code: string, config: Partial<CommandConfig> = {}) {
  return commandAgent("agent:worker", { command: [process.execPath, "-e", code], ...config });
}

const readInput = `let text = ""; process.stdin.on("data", (d) => text += d).on("end", () => run(JSON.parse(text)));`;

describe("a command agent", () => {
  it("hands input, upstream outputs and the run's input to the program and returns what it prints as JSON", async () => {
    const agent = script(`${readInput} const run = (all) => console.log(JSON.stringify(all));`);
    const { ctx } = activityContext({ upstream: { fetch: [1, 2] }, runInput: { day: "monday" } });
    expect(await agent({ source: "database" }, ctx)).toEqual({
      input: { source: "database" },
      upstream: { fetch: [1, 2] },
      run_input: { day: "monday" },
    });
  });

  it("names its run in the environment and keeps secrets out of it", async () => {
    const agent = script("console.log(JSON.stringify(process.env))", {
      env: { MODE: "fast", PERDURE_RUN_ID: "forged" },
    });
    const { ctx } = activityContext({ secrets: { TOKEN: "sesame-open" } });
    const env = (await agent(undefined, ctx)) as Record<string, string>;
    expect(env).toMatchObject({
      PATH: process.env.PATH,
      MODE: "fast",
      PERDURE_RUN_ID: "store-1",
      PERDURE_WORKFLOW_ID: "etl-2026-03-01",
      PERDURE_STEP_ID: "extract",
      PERDURE_ATTEMPT: "2",
      PERDURE_IDEMPOTENCY_KEY: "store-1:7",
    });
    expect(JSON.stringify(env)).not.toContain("sesame-open");
  });

  it("gives no shell a chance to read its arguments", async () => {
    const agent = commandAgent("agent:echo", { command: ["echo", "$HOME; rm -rf *", "`id`"] });
    expect(await agent(undefined, activityContext().ctx)).toBe("$HOME; rm -rf * `id`");
  });

  it("returns text that is no JSON without surrounding space", async () => {
    expect(await script('console.log("  all good \\n")')(undefined, activityContext().ctx)).toBe("all good");
  });

  it("returns text as it is when told that the output is text", async () => {
    expect(await script('console.log("42")', { output: "text" })(undefined, activityContext().ctx)).toBe("42");
  });

  it("fails when the output must be JSON and is not", async () => {
    const agent = script('console.log("oops")', { output: "json" });
    await expect(agent(undefined, activityContext().ctx)).rejects.toThrow(/must print JSON.*printed "oops"/);
  });

  it("logs standard error line by line with secrets blanked out", async () => {
    const { ctx, logged } = activityContext({ secrets: { TOKEN: "sesame-open" } });
    const agent = script('process.stderr.write("one\\ntwo: sesame-open\\nthree"); console.log(1)');
    expect(await agent(undefined, ctx)).toBe(1);
    expect(logged).toEqual(["one", "two: [secret]", "three"]);
  });

  it("does not mind a program that never reads its input", async () => {
    const big = "x".repeat(1_000_000);
    expect(await script('process.stdin.destroy(); console.log("done")')(big, activityContext().ctx)).toBe("done");
  });

  it("runs in the folder it was given", async () => {
    const agent = script("console.log(process.cwd())", { cwd: folder });
    expect(await agent(undefined, activityContext().ctx)).toBe(folder);
  });
});

describe("a command agent that fails", () => {
  it("tells the exit code and the last lines of standard error", async () => {
    const lines = 'for (let i = 1; i <= 30; i++) console.error("line " + i); process.exitCode = 3;';
    const error = (await script(lines)(undefined, activityContext().ctx).catch((e: unknown) => e)) as CommandError;
    expect(error).toBeInstanceOf(CommandError);
    expect(error).toMatchObject({ code: "EXIT_3", exitCode: 3, signal: null });
    expect(error.message).toContain("agent worker");
    expect(error.message).toContain("exited with code 3:\nline 11\n");
    expect(error.message.endsWith("line 30")).toBe(true);
    expect(error.message).not.toContain("line 10\n");
  });

  it("cuts endless lines of standard error", async () => {
    const { ctx, logged } = activityContext();
    const agent = script('process.stderr.write("y".repeat(300_000)); process.exitCode = 1');
    const error = (await agent(undefined, ctx).catch((e: unknown) => e)) as Error;
    expect(logged).toHaveLength(1);
    expect(logged[0]!.length).toBeLessThan(2100);
    expect(error.message.length).toBeLessThan(5000);
  });

  it("is not retried when the program exits with 65", async () => {
    const agent = script("process.exitCode = 65; console.error('no such customer')");
    const error = await agent(undefined, activityContext().ctx).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(FatalError);
    expect(error).toMatchObject({ exitCode: 65, code: "EXIT_65", signal: null });
    expect(isRetryable(retryPolicy(undefined), toFailure(error))).toBe(false);
  });

  it("names the signal that killed the program", async () => {
    const agent = script("process.kill(process.pid, 'SIGKILL'); setInterval(() => 0, 1000)");
    const error = await agent(undefined, activityContext().ctx).catch((e: unknown) => e);
    expect(error).toMatchObject({ name: "CommandError", code: "SIGKILL", exitCode: null, signal: "SIGKILL" });
    expect((error as Error).message).toContain("was killed by SIGKILL");
  });

  it("is not retried when the program does not exist, and says where it was looked for", async () => {
    const agent = commandAgent("agent:ghost", { command: ["no-such-program-here"] });
    const error = (await agent(undefined, activityContext().ctx).catch((e: unknown) => e)) as Error;
    expect(error).toBeInstanceOf(FatalError);
    expect(error.message).toMatch(/agent ghost: no program no-such-program-here was found in PATH \(.*bin/);
  });

  it("says that its folder does not exist rather than blaming the program", async () => {
    const agent = script("0", { cwd: join(folder, "nowhere") });
    await expect(agent(undefined, activityContext().ctx)).rejects.toThrow(
      /the folder .*nowhere \(cwd\) does not exist/,
    );
  });

  it("says that a file is not executable", async () => {
    const file = join(folder, "plain.txt");
    writeFileSync(file, "hello", { mode: 0o644 });
    const agent = commandAgent("agent:plain", { command: [file] });
    await expect(agent(undefined, activityContext().ctx)).rejects.toThrow(/may not be executed; try chmod \+x/);
  });

  it("is stopped and not retried when it prints too much", async () => {
    const agent = script('const s = "z".repeat(65536); const go = () => process.stdout.write(s, go); go();');
    const error = await agent(undefined, activityContext().ctx).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(FatalError);
    expect((error as Error).message).toMatch(/printed more than 2 MiB/);
  });

  it("is not retried when its input is no JSON", async () => {
    const error = await script("0")(10n, activityContext().ctx).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(FatalError);
    expect((error as Error).message).toMatch(/cannot be written as JSON/);
  });
});

describe("stopping a command agent", () => {
  const family = (ignoring: string): string => `
    const { spawn } = require("node:child_process");
    const child = spawn(process.execPath, ["-e", ${JSON.stringify(`${ignoring} setInterval(() => 0, 1000)`)}], { stdio: "inherit" });
    require("node:fs").writeFileSync(process.env.PID_FILE, process.pid + " " + child.pid);
    console.error("started");
    setInterval(() => 0, 1000);`;

  async function startedFamily(ignoring = "") {
    const pidFile = join(folder, `pids-${Math.random().toString(36).slice(2)}`);
    const fixture = activityContext();
    const agent = script(family(ignoring), { env: { PID_FILE: pidFile } });
    const outcome = agent(undefined, fixture.ctx).then(
      () => undefined,
      (error: unknown) => error,
    );
    await vi.waitFor(() => expect(fixture.logged).toContain("started"), { timeout: 10_000 });
    const pids = readFileSync(pidFile, "utf8").split(" ").map(Number);
    return { ...fixture, outcome, pids };
  }

  it("ends the program and its children before it settles, with the reason of the abort", async () => {
    const { abort, outcome, pids } = await startedFamily();
    expect(pids.map(alive)).toEqual([true, true]);
    abort.abort(new Error("timed out after 5s"));
    expect(await outcome).toMatchObject({ message: "timed out after 5s" });
    expect(pids.map(alive)).toEqual([false, false]);
  });

  it("kills what ignores the polite signal", async () => {
    const { abort, outcome, pids } = await startedFamily("process.on('SIGTERM', () => 0);");
    abort.abort(new Error("cancelled"));
    expect(await outcome).toMatchObject({ message: "cancelled" });
    expect(pids.map(alive)).toEqual([false, false]);
  });

  it("does not start the program at all when it was stopped before", async () => {
    const file = join(folder, "never");
    const { ctx, abort } = activityContext();
    abort.abort(new Error("too late"));
    await expect(
      script(`require("node:fs").writeFileSync(${JSON.stringify(file)}, "")`)(undefined, ctx),
    ).rejects.toThrow("too late");
    expect(() => readFileSync(file)).toThrow(/ENOENT/);
  });

  it("ends children that a finished program leaves behind", async () => {
    const agent = commandAgent("agent:forker", { command: ["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"] });
    const pid = (await agent(undefined, activityContext().ctx)) as number;
    expect(alive(pid)).toBe(false);
  });

  it("does not wait for children that hold the output open", async () => {
    const agent = commandAgent("agent:holder", { command: ["sh", "-c", "sleep 600 & echo $!"] });
    const pid = (await agent(undefined, activityContext().ctx)) as number;
    expect(alive(pid)).toBe(false);
  });
});

describe("a process that exits while command agents run", () => {
  it("takes their programs with it", async () => {
    const pidFile = join(folder, "orphan");
    const code = `
      const jiti = require(${JSON.stringify(createRequire(import.meta.url).resolve("jiti"))}).createJiti(process.cwd() + "/");
      jiti.import(${JSON.stringify(fileURLToPath(new URL("process-group.ts", import.meta.url)))}).then(({ startGroup }) => {
        const child = startGroup({ program: "sh", args: ["-c", "trap '' TERM; echo ready; sleep 600"], env: process.env });
        require("node:fs").writeFileSync(${JSON.stringify(pidFile)}, String(child.pid));
        child.stdout.once("data", () => process.exit(0));
      });`;
    execFileSync(process.execPath, ["-e", code]);
    const pid = Number(readFileSync(pidFile, "utf8"));
    await vi.waitFor(() => expect(alive(pid)).toBe(false), { timeout: 5000 });
  });
});

describe("the configuration of a command agent", () => {
  it("refuses a command written as one text and shows the list to write", () => {
    const config = { command: "python3 extract.py --fast" } as unknown as CommandConfig;
    expect(() => commandAgent("agent:x", config)).toThrow(
      'agent:x: command must be a list, because no shell reads it; write command: ["python3", "extract.py", "--fast"]',
    );
  });

  it("carries timeout and retry to the activity", () => {
    const { config } = activityParts(script("0", { timeout: "5s", retry: { maxAttempts: 7 } }));
    expect(config.timeoutMs).toBe(5000);
    expect(config.retry.maxAttempts).toBe(7);
  });
});

/** Whether a process runs; one that has ended but was not yet collected by its parent does not. */
function alive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    try {
      process.kill(pid, 0);
      return process.platform !== "linux";
    } catch {
      return false;
    }
  }
}
