/**
 * The dictionary form: `{"steps": [{name, service_name, handler_name, dependencies, …}]}`. It knows tasks, signal waits and
 * timer waits; spans are milliseconds. Read and written field by field, empty fields left out.
 */
import { PerdureError } from "../core/errors.ts";
import type { FlowDefinition, FlowStep, Json, SignalConfig, TimerConfig } from "./model.ts";
import type { Finding, Path } from "./problem.ts";

/** A flow in the dictionary form. */
export interface FlowDict {
  readonly steps: readonly StepDict[];
}

/** One step in the dictionary form. */
export interface StepDict {
  readonly name: string;
  /** Left out for tasks. */
  readonly type?: "task" | "wait_signal" | "wait_timer";
  readonly service_name?: string;
  readonly handler_name?: string;
  readonly dependencies?: readonly string[];
  readonly object_keys?: readonly string[];
  readonly input_data?: Json;
  readonly signal?: { readonly name: string; readonly timeout_ms?: number; readonly on_timeout?: string };
  readonly timer?: TimerDict;
}

/** A timer in the dictionary form. */
export interface TimerDict {
  readonly key: string;
  readonly delay_ms?: number;
  readonly cron_expr?: string;
  readonly max_retries?: number;
}

type Values = Readonly<Record<string, unknown>>;

/** Whether a parsed file is in the dictionary form: steps with names instead of ids that name services or waits. */
export function isDict(value: unknown): boolean {
  const steps = object(value).steps;
  if (!Array.isArray(steps) || steps.length === 0) return false;
  const all = steps.map(object);
  const marked = all.some(
    (step) => "service_name" in step || "handler_name" in step || String(step.type).startsWith("wait_"),
  );
  return marked && all.every((step) => "name" in step && !("id" in step));
}

/** Reads the dictionary form as far as it is well-formed; `findings` has what its steps lack. */
export function readDict(value: unknown, name: string): { definition: FlowDefinition; findings: Finding[] } {
  const findings: Finding[] = [];
  const steps = object(value).steps;
  const list = Array.isArray(steps) ? steps : [];
  const definition: FlowDefinition = {
    name: text(object(value).name) ?? name,
    steps: list.map((step: unknown, i) => readStep(object(step), ["steps", i], findings)),
  };
  return { definition, findings };
}

function readStep(values: Values, path: Path, findings: Finding[]): FlowStep {
  const dependsOn = texts(values.dependencies);
  const base = { id: text(values.name) ?? "", dependsOn };
  const lacks = (what: string, why: string): void => {
    findings.push({
      code: "missing_key",
      path: [...path, what],
      message: `step ${JSON.stringify(base.id)} ${why} and lacks ${what}`,
    });
  };
  if (values.type === "wait_signal") {
    if (values.signal === undefined) lacks("signal", "waits for a signal");
    return { kind: "signal", ...base, signal: readSignal(object(values.signal)) };
  }
  if (values.type === "wait_timer") {
    if (values.timer === undefined) lacks("timer", "waits for a time");
    return { kind: "timer", ...base, timer: readTimer(object(values.timer)) };
  }
  const service = text(values.service_name) ?? "";
  const handler = text(values.handler_name) ?? "";
  if (service === "") lacks("service_name", "is a task");
  if (handler === "") lacks("handler_name", "is a task");
  if (service.includes("/")) {
    findings.push({ code: "bad_value", path: [...path, "service_name"], message: "a service_name cannot contain /" });
  }
  const objectKeys = texts(values.object_keys);
  return {
    kind: "task",
    ...base,
    activity: `${service}/${handler}`,
    ...(values.input_data !== undefined && values.input_data !== null && { input: values.input_data as Json }),
    ...(objectKeys.length > 0 && { objectKeys }),
  };
}

function readSignal(values: Values): SignalConfig {
  const onTimeout = text(values.on_timeout) ?? "";
  return {
    name: text(values.name) ?? "",
    ...(typeof values.timeout_ms === "number" && { timeoutMs: values.timeout_ms }),
    ...(onTimeout !== "" && { onTimeout }),
  };
}

function readTimer(values: Values): TimerConfig {
  const key = text(values.key) ?? text(values.timer_key);
  const cron = text(values.cron_expr) ?? "";
  return {
    ...(key !== undefined && { key }),
    ...(typeof values.delay_ms === "number" && { delayMs: values.delay_ms }),
    ...(cron !== "" && { cron }),
    ...(typeof values.max_retries === "number" && { maxRetries: values.max_retries }),
  };
}

/**
 * Writes the dictionary form.
 *
 * @throws PerdureError `INVALID_ARGUMENT` when the flow uses something that form has no word for.
 */
export function writeDict(definition: FlowDefinition): FlowDict {
  const beyond = [...beyondFlow(definition), ...definition.steps.flatMap(beyondStep)];
  if (beyond.length > 0) {
    throw new PerdureError(
      "INVALID_ARGUMENT",
      `flow ${definition.name} cannot be written as a dictionary, which has no word for ${beyond.join(", ")}; use toJSON`,
      { details: { beyond } },
    );
  }
  return { steps: definition.steps.map(writeStep) };
}

function beyondFlow(definition: FlowDefinition): string[] {
  const words = ["retry", "timeoutMs", "maxParallel", "schedule", "retention", "agents", "output"] as const;
  return words.filter((word) => definition[word] !== undefined);
}

function beyondStep(step: FlowStep): string[] {
  const words = ["when", "onError", "join", "retry", "timeoutMs"] as const;
  const found: string[] = words.filter((word) => word in step && (step as unknown as Values)[word] !== undefined);
  if (step.kind === "agent") found.push("agent");
  if (step.kind === "task" && !/^[^/]+\/./.test(step.activity)) found.push("a task without a service");
  if (step.kind === "timer" && step.timer.timezone !== undefined) found.push("timezone");
  return found.map((word) => `${word} of step ${step.id}`);
}

function writeStep(step: FlowStep): StepDict {
  const dependencies = step.dependsOn.length > 0 && { dependencies: step.dependsOn };
  if (step.kind === "signal") {
    return { name: step.id, type: "wait_signal", ...dependencies, signal: writeSignal(step.signal) };
  }
  if (step.kind === "timer") {
    return { name: step.id, type: "wait_timer", ...dependencies, timer: writeTimer(step.timer, step.id) };
  }
  const slash = step.kind === "task" ? step.activity.indexOf("/") : 0;
  const activity = step.kind === "task" ? step.activity : "";
  return {
    name: step.id,
    service_name: activity.slice(0, slash),
    handler_name: activity.slice(slash + 1),
    ...dependencies,
    ...(step.objectKeys !== undefined && step.objectKeys.length > 0 && { object_keys: step.objectKeys }),
    ...(step.input !== undefined && { input_data: step.input }),
  };
}

function writeSignal(signal: SignalConfig): NonNullable<StepDict["signal"]> {
  return {
    name: signal.name,
    ...(signal.timeoutMs !== undefined && { timeout_ms: signal.timeoutMs }),
    ...(signal.onTimeout !== undefined && { on_timeout: signal.onTimeout }),
  };
}

function writeTimer(timer: TimerConfig, id: string): TimerDict {
  return {
    key: timer.key ?? id,
    ...(timer.delayMs !== undefined && { delay_ms: timer.delayMs }),
    ...(timer.cron !== undefined && { cron_expr: timer.cron }),
    ...(timer.maxRetries !== undefined && { max_retries: timer.maxRetries }),
  };
}

const WORDS: Readonly<Record<string, string>> = {
  id: "name",
  task: "handler_name",
  depends_on: "dependencies",
  input: "input_data",
  timeout: "timeout_ms",
  delay: "delay_ms",
  cron: "cron_expr",
};

/** A place in the words of a flow file, in the words of this form. */
export function dictPath(path: Path): Path {
  return path.map((part, i) => {
    const inside = i === 2 || (i === 3 && (path[2] === "signal" || path[2] === "timer"));
    return typeof part === "string" && inside ? (WORDS[part] ?? part) : part;
  });
}

function object(value: unknown): Values {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Values) : {};
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}
