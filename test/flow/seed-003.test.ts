import { describe, expect, it } from "vitest";
import { flow, flowFromDict, flowFromJSON, hasErrors, isFlow, readFlow, task } from "../../src/flow/index.ts";
import { isWorkflow } from "../../src/workflow/workflow.ts";
import {
  configurationClasses,
  documentApproval,
  invalid,
  serialised,
  taskSteps,
  timerSteps,
  VALID,
} from "./seed-003.ts";

describe.each(Object.entries(VALID))("the flow %s", (_name, make) => {
  it("is a valid workflow with a version and a definition", () => {
    const made = make();
    expect(hasErrors(made.validate())).toBe(false);
    expect(isWorkflow(made) && isFlow(made)).toBe(true);
    expect(made.version).toMatch(/^[0-9a-f]{16}$/);
    expect(JSON.parse(made.definition)).toEqual(made.toJSON());
  });

  it("comes back from its JSON the same", () => {
    const made = make();
    const back = flowFromJSON(JSON.stringify(made.toJSON()));
    expect(back.model).toEqual(made.model);
    expect(back.version).toBe(made.version);
    expect(flowFromJSON(made.toJSON()).model).toEqual(made.model);
  });

  it("comes back from its dictionary the same", () => {
    const made = make();
    const dict = made.toDict();
    const back = flowFromDict(dict, made.name);
    expect(back.model).toEqual(made.model);
    expect(back.toDict()).toEqual(dict);
  });
});

describe("the dictionary form", () => {
  it("leaves out empty fields and the type of tasks", () => {
    expect(serialised().toDict()).toEqual({
      steps: [
        { name: "step1", service_name: "svc", handler_name: "h1" },
        { name: "step2", service_name: "svc", handler_name: "h2", dependencies: ["step1"] },
      ],
    });
    expect(serialised().toDict().steps).toHaveLength(2);
  });

  it("has every field of waits, in milliseconds", () => {
    expect(documentApproval().toDict().steps[2]).toEqual({
      name: "wait_for_approval",
      type: "wait_signal",
      dependencies: ["notify_reviewers"],
      signal: { name: "document_approved", timeout_ms: 172_800_000, on_timeout: "escalate_approval" },
    });
    expect(timerSteps().toDict().steps[5]).toEqual({
      name: "retry_with_backoff",
      type: "wait_timer",
      dependencies: ["error_step"],
      timer: { key: "exponential_backoff", delay_ms: 5000, max_retries: 3 },
    });
    expect(configurationClasses().toDict().steps[3]?.timer).toEqual({
      key: "daily_job",
      cron_expr: "0 0 * * *",
      max_retries: 3,
    });
  });

  it("keeps a timeout of 0, and reads timer_key as key", () => {
    const read = flowFromDict(
      {
        steps: [
          { name: "w", type: "wait_signal", signal: { name: "s", timeout_ms: 0, on_timeout: "" } },
          { name: "t", type: "wait_timer", timer: { timer_key: "k", delay_ms: 0 }, dependencies: [], object_keys: [] },
        ],
      },
      "zero",
    );
    expect(read.toDict()).toEqual({
      steps: [
        { name: "w", type: "wait_signal", signal: { name: "s", timeout_ms: 0 } },
        { name: "t", type: "wait_timer", timer: { key: "k", delay_ms: 0 } },
      ],
    });
  });

  it("is recognised in files, which give it its name", () => {
    const text = JSON.stringify(taskSteps().toDict());
    const { definition, problems } = readFlow(text, { file: "flows/task_steps.json" });
    expect(definition).toEqual(taskSteps().model);
    expect(problems.map(({ severity, code, path }) => [severity, code, path])).toEqual([
      ["warning", "unsupported", "steps[4].object_keys"],
    ]);
  });

  it("names what is wrong in its own words", () => {
    const { problems } = readFlow(
      JSON.stringify({
        steps: [
          { name: "a", service_name: "s" },
          { name: "b", type: "wait_signal" },
          { name: "c", type: "wait_timer", timer: { key: "k", delay_ms: -1 }, dependencies: ["z"] },
          { name: "d", service_name: "s", handler_name: "h", timeout: 3 },
        ],
      }),
      { file: "x.json" },
    );
    expect(problems.map(({ code, path }) => [code, path])).toEqual([
      ["missing_key", "steps[0].handler_name"],
      ["missing_key", "steps[1].signal"],
      ["bad_duration", "steps[2].timer.delay_ms"],
      ["unknown_dependency", "steps[2].dependencies[0]"],
      ["unknown_key", "steps[3].timeout"],
    ]);
  });

  it("refuses to write what it has no word for", () => {
    const made = flow("x", [task("a", "b", { when: "true", onError: "continue" })]);
    expect(() => made.toDict()).toThrow(/when of step a, onError of step a, a task without a service of step a/);
  });
});

describe("an invalid flow", () => {
  it("says so before it can start", () => {
    const made = invalid();
    expect(made.validate()).toMatchObject([{ code: "unknown_dependency", path: "steps[0].depends_on[0]" }]);
    expect(() => made.version).toThrow(/flow invalid is invalid, 1 problem:\n.*depends on "step1"/);
  });

  it("becomes valid when the missing steps are added before it", () => {
    const made = flow("later");
    expect(made.validate()).toMatchObject([{ code: "no_steps" }]);
    made.add(task("step1", "svc/h1"), task("step2", "svc/h2", { dependsOn: ["step1"] }));
    expect(made.validate()).toEqual([]);
    const { version } = made;
    made.add(task("step3", "svc/h3", { dependsOn: ["step2"] }));
    expect(made.version).not.toBe(version);
  });
});
