import { describe, expect, it } from "vitest";
import {
  agent,
  type FlowStep,
  flow,
  type KnownNames,
  task,
  validateFlow,
  waitForSignal,
  waitForTimer,
} from "../../src/flow/index.ts";

function problemsOf(steps: readonly FlowStep[], known?: KnownNames): string[] {
  return validateFlow({ name: "f", steps }, known).map((problem) => `${problem.code} ${problem.path}`);
}

function messageOf(steps: readonly FlowStep[]): string {
  return validateFlow({ name: "f", steps })
    .map((problem) => problem.message)
    .join("\n");
}

describe("validation", () => {
  it("wants a name and steps", () => {
    expect(validateFlow({ name: " ", steps: [] })).toMatchObject([{ code: "empty_name" }, { code: "no_steps" }]);
  });

  it("wants ids that are unique and well-formed", () => {
    expect(problemsOf([task("a", "x"), task("a", "x")])).toEqual(["duplicate_id steps[1].id"]);
    expect(problemsOf([task("", "x"), task("a b", "x"), task("a.b", "x"), task("constructor", "x")])).toEqual([
      "bad_id steps[0].id",
      "bad_id steps[1].id",
      "bad_id steps[2].id",
      "bad_id steps[3].id",
    ]);
    expect(problemsOf([task("fetch-data", "x"), task("2fa", "x"), task("run", "x"), task("_x", "x")])).toEqual([]);
  });

  it("explains unknown, later and self dependencies", () => {
    const steps = [
      task("a", "x", { dependsOn: ["b", "a", "zz"] }),
      task("b", "x"),
      task("c", "x", { dependsOn: ["b", "b"] }),
    ];
    expect(problemsOf(steps)).toEqual([
      "later_dependency steps[0].depends_on[0]",
      "self_dependency steps[0].depends_on[1]",
      "unknown_dependency steps[0].depends_on[2]",
      "duplicate_dependency steps[2].depends_on[1]",
    ]);
    expect(messageOf(steps)).toMatch(/comes later; steps stand in the order in which they can start/);
  });

  it("shows the path of a cycle", () => {
    const steps = [
      task("a", "x", { dependsOn: ["c"] }),
      task("b", "x", { dependsOn: ["a"] }),
      task("c", "x", { dependsOn: ["b"] }),
    ];
    expect(problemsOf(steps)).toEqual(["cycle steps[0].depends_on[0]"]);
    expect(messageOf(steps)).toBe("steps wait for one another: a -> c -> b -> a");
    expect(
      problemsOf([waitForSignal("w", "s", { timeout: 1, onTimeout: "e", dependsOn: ["e"] }), task("e", "x")]),
    ).toEqual(["cycle steps[0].depends_on[0]"]);
  });

  it("wants targets that exist and can be reached", () => {
    expect(
      problemsOf([
        waitForSignal("a", "s", { onTimeout: "b" }),
        task("b", "x", { onError: { goto: "gone" } }),
        task("c", "x", { onError: { goto: "c" } }),
        waitForSignal("d", "s", { timeout: 1, onTimeout: "gone" }),
      ]),
    ).toEqual([
      "target_without_timeout steps[0].signal.on_timeout",
      "unknown_target steps[1].on_error.goto",
      "self_target steps[2].on_error.goto",
      "unknown_target steps[3].signal.on_timeout",
    ]);
  });

  it("wants timers with exactly one of delay and cron, and cron expressions and time zones that exist", () => {
    expect(
      problemsOf([
        waitForTimer("a", {}),
        waitForTimer("b", { delay: 1, cron: "* * * * *" }),
        waitForTimer("c", { cron: "61 * * * *" }),
        waitForTimer("d", { cron: "0 3 * * *", timezone: "Europe/Nowhere" }),
        waitForTimer("e", { delay: -5 }),
        waitForTimer("f", { delay: Number.NaN }),
        waitForTimer("g", { delay: 1e15 }),
        waitForTimer("h", { cron: "0 3 * * *", timezone: "Europe/Berlin" }),
      ]),
    ).toEqual([
      "timer_choice steps[0].timer",
      "timer_choice steps[1].timer",
      "bad_cron steps[2].timer.cron",
      "bad_timezone steps[3].timer.timezone",
      "bad_duration steps[4].timer.delay",
      "bad_duration steps[5].timer.delay",
      "bad_duration steps[6].timer.delay",
    ]);
  });

  it("wants names that are not empty and hold no expressions", () => {
    expect(problemsOf([waitForSignal("a", ""), task("b", " "), agent("c", "${{ input.agent }}")])).toEqual([
      "empty_name steps[0].signal.name",
      "empty_name steps[1].task",
      "bad_expression steps[2].agent",
    ]);
  });

  it("checks names of activities and agents when they are known", () => {
    const steps = [task("a", "etl/load"), agent("b", "writer")];
    expect(problemsOf(steps)).toEqual([]);
    expect(problemsOf(steps, { activities: ["etl/lod"], agents: [] })).toEqual([
      "unknown_activity steps[0].task",
      "unknown_agent steps[1].agent",
    ]);
    expect(problemsOf(steps, { activities: ["etl/load"], agents: ["writer"] })).toEqual([]);
  });

  it("wants expressions that read only what comes before", () => {
    const read = "${{ steps.b.output }}";
    expect(
      problemsOf([
        task("a", "x", { input: read }),
        task("b", "x", { dependsOn: ["a"], when: "steps.a.output.ok && steps.zz.output == 1" }),
        task("c", "x", { input: { deep: [read] } }),
        task("d", "x", { dependsOn: ["b"], input: "${{ steps.a.output }} ${{ steps.d.output }}" }),
      ]),
    ).toEqual([
      "not_upstream steps[0].input",
      "unknown_step steps[1].when",
      "not_upstream steps[2].input.deep[0]",
      "not_upstream steps[3].input",
    ]);
  });

  it("lets a fallback read the step that failed", () => {
    expect(
      problemsOf([
        task("a", "x", { onError: { goto: "b" } }),
        task("b", "x", { input: "${{ steps.a.error.message }}" }),
      ]),
    ).toEqual([]);
  });

  it("wants conditions that can be true or false", () => {
    expect(
      problemsOf([
        task("a", "x", { when: "1 + 1" }),
        task("b", "x", { when: "input.x ==" }),
        task("c", "x", { when: '"yes"' }),
        task("d", "x", { when: "secrets.A == input.x" }),
        task("e", "x", { when: "input.x" }),
        task("f", "x", { when: " " }),
      ]),
    ).toEqual([
      "bad_expression steps[0].when",
      "bad_expression steps[1].when",
      "bad_expression steps[2].when",
      "secret_misused steps[3].when",
      "bad_expression steps[5].when",
    ]);
  });

  it("keeps secrets out of everything but inputs", () => {
    const secret = "${{ secrets.TOKEN }}";
    const made = flow("f", { output: secret }, [task("a", "x", { input: { auth: `Bearer ${secret}` } })]);
    expect(made.validate()).toMatchObject([{ code: "secret_misused", path: "output" }]);
    expect(made.secrets).toEqual(["TOKEN"]);
  });

  it("checks retry policies", () => {
    expect(problemsOf([task("a", "x", { retry: { maxAttempts: 0, factor: 0.5, jitter: 2, initial: -1 } })])).toEqual([
      "bad_duration steps[0].retry.initial",
      "bad_retry steps[0].retry.max_attempts",
      "bad_retry steps[0].retry.factor",
      "bad_retry steps[0].retry.jitter",
    ]);
  });

  it("finds the problems of a long flow in little time", () => {
    const steps = [task("s0", "x")];
    for (let i = 1; i < 5000; i++) {
      steps.push(task(`s${i}`, "x", { dependsOn: [`s${i - 1}`], input: `\${{ steps.s${i - 1}.output }}` }));
    }
    expect(problemsOf(steps)).toEqual([]);
  });
});

describe("steps written in TypeScript", () => {
  it("refuse options they do not know, and name the one that was meant", () => {
    // @ts-expect-error a word of flow files
    expect(() => task("a", "x", { depends_on: ["b"] })).toThrow(
      /unknown option "depends_on"; did you mean dependsOn\?/,
    );
  });

  it("refuse spans that cannot be read", () => {
    expect(() => waitForTimer("a", { delay: "soon" as "1s" })).toThrow(/delay of step a/);
  });
});
