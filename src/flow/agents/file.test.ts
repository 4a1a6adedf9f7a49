import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ErrorCode, isPerdureError, type PerdureError } from "../../core/errors.ts";
import { activityParts, isActivity } from "../../workflow/activity.ts";
import { activityContext } from "./activity-context.fixture.ts";
import { agentsFrom, agentsOf, loadAgentFile } from "./file.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "perdure-agents-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;

/** Writes a file of its own and returns its path. */
function written(extension: string, text: string): string {
  count += 1;
  const file = join(folder, `agents-${count}.${extension}`);
  writeFileSync(file, text);
  return file;
}

async function refusal(promise: Promise<unknown>): Promise<PerdureError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  const code: ErrorCode = "INVALID_ARGUMENT";
  if (!isPerdureError(error, code)) throw error ?? new Error("nothing was refused");
  return error;
}

describe("a YAML file of agents", () => {
  it("defines agents and activities that run programs in its folder", async () => {
    writeFileSync(join(folder, "here.sh"), '#!/bin/sh\necho "$1 in $(pwd)"\n');
    chmodSync(join(folder, "here.sh"), 0o755);
    const file = written(
      "yaml",
      `agents:
  extractor: { command: [./here.sh, extracting] }
  reviewer:
    description: Reads what was written
    command: [echo, fine]
    timeout: 90
    retry: { max_attempts: unlimited, initial: 5, max: 1h, backoff: linear, not_on: [EXIT_7] }
activities:
  etl/load: { command: [cat], output: json }
`,
    );
    const { activities } = await loadAgentFile(file);
    expect(Object.keys(activities)).toEqual(["agent:extractor", "agent:reviewer", "etl/load"]);
    const { ctx } = activityContext();
    expect(await activities["agent:extractor"]!(null, ctx)).toBe(`extracting in ${folder}`);
    expect(await activities["etl/load"]!({ a: 1 }, ctx)).toMatchObject({ input: { a: 1 } });
    expect(activityParts(activities["agent:reviewer"]!).config).toMatchObject({
      timeoutMs: 90_000,
      retry: {
        maxAttempts: Number.POSITIVE_INFINITY,
        initialMs: 5000,
        maxMs: 3_600_000,
        backoff: "linear",
        notOn: ["EXIT_7"],
      },
    });
  });

  it("reports all mistakes together, each with its line and what to write", async () => {
    const file = written(
      "yaml",
      `agents:
  one: { command: "python3 one.py --fast" }
  two: { comand: [echo] }
  three: { command: [sleep, 5], timeout: soon }
activites:
  four: { command: [] }
`,
    );
    const error = await refusal(loadAgentFile(file));
    expect(error.message).toContain(
      `${file}:2:19: error: command must be a list, because no shell reads it; write command: ["python3", "one.py", "--fast"]`,
    );
    expect(error.message).toMatch(/:3:10: error: unknown key "comand" \(did you mean command\?\)/);
    expect(error.message).toMatch(/:4:29: error: command\[1\] is 5, but must be text; write "5"/);
    expect(error.message).toMatch(/:4:42: error: .*a duration such as/);
    expect(error.message).toMatch(/:5:1: error: unknown key "activites" \(did you mean activities\?\)/);
    expect(error.details.problems).toHaveLength(6);
  });

  it("refuses duplicate names with their line", async () => {
    const error = await refusal(
      loadAgentFile(written("yml", "agents:\n  a: { command: [x] }\n  a: { command: [y] }\n")),
    );
    expect(error.message).toMatch(/:3:3: error: the key "a" is there twice/);
  });

  it("refuses a file that is a list", async () => {
    const error = await refusal(loadAgentFile(written("yaml", "- a\n")));
    expect(error.message).toMatch(/the file must be a mapping with agents, activities or both/);
  });

  it("refuses files that do not exist or that nobody can read as agents", async () => {
    expect((await refusal(loadAgentFile(join(folder, "no.yaml")))).message).toMatch(/no\.yaml does not exist/);
    expect((await refusal(loadAgentFile(join(folder, "no.ts")))).message).toMatch(/no\.ts does not exist/);
    expect((await refusal(loadAgentFile("agents.txt"))).message).toMatch(/agents are read from \.yaml, .*\.ts/);
  });
});

describe("a JSON file of agents", () => {
  it("defines agents", async () => {
    const file = written("json", JSON.stringify({ agents: { a: { command: ["echo", "hi"] } } }, undefined, "\t"));
    const { activities } = await loadAgentFile(file);
    expect(await activities["agent:a"]!(null, activityContext().ctx)).toBe("hi");
  });
});

describe("a TypeScript file of agents", () => {
  it("exports functions, activities and commands under names, without a node_modules beside it", async () => {
    const file = written(
      "ts",
      `import { activity, FatalError, type ActivityContext } from "perdure";
interface Order { readonly id: string }
const charge = activity("charge", { timeout: "7s", retry: { maxAttempts: 9 } }, async (order: Order) => "charged " + order.id);
export const agents = {
  greeter: async (input: { who: string }, ctx: ActivityContext) => \`Hello \${input.who}, attempt \${ctx.attempt}\`,
  teller: charge,
  shell: { command: ["echo", "from a program"], timeout: 1500 },
  sceptic: () => { throw new FatalError("never"); },
};
export const activities = [charge];
`,
    );
    const { activities } = await loadAgentFile(file);
    expect(Object.keys(activities).sort()).toEqual([
      "agent:greeter",
      "agent:sceptic",
      "agent:shell",
      "agent:teller",
      "charge",
    ]);
    expect(Object.values(activities).every(isActivity)).toBe(true);
    const { ctx } = activityContext();
    expect(await activities["agent:greeter"]!({ who: "Ada" }, ctx)).toBe("Hello Ada, attempt 2");
    expect(await activities["agent:teller"]!({ id: "7" }, ctx)).toBe("charged 7");
    expect(await activities["agent:shell"]!(null, ctx)).toBe("from a program");
    const { FatalError } = await import("../../workflow/activity.ts");
    await expect(activities["agent:sceptic"]!(null, ctx)).rejects.toBeInstanceOf(FatalError);
    expect(activityParts(activities["agent:teller"]!).config).toMatchObject({
      timeoutMs: 7000,
      retry: { maxAttempts: 9 },
    });
    expect(activityParts(activities["agent:shell"]!).config.timeoutMs).toBe(1500);
  });

  it("may have a default export with both groups, or a bare record that serves as both", async () => {
    const both = await loadAgentFile(
      written("ts", "export default { agents: { a: () => 1 }, activities: { b: () => 2 } };"),
    );
    expect(Object.keys(both.activities)).toEqual(["agent:a", "b"]);
    const bare = await loadAgentFile(written("mjs", "export default { a: () => 1 };"));
    expect(Object.keys(bare.activities)).toEqual(["agent:a", "a"]);
    const common = await loadAgentFile(written("cjs", "module.exports = { agents: { a: () => 1 } };"));
    expect(Object.keys(common.activities)).toEqual(["agent:a"]);
  });

  it("reports all mistakes together with their place in the exports", async () => {
    const file = written(
      "ts",
      `export const agents = { a: 5, b: { command: "x y" }, c: { command: ["x"], max_attempts: 3 } };
export const activities = [() => 1, "d"];`,
    );
    const { message } = await refusal(loadAgentFile(file));
    expect(message).toContain("a must be a function (input, ctx) => output");
    expect(message).toContain('write command: ["x", "y"]');
    expect(message).toContain('unknown key "max_attempts"');
    expect(message.match(/this entry has no name/g)).toHaveLength(2);
  });

  it("says what to export when nothing was", async () => {
    const { message } = await refusal(loadAgentFile(written("ts", "export const answer = 42;")));
    expect(message).toMatch(/exports no agents and no activities \(write: export const agents/);
  });

  it("names the line of a syntax error", async () => {
    const file = written("ts", "export const a = 1;\nexport const b: = 2;\n");
    const error = await refusal(loadAgentFile(file));
    expect(error.message).toMatch(/agents-\d+\.ts:2:\d+: cannot be loaded: Unexpected token/);
    expect(error.details).toMatchObject({ file, line: 2 });
  });

  it("names the line where loading it threw, and keeps the error as the cause", async () => {
    const file = written("ts", "interface A { b: string }\n\nthrow new RangeError('no luck');\n");
    const error = await refusal(loadAgentFile(file));
    expect(error.message).toMatch(/\.ts:3:\d+: cannot be loaded: no luck$/);
    expect(error.cause).toMatchObject({ name: "RangeError" });
  });

  it("names a module that is missing", async () => {
    const error = await refusal(
      loadAgentFile(written("ts", 'import x from "./nowhere";\nexport const agents = { x };\n')),
    );
    expect(error.message).toMatch(/cannot be loaded: Cannot find module '\.\/nowhere'$/);
  });

  it("is read anew each time", async () => {
    const file = written("ts", "export const agents = { a: () => 1 };");
    await loadAgentFile(file);
    writeFileSync(file, "export const agents = { b: () => 1 };");
    expect(Object.keys((await loadAgentFile(file)).activities)).toEqual(["agent:b"]);
  });
});

describe("agents inside a flow", () => {
  it("run in the folder of the flow", async () => {
    const agents = agentsOf({ here: { command: ["pwd"] } }, folder);
    expect(await agents["agent:here"]!(null, activityContext().ctx)).toBe(folder);
  });

  it("are none when the flow describes none", () => {
    expect(agentsOf(undefined, folder)).toEqual({});
  });

  it("are checked like those of a file", () => {
    expect(() => agentsOf({ here: { command: "pwd -L" } }, folder)).toThrow('write command: ["pwd", "-L"]');
  });
});

describe("agents handed over by code", () => {
  it("may be commands, functions and activities, like the exports of a file", async () => {
    const agents = { here: { command: ["pwd"] }, hello: (name: string) => `hello ${name}` };
    const { activities } = agentsFrom({ agents }, { folder });
    expect(await activities["agent:here"]!(null, activityContext().ctx)).toBe(folder);
    expect(await activities["agent:hello"]!("Ada", activityContext().ctx)).toBe("hello Ada");
    expect(agentsFrom({}, { folder }).activities).toEqual({});
  });

  it("are checked, naming the file they came from", () => {
    expect(() => agentsFrom({ agents: { x: 1 } }, { folder, file: "perdure.config.ts" })).toThrow(
      /^perdure\.config\.ts: error: x must be a function/,
    );
  });
});
