/**
 * What is known of a run's steps, put together from live events, from its history, and from what is open now.
 *
 * Every source can be applied at any time and again: a settled step only changes by a resume that sets its outcome aside.
 */
import type { OpenStep, RunDescription } from "../../client/run-description.ts";
import type { HistoryEvent } from "../../client/run-handle.ts";
import { TERMINAL } from "../../core/events.ts";
import type { Failure } from "../../core/failure.ts";
import type { RunStatus } from "../../core/status.ts";
import type { RunEvent, StepIdentity } from "../../engine/observers.ts";
import type { FlowDefinition, FlowStep } from "../../flow/model.ts";
import { errorText } from "../text/error-text.ts";
import { noteText } from "./note-text.ts";

/** How a step stands. `continued` is failed in a flow that goes on. */
export type StepState =
  | "pending"
  | "running"
  | "retrying"
  | "waiting"
  | "completed"
  | "failed"
  | "continued"
  | "skipped"
  | "timed_out"
  | "cancelled";

/** A step, as far as it is known. Times are epoch milliseconds. */
export interface StepProgress {
  readonly name: string;
  readonly kind: FlowStep["kind"] | StepIdentity["kind"];
  state: StepState;
  /** The signal it waits for. */
  signal?: string | undefined;
  since?: number | undefined;
  /** When the wait ends or the next attempt starts. */
  due?: number | undefined;
  settledAt?: number | undefined;
  /** Number of the running attempt, then of all attempts. */
  attempts: number;
  durationMs?: number | undefined;
  error?: string | undefined;
  /** Why it was skipped. */
  reason?: string | undefined;
  /** The step that started instead. */
  target?: string | undefined;
  /** The last line it logged. */
  log?: string | undefined;
  /** It could start, but a limit or a pause holds it back. */
  held?: boolean;
  /** The queue whose task it is, and the engine that runs that. */
  queue?: string | undefined;
  engine?: string | undefined;
  /** Of a child: its workflow id. */
  child?: string | undefined;
}

/** Something worth a line where lines cannot be redrawn. */
export type Change =
  | { readonly kind: "step"; readonly step: StepProgress }
  | { readonly kind: "log"; readonly step: string; readonly level: string; readonly message: string }
  | { readonly kind: "progress"; readonly value: unknown }
  | { readonly kind: "note"; readonly text: string };

/** Kinds of steps in which nothing runs. */
const WAITS: ReadonlySet<string> = new Set(["wait", "timer", "until", "approval", "child"]);

const SETTLED: ReadonlySet<StepState> = new Set<StepState>([
  "completed",
  "failed",
  "continued",
  "skipped",
  "timed_out",
  "cancelled",
]);
const MAX_NOTES = 3;
/** Notes that are for machines, or that people see elsewhere. */
const SILENT: ReadonlySet<string> = new Set(["tag", "version"]);

/** Whether a step has ended. */
export function isSettled({ state }: StepProgress): boolean {
  return SETTLED.has(state);
}

export class RunProgress {
  readonly #flowSteps: Map<string, FlowStep>;
  readonly #byName = new Map<string, StepProgress>();
  readonly #byCommand = new Map<number, StepProgress>();
  readonly #settledBy = new Map<number, StepProgress[]>();
  readonly #onChange: (change: Change) => void;
  /** Notes come live and again with the history; one that says the same is told once. */
  readonly #noted = new Set<string>();
  readonly steps: StepProgress[] = [];
  /** The last notes that workflow code made. */
  readonly notes: string[] = [];
  /** What the workflow said of its progress. */
  told: unknown;
  status: RunStatus = "pending";
  startedAt: number | undefined;
  closedAt: number | undefined;
  error: Failure | undefined;
  /** Number of the last event applied from the history. */
  seq = 0;

  constructor(definition?: FlowDefinition, onChange: (change: Change) => void = () => {}) {
    this.#onChange = onChange;
    this.#flowSteps = new Map(definition?.steps.map((step) => [step.id, step]));
    for (const { id, kind, ...rest } of definition?.steps ?? []) {
      if (this.#byName.has(id)) continue;
      const step: StepProgress = { name: id, kind, state: "pending", attempts: 0 };
      if ("signal" in rest) step.signal = rest.signal.name;
      this.#byName.set(id, step);
      this.steps.push(step);
    }
  }

  // ---- live ------------------------------------------------------------------------------------------------------------

  /** Applies what an engine in this process tells. */
  apply(event: RunEvent): void {
    switch (event.type) {
      case "run.started":
      case "run.recovered":
        this.status = "running";
        this.startedAt ??= event.at;
        break;
      case "run.blocked":
        this.status = "blocked";
        break;
      case "run.closed":
        this.#closed(event.status, event.at, event.error);
        break;
      case "step.started":
        this.#set(this.#step(event), "running", { attempts: event.attempt, since: event.at, due: undefined });
        break;
      case "step.queued":
        this.#set(this.#step(event), "waiting", { attempts: event.attempt, since: event.at, queue: event.queue });
        break;
      case "step.retrying": {
        const fields = { attempts: event.attempt, due: event.nextAt, error: errorText(event.error) };
        this.#set(this.#step(event), "retrying", fields);
        break;
      }
      case "step.waiting":
        this.#waiting(this.#step(event), event.at, event.due);
        break;
      case "step.completed":
      case "step.failed":
      case "step.timed_out":
      case "step.cancelled":
        this.#outcome(event);
        break;
      case "step.log":
        this.#logged(event.step, event.level, event.message);
        break;
      case "signal.received":
        this.#signalled(event.signal, event.at);
        break;
      case "note":
        this.#note(event.kind, event.data, event.at);
        break;
      case "run.parked":
        break;
    }
  }

  /** A takeover tells of a wait again; it began when it first could. */
  #waiting(step: StepProgress, at: number, due: number | undefined): void {
    this.#set(step, "waiting", { since: step.since ?? this.#earliest(step, at) ?? at, due });
  }

  #outcome(
    event: Extract<RunEvent, { type: "step.completed" | "step.failed" | "step.timed_out" | "step.cancelled" }>,
  ): void {
    const step = this.#step(event);
    const state = event.type.slice("step.".length) as StepState;
    this.#settle(step, state === "failed" ? this.#failure(step) : state, {
      settledAt: event.at,
      ...("attempts" in event && { attempts: event.attempts }),
      ...("durationMs" in event && event.kind !== "timer" && { durationMs: event.durationMs }),
      ...("error" in event && { error: errorText(event.error) }),
    });
  }

  /** What a failure of this step means for its flow. */
  #failure(step: StepProgress): StepState {
    const onError = this.#flowSteps.get(step.name)?.onError;
    if (typeof onError === "object") step.target = onError.goto;
    return onError === "continue" || typeof onError === "object" ? "continued" : "failed";
  }

  #logged(name: string, level: string, message: string): void {
    const step = this.#byName.get(name) ?? this.steps.findLast((one) => one.name === name);
    if (step !== undefined) step.log = message;
    this.#onChange({ kind: "log", step: name, level, message });
  }

  // ---- history ---------------------------------------------------------------------------------------------------------

  /** Applies an event of the run's history, in order. */
  applyHistory(event: HistoryEvent): void {
    if (event.seq <= this.seq) return;
    this.seq = event.seq;
    const { data, at, type } = event;
    const settled: StepProgress[] = [];
    for (const { k, ...fields } of data.o ?? []) {
      const step = this.#note(k, fields, at);
      if (step !== undefined) settled.push(step);
    }
    if (type === "RunStarted") {
      this.startedAt = at;
      if (!this.closed) this.status = "running";
    } else if (type === "Resumed") this.#resumed(data.s ?? []);
    else if (type === "SignalReceived") {
      const step = this.#signalled(data.n ?? "", at);
      if (step !== undefined) settled.push(step);
    } else if (data.c !== undefined && data.k !== undefined) settled.push(this.#historyOutcome(event));
    else if (TERMINAL.has(type)) this.#closed(CLOSING[type] ?? "failed", at, data.e);
    if (settled.length > 0) this.#settledBy.set(event.seq, settled);
  }

  #historyOutcome({ type, at, data }: HistoryEvent): StepProgress {
    const identity = { command: data.c!, kind: data.k!, step: data.l ?? data.n!, name: data.n! };
    const step = this.#step(identity);
    const worked = data.k === "activity" || data.k === "inline";
    const state = OUTCOMES[type] ?? "completed";
    this.#settle(step, state === "failed" ? this.#failure(step) : state, {
      settledAt: at,
      attempts: data.a ?? 1,
      ...(worked && { durationMs: data.d ?? 0 }),
      ...(data.e !== undefined && { error: errorText(data.e) }),
    });
    return step;
  }

  /** Outcomes that were set aside: those steps are as if they had not run. */
  #resumed(seqs: readonly number[]): void {
    this.closedAt = undefined;
    this.error = undefined;
    this.status = "running";
    for (const seq of seqs) for (const step of this.#settledBy.get(seq) ?? []) reset(step);
    for (const step of this.steps) if (!SETTLED.has(step.state) || step.state === "cancelled") reset(step);
  }

  // ---- what is open ----------------------------------------------------------------------------------------------------

  /** Applies what is known of a run that is advanced elsewhere or by nobody. */
  applyDescription(description: RunDescription): void {
    const { status, createdAt, closedAt, error } = description;
    this.status = status;
    this.startedAt ??= createdAt;
    this.closedAt = closedAt;
    this.error = error;
    this.told = description.progress ?? this.told;
    for (const open of description.open) this.#open(open);
  }

  /** Says which runs the children are. */
  applyChildren(children: Iterable<{ readonly command: number; readonly workflowId: string }>): void {
    for (const { command, workflowId } of children) {
      const step = this.#byCommand.get(command);
      if (step !== undefined) step.child = workflowId;
    }
  }

  #open(open: OpenStep): void {
    const step = this.#step({
      command: open.command,
      kind: open.kind as StepIdentity["kind"],
      step: open.step,
      name: open.step,
    });
    if (isSettled(step)) return;
    const { queue, engine } = open;
    const fields = { since: open.since, due: open.due, attempts: open.attempt, queue, engine };
    const error = open.lastError === undefined ? undefined : errorText(open.lastError);
    step.held = open.held;
    if (queue !== undefined && !open.running) this.#set(step, "waiting", fields);
    else if (WAITS.has(open.kind) || open.held) this.#set(step, "waiting", fields);
    else if (open.running) this.#set(step, "running", { ...fields, error });
    else if (error !== undefined) this.#set(step, "retrying", { ...fields, attempts: open.attempt - 1, error });
  }

  // ---- steps -----------------------------------------------------------------------------------------------------------

  get closed(): boolean {
    return this.closedAt !== undefined;
  }

  #step({ command, kind, step: name, name: target }: StepIdentity): StepProgress {
    const known = this.#byName.get(name) ?? this.#byCommand.get(command);
    if (known !== undefined) return known;
    const step: StepProgress = { name, kind: kind === "timer" ? "timer" : kind, state: "pending", attempts: 0 };
    if (kind === "wait") step.signal = target;
    this.#byCommand.set(command, step);
    this.steps.push(step);
    return step;
  }

  #set(step: StepProgress, state: StepState, fields: Partial<StepProgress>): void {
    if (isSettled(step)) return;
    const changed = step.state !== state || step.attempts !== (fields.attempts ?? step.attempts);
    Object.assign(step, fields);
    step.state = state;
    if (this.status === "pending") this.status = "running";
    this.#startedAfter(step);
    if (changed) this.#onChange({ kind: "step", step });
  }

  #settle(step: StepProgress, state: StepState, fields: Partial<StepProgress>): void {
    const before = step.state;
    if (SETTLED.has(before) && !(before === "failed" && (state === "continued" || state === "timed_out"))) return;
    if (step.since === undefined && fields.settledAt !== undefined) step.since = this.#earliest(step, fields.settledAt);
    Object.assign(step, fields);
    step.state = state;
    step.due = undefined;
    if (
      step.durationMs === undefined &&
      step.since !== undefined &&
      step.settledAt !== undefined &&
      state !== "skipped"
    )
      step.durationMs = Math.max(0, step.settledAt - step.since);
    if (state !== "skipped") this.#startedAfter(step);
    this.#onChange({ kind: "step", step });
  }

  /** When a step of a flow can have begun: when the last of its dependencies had ended. */
  #earliest({ name }: StepProgress, at: number): number | undefined {
    const flowStep = this.#flowSteps.get(name);
    if (flowStep === undefined) return undefined;
    const ends = flowStep.dependsOn.map((id) => this.#byName.get(id)?.settledAt ?? 0);
    return Math.min(at, Math.max(this.startedAt ?? at, ...ends));
  }

  /** A step has started, so the waits it depends on have ended: one whose signal came early leaves no event of its own. */
  #startedAfter({ name, since, settledAt }: StepProgress): void {
    const flowStep = this.#flowSteps.get(name);
    if (flowStep === undefined || flowStep.join === "any") return;
    for (const id of flowStep.dependsOn) {
      const dependency = this.#byName.get(id);
      if (dependency?.signal === undefined || isSettled(dependency)) continue;
      this.#settle(dependency, "completed", { settledAt: since ?? settledAt });
    }
  }

  #signalled(signal: string, at: number): StepProgress | undefined {
    const waiting = this.steps.filter((step) => step.signal === signal && !isSettled(step));
    const step = waiting.find(({ state }) => state === "waiting") ?? waiting.find((one) => this.#ready(one));
    if (step !== undefined) this.#settle(step, "completed", { settledAt: at });
    return step;
  }

  #ready({ name }: StepProgress): boolean {
    const ends = (this.#flowSteps.get(name)?.dependsOn ?? []).map((id) => this.#byName.get(id));
    return ends.every((step) => step === undefined || isSettled(step));
  }

  #note(kind: string, data: Readonly<Record<string, unknown>>, at: number): StepProgress | undefined {
    if (kind === "wait.completed") return this.#waited(data as unknown as WaitNote);
    if (kind === "progress") {
      this.#tell(data.value);
      return undefined;
    }
    if (SILENT.has(kind)) return undefined;
    const step = typeof data.step === "string" ? this.#byName.get(data.step) : undefined;
    const error = typeof data.error === "string" ? { error: data.error } : {};
    if (step !== undefined && kind === "step.skipped")
      this.#settle(step, "skipped", { settledAt: at, reason: String(data.reason) });
    else if (step !== undefined && kind === "step.continued")
      this.#settle(step, "continued", { settledAt: at, ...error });
    else if (step !== undefined && kind === "step.goto") {
      const timeout = data.reason === "timeout";
      step.target = String(data.target);
      this.#settle(step, timeout ? "timed_out" : "continued", { settledAt: at, ...error });
    } else {
      const key = `${kind} ${JSON.stringify(data)}`;
      if (!this.#noted.has(key)) {
        this.#noted.add(key);
        const text = noteText(kind, data);
        this.notes.push(text);
        if (this.notes.length > MAX_NOTES) this.notes.shift();
        this.#onChange({ kind: "note", text });
      }
      return undefined;
    }
    return step;
  }

  /** What was told live is told again by the history: the first time counts. */
  #tell(value: unknown): void {
    const text = `progress ${JSON.stringify(value)}`;
    if (this.#noted.has(text)) return;
    this.#noted.add(text);
    this.told = value;
    this.#onChange({ kind: "progress", value });
  }

  #waited({ command, name, label, at }: WaitNote): StepProgress {
    const step = this.#step({ command, kind: "wait", step: label ?? name, name });
    this.#settle(step, "completed", { settledAt: at });
    return step;
  }

  #closed(status: RunStatus, at: number, error: Failure | undefined): void {
    this.status = status;
    this.closedAt = at;
    this.error = error;
    for (const step of this.steps) {
      if (step.state === "pending" && status === "completed" && step.signal !== undefined)
        this.#settle(step, "completed", { settledAt: at });
      else if (step.state !== "pending" && !isSettled(step)) this.#settle(step, "cancelled", { settledAt: at });
    }
  }
}

/** What a run notes when a signal has ended a wait. */
interface WaitNote {
  readonly command: number;
  readonly name: string;
  readonly label?: string;
  readonly at: number;
}

const OUTCOMES: Readonly<Record<string, StepState>> = {
  StepFailed: "failed",
  StepCancelled: "cancelled",
  WaitTimedOut: "timed_out",
};

const CLOSING: Readonly<Record<string, RunStatus>> = {
  RunCompleted: "completed",
  RunFailed: "failed",
  RunCancelled: "cancelled",
  RunTerminated: "terminated",
  RunTimedOut: "timed_out",
};

function reset(step: StepProgress): void {
  step.state = "pending";
  step.attempts = 0;
  for (const key of ["since", "due", "settledAt", "durationMs", "error", "reason", "target", "log"] as const)
    step[key] = undefined;
}
