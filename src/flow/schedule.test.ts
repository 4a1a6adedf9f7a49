import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FlowStep, targetsOf } from "./model.ts";
import { Schedule, type StepEnd } from "./schedule.ts";
import { agent, task, waitForSignal, waitForTimer } from "./step-builders.ts";

/** Takes all steps that can start now, by id. */
function startable(schedule: Schedule, steps: readonly FlowStep[]): string[] {
  const ids: string[] = [];
  for (let next = schedule.next(); next !== undefined; next = schedule.next()) ids.push(steps[next]!.id);
  return ids;
}

function begin(steps: readonly FlowStep[], maxParallel?: number) {
  const schedule = new Schedule(steps, maxParallel);
  return {
    schedule,
    start: () => startable(schedule, steps),
    end: (id: string, how: StepEnd = "completed") => {
      const index = steps.findIndex((step) => step.id === id);
      schedule.settle(index, how);
      return startable(schedule, steps);
    },
    skips: () => schedule.takeSkips().map(({ index, reason }) => [steps[index]!.id, reason]),
  };
}

describe("a schedule", () => {
  it("starts steps as soon as their dependencies have completed, without barriers between levels", () => {
    const run = begin([
      task("a", "x"),
      task("b", "x"),
      task("a2", "x", { dependsOn: ["a"] }),
      task("b2", "x", { dependsOn: ["b"] }),
      task("end", "x", { dependsOn: ["a2", "b2"] }),
    ]);
    expect(run.start()).toEqual(["a", "b"]);
    expect(run.end("a")).toEqual(["a2"]);
    expect(run.end("a2")).toEqual([]);
    expect(run.end("b")).toEqual(["b2"]);
    expect(run.end("b2")).toEqual(["end"]);
    expect(run.end("end")).toEqual([]);
    expect(run.schedule.done).toBe(true);
  });

  it("starts what is ready in definition order under max_parallel, and does not count waits", () => {
    const run = begin(
      [
        task("a", "x"),
        agent("b", "y"),
        waitForSignal("w", "s"),
        waitForTimer("t", { delay: 1 }),
        task("c", "x"),
        task("d", "x"),
      ],
      2,
    );
    expect(run.start()).toEqual(["a", "b", "w", "t"]);
    expect(run.end("w")).toEqual([]);
    expect(run.end("b")).toEqual(["c"]);
    expect(run.end("a")).toEqual(["d"]);
  });

  it("never starts a target as a root, and skips it when its trigger can no longer happen", () => {
    const steps = [
      waitForSignal("wait", "s", { timeout: "1h", onTimeout: "escalate" }),
      task("escalate", "x"),
      task("after", "x", { dependsOn: ["escalate"] }),
      task("end", "x", { dependsOn: ["wait", "after"] }),
    ];
    const run = begin(steps);
    expect(run.start()).toEqual(["wait"]);
    expect(run.end("wait")).toEqual(["end"]);
    expect(run.skips()).toEqual([
      ["escalate", "not_triggered"],
      ["after", "dependencies_skipped"],
    ]);
  });

  it("starts the target of a timeout, for whose dependants the wait counts as skipped", () => {
    const run = begin([
      waitForSignal("wait", "s", { timeout: "1h", onTimeout: "escalate" }),
      task("escalate", "x"),
      task("only-wait", "x", { dependsOn: ["wait"] }),
      task("both", "x", { dependsOn: ["wait", "escalate"] }),
    ]);
    run.start();
    expect(run.end("wait", { starts: "escalate" })).toEqual(["escalate"]);
    expect(run.skips()).toEqual([["only-wait", "dependencies_skipped"]]);
    expect(run.end("escalate")).toEqual(["both"]);
  });

  it("takes a dependency on the step that triggers a target as met by the trigger", () => {
    const run = begin([
      task("a", "x", { onError: { goto: "fix" } }),
      task("other", "x"),
      task("fix", "x", { dependsOn: ["a", "other"] }),
    ]);
    expect(run.start()).toEqual(["a", "other"]);
    expect(run.end("a", { starts: "fix" })).toEqual([]);
    expect(run.end("other")).toEqual(["fix"]);
  });

  it("starts a shared target once, at the first trigger", () => {
    const run = begin([
      task("a", "x", { onError: { goto: "fix" } }),
      task("b", "x", { onError: { goto: "fix" } }),
      task("fix", "x"),
    ]);
    run.start();
    expect(run.end("a")).toEqual([]);
    expect(run.end("b", { starts: "fix" })).toEqual(["fix"]);
    expect(run.end("fix")).toEqual([]);
    expect(run.schedule.done).toBe(true);
  });

  it("joins any at the first that completes, and skips it when all were skipped", () => {
    const steps = [task("a", "x"), task("b", "x"), task("any", "x", { dependsOn: ["a", "b"], join: "any" })];
    const first = begin(steps);
    first.start();
    expect(first.end("b")).toEqual(["any"]);
    const none = begin(steps);
    none.start();
    none.end("a", "skipped");
    expect(none.end("b", "skipped")).toEqual([]);
    expect(none.skips()).toEqual([["any", "dependencies_skipped"]]);
  });

  it("runs dependants of a step that failed and was continued", () => {
    const run = begin([task("a", "x"), task("b", "x", { dependsOn: ["a"] })]);
    run.start();
    expect(run.end("a", "continued")).toEqual(["b"]);
  });

  it("skips long chains without recursion", () => {
    const steps: FlowStep[] = [task("s0", "x")];
    for (let i = 1; i < 20_000; i++) steps.push(task(`s${i}`, "x", { dependsOn: [`s${i - 1}`] }));
    const run = begin(steps);
    run.start();
    run.end("s0", "skipped");
    expect(run.schedule.done).toBe(true);
    expect(run.skips()).toHaveLength(19_999);
  });
});

/** Random flows without cycles: edges and targets lead forward. */
const flows: fc.Arbitrary<FlowStep[]> = fc
  .array(
    fc.record({
      kind: fc.constantFrom("task", "agent", "signal", "timer"),
      before: fc.array(fc.nat(), { maxLength: 4 }),
      join: fc.constantFrom("all", "any"),
      target: fc.option(fc.nat(), { freq: 4 }),
    }),
    { minLength: 1, maxLength: 25 },
  )
  .map((parts) =>
    parts.map(({ kind, before, join, target }, i) => {
      const dependsOn = i === 0 ? [] : [...new Set(before.map((n) => `s${n % i}`))];
      const later =
        target === null || i === parts.length - 1 ? undefined : `s${i + 1 + (target % (parts.length - 1 - i))}`;
      const settings = { dependsOn, join } as const;
      const goto = later === undefined ? {} : { onError: { goto: later } };
      if (kind === "task") return task(`s${i}`, "x", { ...settings, ...goto });
      if (kind === "agent") return agent(`s${i}`, "x", { ...settings, ...goto });
      if (kind === "timer") return waitForTimer(`s${i}`, { ...settings, delay: 1 });
      const timeout = later === undefined ? {} : { timeout: 1, onTimeout: later };
      return waitForSignal(`s${i}`, "s", { ...settings, ...timeout });
    }),
  );

describe("any schedule of a flow without cycles", () => {
  it("settles every step once, respects dependencies and max_parallel, and never stands still", () => {
    fc.assert(
      fc.property(flows, fc.integer({ min: 1, max: 4 }), fc.infiniteStream(fc.nat()), (steps, maxParallel, dice) => {
        const roll = (): number => dice.next().value as number;
        const schedule = new Schedule(steps, maxParallel);
        const ends = new Map<string, StepEnd>();
        const running: number[] = [];
        const isTarget = new Set(steps.flatMap(targetsOf));
        const settle = (id: string, end: StepEnd): void => {
          expect(ends.has(id)).toBe(false);
          ends.set(id, end);
        };
        const collect = (): void => {
          for (const { index } of schedule.takeSkips()) settle(steps[index]!.id, "skipped");
        };
        while (!schedule.done) {
          for (let next = schedule.next(); next !== undefined; next = schedule.next()) {
            const step = steps[next]!;
            expect(mayStart(step, steps, ends, isTarget)).toBe(true);
            running.push(next);
          }
          const working = running.filter((i) => steps[i]!.kind === "task" || steps[i]!.kind === "agent");
          expect(working.length).toBeLessThanOrEqual(maxParallel);
          expect(running.length).toBeGreaterThan(0);
          const [index] = running.splice(roll() % running.length, 1) as [number];
          const step = steps[index]!;
          const ways: StepEnd[] = [
            "completed",
            "continued",
            "skipped",
            ...targetsOf(step).map((starts) => ({ starts })),
          ];
          const end = ways[roll() % ways.length]!;
          settle(step.id, end);
          schedule.settle(index, end);
          collect();
        }
        expect(running).toEqual([]);
        expect(ends.size).toBe(steps.length);
      }),
      { numRuns: 300 },
    );
  });
});

/** What the rules say about a step that starts, from scratch. */
function mayStart(
  step: FlowStep,
  steps: readonly FlowStep[],
  ends: ReadonlyMap<string, StepEnd>,
  isTarget: ReadonlySet<string>,
): boolean {
  const sources = steps.filter((other) => targetsOf(other).includes(step.id)).map((other) => other.id);
  const triggered = sources.some((id) => {
    const end = ends.get(id);
    return typeof end === "object" && end.starts === step.id;
  });
  if (isTarget.has(step.id) && !triggered) return false;
  const before = step.dependsOn.filter((id) => !sources.includes(id)).map((id) => ends.get(id));
  if (before.length === 0) return true;
  const satisfied = before.some((end) => end === "completed" || end === "continued");
  return satisfied && (step.join === "any" || before.every((end) => end !== undefined));
}
