/**
 * A flow as JSON in the words of a flow file, to and from the model. Reading is lenient: what has the wrong type was reported
 * by the structure check and is left out here, so that everything else can still be checked.
 */
import { formatDuration, parseDuration } from "../core/duration.ts";
import { readRetention, writeRetention } from "./flow-retention.ts";
import { readSchedule, writeSchedule } from "./flow-schedule.ts";
import type {
  FlowDefinition,
  FlowRetry,
  FlowStep,
  Join,
  Json,
  OnError,
  SignalConfig,
  StepBase,
  TimerConfig,
  WorkStep,
} from "./model.ts";
import type { Finding, Path } from "./problem.ts";

/** A flow in the words of a flow file; see `schema/flow.schema.json`. */
export type FlowJson = { readonly [key: string]: Json };

/** What reading gave. */
export interface ReadDefinition {
  readonly definition: FlowDefinition;
  readonly findings: readonly Finding[];
  /** Indexes of steps that do not say what they are; they stand in the model as tasks without a name. */
  readonly partial: ReadonlySet<number>;
}

type Values = Readonly<Record<string, unknown>>;

interface Reading {
  readonly findings: Finding[];
  readonly partial: Set<number>;
}

/** Reads the JSON form. */
export function readDefinition(json: unknown): ReadDefinition {
  const reading: Reading = { findings: [], partial: new Set() };
  const values = object(json) ?? {};
  const steps = Array.isArray(values.steps) ? values.steps : [];
  const agents = object(values.agents) as Record<string, Json> | undefined;
  const definition = compact<FlowDefinition>({
    name: text(values.name) ?? "",
    description: text(values.description),
    retry: readRetry(values.retry, ["retry"], reading),
    timeoutMs: span(values.timeout, ["timeout"], reading),
    maxParallel: number(values.max_parallel),
    schedule: readSchedule(values.schedule, reading.findings),
    retention: readRetention(values.retention, reading.findings),
    agents,
    output: values.output as Json | undefined,
    steps: steps.map((step: unknown, i) => readStep(object(step) ?? {}, i, reading)),
  });
  return { definition, findings: reading.findings, partial: reading.partial };
}

function readStep(values: Values, index: number, reading: Reading): FlowStep {
  const path = ["steps", index];
  const base = compact<StepBase>({
    id: text(values.id) ?? "",
    description: text(values.description),
    dependsOn: texts(values.depends_on) ?? [],
    when: readCondition(values.when),
    onError: readOnError(values.on_error),
    join: text(values.join) as Join | undefined,
  });
  const signal = object(values.signal);
  if (signal !== undefined) {
    return { kind: "signal", ...base, signal: readSignal(signal, [...path, "signal"], reading) };
  }
  const timer = object(values.timer);
  if (timer !== undefined) return { kind: "timer", ...base, timer: readTimer(timer, [...path, "timer"], reading) };
  const work = compact<WorkStep>({
    ...base,
    input: values.input as Json | undefined,
    retry: readRetry(values.retry, [...path, "retry"], reading),
    timeoutMs: span(values.timeout, [...path, "timeout"], reading),
    objectKeys: texts(values.object_keys),
  });
  const agent = text(values.agent);
  if (agent !== undefined) return { kind: "agent", ...work, agent };
  const activity = text(values.task);
  if (activity === undefined) reading.partial.add(index);
  return { kind: "task", ...work, activity: activity ?? "" };
}

function readSignal(values: Values, path: Path, reading: Reading): SignalConfig {
  return compact<SignalConfig>({
    name: text(values.name) ?? "",
    timeoutMs: span(values.timeout, [...path, "timeout"], reading),
    onTimeout: text(values.on_timeout),
  });
}

function readTimer(values: Values, path: Path, reading: Reading): TimerConfig {
  return compact<TimerConfig>({
    key: text(values.key),
    delayMs: span(values.delay, [...path, "delay"], reading),
    cron: text(values.cron),
    timezone: text(values.timezone),
    maxRetries: number(values.max_retries),
  });
}

function readRetry(value: unknown, path: Path, reading: Reading): FlowRetry | undefined {
  const values = object(value);
  if (values === undefined) return undefined;
  return compact<FlowRetry>({
    maxAttempts: values.max_attempts === "unlimited" ? Number.POSITIVE_INFINITY : number(values.max_attempts),
    backoff: text(values.backoff) as FlowRetry["backoff"],
    initialMs: span(values.initial, [...path, "initial"], reading),
    factor: number(values.factor),
    maxMs: span(values.max, [...path, "max"], reading),
    jitter: number(values.jitter),
    on: texts(values.on),
    notOn: texts(values.not_on),
  });
}

/** `when: ${{ x }}` is the same as `when: x`. */
function readCondition(value: unknown): string | undefined {
  if (typeof value === "boolean") return String(value);
  const source = text(value)?.trim();
  const inner = source === undefined ? null : /^\$\{\{(.*)\}\}$/s.exec(source);
  return inner !== null && !inner[1]!.includes("${{") ? inner[1]!.trim() : source;
}

function readOnError(value: unknown): OnError | undefined {
  const target = text(object(value)?.goto);
  return target === undefined ? (text(value) as OnError | undefined) : { goto: target };
}

/** Milliseconds. Negative numbers are kept: the check says what is wrong with them. */
function span(value: unknown, path: Path, reading: Reading): number | undefined {
  if (typeof value === "number") return Math.round(value * 1000);
  if (typeof value !== "string") return undefined;
  const negative = value.trim().startsWith("-");
  const ms = parseDuration(negative ? value.trim().slice(1) : value, 1000);
  if (ms !== undefined) return negative ? -ms : ms;
  const name = String(path[path.length - 1]);
  const message = `${name} must be a duration such as 30s, 1h30m, 2d, PT10S or a number of seconds, not ${JSON.stringify(value)}`;
  reading.findings.push({ code: "bad_duration", path, message });
  return undefined;
}

function object(value: unknown): Values | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Values) : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function texts(value: unknown): string[] | undefined {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : undefined;
}

/** Leaves out what is undefined. */
function compact<T extends object>(values: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

/** Writes the JSON form. Reading it again gives an equal model. */
export function writeDefinition(definition: FlowDefinition): FlowJson {
  return json({
    name: definition.name,
    description: definition.description,
    retry: writeRetry(definition.retry),
    timeout: writeSpan(definition.timeoutMs),
    max_parallel: definition.maxParallel,
    schedule: writeSchedule(definition.schedule),
    retention: writeRetention(definition.retention),
    agents: definition.agents,
    steps: definition.steps.map(writeStep),
    output: definition.output,
  });
}

function writeStep(step: FlowStep): FlowJson {
  const work = step.kind === "task" || step.kind === "agent" ? step : undefined;
  return json({
    id: step.id,
    description: step.description,
    depends_on: step.dependsOn.length === 0 ? undefined : step.dependsOn,
    when: step.when,
    task: step.kind === "task" ? step.activity : undefined,
    agent: step.kind === "agent" ? step.agent : undefined,
    signal: step.kind === "signal" ? writeSignal(step.signal) : undefined,
    timer: step.kind === "timer" ? writeTimer(step.timer) : undefined,
    input: work?.input,
    retry: writeRetry(work?.retry),
    timeout: writeSpan(work?.timeoutMs),
    on_error: step.onError,
    join: step.join,
    object_keys: work?.objectKeys,
  });
}

function writeSignal(signal: SignalConfig): FlowJson {
  return json({ name: signal.name, timeout: writeSpan(signal.timeoutMs), on_timeout: signal.onTimeout });
}

function writeTimer(timer: TimerConfig): FlowJson {
  return json({
    key: timer.key,
    delay: writeSpan(timer.delayMs),
    cron: timer.cron,
    timezone: timer.timezone,
    max_retries: timer.maxRetries,
  });
}

function writeRetry(retry: FlowRetry | undefined): FlowJson | undefined {
  if (retry === undefined) return undefined;
  return json({
    max_attempts: retry.maxAttempts === Number.POSITIVE_INFINITY ? "unlimited" : retry.maxAttempts,
    backoff: retry.backoff,
    initial: writeSpan(retry.initialMs),
    factor: retry.factor,
    max: writeSpan(retry.maxMs),
    jitter: retry.jitter,
    on: retry.on,
    not_on: retry.notOn,
  });
}

function writeSpan(ms: number | undefined): Json | undefined {
  if (ms === undefined) return undefined;
  return ms >= 0 && Number.isFinite(ms) ? formatDuration(ms) : ms / 1000;
}

function json(values: { readonly [key: string]: Json | undefined }): FlowJson {
  return compact<Record<string, Json>>(values);
}
