import { describe, expect, it } from "vitest";
import { type Activation, RunView, StepView } from "./cel-environment.ts";
import { compileExpression, isExpressionError } from "./expression.ts";
import { celName, readSource, secretName, splitTemplate } from "./expression-source.ts";

function view(output: unknown, status = "completed", error: unknown = null): StepView {
  return Object.assign(new StepView(), { output, status, error });
}

const activation: Activation = {
  input: { n: 5, i: 1, half: 1.5, list: [10, 20], nothing: null, name: "ada", steps: { a: 1 }, deep: { a: {} } },
  steps: {
    [celName("fetch-data")]: view({ n: 7, ok: true, rows: [{ id: 1 }, { id: 2 }] }),
    skipped: view(null, "skipped"),
    [celName("in")]: view("word"),
    [celName("2fa")]: view("digit"),
    broken: view(null, "failed", { name: "Error", message: "boom" }),
  },
  run: new RunView({ runId: "r1", workflowId: "w1", workflow: "etl", startedAt: 0 }),
};

function evaluate(source: string): unknown {
  const compiled = compileExpression(source);
  if (isExpressionError(compiled)) throw new Error(compiled.message);
  return compiled.evaluate(activation);
}

describe("expressions", () => {
  it.each([
    ["input.n + 1", 6],
    ["1 + input.n", 6],
    ["(input.n * 2) + 1 - 0.5", 10.5],
    ["input.n / 2", 2.5],
    ["input.n % 2 == 1", true],
    ["input.half * 2", 3],
    ["2.5 * 2", 5],
    ["size(input.list) + input.n", 7],
    ["input.list.map(x, x * 2)", [20, 40]],
    ["input.list[input.i]", 20],
    ["input.n == 5 && input.n in [5, 6]", true],
    ['{"a": [1, 2], "b": {"c": 3}}', { a: [1, 2], b: { c: 3 } }],
    ["uint(3)", 3],
  ])("mixes JSON numbers and integers: %s", (source, value) => {
    expect(evaluate(source)).toEqual(value);
  });

  it.each([
    ['"n=" + input.n', "n=5"],
    ['input.n + "!"', "5!"],
    ['"size " + size(input.list)', "size 2"],
    ['input.name + ": " + input.half', "ada: 1.5"],
  ])("joins texts and numbers: %s", (source, value) => {
    expect(evaluate(source)).toBe(value);
  });

  it.each([
    ["steps.fetch-data.output.n", 7],
    ['steps["fetch-data"].output.n', 7],
    ["steps['fetch-data'].status", "completed"],
    ["steps.in.output", "word"],
    ["steps.2fa.output", "digit"],
    ["has(steps.fetch-data.output.n)", true],
    ["has(steps.fetch-data.output.m)", false],
    ["steps.fetch-data.output.rows.map(r, r.id)", [1, 2]],
    ["steps.broken.error.message", "boom"],
    ["input.steps.a", 1],
    ['"steps.fetch-data.output"', "steps.fetch-data.output"],
  ])("reads steps whatever their ids: %s", (source, value) => {
    expect(evaluate(source)).toEqual(value);
  });

  it("gives null for outputs that were never set and for the default of absent keys", () => {
    expect(evaluate("steps.skipped.output")).toBeNull();
    expect(evaluate("steps.skipped.output == null")).toBe(true);
    expect(evaluate("steps.skipped.output.?total.orValue(3)")).toBe(3);
    expect(evaluate('input.?a.?b.orValue("x")')).toBe("x");
    expect(evaluate("input.?absent")).toBeNull();
  });

  it("knows the run", () => {
    expect(evaluate('run.name + "/" + run.workflow_id + "/" + run.id + "@" + run.started_at')).toBe(
      "etl/w1/r1@1970-01-01T00:00:00.000Z",
    );
  });

  it.each([
    ["1 +", /unexpected token/],
    ["foo.bar", /unknown variable: foo/],
    ["steps.skipped.status == 3", /no such overload: string == int/],
    ["steps.skipped.outputs", /no such key: outputs/],
    ["run.nmae", /no such key: nmae/],
    ['"a" - 1', /no such overload/],
    ["steps", /steps\.<id> only/],
    ["steps[input.name]", /steps\.<id> only/],
    ["", /empty/],
  ])("says at once what is wrong with %s", (source, message) => {
    const compiled = compileExpression(source);
    expect(isExpressionError(compiled) && compiled.message).toMatch(message);
  });

  it("bounds length and nesting", () => {
    expect(compileExpression(`"${"x".repeat(5000)}"`)).toMatchObject({
      message: expect.stringMatching(/5002 characters, allowed are 4096/),
    });
    expect(compileExpression(`${"(".repeat(80)}1${")".repeat(80)}`)).toMatchObject({
      message: expect.stringMatching(/depth/i),
    });
  });

  it("suggests the variable or spelling that was meant", () => {
    expect(compileExpression("inptu.a")).toMatchObject({ hint: "did you mean input?" });
    expect(compileExpression("input.my-key")).toMatchObject({ hint: 'write ["…-key"] for a key with a hyphen' });
    expect(compileExpression("input.a = 1")).toMatchObject({ hint: "compare with ==" });
  });

  it("names the expression when its evaluation fails", () => {
    expect(() => evaluate("input.absent.key")).toThrow(/\$\{\{ input\.absent\.key \}\}: no such key: absent/);
    expect(() => evaluate("9007199254740993")).toThrow(/too large/);
  });
});

describe("the text of expressions", () => {
  it("splits at the closing braces, not at those inside strings and maps", () => {
    expect(splitTemplate('a ${{ {"x": {"y": 1}} }} b')).toEqual([
      { text: "a " },
      { expression: '{"x": {"y": 1}}' },
      { text: " b" },
    ]);
    expect(splitTemplate('${{ "}}" + r"\\" }}')).toEqual([{ expression: '"}}" + r"\\"' }]);
    expect(splitTemplate("${{ a }}${{ b }}")).toEqual([{ expression: "a" }, { expression: "b" }]);
    expect(splitTemplate("${{ a ")).toBeUndefined();
    expect(splitTemplate("plain }} text")).toEqual([{ text: "plain }} text" }]);
  });

  it("names steps and secrets outside of strings and comments only", () => {
    expect(readSource('steps.a.output + steps["b-c"].status // steps.d')).toMatchObject({
      steps: ["a", "b-c"],
      bareSteps: false,
      secrets: false,
    });
    expect(readSource('"secrets.A" + input.secrets').secrets).toBe(false);
    expect(readSource("secrets.A + 1").secrets).toBe(true);
  });

  it("recognises a secret that stands alone", () => {
    expect(secretName(" secrets.API_KEY ")).toBe("API_KEY");
    expect(secretName("secrets.A + secrets.B")).toBeUndefined();
  });

  it("gives different steps different names", () => {
    const ids = ["a-b", "a_b", "_x_a_hb", "in", "_x_in", "2a", "a--b", "a-_b", "a_-b"];
    expect(new Set(ids.map(celName)).size).toBe(ids.length);
  });
});
