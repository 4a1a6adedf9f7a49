/** A flow made ready to run: expressions compiled, defaults merged. Compiling is also how expressions are checked. */
import type { RetryOptions } from "../core/retry-policy.ts";
import type { AnyActivity } from "../workflow/activity.ts";
import { activityOf } from "./activity-reference.ts";
import { compileExpression, type Expression, isExpressionError } from "./expression.ts";
import { celName, readSource } from "./expression-source.ts";
import type { FlowDefinition, FlowRetry, FlowStep, Json } from "./model.ts";
import type { Finding, Path } from "./problem.ts";
import { compileTemplate, type Reference, secretFinding, type Template } from "./template.ts";

/** What the interpreter runs. */
export interface FlowProgram {
  readonly definition: FlowDefinition;
  readonly steps: readonly ProgramStep[];
  readonly output: Template | undefined;
  /** Ids of the steps no other step depends on: their outputs are the run's output unless it is described. */
  readonly last: readonly string[];
}

/** One step of a program. */
export interface ProgramStep {
  readonly step: FlowStep;
  /** Its name inside expressions. */
  readonly celName: string;
  readonly when: Expression | undefined;
  readonly input: Template | undefined;
  readonly retry: RetryOptions | undefined;
  /** What a task or agent calls. */
  readonly activity: AnyActivity | string;
}

/** What compiling gave. `references` has, by step index (-1 for the output), which steps are read where. */
export interface Compiled {
  readonly program: FlowProgram;
  readonly findings: readonly Finding[];
  readonly references: readonly (Reference & { readonly reader: number })[];
  readonly secrets: readonly string[];
}

/**
 * Compiles every expression of a flow. Wrong ones are reported and left out.
 *
 * @param agents the flow's own agents as activities; other agents are called by name.
 */
export function compileFlow(definition: FlowDefinition, agents: Readonly<Record<string, AnyActivity>> = {}): Compiled {
  const findings: Finding[] = [];
  const references: (Reference & { readonly reader: number })[] = [];
  const secrets = new Set<string>();
  const collect = (template: Template | undefined, reader: number): void => {
    for (const reference of template?.references ?? []) references.push({ ...reference, reader });
    for (const name of template?.secrets ?? []) secrets.add(name);
  };
  const steps = definition.steps.map((step, index) => {
    const path = ["steps", index];
    const input = compileInput(step, [...path, "input"], findings);
    collect(input, index);
    const when = step.when === undefined ? undefined : compileWhen(step.when, [...path, "when"], findings);
    for (const id of when?.steps ?? [])
      references.push({ id, path: [...path, "when"], excerpt: step.when!, reader: index });
    return {
      step,
      celName: celName(step.id),
      when,
      input,
      retry: retryOf(definition, step),
      activity: callee(step, agents),
    };
  });
  const output =
    definition.output === undefined
      ? undefined
      : compileTemplate(definition.output, { path: ["output"], allowSecrets: false, findings });
  collect(output, -1);
  const program = { definition, steps, output, last: lastSteps(definition.steps) };
  return { program, findings, references, secrets: [...secrets] };
}

function compileInput(step: FlowStep, path: Path, findings: Finding[]): Template | undefined {
  const input: Json | undefined = step.kind === "task" || step.kind === "agent" ? step.input : undefined;
  return input === undefined ? undefined : compileTemplate(input, { path, allowSecrets: true, findings });
}

function compileWhen(source: string, path: Path, findings: Finding[]): Expression | undefined {
  if (source.trim() === "") {
    findings.push({ code: "bad_expression", path, message: "when is empty" });
    return undefined;
  }
  if (readSource(source).secrets) {
    findings.push(secretFinding(source, path, false));
    return undefined;
  }
  const compiled = compileExpression(source);
  if (isExpressionError(compiled)) {
    const hint = source.includes("${{") ? "when is an expression already; leave out ${{ }}" : compiled.hint;
    findings.push({ code: "bad_expression", path, message: `when: ${source}: ${compiled.message}`, hint });
    return undefined;
  }
  if (!["bool", "dyn", "optional<dyn>", "optional<bool>"].includes(compiled.type)) {
    findings.push({
      code: "bad_expression",
      path,
      message: `when: ${source}: must give true or false, but gives ${compiled.type}`,
    });
  }
  return compiled;
}

/** What a task or agent calls: by reference where the flow has it, otherwise by name. */
function callee(step: FlowStep, agents: Readonly<Record<string, AnyActivity>>): AnyActivity | string {
  if (step.kind === "task") return activityOf(step) ?? step.activity;
  if (step.kind !== "agent") return "";
  const name = agentActivity(step.agent);
  return Object.hasOwn(agents, name) ? agents[name]! : name;
}

/** Name of the activity that runs an agent. */
export function agentActivity(agent: string): string {
  return `agent:${agent}`;
}

/** The step's policy over the flow's; nothing when neither says anything. */
function retryOf(definition: FlowDefinition, step: FlowStep): RetryOptions | undefined {
  if (step.kind !== "task" && step.kind !== "agent") return undefined;
  const retry: FlowRetry = { ...definition.retry, ...step.retry };
  if (Object.keys(retry).length === 0) return undefined;
  const { initialMs, maxMs, ...same } = retry;
  return {
    ...same,
    ...(initialMs !== undefined && { initial: initialMs }),
    ...(maxMs !== undefined && { max: maxMs }),
  };
}

function lastSteps(steps: readonly FlowStep[]): string[] {
  const needed = new Set(steps.flatMap((step) => step.dependsOn));
  return steps.filter((step) => !needed.has(step.id)).map((step) => step.id);
}
