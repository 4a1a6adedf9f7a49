import { describe, expect, it } from "vitest";
import { RunView, StepView } from "./cel-environment.ts";
import type { Json } from "./model.ts";
import type { Finding } from "./problem.ts";
import { compileTemplate, renderTemplate } from "./template.ts";

const activation = {
  input: { n: 2, name: "ada", list: [1, 2], nothing: null },
  steps: { fetch: Object.assign(new StepView(), { output: { total: 3 }, status: "completed" }) },
  run: new RunView({ runId: "r", workflowId: "w", workflow: "f", startedAt: 0 }),
};

function compile(json: Json, allowSecrets = true) {
  const findings: Finding[] = [];
  return { template: compileTemplate(json, { path: ["input"], allowSecrets, findings }), findings };
}

function render(json: Json) {
  const { template, findings } = compile(json);
  expect(findings).toEqual([]);
  return renderTemplate(template, activation);
}

describe("templates", () => {
  it("keep the type of an expression that stands alone", () => {
    expect(render({ a: "${{ input.list }}", b: ["${{ input.n + 1 }}"], c: "x" }).value).toEqual({
      a: [1, 2],
      b: [3],
      c: "x",
    });
    expect(render("${{ input.nothing }}").value).toBeNull();
  });

  it("make text of anything mixed: nothing for null, JSON for data", () => {
    expect(render("n=${{ input.n }}, ${{ input.list }}${{ input.nothing }}.").value).toBe("n=2, [1,2].");
  });

  it("hand secrets on by name and never evaluate them", () => {
    const { value, secretInputs } = render({
      headers: [{ auth: "Bearer ${{ secrets.TOKEN }} for ${{ input.name }}" }],
      key: "${{ secrets.KEY }}",
    });
    expect(value).toEqual({ headers: [{ auth: "Bearer ${{ secrets.TOKEN }} for ada" }], key: "${{ secrets.KEY }}" });
    expect(secretInputs).toEqual([
      { path: ["headers", 0, "auth"], parts: ["Bearer ", { secret: "TOKEN" }, " for ", "ada"] },
      { path: ["key"], parts: [{ secret: "KEY" }] },
    ]);
  });

  it("refuse secrets inside expressions, and anywhere but in inputs", () => {
    expect(compile("${{ secrets.A + secrets.B }}").findings).toMatchObject([{ code: "secret_misused" }]);
    expect(compile("${{ size(secrets.A) }}").findings).toMatchObject([{ code: "secret_misused" }]);
    expect(compile("${{ secrets.A }}", false).findings).toMatchObject([{ code: "secret_misused" }]);
  });

  it("say which steps they read, and what is wrong where", () => {
    expect(compile({ a: ["${{ steps.fetch.output.total }}"] }).template.references).toEqual([
      { id: "fetch", path: ["input", "a", 0], excerpt: "steps.fetch.output.total" },
    ]);
    expect(compile({ a: "${{ 1 + }}", b: "${{ x", "${{ k }}": 1 }).findings.map((f) => [f.code, f.path])).toEqual([
      ["bad_expression", ["input", "a"]],
      ["bad_expression", ["input", "b"]],
      ["bad_expression", ["input", "${{ k }}"]],
    ]);
  });

  it("do not evaluate what comes out of data", () => {
    const { template } = compile("${{ input.text }}");
    const rendered = renderTemplate(template, { ...activation, input: { text: "${{ secrets.TOKEN }}" } });
    expect(rendered).toEqual({ value: "${{ secrets.TOKEN }}", secretInputs: [] });
  });
});
