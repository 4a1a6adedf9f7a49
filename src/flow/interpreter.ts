/**
 * Runs a flow as a durable function. Determinism: the only promises waited for come from `wf`; steps are started inside their
 * continuations, at once and in definition order; everything else is bookkeeping (schedule.ts) and pure evaluation.
 */
import { CancelledError } from "../core/cancelled.ts";
import { formatDuration } from "../core/duration.ts";
import { isPerdureError } from "../core/errors.ts";
import type { StepOptions, WorkflowContext } from "../workflow/context.ts";
import { type Activation, RunView, StepView } from "./cel-environment.ts";
import { ExpressionFailure } from "./expression.ts";
import { FlowStepError, messageOf, SignalTimeoutError } from "./flow-error.ts";
import type { SignalStep, TimerStep, WorkStep } from "./model.ts";
import type { FlowProgram, ProgramStep } from "./program.ts";
import { Schedule, type SkipReason } from "./schedule.ts";
import { type Rendered, renderTemplate } from "./template.ts";

/** Runs a compiled flow. Resolves to its output; rejects with a {@link FlowStepError} as soon as a step fails it. */
export function runFlow(program: FlowProgram, wf: WorkflowContext, input: unknown): Promise<unknown> {
  return new FlowRun(program, wf, input).result();
}

const REASON: Readonly<Record<SkipReason, string>> = {
  condition: "its condition is false",
  not_triggered: "what would have started it did not happen",
  dependencies_skipped: "everything it depends on was skipped",
};

class FlowRun {
  readonly #program: FlowProgram;
  readonly #wf: WorkflowContext;
  readonly #input: unknown;
  readonly #schedule: Schedule;
  readonly #views: StepView[];
  readonly #viewOf = new Map<string, StepView>();
  readonly #activation: Activation;
  #over = false;
  #resolve!: (output: unknown) => void;
  #reject!: (error: unknown) => void;

  constructor(program: FlowProgram, wf: WorkflowContext, input: unknown) {
    this.#program = program;
    this.#wf = wf;
    this.#input = input;
    this.#schedule = new Schedule(
      program.steps.map(({ step }) => step),
      program.definition.maxParallel,
    );
    this.#views = program.steps.map(() => new StepView());
    const steps = Object.create(null) as Record<string, StepView>;
    for (const [i, { step, celName }] of program.steps.entries()) {
      steps[celName] = this.#views[i]!;
      this.#viewOf.set(step.id, this.#views[i]!);
    }
    this.#activation = { input: input ?? null, steps, run: new RunView(wf.info) };
  }

  result(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#advance();
    });
  }

  /** Starts what can start, until nothing more can; ends the run when all steps have settled. */
  #advance(): void {
    for (;;) {
      this.#noteSkips();
      const index = this.#over ? undefined : this.#schedule.next();
      if (index === undefined) break;
      this.#start(index);
    }
    if (!this.#over && this.#schedule.done) this.#finish();
  }

  #start(index: number): void {
    const { step, when } = this.#program.steps[index]!;
    const view = this.#views[index]!;
    view.status = "running";
    try {
      if (when !== undefined && !truth(when.evaluate(this.#activation), when.source)) {
        view.status = "skipped";
        this.#wf.note("step.skipped", { step: step.id, reason: REASON.condition });
        this.#schedule.settle(index, "skipped");
        return;
      }
      this.#issue(index).then(
        (end) => this.#ended(index, end),
        (error: unknown) => this.#failed(index, error),
      );
    } catch (error) {
      this.#fail(index, error);
    }
  }

  /** Issues the step's command. The answer says what the step gave, or that it timed out. */
  #issue(index: number): Promise<Outcome> {
    const program = this.#program.steps[index]!;
    switch (program.step.kind) {
      case "task":
      case "agent":
        return this.#work(program, program.step);
      case "signal":
        return this.#awaitSignal(program.step);
      case "timer":
        return this.#awaitTime(program.step);
    }
  }

  #work(program: ProgramStep, step: WorkStep): Promise<Outcome> {
    const { value, secretInputs }: Rendered =
      program.input === undefined
        ? { value: this.#input, secretInputs: [] }
        : renderTemplate(program.input, this.#activation);
    const options: StepOptions = {
      label: step.id,
      ...(program.retry !== undefined && { retry: program.retry }),
      ...(step.timeoutMs !== undefined && { timeout: step.timeoutMs }),
      ...(secretInputs.length > 0 && { secretInputs }),
      extra: {
        upstream: this.#upstream(step),
        ...(this.#input !== undefined && { runInput: this.#input }),
      },
    };
    const { activity } = program;
    const result: Promise<unknown> =
      typeof activity === "string" ? this.#wf.call(activity, value, options) : this.#wf.call(activity, value, options);
    return result.then(gave);
  }

  /** Outputs of the direct dependencies that ran. */
  #upstream(step: WorkStep): Record<string, unknown> {
    const outputs: Record<string, unknown> = {};
    for (const id of step.dependsOn) {
      const view = this.#viewOf.get(id);
      if (view !== undefined && (view.status === "completed" || view.status === "failed")) outputs[id] = view.output;
    }
    return outputs;
  }

  #awaitSignal({ id, signal }: SignalStep): Promise<Outcome> {
    if (signal.timeoutMs === undefined) return this.#wf.waitFor<unknown>(signal.name, { label: id }).then(gave);
    const answered = this.#wf.waitFor<unknown>(signal.name, { timeout: signal.timeoutMs, label: id });
    return answered.then((payload) => (payload === undefined ? { timedOut: true } : gave(payload)));
  }

  #awaitTime({ id, timer }: TimerStep): Promise<Outcome> {
    const waited: Promise<unknown> =
      timer.cron === undefined
        ? this.#wf.sleep(timer.delayMs ?? 0, { label: id })
        : this.#wf.sleepUntilCron(timer.cron, {
            label: id,
            ...(timer.timezone !== undefined && { timezone: timer.timezone }),
          });
    return waited.then(() => ({ output: null }));
  }

  #ended(index: number, outcome: Outcome): void {
    if (this.#over) return;
    const { step } = this.#program.steps[index]!;
    const view = this.#views[index]!;
    if ("output" in outcome) {
      view.status = "completed";
      view.output = outcome.output;
      this.#schedule.settle(index, "completed");
    } else {
      const { name, timeoutMs, onTimeout } = (step as SignalStep).signal;
      const error = new SignalTimeoutError(`signal ${name} did not come within ${formatDuration(timeoutMs ?? 0)}`);
      if (onTimeout === undefined) {
        this.#failed(index, error);
        return;
      }
      view.status = "timed_out";
      view.error = errorView(error);
      this.#wf.note("step.goto", { step: step.id, target: onTimeout, reason: "timeout" });
      this.#schedule.settle(index, { starts: onTimeout });
    }
    this.#advance();
  }

  #failed(index: number, error: unknown): void {
    if (this.#over) return;
    this.#fail(index, error);
    this.#advance();
  }

  /** Applies the step's `on_error`. Cancellation is no failure of a step: it ends the run as it is. */
  #fail(index: number, error: unknown): void {
    if (this.#wf.abortSignal.aborted || error instanceof CancelledError || isPerdureError(error, "OUT_OF_TURN")) {
      this.#stop(error);
      return;
    }
    const { step } = this.#program.steps[index]!;
    const view = this.#views[index]!;
    view.status = "failed";
    view.error = errorView(error);
    const { onError = "fail" } = step;
    if (onError === "continue") {
      this.#wf.note("step.continued", { step: step.id, error: messageOf(error) });
      this.#schedule.settle(index, "continued");
    } else if (typeof onError === "object") {
      this.#wf.note("step.goto", { step: step.id, target: onError.goto, reason: "error", error: messageOf(error) });
      this.#schedule.settle(index, { starts: onError.goto });
    } else {
      this.#stop(new FlowStepError(this.#program.definition.name, step.id, error));
    }
  }

  #noteSkips(): void {
    for (const { index, reason } of this.#schedule.takeSkips()) {
      this.#views[index]!.status = "skipped";
      this.#wf.note("step.skipped", { step: this.#program.steps[index]!.step.id, reason: REASON[reason] });
    }
  }

  #finish(): void {
    this.#over = true;
    try {
      this.#resolve(this.#output());
    } catch (error) {
      this.#reject(error);
    }
  }

  #output(): unknown {
    const { output, last } = this.#program;
    if (output !== undefined) return renderTemplate(output, this.#activation).value;
    return Object.fromEntries(last.map((id) => [id, this.#viewOf.get(id)?.output ?? null]));
  }

  #stop(error: unknown): void {
    this.#over = true;
    this.#reject(error);
  }
}

type Outcome = { readonly output: unknown } | { readonly timedOut: true };

function gave(output: unknown): Outcome {
  return { output: output ?? null };
}

/** The value of a condition. An output that was never set is no. */
function truth(value: unknown, source: string): boolean {
  if (value === null || value === undefined) return false;
  if (typeof value === "boolean") return value;
  throw new ExpressionFailure(source, `when must be true or false, not ${JSON.stringify(value)}`);
}

function errorView(error: unknown): unknown {
  if (!(error instanceof Error)) return { name: "Error", message: messageOf(error) };
  const code = (error as { code?: unknown }).code;
  const named = typeof code === "string" || typeof code === "number" ? { code } : {};
  return { name: error.name, message: error.message, ...named };
}
