/** The context `wf` of a live or replayed run: turns what workflow code asks for into commands of its machine. */
import { CancelledError, ScopeTimeoutError } from "../core/cancelled.ts";
import { nextCron } from "../core/cron.ts";
import { digest } from "../core/digest.ts";
import { type Duration, durationMs, formatDuration } from "../core/duration.ts";
import { PerdureError, wrongArgument } from "../core/errors.ts";
import { described, isA } from "../core/foreign.ts";
import type { Machine } from "../core/machine.ts";
import { checkedName, nameOf, shown } from "../core/names.ts";
import { noteData } from "../core/note-data.ts";
import { encodeInput } from "../core/payload.ts";
import { type StandardSchemaV1, validatedNow } from "../core/schema.ts";
import { Scope } from "../core/scope.ts";
import type { StoreTransaction } from "../core/sql-transaction.ts";
import { checkTags } from "../core/tags.ts";
import type { ActivityContext, AnyActivity } from "../workflow/activity.ts";
import type {
  Callback,
  CancelScope,
  ChildHandle,
  ChildOptions,
  Decision,
  MapWork,
  PeerHandle,
  RunInfo,
  StepOptions,
  WorkflowContext,
} from "../workflow/context.ts";
import type { Logger } from "../workflow/logger.ts";
import { type MapOptions, mapItems } from "../workflow/map.ts";
import { isInSaga, runSaga, type Saga } from "../workflow/saga.ts";
import type { Query, Signal, Update } from "../workflow/signal.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import { Approval, approvalUpdate, type Said } from "./approval.ts";
import { handled } from "./call-arguments.ts";
import { type CallOwner, type CallWithOptions, lookAt } from "./call-options.ts";
import { ChildCalls } from "./child-calls.ts";
import type { CommandSpec } from "./command-spec.ts";
import type { ContextHost } from "./context-host.ts";
import { peerHandle } from "./peer.ts";
import { currentPlace, currentScope, type Place, runInner, runInScope } from "./run-scope.ts";
import { sharedAnswer } from "./shared-answer.ts";
import { StepCalls } from "./step-calls.ts";
import { withAnswer } from "./valid-call.ts";

export class RunContext implements WorkflowContext {
  readonly #machine: Machine<CommandSpec>;
  readonly #host: ContextHost;
  readonly info: RunInfo;
  readonly #owner: CallOwner;
  readonly #steps: StepCalls;
  #children: ChildCalls | undefined;
  /** Where handlers run: the run's own scope, or what they were registered in that is out of its reach. */
  readonly #place: Place | undefined;
  readonly #input: StandardSchemaV1 | undefined;
  #controller: AbortController | undefined;

  constructor(
    machine: Machine<CommandSpec>,
    host: ContextHost,
    owner: CallOwner,
    info: RunInfo,
    place?: Place,
    input?: StandardSchemaV1,
  ) {
    this.#machine = machine;
    this.#host = host;
    this.#steps = new StepCalls(machine, host);
    this.#owner = owner;
    this.info = info;
    this.#place = place;
    this.#input = input;
  }

  get log(): Logger {
    return this.#owner.codeLog;
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
    this.#look("call", options);
    return this.#steps.call(target, input, options);
  }

  step<T>(name: string, fn: (ctx: ActivityContext) => T | Promise<T>, options?: StepOptions): Promise<T> {
    this.#look("step", options);
    return this.#steps.step(name, fn, options) as Promise<T>;
  }

  transaction<T>(name: string, fn: (tx: StoreTransaction) => Promise<T>, options?: StepOptions): Promise<T> {
    this.#look("transaction", options);
    return this.#steps.transaction(name, fn, options) as Promise<T>;
  }

  sleep(duration: Duration, options?: { label?: string }): Promise<void> {
    try {
      this.#look("sleep", options);
      const ms = durationMs(duration, "sleep");
      return this.#timer("sleep", String(ms), this.#machine.now + ms, options?.label);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  sleepUntil(time: number | Date, options?: { label?: string }): Promise<void> {
    try {
      this.#look("sleepUntil", options);
      const due = typeof time === "number" || time instanceof Date ? Number(time) : Number.NaN;
      if (!Number.isFinite(due)) throw wrongArgument("wf.sleepUntil", `a point in time, not ${described(time)}`);
      return this.#timer("sleepUntil", String(due), due, options?.label);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async sleepUntilCron(expression: string, options?: { timezone?: string; label?: string }): Promise<number> {
    this.#look("sleepUntilCron", options);
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

  waitFor<T>(signal: Signal<unknown, T> | string, options?: { timeout?: Duration; label?: string }): Promise<T> {
    try {
      this.#look("waitFor", options);
      const name = nameOf(signal, "the signal to wait for");
      if (typeof signal !== "string" && signal.input !== undefined)
        this.#machine.messages.expects("signal", name, signal.input);
      return this.#wait(name, this.#limit(options?.timeout, `timeout of the wait for ${name}`), options?.label);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #limit(timeout: Duration | undefined, what: string): number | undefined {
    return timeout === undefined ? undefined : durationMs(timeout, what);
  }

  #wait<T>(name: string, ms: number | undefined, label: string | undefined): Promise<T> {
    const spec = { due: ms === undefined ? undefined : this.#machine.now + ms };
    const inputDigest = digest(String(ms ?? ""));
    return this.#machine.issue({ scope: currentScope(), kind: "wait", name, label, inputDigest, spec }) as Promise<T>;
  }

  async *signals<T>(signal: Signal<unknown, T> | string): AsyncGenerator<T, void, undefined> {
    for (;;) yield await this.waitFor<T>(signal);
  }

  on<I, O>(
    token: Signal<unknown, I> | Query<unknown, never, O, I> | Update<never, unknown, I, O>,
    handler: (input: I) => unknown,
    options?: { validate?: (input: I) => void },
  ): void {
    this.#look("on", options);
    const { kind, name, validate: check } = handled(token, handler, options?.validate);
    const scope = this.#scope;
    const inside =
      (fn: (input: I) => unknown) =>
      (input: unknown): unknown =>
        this.#inside(scope.shield, () => fn(input as I));
    const { messages } = this.#machine;
    if (token.input !== undefined) messages.expects(kind, name, token.input);
    const run = inside(withAnswer(token, handler));
    if (kind === "signal") messages.onSignal(name, { run, scope });
    else if (kind === "query") messages.onQuery(name, run);
    else messages.onUpdate(name, { run, scope, validate: check === undefined ? undefined : inside(check) });
  }

  #look(call: CallWithOptions, options: unknown): void {
    if (options !== undefined) lookAt(options, call, this.info.workflow, this.#owner);
  }

  /** The scope the executing code is in. */
  get #scope(): Scope {
    return currentScope() ?? this.#machine.scope;
  }

  /** Runs code on behalf of the run, wherever it is called from. */
  #inside<T>(shield: Scope | undefined, fn: () => T): T {
    if (this.#place === undefined) return fn();
    return runInScope(shield === undefined ? this.#place : { ...this.#place, scope: shield }, fn);
  }

  async handlersFinished(): Promise<void> {
    await this.until(() => this.#machine.handling.length === 0, { label: "handlers finished" });
  }

  until(predicate: () => boolean, options?: { timeout?: Duration; label?: string }): Promise<true> {
    this.#look("until", options);
    return this.#until("until", "until", predicate, options, {}) as Promise<true>;
  }

  #until(
    kind: "until" | "approval",
    name: string,
    predicate: () => boolean,
    options: { timeout?: Duration; label?: string } | undefined,
    about: { approvers?: readonly string[] },
  ): Promise<unknown> {
    try {
      if (typeof predicate !== "function") throw wrongArgument(`wf.${kind}`, "a function that says whether it is true");
      const ms = this.#limit(options?.timeout, `timeout of ${kind} ${options?.label ?? name}`);
      const place = currentPlace();
      const spec = { due: ms === undefined ? undefined : this.#machine.now + ms, ...about };
      const inputDigest = digest(String(ms ?? ""));
      return this.#machine.until(
        { scope: place?.scope, kind, name, label: options?.label, inputDigest, spec },
        place === undefined ? predicate : () => runInScope(place, predicate),
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async approval(
    name: string,
    options: { approvers?: readonly string[]; timeout?: Duration; label?: string } = {},
  ): Promise<Decision | undefined> {
    this.#look("approval", options);
    const approval = new Approval(name, options.approvers);
    const { approvers } = approval;
    this.#machine.messages.onUpdate(approvalUpdate(name), {
      scope: this.#scope,
      validate: (given) => approval.check(given as Said),
      run: (given) => approval.decide(given as Said, this.#machine.now),
    });
    try {
      await this.#until(
        "approval",
        name,
        () => approval.decision !== undefined,
        options,
        approvers === undefined ? {} : { approvers },
      );
    } finally {
      approval.close();
    }
    return approval.decision;
  }

  async callback<T>(options: { timeout?: Duration; label?: string } = {}): Promise<Callback<T>> {
    this.#look("callback", options);
    const limit = this.#limit(options.timeout, "timeout of the callback");
    const due = limit === undefined ? undefined : this.#machine.now + limit;
    const { runId } = this.info;
    const token = await this.step("callback", (ctx) => this.#host.callbackToken(runId, ctx.idempotencyKey), {
      label: options.label ?? "callback",
    });
    const wait = (): Promise<T | undefined> =>
      this.#wait(
        callbackSignal(token),
        due === undefined ? undefined : Math.max(0, due - this.#machine.now),
        options.label ?? "callback",
      );
    return { token, url: this.#host.callbackUrl(token), wait: sharedAnswer(wait) };
  }

  // biome-ignore lint/suspicious/noExplicitAny: one implementation behind typed overloads
  child(target: AnyWorkflow | string, input?: any, options?: ChildOptions): Promise<any> {
    this.#look("child", options);
    this.#children ??= new ChildCalls(this.#machine, this.#host);
    return this.#children.child(target, input, options ?? {});
  }

  // biome-ignore lint/suspicious/noExplicitAny: one implementation behind typed overloads
  spawn(target: AnyWorkflow | string, input?: any, options?: ChildOptions): Promise<ChildHandle<any>> {
    this.#look("spawn", options);
    this.#children ??= new ChildCalls(this.#machine, this.#host);
    return this.#children.spawn(target, input, options ?? {});
  }

  handle(workflowId: string): PeerHandle {
    return peerHandle(this.#machine, this.#host, workflowId);
  }

  // biome-ignore lint/suspicious/noExplicitAny: one implementation behind typed overloads
  map<T, R>(items: Iterable<T>, work: MapWork<T, R>, options?: MapOptions): Promise<any> {
    this.#look("map", options);
    return mapItems(this, items, work, options ?? {}, () => this.#scope.cancelled !== undefined);
  }

  saga<T>(fn: (saga: Saga) => Promise<T>): Promise<T> {
    if (typeof fn !== "function") return Promise.reject(wrongArgument("wf.saga", "a function"));
    const saga = runSaga(this, fn, () => this.#machine.commands);
    this.#machine.finishFirst(saga);
    return saga;
  }

  patched(id: string): boolean {
    return this.version(id, { min: 0, max: 1 }) > 0;
  }

  version(id: string, range: { min: number; max: number }): number {
    checkedName(id, "the name of a change");
    if (typeof range !== "object" || range === null) throw wrongArgument(`wf.version ${shown(id)}`, "{ min, max }");
    if (!Number.isInteger(range.min) || !Number.isInteger(range.max) || range.min < 0 || range.max < range.min)
      throw new PerdureError(
        "INVALID_ARGUMENT",
        `version ${id}: min and max must be whole numbers with 0 <= min <= max`,
      );
    return this.#machine.version(id, range);
  }

  continueAsNew(input?: unknown): Promise<never> {
    try {
      if (isInSaga())
        throw new PerdureError(
          "CONFLICT",
          "wf.continueAsNew inside of wf.saga would forget the compensations; return from the saga first",
        );
      const valid =
        this.#input === undefined
          ? input
          : validatedNow(this.#input, input, `the input of workflow ${this.info.workflow}`);
      return this.#machine.continueAs(encodeInput(valid));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  tag(tags: Readonly<Record<string, string | number | boolean | null>>): void {
    checkTags(tags);
    this.#machine.note("tag", noteData({ tags }, "wf.tag"));
  }

  progress(value: unknown, options: { history?: boolean } = {}): void {
    this.#look("progress", options);
    const { history = true } = options;
    const payload: unknown = JSON.parse(encodeInput(value));
    this.#machine.note("progress", { value: payload }, { told: !history });
  }

  async scope<T>(fn: (scope: CancelScope) => Promise<T>, options?: { timeout?: Duration; label?: string }): Promise<T> {
    this.#look("scope", options);
    if (typeof fn !== "function") throw wrongArgument("wf.scope", "a function");
    const outer = this.#scope;
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
      const cancel = (reason = "its scope was cancelled"): void => this.#machine.cancelScope(inner, reason);
      return await runInner(inner, () => fn({ cancel }));
    } catch (error) {
      if (late && isA(error, CancelledError)) throw new ScopeTimeoutError(formatDuration(limit ?? 0), error);
      throw error;
    } finally {
      this.#machine.cancelScope(inner, "its scope was left");
      this.#machine.cancelScope(clock, "its scope was left");
    }
  }

  uncancellable<T>(fn: () => Promise<T>): Promise<T> {
    if (typeof fn !== "function") return Promise.reject(wrongArgument("wf.uncancellable", "a function"));
    return runInner(new Scope(this.#scope, false), fn);
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
    this.#machine.note(checkedName(kind, "the kind of a note"), noteData(data ?? {}, `wf.note ${shown(kind)}`));
  }
}

/** The signal that answers a callback. */
export function callbackSignal(token: string): string {
  return `callback:${digest(token)}`;
}
