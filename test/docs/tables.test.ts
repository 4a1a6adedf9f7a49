/** Tables of the documentation that state facts of the code, compared with the code. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { formatDuration } from "../../src/core/duration.ts";
import { type ErrorCode, PerdureError } from "../../src/core/errors.ts";
import { DEFAULT_RETRY } from "../../src/core/retry-policy.ts";
import { type Activation, RunView, StepView } from "../../src/flow/cel-environment.ts";
import { compileExpression, isExpressionError } from "../../src/flow/expression.ts";
import { celName } from "../../src/flow/expression-source.ts";
import { FLOW_SCHEMA } from "../../src/flow/schema.ts";
import { openSqliteStore } from "../../src/store/index.ts";
import { openConnection } from "../../src/store/sqlite/driver.ts";
import { scratchFile } from "../store/scratch.ts";
import { code, ROOT, readPage, tableUnder } from "./page.ts";

const page = (name: string): ReturnType<typeof readPage> => readPage(`docs/${name}.md`);
const source = (file: string): string => readFileSync(join(ROOT, file), "utf8");

/** All members of a union of texts in the source. */
function members(file: string, type: string): string[] {
  const plain = source(file).replaceAll(/\/\*\*[\s\S]*?\*\//g, "");
  const union = new RegExp(`export type ${type} =([^;]*);`).exec(plain)?.[1] ?? "";
  return quoted(union).sort();
}

/** The texts in a piece of source. */
function quoted(text: string): string[] {
  return [...text.matchAll(/"([^"]+)"/g)].map((match) => match[1]!);
}

/** The words in backticks in a cell, each up to its first sign. */
function words(cell: string): string[] {
  return [...cell.matchAll(/`(?:wf\.)?(\w+)/g)].map((match) => match[1]!);
}

describe("starting-runs.md", () => {
  it("lists every error code with its HTTP status, exit code and whether trying again helps", () => {
    const codes = members("src/core/errors.ts", "ErrorCode") as ErrorCode[];
    const expected = codes.map((name) => {
      const { httpStatus, exitCode, retryable } = new PerdureError(name, "");
      return [name, String(httpStatus), String(exitCode), retryable ? "yes" : "no"];
    });
    const told = tableUnder(page("starting-runs"), "Errors").map(([name = "", ...cells]) => [
      code(name),
      ...cells.slice(0, 3),
    ]);
    expect(told.sort()).toEqual(expected.sort());
  });

  it("knows every status of runs", () => {
    const told = tableUnder(page("starting-runs"), "Statuses").map(([status = ""]) => code(status));
    expect([...told, "paused", "continued_as_new"].sort()).toEqual(members("src/core/status.ts", "RunStatus"));
  });

  it("knows every option of start and open", () => {
    const fields = (type: string): string[] => {
      const body =
        new RegExp(`export interface ${type} \\{([\\s\\S]*?)\\n\\}`).exec(source("src/client/open.ts"))?.[1] ?? "";
      return [...body.matchAll(/readonly (\w+)\?/g)].map((match) => match[1]!).sort();
    };
    for (const [heading, type] of [
      ["Options of start", "StartOptions"],
      ["Options of open", "OpenOptions"],
    ] as const) {
      expect(
        tableUnder(page("starting-runs"), heading)
          .map(([name = ""]) => code(name))
          .sort(),
      ).toEqual(fields(type));
    }
  });
});

describe("durable-functions.md", () => {
  it("knows every reason for which a run is blocked", () => {
    const reasons = /readonly reason:([^;]*);/.exec(source("src/core/machine.ts"))?.[1] ?? "";
    const told = tableUnder(page("durable-functions"), "When the rule is broken").map(([reason = ""]) => code(reason));
    expect(told.sort()).toEqual(quoted(reasons).sort());
  });

  it("knows everything that wf has", () => {
    const body = source("src/workflow/context.ts").split("export interface WorkflowContext {")[1] ?? "";
    const names = new Set([...body.matchAll(/^ {2}(?:readonly )?(\w+)[<(:]/gm)].map((match) => match[1]!));
    const told = tableUnder(page("durable-functions"), "What `wf` has").flatMap(([cell = ""]) => words(cell));
    expect(told.sort()).toEqual([...names].sort());
  });
});

describe("activities.md", () => {
  it("states the default retry policy", () => {
    const { initialMs, maxMs, ...same } = DEFAULT_RETRY;
    const expected = {
      ...same,
      initial: formatDuration(initialMs),
      max: formatDuration(maxMs),
      on: "[]",
      notOn: undefined,
    };
    const told = Object.fromEntries(
      tableUnder(page("activities"), "Retries").map(([name = "", value = ""]) => [code(name), code(value)]),
    );
    for (const [name, value] of Object.entries(expected))
      if (value !== undefined) expect([name, told[name]]).toEqual([name, String(value)]);
    expect(Object.keys(told).sort()).toEqual(Object.keys(expected).sort());
  });

  it("knows everything that ctx has", () => {
    const body =
      /export interface ActivityContext \{([\s\S]*?)\n\}/.exec(source("src/workflow/activity.ts"))?.[1] ?? "";
    const names = [...body.matchAll(/^ {2}(?:readonly )?(\w+)[(:]/gm)].map((match) => match[1]!);
    const told = tableUnder(page("activities"), "What an activity gets").flatMap(([cell = ""]) => words(cell));
    expect(told.sort()).toEqual(names.sort());
  });
});

describe("flows.md", () => {
  const flows = page("flows");

  it("knows every key of a flow, a step and a retry policy", () => {
    const keys = (heading: string): string[] => tableUnder(flows, heading).flatMap(([cell = ""]) => words(cell));
    const schema = (name: "step" | "retry"): string[] => Object.keys(FLOW_SCHEMA.$defs?.[name]?.properties ?? {});
    expect(keys("The file").sort()).toEqual(Object.keys(FLOW_SCHEMA.properties ?? {}).sort());
    expect(keys("Retry").sort()).toEqual(schema("retry").sort());
    for (const key of schema("step")) expect(flows.text).toMatch(new RegExp(`\`${key}[:\`]`));
  });

  it("lists every code of a problem", () => {
    const told = tableUnder(flows, "Validation").flatMap(([, cell = ""]) => words(cell));
    expect(told.sort()).toEqual(members("src/flow/model.ts", "ProblemCode"));
  });

  it("shows what the wrong flow is told", () => {
    const wrong = flows.text.split("perdure validate wrong.yaml")[1] ?? "";
    const shown = [...wrong.matchAll(/^ {4}wrong\.yaml:(\d+):(\d+): (.*)$/gm)].map((match) => match[3]);
    expect(shown).toHaveLength(5);
  });

  const given = JSON.parse(
    flows.blocks.find(({ language, text }) => language === "json" && text.includes('"steps"'))?.text ?? "{}",
  ) as {
    input: unknown;
    steps: Record<string, object>;
  };
  const steps = Object.fromEntries(
    Object.entries(given.steps).map(([id, step]) => [celName(id), Object.assign(new StepView(), step)]),
  );
  const run = new RunView({ runId: "k3x-1", workflowId: "etl-7", workflow: "etl", startedAt: Date.UTC(2026, 0, 1) });
  const activation: Activation = { input: given.input, steps, run };

  it.each(tableUnder(flows, "Expressions").map(([expression = "", value = ""]) => [code(expression), code(value)]))(
    "%s is %s",
    (expression, value) => {
      const compiled = compileExpression(expression);
      if (isExpressionError(compiled)) throw new Error(compiled.message);
      expect(compiled.evaluate(activation)).toEqual(JSON.parse(value));
    },
  );
});

describe("limits.md", () => {
  const limits = page("limits");
  const rows = limits.text.split("\n").filter((line) => line.startsWith("|") && line.includes("<!--"));

  it.each(rows)("%s", (row) => {
    const [, file = "", name = ""] = /<!-- (\S+) (\w+) -->/.exec(row) ?? [];
    const written = new RegExp(`const ${name}(?:: \\w+)? = ([^;]+);`).exec(source(file))?.[1] ?? "";
    const product = written
      .split("*")
      .map((factor) => Number(factor.trim().replace("UNIT_MS.d", "86400000").replaceAll("_", "")));
    const value = product.reduce((all, factor) => all * factor, 1);
    expect(value, `${name} in ${file}`).toBeGreaterThan(0);
    const days = `${(value / 86_400_000).toLocaleString("en")} days`;
    const forms = [String(value), value.toLocaleString("en"), formatDuration(value), days].map((form) =>
      form.replaceAll(/[()]/g, ""),
    );
    const told = row.split("|")[2]?.trim() ?? "";
    expect(
      forms.some((form) => told === form || told.startsWith(`${form} `)),
      `${told} should be one of ${forms.join(", ")}`,
    ).toBe(true);
  });
});

describe("auditing.md", () => {
  const path = scratchFile();
  const opened = openSqliteStore({ path });
  afterAll(async () => (await opened).close());

  it.each(["runs", "stages", "decisions"])("describes every column of %s", async (view) => {
    await opened;
    const db = openConnection(path);
    const columns = db.prepare(`select name from pragma_table_info('${view}')`).all([]).flat();
    db.close();
    const told = tableUnder(page("auditing"), view).flatMap(([cell = ""]) => words(cell));
    expect(told.sort()).toEqual(columns.sort());
  });

  it("describes every table and every type of event", async () => {
    await opened;
    const db = openConnection(path);
    const tables = db
      .prepare("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
      .all([])
      .flat();
    db.close();
    for (const table of tables) expect(page("auditing").text).toContain(`\`${table}\``);
    for (const type of members("src/core/events.ts", "EventType"))
      expect(page("auditing").text).toContain(`\`${type}\``);
  });
});

describe("stores.md", () => {
  it("names every method of the seam", () => {
    const body = source("src/store/store.ts").split("export interface Store {")[1] ?? "";
    const names = [...body.matchAll(/^ {2}(?:readonly )?(\w+)[(:]/gm)].map((match) => match[1]!);
    const told = tableUnder(page("stores"), "The seam").flatMap(([cell = ""]) => words(cell));
    expect(told.sort()).toEqual(names.sort());
  });
});
