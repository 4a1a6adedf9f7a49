/** Tables of the documentation that state facts of the code, compared with the code. */
import { afterAll, describe, expect, it } from "vitest";
import { CATALOGUE } from "../../src/cli/catalogue.ts";
import { formatDuration } from "../../src/core/duration.ts";
import { type ErrorCode, PerdureError } from "../../src/core/errors.ts";
import { DEFAULT_RETRY } from "../../src/core/retry-policy.ts";
import { type Activation, RunView, StepView } from "../../src/flow/cel-environment.ts";
import { compileExpression, isExpressionError } from "../../src/flow/expression.ts";
import { celName } from "../../src/flow/expression-source.ts";
import { readFlow } from "../../src/flow/reader.ts";
import { FLOW_SCHEMA } from "../../src/flow/schema.ts";
import { openSqliteStore } from "../../src/store/index.ts";
import type { Value } from "../../src/store/rows.ts";
import { openConnection } from "../../src/store/sqlite/driver.ts";
import { scratchFile } from "../store/scratch.ts";
import { code, type Page, readPage, tableUnder } from "./page.ts";
import { constant, fields, members } from "./source.ts";

const page = (name: string): Page => readPage(`docs/${name}.md`);

/** The words in backticks in one column of a table, each up to its first sign. */
function told(of: Page, heading: string, column = 0): string[] {
  const cells = tableUnder(of, heading).map((row) => row[column] ?? "");
  return cells.flatMap((cell) => [...cell.matchAll(/`(?:wf\.)?(\w+)/g)].map((match) => match[1]!)).sort();
}

describe("starting-runs.md", () => {
  const starting = page("starting-runs");

  it("lists every error code with its HTTP status, exit code and whether trying again helps", () => {
    const expected = (members("src/core/errors.ts", "ErrorCode") as ErrorCode[]).map((name) => {
      const { httpStatus, exitCode, retryable } = new PerdureError(name, "");
      return [name, String(httpStatus), String(exitCode), retryable ? "yes" : "no"];
    });
    const rows = tableUnder(starting, "Errors").map(([name = "", ...cells]) => [code(name), ...cells.slice(0, 3)]);
    expect(rows.sort()).toEqual(expected.sort());
  });

  it("knows every status of runs", () => {
    const rows = tableUnder(starting, "Statuses").map(([name = ""]) => code(name));
    expect(rows.sort()).toEqual(members("src/core/status.ts", "RunStatus"));
  });

  it("knows every option of start and open", () => {
    const options = (heading: string): string[] =>
      tableUnder(starting, heading)
        .map(([name = ""]) => code(name))
        .sort();
    expect(options("Options of start")).toEqual(fields("src/client/starts.ts", "StartOptions"));
    expect(options("Options of open")).toEqual(fields("src/client/open-options.ts", "OpenOptions"));
  });
});

describe("durable-functions.md", () => {
  it("knows every reason for which a run is blocked", () => {
    expect(told(page("durable-functions"), "When the rule is broken")).toEqual(members("src/core/ending.ts", "reason"));
  });

  it("knows everything that wf has", () => {
    const names = fields("src/workflow/context.ts", "WorkflowContext");
    expect(told(page("durable-functions"), "What `wf` has")).toEqual(names);
  });
});

describe("command-line.md", () => {
  it("has a row for every command", () => {
    const { text } = page("command-line");
    const rows = text.split("\n").filter((line) => line.startsWith("| `"));
    const names = CATALOGUE.flatMap(([, entries]) => entries.map(({ name }) => name));
    const told = (name: string): boolean => rows.some((row) => new RegExp(`\`${name}(?: [^\`]*)?\``).test(row));
    // `run` has the page's first part.
    expect(names.filter((name) => name !== "run" && !told(name))).toEqual([]);
  });
});

describe("activities.md", () => {
  it("states the default retry policy", () => {
    const { initialMs, maxMs, on, notOn, ...same } = DEFAULT_RETRY;
    const spans = { initial: formatDuration(initialMs), max: formatDuration(maxMs) };
    const expected = { ...same, ...spans, on: JSON.stringify(on), notOn: JSON.stringify(notOn) };
    const rows = tableUnder(page("activities"), "Retries").map(([name = "", value = ""]) => [code(name), code(value)]);
    expect(Object.fromEntries(rows)).toEqual(
      Object.fromEntries(Object.entries(expected).map(([name, value]) => [name, String(value)])),
    );
  });

  it("knows everything that ctx has", () => {
    expect(told(page("activities"), "What an activity gets")).toEqual(
      fields("src/workflow/activity.ts", "ActivityContext"),
    );
  });
});

describe("flows.md", () => {
  const flows = page("flows");

  it("knows every key of a flow, a step and a retry policy", () => {
    const schema = (name: "step" | "retry"): string[] => Object.keys(FLOW_SCHEMA.$defs?.[name]?.properties ?? {});
    expect(told(flows, "The file")).toEqual(Object.keys(FLOW_SCHEMA.properties ?? {}).sort());
    expect(told(flows, "Retry")).toEqual(schema("retry").sort());
    for (const key of schema("step")) expect(flows.text).toMatch(new RegExp(`\`${key}[:\`]`));
  });

  it("lists every code of a problem", () => {
    const listed = tableUnder(flows, "Validation").flatMap(([, cell = ""]) => cell.replaceAll("`", "").split(", "));
    expect(listed.sort()).toEqual(members("src/flow/model.ts", "ProblemCode"));
  });

  it("shows what the wrong flow is told", () => {
    const wrong = flows.blocks.find(({ options }) => options.file === "wrong.yaml")?.text ?? "";
    const lines = readFlow(wrong, { file: "wrong.yaml" }).problems.flatMap((problem) => [
      `    ${problem.file}:${problem.line}:${problem.column}: ${problem.message}`,
      ...(problem.hint === undefined ? [] : [`      hint ${problem.hint}`]),
    ]);
    expect(flows.text).toContain(lines.join("\n"));
  });

  const given = flows.blocks.find(({ language, text }) => language === "json" && text.includes('"steps"'))?.text ?? "";
  const { input, steps } = JSON.parse(given) as { input: unknown; steps: Record<string, object> };
  const views = Object.entries(steps).map(([id, step]) => [celName(id), Object.assign(new StepView(), step)]);
  const run = new RunView({ runId: "k3x-1", workflowId: "etl-7", workflow: "etl", startedAt: Date.UTC(2026, 0, 1) });
  const activation: Activation = { input, steps: Object.fromEntries(views), run };

  it.each(tableUnder(flows, "Expressions").map((row) => row.map(code) as [string, string]))(
    "%s is %s",
    (expression, value) => {
      const compiled = compileExpression(expression);
      if (isExpressionError(compiled)) throw new Error(compiled.message);
      expect(compiled.evaluate(activation)).toEqual(JSON.parse(value));
    },
  );
});

describe("limits.md", () => {
  const rows = page("limits")
    .text.split("\n")
    .filter((line) => line.startsWith("|") && line.includes("<!--"));

  it.each(rows)("%s", (row) => {
    const [, file = "", name = ""] = /<!-- (\S+) (\w+) -->/.exec(row) ?? [];
    const value = constant(file, name);
    const days = `${(value / 86_400_000).toLocaleString("en")} days`;
    const forms = [String(value), value.toLocaleString("en"), formatDuration(value), days];
    const [, , cell = ""] = row.split("|").map((text) => text.trim());
    expect(forms.filter((form) => cell === form || cell.startsWith(`${form} `))).not.toEqual([]);
  });
});

describe("auditing.md", () => {
  const auditing = page("auditing");
  const path = scratchFile();
  const opened = openSqliteStore({ path });
  afterAll(async () => (await opened).close());

  async function query(sql: string): Promise<Value[]> {
    await opened;
    const db = openConnection(path);
    try {
      return db.prepare(sql).all([]).flat();
    } finally {
      db.close();
    }
  }

  it.each(["runs", "stages", "decisions"])("describes every column of %s", async (view) => {
    expect(told(auditing, view)).toEqual((await query(`select name from pragma_table_info('${view}')`)).sort());
  });

  it("describes every table and every type of event", async () => {
    const tables = await query("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'");
    expect(told(auditing, "Tables")).toEqual(tables.sort());
    expect(told(auditing, "Events")).toEqual(members("src/core/events.ts", "EventType"));
  });
});

describe("stores.md", () => {
  it("names every method of the seam", () => {
    const methods = [...fields("src/store/store.ts", "Store"), ...fields("src/store/tasks.ts", "TaskStore")];
    expect(told(page("stores"), "The seam")).toEqual(methods.sort());
  });
});

describe("testing.md", () => {
  it("knows every option of the test kit, and every place to crash at", () => {
    expect(told(page("testing"), "Options")).toEqual(fields("src/testing/test-env-options.ts", "TestKitOptions"));
    const places = tableUnder(page("testing"), "Crashes").flatMap(([cell = ""]) =>
      [...cell.matchAll(/`\{ (\w+):/g)].map((match) => match[1]),
    );
    expect(places.sort()).toEqual(members("src/testing/crash-points.ts", "place"));
  });
});
