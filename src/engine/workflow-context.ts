/** The context `wf` of a live or replayed run: turns what workflow code asks for into commands of its machine. */
import { CancelledError, ScopeTimeoutError } from "../core/cancelled.ts";
import { nextCron } from "../core/cron.ts";
import { digest } from "../core/digest.ts";
import { type Duration, durationMs, formatDuration } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import type { CommandKind } from "../core/events.ts";
import type { Machine } from "../core/machine.ts";
import { encodeInput, type Payload } from "../core/payload.ts";
import { retryPolicy } from "../core/retry-policy.ts";
import { Scope } from "../core/scope.ts";
import {
  type ActivityConfig,
  type ActivityContext,
  type AnyActivity,
  activityParts,
  DEFAULT_CONFIG,
} from "../workflow/activity.ts";
import type { RunInfo, StepOptions, WorkflowContext } from "../workflow/context.ts";
import type { Logger } from "../workflow/logger.ts";
import type { Signal } from "../workflow/signal.ts";
import type { CommandSpec, StepSpec } from "./command-spec.ts";
import { currentScope, runInner } from "./run-scope.ts";

/** What the context needs from the engine. */
export interface ContextHost {
  /** The activity registered under a name. */
  activity(name: string): AnyActivity | undefined;
  readonly log: Logger;
}

interface StepCall {
  readonly kind: CommandKind;
  readonly name: string;
  readonly run: StepSpec["run"];
  readonly input: Payload | undefined;
  readonly base: ActivityConfig;
  readonly options: StepOptions | undefined;
}

export class RunContext implements WorkflowContext {
  readonly #machine: Machine<CommandSpec>;
  readonly #host: ContextHost;
  readonly info: RunInfo;
  #controller: AbortController | undefined;

  constructor(machine: Machine<CommandSpec>, host: ContextHost, info: RunInfo) {
    this.#machine = machine;
    this.#host = host;
    this.info = info;
  }

  get log(): Logger {
    return this.#host.log;
  }

  get abortSignal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#machine.cancelReason !== undefined) this.cancelled(this.#machine.cancelReason);
    return this.#controller.signal;
  }

  /** The run was cancelled: tells whoever holds the signal. */
  cancelled(reason: string): void {
    this.#controller?.abort(new CancelledError(reason));
  }

  // biome-ignore lint/suspicious/noExplicitAny: one implementation behind typed overloads
  call(target: AnyActivity | string, input?: any, options?: StepOptions): Promise<any> {
    try {
      const known = typeof target === "string" ? this.#host.activity(target) : target;
      if (known === undefined) return this.#unknown(target as string);
      const { run, config } = activityParts(known);
      return this.#step({
        kind: "activity",
        name: known.activityName,
        run,
        input: encodeInput(input),
        base: config,
        options,
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #unknown(name: string): Promise<never> {
    const message = `no activity ${JSON.stringify(name)} is registered with this engine; add it to the activities given to open() (or to --agents) and resume the run`;
    this.#machine.block({ reason: "unknown_activity", message });
    return Promise.reject(new PerdureError("NOT_FOUND", message));
  }

  step<T>(name: string, fn: (ctx: ActivityContext) => T | Promise<T>, options?: StepOptions): Promise<T> {
    try {
      const run = (_: never, ctx: ActivityContext): T | Promise<T> => fn(ctx);
      return this.#step({ kind: "inline", name, run, input: undefined, base: DEFAULT_CONFIG, options }) as Promise<T>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #step({ kind, name, run, input, base, options }: StepCall): Promise<unknown> {
    if (options === undefined) {
      const spec: StepSpec = { run, input, extra: undefined, secretInputs: undefined, config: base };
      return this.#machine.issue({
        scope: currentScope(),
        kind,
        name,
        inputDigest: input === undefined ? "" : digest(input),
        spec,
        errors: base.errors,
      });
    }
    const extra = options.extra === undefined ? undefined : encodeInput(options.extra);
    const secretInputs =
      options.secretInputs === undefined || options.secretInputs.length === 0 ? undefined : options.secretInputs;
    const parts = `${input ?? ""}${extra === undefined ? "" : `\n${extra}`}${secretInputs === undefined ? "" : `\n${JSON.stringify(secretInputs)}`}`;
    const spec: StepSpec = { run, input, extra, secretInputs, config: withOptions(base, options, name) };
    return this.#machine.issue({
      scope: currentScope(),
      kind,
      name,
      label: options.label,
      inputDigest: digest(parts),
      spec,
      errors: base.errors,
    });
  }

  sleep(duration: Duration, options?: { label?: string }): Promise<void> {
    try {
      const ms = durationMs(duration, "sleep");
      return this.#timer("sleep", String(ms), this.#machine.now + ms, options?.label);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  sleepUntil(time: number | Date, options?: { label?: string }): Promise<void> {
    const due = typeof time === "number" ? time : time.getTime();
    if (!Number.isFinite(due))
      return Promise.reject(new PerdureError("INVALID_ARGUMENT", `sleepUntil: ${String(time)} is no point in time`));
    return this.#timer("sleepUntil", String(due), due, options?.label);
  }

  async sleepUntilCron(expression: string, options?: { timezone?: string; label?: string }): Promise<number> {
    const due = nextCron(expression, options?.timezone, this.#machine.now);
    await this.#timer("sleepUntilCron", `${expression} ${options?.timezone ?? "UTC"}`, due, options?.label);
    return due;
  }

  #timer(name: string, input: string, due: number, label: string | undefined): Promise<void> {
    return this.#machine.issue({
      scope: currentScope(),
      kind: "timer",
      name,
      label,
      inputDigest: digest(input),
      spec: { due },
    }) as Promise<void>;
  }

  waitFor<T>(signal: Signal<T> | string, options?: { timeout?: Duration; label?: string }): Promise<T> {
    try {
      const name = typeof signal === "string" ? signal : signal.name;
      const ms =
        options?.timeout === undefined ? undefined : durationMs(options.timeout, `timeout of the wait for ${name}`);
      const spec = { due: ms === undefined ? undefined : this.#machine.now + ms };
      const issued = this.#machine.issue({
        scope: currentScope(),
        kind: "wait",
        name,
        label: options?.label,
        inputDigest: digest(String(ms ?? "")),
        spec,
      });
      return issued as Promise<T>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async scope<T>(fn: () => Promise<T>, options?: { timeout?: Duration; label?: string }): Promise<T> {
    const outer = currentScope() ?? this.#machine.scope;
    const inner = new Scope(outer, true);
    const limit = options?.timeout === undefined ? undefined : durationMs(options.timeout, "timeout of the scope");
    const clock = new Scope(outer, true);
    let late = false;
    if (limit !== undefined) {
      runInner(clock, () => this.sleep(limit, { label: options?.label ?? "scope timeout" })).then(
        () => {
          late = true;
          this.#machine.cancelScope(inner, `the scope took longer than ${formatDuration(limit)}`);
        },
        () => {},
      );
    }
    try {
      return await runInner(inner, fn);
    } catch (error) {
      if (late && error instanceof CancelledError) throw new ScopeTimeoutError(formatDuration(limit ?? 0), error);
      throw error;
    } finally {
      this.#machine.leaveScope(inner);
      this.#machine.leaveScope(clock);
    }
  }

  uncancellable<T>(fn: () => Promise<T>): Promise<T> {
    return runInner(new Scope(currentScope() ?? this.#machine.scope, false), fn);
  }

  now(): number {
    return this.#machine.now;
  }

  random(): number {
    return this.#machine.random();
  }

  uuid(): string {
    return this.#machine.uuid();
  }

  note(kind: string, data: Record<string, unknown>): void {
    this.#machine.note(kind, data);
  }
}

function withOptions(base: ActivityConfig, options: StepOptions, name: string): ActivityConfig {
  const { retry, timeout, totalTimeout } = options;
  if (retry === undefined && timeout === undefined && totalTimeout === undefined) return base;
  return {
    ...base,
    retry: retryPolicy(retry, base.retry),
    timeoutMs: timeout === undefined ? base.timeoutMs : durationMs(timeout, `timeout of ${name}`),
    totalTimeoutMs:
      totalTimeout === undefined ? base.totalTimeoutMs : durationMs(totalTimeout, `totalTimeout of ${name}`),
  };
}
