import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FlowDefinition, type TaskStep, targetsOf } from "./model.ts";
import { documentApproval, nightlyEtl } from "./picture/sample-flows.fixture.ts";
import { planFlow } from "./plan.ts";

describe("the plan of a flow", () => {
  it("groups steps that can run side by side", () => {
    const plan = planFlow(nightlyEtl);
    expect(plan.levels.slice(0, 3)).toEqual([
      ["validate_sources"],
      ["extract_database", "extract_api", "extract_files"],
      ["merge_extracted_data"],
    ]);
    expect(plan.widest).toBe(3);
    expect(plan.order).toHaveLength(10);
    expect(plan.longestPath).toEqual([
      "validate_sources",
      "extract_database",
      "merge_extracted_data",
      "clean_data",
      "enrich_data",
      "wait_for_maintenance_window",
      "load_to_warehouse",
      "generate_reports",
    ]);
  });

  it("names the gates with what they wait for", () => {
    expect(planFlow(nightlyEtl).gates).toEqual([
      { step: "wait_for_maintenance_window", kind: "timer", cron: "0 3 * * *" },
    ]);
    expect(planFlow(documentApproval).gates).toEqual([
      {
        step: "wait_for_approval",
        kind: "signal",
        signal: "document_approved",
        timeoutMs: 172_800_000,
        onTimeout: "escalate_approval",
      },
      { step: "wait_escalated_approval", kind: "signal", signal: "escalated_approval", timeoutMs: 86_400_000 },
    ]);
  });

  it("puts the target of a branch after the step that triggers it", () => {
    const plan = planFlow(documentApproval);
    expect(plan.branches).toEqual([{ from: "wait_for_approval", to: "escalate_approval", on: "timeout" }]);
    expect(plan.levels).toEqual([
      ["submit_document"],
      ["notify_reviewers"],
      ["wait_for_approval"],
      ["escalate_approval"],
      ["wait_escalated_approval"],
      ["publish_document"],
    ]);
  });

  it("is empty for a flow without steps", () => {
    expect(planFlow({ name: "empty", steps: [] })).toEqual({
      levels: [],
      order: [],
      gates: [],
      branches: [],
      longestPath: [],
      widest: 0,
    });
  });

  it("ends, with every step in it, for flows with cycles and unknown ids", () => {
    const step = (id: string, dependsOn: string[]): TaskStep => ({ kind: "task", id, activity: id, dependsOn });
    const plan = planFlow({ name: "odd", steps: [step("a", ["nobody"]), step("b", ["c"]), step("c", ["b"])] });
    expect(plan.levels).toEqual([["a"], ["b", "c"]]);
    expect(plan.longestPath.length).toBeGreaterThan(0);
  });

  it("keeps every step after what it depends on", () => {
    fc.assert(
      fc.property(anyFlow, (flow) => {
        const plan = planFlow(flow);
        const level = new Map(plan.levels.flatMap((ids, i) => ids.map((id) => [id, i] as const)));
        expect([...plan.order].sort()).toEqual(flow.steps.map((step) => step.id).sort());
        expect(plan.longestPath).toHaveLength(plan.levels.length);
        for (const step of flow.steps) {
          for (const id of step.dependsOn) expect(level.get(id)).toBeLessThan(level.get(step.id)!);
          for (const id of targetsOf(step)) expect(level.get(id)).toBeGreaterThan(level.get(step.id)!);
        }
      }),
    );
  });
});

/** Flows whose steps depend on earlier ones only. */
const anyFlow: fc.Arbitrary<FlowDefinition> = fc
  .array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 25 })
  .map((rows) => ({
    name: "any",
    steps: rows.map((numbers, i) => {
      const dependsOn = i === 0 ? [] : [...new Set(numbers.map((n) => `s${n % i}`))];
      return { kind: "task", id: `s${i}`, activity: "x", dependsOn } satisfies TaskStep;
    }),
  }));
