/**
 * One attempt of another run's step, carried out here: a step whose end is told to the run by a message. Time limits, heartbeats and the
 * signal are those of every attempt; whether it is tried again is decided where the run is.
 */

import { type Failure, toFailure } from "../core/failure.ts";
import { formatRunId } from "../core/ids.ts";
import type { Command } from "../core/machine.ts";
import type { Payload, PayloadCodec } from "../core/payload.ts";
import type { ClaimedTask } from "../store/store.ts";
import { type ActivityConfig, type AnyActivity, activityParts, uncheckedRun } from "../workflow/activity.ts";
import type { Logger } from "../workflow/logger.ts";
import type { Around } from "./around.ts";
import type { Clock } from "./clock.ts";
import type { StepSpec } from "./command-spec.ts";
import { type ForeignOutcome, foreignOutcome } from "./foreign-outcome.ts";
import type { Observers } from "./observers.ts";
import { encodeResult, type RunFacts } from "./run-facts.ts";
import { RunReporter } from "./run-reporter.ts";
import type { Secrets } from "./secrets.ts";
import { type Prepared, prepareStep } from "./step-context.ts";
import { named, type StepHost, StepRun } from "./step-run.ts";
import { bodyOf } from "./task-spec.ts";

/** What an attempt needs of the engine that runs it. */
export interface TaskRunHost {
  readonly storeId: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly observers: Observers;
  readonly codec: PayloadCodec | undefined;
  readonly deps: unknown;
  readonly around: Around | undefined;
  /** False when the lease may be lost (rule 20); the step's `admitted` is called once it is proved again. */
  mayStartTask(step: StepRun): boolean;
  watch(step: StepRun): void;
  completionToken(runId: string, attempt: Pick<ForeignOutcome, "c" | "g" | "a">, activity?: string): string;
  /** The attempt is over; `outcome` is the data of the message to its run. */
  ended(task: TaskRun, outcome: string): void;
  /** The activity said that it is alive. */
  beat(task: TaskRun): void;
}

/** Who tries again is not decided here. */
const ONCE: Partial<ActivityConfig> = { totalTimeoutMs: Number.POSITIVE_INFINITY, journalStart: false };

export class TaskRun implements StepHost {
  readonly task: ClaimedTask;
  readonly step: StepRun;
  readonly #host: TaskRunHost;
  readonly #facts: RunFacts;
  readonly #reporter: RunReporter;

  constructor(host: TaskRunHost, task: ClaimedTask, activity: AnyActivity, secrets: Secrets) {
    this.#host = host;
    this.task = task;
    this.#facts = factsOf(task, host.storeId, secrets);
    this.#reporter = new RunReporter(host, this.#facts);
    this.step = new StepRun(commandOf(task, activity, host.clock.now()), this);
    const { attempt, command, details } = task;
    const now = host.clock.now();
    const row = {
      command,
      kind: "activity",
      name: task.activity,
      attempt,
      startedAt: null,
      firstAt: now,
      nextAt: null,
    };
    this.step.restore({ ...row, error: null, details });
  }

  get clock(): Clock {
    return this.#host.clock;
  }

  get around(): Around | undefined {
    return this.#host.around;
  }

  mayStart(step: StepRun): boolean {
    return this.#host.mayStartTask(step);
  }

  admitted(step: StepRun): void {
    step.begin();
  }

  prepare(step: StepRun): Prepared {
    this.#reporter.started(step.command, step.attempt);
    return prepareStep(step, this.#facts, this.#host, (level, message) =>
      this.#reporter.line(step.command, level, message),
    );
  }

  transact(): Promise<unknown> {
    return Promise.reject(new Error("a task runs an activity"));
  }

  completionToken(step: StepRun): string {
    return this.#host.completionToken(this.#facts.runId, this.#address(step), named(step));
  }

  watch(step: StepRun): void {
    this.#host.watch(step);
  }

  jitterSeed(): string {
    return "";
  }

  onCompleted(step: StepRun, value: unknown): void {
    let outcome: string;
    try {
      const what = `the result of ${step.command.label ?? step.command.name}`;
      outcome = this.#outcome(step, {}, encodeResult(this.#host, this.#facts, value, what));
    } catch (error) {
      // What a result cannot be is final, as it is where the run is.
      outcome = this.#outcome(step, { e: { ...toFailure(error), fatal: true } });
    }
    this.#host.ended(this, outcome);
  }

  onFailed(step: StepRun, thrown: Failure): void {
    this.#host.ended(this, this.#outcome(step, { e: this.#reporter.clean(thrown) }));
  }

  onRow(_step: StepRun, why: "journal" | "retry" | "heartbeat"): void {
    if (why === "heartbeat") this.#host.beat(this);
  }

  onHandOut(): void {}

  /** The function has returned, the attempt goes on outside of every engine: it is no task any more. */
  onWaiting(step: StepRun): void {
    const { timeoutMs } = step.command.spec.config;
    this.#host.ended(this, this.#outcome(step, { l: timeoutMs }));
    step.stop(undefined);
  }

  #address({ command, attempt }: StepRun): { c: number; g: number; a: number } {
    return { c: command.id, g: command.generation, a: attempt };
  }

  #outcome(step: StepRun, end: Pick<ForeignOutcome, "e" | "l">, result?: Payload): string {
    const { heartbeatText } = step;
    const details = heartbeatText === this.task.details ? null : heartbeatText;
    const valid = result !== undefined && step.command.spec.config.output !== undefined && { q: true as const };
    const address = { ...this.#address(step), u: this.task.run, s: step.startedAt, ...valid };
    return foreignOutcome({ ...address, ...end }, result, result === undefined ? details : null);
  }
}

function factsOf({ run, workflow, workflowId }: ClaimedTask, storeId: string, secrets: Secrets): RunFacts {
  const unknown = { deadline: undefined, version: undefined, startedAt: 0, parent: null, meta: null, request: null };
  const runId = formatRunId(storeId, run);
  return { ...unknown, run, runId, workflowId, workflow, secrets, tags: {}, progress: null };
}

function commandOf(task: ClaimedTask, activity: AnyActivity, issuedAt: number): Command<StepSpec> {
  const { command: id, generation, activity: name, input } = task;
  const { label, extra, secretInputs, timeoutMs, heartbeatTimeoutMs, unchecked } = bodyOf(task.body);
  const { config, run: checkedRun } = activityParts(activity);
  const run = unchecked === true ? uncheckedRun(activity) : checkedRun;
  const limits = {
    timeoutMs: timeoutMs ?? config.timeoutMs,
    heartbeatTimeoutMs: heartbeatTimeoutMs ?? config.heartbeatTimeoutMs,
    retry: { ...config.retry, maxAttempts: 1 },
  };
  const spec = { run, input: input ?? undefined, extra, secretInputs, config: { ...config, ...ONCE, ...limits } };
  const about = { id, kind: "activity", name, label, inputDigest: "" } as const;
  return { ...about, generation, issuedAt, spec, errors: config.errors };
}
