/** Everything that can be known to be wrong with a flow before it runs, reported at once. */
import { PerdureError } from "../core/errors.ts";
import { didYouMean } from "../core/suggestion.ts";
import { checkSchedule } from "./flow-schedule.ts";
import { checkGraph } from "./graph-checks.ts";
import type { FlowDefinition, FlowStep, Problem } from "./model.ts";
import { type Finding, formatProblem, hasErrors, type Path, placed } from "./problem.ts";
import { compileFlow } from "./program.ts";
import { checkRetry, checkSpan, checkStep } from "./step-checks.ts";

/** Names the caller knows. What is left out is not checked. */
export interface KnownNames {
  /** Names of all activities that flows can call. */
  readonly activities?: Iterable<string>;
  /** Names of all agents beside those in the flow itself. */
  readonly agents?: Iterable<string>;
  /** The current time, epoch milliseconds: a schedule that starts nothing after it is a warning. */
  readonly now?: number;
}

/** All problems of a flow. An empty list, or one of warnings only, means that it can run. */
export function validateFlow(definition: FlowDefinition, known: KnownNames = {}): Problem[] {
  return placed(checkDefinition(definition, known));
}

/** @throws PerdureError `INVALID_ARGUMENT` that lists all errors, if there are any. */
export function assertValid(name: string, problems: readonly Problem[]): void {
  if (!hasErrors(problems)) return;
  const errors = problems.filter((problem) => problem.severity === "error");
  const lines = errors.map((problem) => `  ${formatProblem(problem)}`);
  const count = errors.length === 1 ? "1 problem" : `${errors.length} problems`;
  throw new PerdureError("INVALID_ARGUMENT", `flow ${name} is invalid, ${count}:\n${lines.join("\n")}`, {
    details: { problems: [...problems] },
  });
}

/** The checks behind {@link validateFlow}. Steps in `partial` do not say what they are; that was reported elsewhere. */
export function checkDefinition(
  definition: FlowDefinition,
  known: KnownNames,
  partial: ReadonlySet<number> = new Set(),
): Finding[] {
  const { findings, references } = compileFlow(definition);
  return [
    ...checkTop(definition, known.now),
    ...definition.steps.flatMap((step, i) =>
      checkStep(step, ["steps", i]).filter((finding) => !(partial.has(i) && finding.path[2] === "task")),
    ),
    ...checkNames(definition, known, partial),
    ...checkGraph(definition.steps, references),
    ...findings,
  ];
}

function checkTop(definition: FlowDefinition, now: number | undefined): Finding[] {
  const findings = [...checkSpan(definition.timeoutMs, ["timeout"]), ...checkRetry(definition.retry, ["retry"])];
  if (definition.name.trim() === "")
    findings.push({ code: "empty_name", path: ["name"], message: "the flow has no name" });
  if (definition.steps.length === 0) {
    findings.push({ code: "no_steps", path: ["steps"], message: "the flow has no steps", hint: "add at least one" });
  }
  const { maxParallel } = definition;
  if (maxParallel !== undefined && !(Number.isInteger(maxParallel) && maxParallel >= 1)) {
    const message = `max_parallel must be a whole number from 1, not ${maxParallel}`;
    findings.push({ code: "bad_value", path: ["max_parallel"], message });
  }
  findings.push(...checkSchedule(definition, now));
  return findings;
}

function checkNames(definition: FlowDefinition, known: KnownNames, partial: ReadonlySet<number>): Finding[] {
  const activities = known.activities === undefined ? undefined : new Set(known.activities);
  const agents = known.agents === undefined ? undefined : new Set(known.agents);
  for (const name of Object.keys(definition.agents ?? {})) agents?.add(name);
  return definition.steps.flatMap((step: FlowStep, i): Finding[] => {
    const path: Path = ["steps", i, step.kind];
    if (step.kind === "task" && step.activity !== "" && !partial.has(i)) {
      return unknownName("activity", step.activity, activities, path);
    }
    return step.kind === "agent" && step.agent !== "" ? unknownName("agent", step.agent, agents, path) : [];
  });
}

function unknownName(
  what: "activity" | "agent",
  name: string,
  known: ReadonlySet<string> | undefined,
  path: Path,
): Finding[] {
  if (known === undefined || known.has(name)) return [];
  const message = `there is no ${what} ${JSON.stringify(name)}`;
  return [{ code: `unknown_${what}`, path, message, hint: didYouMean(name, known) }];
}
