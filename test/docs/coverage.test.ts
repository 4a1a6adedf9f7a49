/** Nothing public is hidden: what authors and callers can use stands in the documentation as code, and has a test. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { code, pages, ROOT, readPage, tableUnder } from "./page.ts";
import { fields, methods } from "./source.ts";

/** All that the pages show as code, in blocks and in the text. */
const shown = pages()
  .flatMap(({ text }) => [...text.matchAll(/```[\s\S]*?```|`[^`\n]+`/g)].map((match) => match[0]))
  .join("\n");

function missing(names: readonly string[], as: (name: string) => string): string[] {
  expect(names.length).toBeGreaterThan(0);
  return names.filter((name) => !new RegExp(as(name)).test(shown));
}

/** Public only for other files of the client. */
const internal = new Set(["answerTo"]);

const member = (name: string): string => `(?:\\.|\`)${name}\\b`;
const option = (name: string): string => `(?:[{,]\\s*|\`)${name}\\b`;

describe("the documentation shows", () => {
  it.each(fields("src/workflow/context.ts", "WorkflowContext"))("wf.%s", (name) => {
    expect(shown).toMatch(new RegExp(`wf\\.${name}\\b`));
  });

  it.each([
    ["an activity's context", fields("src/workflow/activity.ts", "ActivityContext")],
    ["a run's handle", methods("src/client/run-handle.ts", "RunHandle").filter((name) => !internal.has(name))],
    ["an update's handle", fields("src/client/run-handle.ts", "UpdateHandle")],
    ["an engine", methods("src/client/perdure.ts", "Perdure")],
    ["its runs", methods("src/client/runs.ts", "Runs")],
    ["its schedules", methods("src/client/schedules.ts", "Schedules").filter((name) => name !== "make")],
    ["a schedule's handle", methods("src/client/schedules.ts", "ScheduleHandle").filter((name) => name !== "change")],
    ["a connection", fields("src/client/connection.ts", "Connection").filter((name) => name !== "store")],
    ["a callback", fields("src/workflow/context.ts", "Callback")],
    ["a child's handle", fields("src/workflow/context.ts", "ChildHandle")],
    ["another run", fields("src/workflow/context.ts", "PeerHandle")],
    ["a saga", fields("src/workflow/saga.ts", "Saga")],
    ["a run's facts", fields("src/workflow/context.ts", "RunInfo")],
    ["an entity's context", fields("src/workflow/entity.ts", "EntityContext")],
    ["an approval's decision", fields("src/workflow/context.ts", "Decision").filter((name) => name !== "at")],
    ["a description", fields("src/client/run-description.ts", "RunDescription").filter((name) => !/At$/.test(name))],
  ])("every member of %s", (_, names) => {
    expect(missing(names, member)).toEqual([]);
  });

  it.each([
    ["open", "src/client/open-options.ts", "OpenOptions"],
    ["start", "src/client/starts.ts", "StartOptions"],
    ["signalWithStart", "src/client/starts.ts", "WithSignal"],
    ["updateWithStart", "src/client/starts.ts", "WithUpdate"],
    ["runs.list", "src/client/runs.ts", "ListOptions"],
    ["schedules", "src/workflow/schedule-spec.ts", "ScheduleTiming"],
    ["schedules.backfill", "src/client/schedules.ts", "BackfillOptions"],
    ["connect", "src/client/connect.ts", "ConnectOptions"],
    ["updates", "src/client/run-handle.ts", "UpdateOptions"],
    ["activities", "src/workflow/activity.ts", "ActivityOptions"],
    ["retries", "src/core/retry-policy.ts", "RetryOptions"],
    ["steps", "src/workflow/context.ts", "StepOptions"],
    ["children", "src/workflow/context.ts", "ChildOptions"],
    ["wf.map", "src/workflow/map.ts", "MapOptions"],
    ["entities", "src/workflow/entity.ts", "EntityDefinition"],
    ["their operations", "src/workflow/entity.ts", "OperationOptions"],
  ])("every option of %s", (_, file, name) => {
    expect(missing(fields(file, name), option)).toEqual([]);
  });

  it("everything that is exported to be called", () => {
    const exported = readFileSync(join(ROOT, "src/index.ts"), "utf8").matchAll(/export (?!type)\{([^}]*)\}/g);
    const names = [...exported].flatMap(([, list = ""]) => list.split(",").map((name) => name.trim()));
    const values = names.filter((name) => name !== "" && !name.startsWith("type "));
    expect(values.filter((name) => !new RegExp(`\\b${name}\\b`).test(shown))).toEqual([]);
  });
});

describe("ARCHITECTURE.md", () => {
  const architecture = readPage("ARCHITECTURE.md");
  const rows = tableUnder(architecture, "Features and their tests");
  const paths = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);

  it.each(rows)("%s is kept and tested where it says", (_, kept = "", tested = "") => {
    expect(paths(kept).length).toBeGreaterThan(0);
    expect(paths(tested).length).toBeGreaterThan(0);
    expect(paths(kept).filter((path) => !existsSync(join(ROOT, "src", path)))).toEqual([]);
    expect(paths(tested).filter((path) => !existsSync(join(ROOT, "test", path)))).toEqual([]);
  });

  it.each(rows.map(([feature = "", , tested = ""]) => [feature, tested]))(
    "%s occurs in its test",
    (feature, tested) => {
      const text = paths(tested)
        .map((path) => readFileSync(join(ROOT, "test", path), "utf8"))
        .join("\n");
      const words = paths(feature).map((word) => /[\w:]+$/.exec(word.replace(/\(.*/, ""))?.[0] ?? word);
      expect(words.filter((word) => !text.includes(word))).toEqual([]);
    },
  );

  it("has a row for everything that workflow code can use", () => {
    const named = new Set(rows.flatMap(([feature = ""]) => paths(feature)));
    const members = fields("src/workflow/context.ts", "WorkflowContext").map((name) => `wf.${name}`);
    const handle = methods("src/client/run-handle.ts", "RunHandle").map((name) => `handle.${name}`);
    expect([...members, ...handle].filter((name) => !named.has(name) && !plain.has(name))).toEqual([]);
  });

  /** What every test uses. */
  const plain = new Set(["handle.workflowId", "handle.runId", "handle.answerTo"]);

  it("names only files that exist", () => {
    const files = [
      ...architecture.text.matchAll(
        /`((?:src|test|core|workflow|store|flow|engine|client|cli|testing)\/[\w./-]+\.\w+)`/g,
      ),
    ];
    const absent = files
      .map((match) => match[1]!)
      .filter((path) => ![path, `src/${path}`, `test/${path}`].some((one) => existsSync(join(ROOT, one))));
    expect(absent).toEqual([]);
  });

  it("has a row for every rule that the code cites", () => {
    const rules = new Set(tableUnder(architecture, "Rules").map(([rule = ""]) => Number.parseInt(rule, 10)));
    const cited = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .flatMap((name) => [...readFileSync(join(ROOT, "src", name), "utf8").matchAll(/\brules? (\d+)/g)])
      .map((match) => Number(match[1]));
    expect(cited.length).toBeGreaterThan(0);
    expect([...new Set(cited.filter((rule) => !rules.has(rule)))]).toEqual([]);
  });

  it("says of every rule where it is kept and tested", () => {
    const rules = tableUnder(architecture, "Rules");
    expect(rules.length).toBeGreaterThan(10);
    for (const [number = "", , kept = "", tested = ""] of rules) {
      expect(
        paths(kept).filter((path) => !existsSync(join(ROOT, "src", path))),
        number,
      ).toEqual([]);
      expect(
        paths(tested).filter((path) => !existsSync(join(ROOT, "test", path))),
        number,
      ).toEqual([]);
      expect(code(kept)).not.toBe(kept);
      expect(code(tested)).not.toBe(tested);
    }
  });
});
