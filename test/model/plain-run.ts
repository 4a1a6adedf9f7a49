/**
 * The model of a run: its code as an ordinary async function, with timers, queues and a tree of scopes. No history, no commits, no
 * replay: what a workflow would do if nothing ever broke.
 */
import { CancelledError, ScopeTimeoutError } from "../../src/core/cancelled.ts";
import type { WorkflowContext } from "../../src/workflow/context.ts";
import { errorWord } from "./interpreter.ts";
import { currentScope, PlainScope } from "./plain-scope.ts";
import type { PlainWorld } from "./plain-world.ts";
import type { Policy } from "./program.ts";

export type PlainStatus = "running" | "completed" | "failed" | "cancelled" | "terminated";

/** Something the code waits for. */
interface Pending {
  readonly scope: PlainScope;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  /** Takes back what was begun for it. */
  undo: () => void;
}

interface Child {
  readonly run: PlainRun;
  readonly policy: Policy;
}

interface Handler {
  readonly run: (input: never) => unknown;
  readonly validate: ((input: never) => void) | undefined;
}

/** The end of a run that goes on as another. */
class Continue extends Error {
  readonly input: unknown;

  constructor(input: unknown) {
    super("continue");
    this.input = input;
  }
}

export class PlainRun {
  readonly id: string;
  readonly world: PlainWorld;
  readonly #code: (wf: WorkflowContext, input: never) => Promise<unknown>;
  readonly #closed: (run: PlainRun) => void;
  readonly tags: Record<string, string> = {};
  status: PlainStatus = "running";
  /** Result, or word of the error. */
  outcome: unknown;
  /** Counts generations; what belongs to an earlier one is dead. */
  #life = 0;
  #scope = new PlainScope(undefined, true);
  #cancelled = false;
  #cancelling = false;
  #pending: Pending[] = [];
  #waiting: { name: string; pending: Pending }[] = [];
  #conditions: { predicate: () => boolean; pending: Pending }[] = [];
  #kept: { name: string; value: unknown }[] = [];
  readonly #handlers = new Map<string, Handler>();
  #handling = 0;
  readonly #updates = new Set<(answer: string) => void>();
  #children = new Set<Child>();
  /** Children that are to be terminated when the run ends, and when they were told to stop before. */
  readonly #told = new Map<PlainRun, number>();
  /** Sagas at work. */
  #unfinished = new Set<Promise<unknown>>();
  /** How the code ended while some were. */
  #last: (() => void) | undefined;
  /** Whether that was to continue as new: what comes is for what goes on. */
  #continuing = false;
  #held: (() => void)[] = [];

  constructor(
    world: PlainWorld,
    id: string,
    code: (wf: WorkflowContext, input: never) => Promise<unknown>,
    input: unknown,
    closed: (run: PlainRun) => void = () => {},
  ) {
    this.world = world;
    this.id = id;
    this.#code = code;
    this.#closed = closed;
    world.runs.set(id, this);
    this.#live(input);
  }

  get open(): boolean {
    return this.status === "running";
  }

  #live(input: unknown): void {
    const life = this.#life;
    currentScope
      .run(this.#scope, () => this.#code(this.#context(), input as never))
      .then(
        (value) => this.#conclude(life, false, () => this.#ended(life, "completed", value)),
        (error: unknown) =>
          this.#conclude(life, error instanceof Continue, () => {
            if (error instanceof Continue) this.#continue(life, error.input);
            else if (this.#cancelled && isCancellation(error)) this.#ended(life, "cancelled", "cancelled");
            else this.#ended(life, "failed", errorWord(error));
          }),
      );
  }

  /** Ends once what is unfinished has been cancelled and is over. */
  #conclude(life: number, continues: boolean, end: () => void): void {
    if (life !== this.#life || !this.open || this.#last !== undefined) return;
    if (this.#unfinished.size === 0) {
      end();
      return;
    }
    this.#last = end;
    this.#continuing = continues;
    this.#cancelScope(this.#scope);
  }

  /** What code of an earlier generation still says is nothing to this one. */
  get #heard(): boolean {
    return this.open && (currentScope.getStore() ?? this.#scope).isInLifeOf(this.#scope);
  }

  /** The run does not end before this is over. */
  finishFirst(work: Promise<unknown>): void {
    if (!this.#heard) return;
    const unfinished = this.#unfinished.add(work);
    const over = (): void => {
      unfinished.delete(work);
      if (unfinished === this.#unfinished && unfinished.size === 0) this.#last?.();
    };
    work.then(over, over);
  }

  #continue(life: number, input: unknown): void {
    if (life !== this.#life || !this.open) return;
    // Children go on by themselves.
    this.#children.clear();
    this.#told.clear();
    this.#handlers.clear();
    this.#forget();
    this.#live(input);
    for (const goOn of this.#held.splice(0)) goOn();
  }

  #ended(life: number, status: PlainStatus, outcome: unknown): void {
    if (life !== this.#life || !this.open) return;
    this.status = status;
    this.outcome = outcome;
    this.#forget();
    for (const answer of this.#updates) answer("RUN_CLOSED");
    for (const { run, policy } of this.#children) {
      if (policy === "cancel") void run.cancel();
      else if (policy === "terminate") run.terminate();
    }
    for (const [run, toldAt] of this.#told) this.#terminateTold(run, toldAt);
    this.#closed(this);
    for (const goOn of this.#held.splice(0)) goOn();
  }

  /** A child that was told to stop and is to be terminated as well: when both happen at once, either may come first. */
  #terminateTold(run: PlainRun, toldAt: number): void {
    if (toldAt === this.world.clock.now()) this.world.ambiguous = true;
    else run.terminate();
  }

  #forget(): void {
    this.#life++;
    for (const { undo } of this.#pending) undo();
    this.#pending = [];
    this.#waiting = [];
    this.#conditions = [];
    this.#handling = 0;
    this.#unfinished = new Set();
    this.#last = undefined;
    this.#continuing = false;
    this.#scope = new PlainScope(undefined, true);
  }

  // ---- from outside ----------------------------------------------------------------------------------------------------

  signal(name: string, value: unknown): boolean {
    if (!this.open) return false;
    const handler = this.#continuing ? undefined : this.#handlers.get(name);
    const waiter = this.#waiting.find((one) => one.name === name);
    if (handler !== undefined) handler.run(value as never);
    else if (waiter !== undefined) this.#settle(waiter.pending)?.resolve(value);
    else this.#kept.push({ name, value });
    this.#ask();
    return true;
  }

  /** Answers with the answer in a word, later. */
  update(name: string, value: unknown): Promise<string> {
    if (this.#continuing)
      return new Promise((resolve) => this.#held.push(() => void this.update(name, value).then(resolve)));
    const handler = this.#handlers.get(name);
    if (!this.open || handler === undefined) return Promise.resolve("RUN_CLOSED");
    try {
      handler.validate?.(value as never);
    } catch (error) {
      return Promise.resolve(`failed: ${errorWord(error)}`);
    }
    const life = this.#life;
    return new Promise((resolve) => {
      this.#updates.add(resolve);
      this.#handling++;
      const ended = (answer: string): void => {
        if (life !== this.#life) return;
        this.#updates.delete(resolve);
        this.#handling--;
        resolve(answer);
        this.#ask();
      };
      currentScope
        .run(this.#scope, async () => handler.run(value as never))
        .then(
          (answer) => ended(`answered: ${String(answer)}`),
          (error: unknown) => ended(`failed: ${errorWord(error)}`),
        );
    });
  }

  query(name: string): unknown {
    return this.#handlers.get(name)?.run(undefined as never);
  }

  async cancel(): Promise<void> {
    if (!this.open || this.#cancelled) return;
    if (this.#continuing) {
      this.#held.push(() => void this.cancel());
      return;
    }
    this.#cancelled = true;
    this.#cancelling = true;
    const scope = this.#scope;
    scope.cancel("cancelled");
    const reached = this.#pending.filter((one) => one.scope.isIn(scope));
    // All of it stops, whether or not the code gets to see it.
    for (const { undo } of reached) undo();
    await this.world.turn();
    for (const pending of reached) {
      this.#settle(pending)?.reject(new CancelledError("cancelled"));
      await this.world.turn();
    }
    this.#cancelling = false;
  }

  terminate(): void {
    this.#ended(this.#life, "terminated", "RUN_TERMINATED");
  }

  /** Whether what the code asks for now is turned away. */
  get refuses(): boolean {
    return (currentScope.getStore() ?? this.#scope).cancelled;
  }

  // ---- commands --------------------------------------------------------------------------------------------------------

  #issue(begin: (pending: Pending) => void, atOnce = false): Promise<unknown> {
    if (!this.#heard) return new Promise(() => {});
    const scope = currentScope.getStore() ?? this.#scope;
    if (scope.cancelled) return Promise.reject(new CancelledError("cancelled"));
    return new Promise((resolve, reject) => {
      const pending: Pending = { scope, resolve, reject, undo: () => {} };
      this.#pending.push(pending);
      if (atOnce) begin(pending);
      else this.#begin(pending, begin);
    });
  }

  /** Nothing begins before the code has seen all of a cancellation. */
  #begin(pending: Pending, begin: (pending: Pending) => void): void {
    this.world.soon(() => {
      if (!this.#pending.includes(pending)) return;
      if (this.#cancelling) this.#begin(pending, begin);
      else begin(pending);
    });
  }

  #settle(pending: Pending): Pending | undefined {
    if (!this.#pending.includes(pending)) return undefined;
    this.#pending = this.#pending.filter((one) => one !== pending);
    this.#waiting = this.#waiting.filter((one) => one.pending !== pending);
    this.#conditions = this.#conditions.filter((one) => one.pending !== pending);
    pending.undo();
    return pending;
  }

  /** Looks whether conditions have come true. */
  #ask(): void {
    for (const { predicate, pending } of [...this.#conditions]) if (predicate()) this.#settle(pending)?.resolve(true);
  }

  #cancelScope(scope: PlainScope): void {
    scope.cancel("left");
    for (const pending of this.#pending.filter((one) => one.scope.isIn(scope)))
      this.#settle(pending)?.reject(new CancelledError("left"));
  }

  /** An activity: attempts one after another, each of which takes a while. */
  work(
    attempt: (number: number) => { readonly ms: number; readonly error: Error | undefined; readonly value: unknown },
    attempts: number,
    retryMs: number,
  ): Promise<unknown> {
    return this.#issue((pending) => {
      const begin = (number: number): void => {
        const { ms, error, value } = attempt(number);
        pending.undo = this.world.after(ms, () => {
          if (error === undefined) this.#settle(pending)?.resolve(value);
          else if (number === attempts) this.#settle(pending)?.reject(error);
          else pending.undo = this.world.after(retryMs, () => begin(number + 1));
        });
      };
      begin(1);
    });
  }

  child(
    id: string,
    code: (wf: WorkflowContext, input: never) => Promise<unknown>,
    input: unknown,
    policy: Policy,
    begun: () => void = () => {},
  ): Promise<unknown> {
    return this.#issue((pending) => {
      const ended = (run: PlainRun): void => {
        // One that was told to stop is not waited for any more.
        if (!this.#children.delete(child)) return;
        const settled = this.#settle(pending);
        if (run.status === "completed") settled?.resolve(run.outcome);
        else settled?.reject(Object.assign(new Error("child"), { code: `RUN_${run.status.toUpperCase()}` }));
      };
      const child: Child = { run: new PlainRun(this.world, id, code, input, ended), policy };
      this.#children.add(child);
      begun();
      pending.undo = () => {
        // What has ended is not cancelled; what its parent's end does to it is decided there.
        if (!child.run.open || !this.open || !this.#children.delete(child)) return;
        if (policy !== "abandon") void child.run.cancel();
        if (policy === "terminate") this.#told.set(child.run, this.world.clock.now());
      };
    });
  }

  #timer(ms: number, value: unknown, then?: (pending: Pending) => void): Promise<unknown> {
    return this.#issue((pending) => {
      pending.undo = this.world.after(ms, () => this.#settle(pending)?.resolve(value));
      then?.(pending);
    }, true);
  }

  #wait(name: string, timeoutMs: number | undefined): Promise<unknown> {
    return this.#issue((pending) => {
      const kept = this.#kept.findIndex((one) => one.name === name);
      if (kept >= 0) {
        this.#settle(pending)?.resolve(this.#kept.splice(kept, 1)[0]!.value);
        return;
      }
      if (timeoutMs !== undefined)
        pending.undo = this.world.after(timeoutMs, () => this.#settle(pending)?.resolve(undefined));
      this.#waiting.push({ name, pending });
    }, true);
  }

  /** What is true already is not waited for, cancelled or not. */
  #until(predicate: () => boolean, timeoutMs: number | undefined): Promise<unknown> {
    if (predicate()) return Promise.resolve(true);
    return this.#issue((pending) => {
      if (timeoutMs !== undefined)
        pending.undo = this.world.after(timeoutMs, () => this.#settle(pending)?.resolve(false));
      this.#conditions.push({ predicate, pending });
    }, true);
  }

  async scope<T>(fn: (scope: { cancel(): void }) => Promise<T>, timeoutMs: number | undefined): Promise<T> {
    const outer = currentScope.getStore() ?? this.#scope;
    const inner = new PlainScope(outer, true);
    const clock = new PlainScope(outer, true);
    let late = false;
    if (timeoutMs !== undefined)
      currentScope
        .run(clock, () => this.#timer(timeoutMs, undefined))
        .then(
          () => {
            late = true;
            this.#cancelScope(inner);
          },
          () => {},
        );
    try {
      return await currentScope.run(inner, () => fn({ cancel: () => this.#cancelScope(inner) }));
    } catch (error) {
      throw late && error instanceof CancelledError ? new ScopeTimeoutError("a while", error) : error;
    } finally {
      this.#cancelScope(inner);
      this.#cancelScope(clock);
    }
  }

  #context(): WorkflowContext {
    const wf = {
      info: { workflowId: this.id },
      run: this,
      sleep: (ms: number) => this.#timer(ms, undefined),
      waitFor: (name: string, { timeout }: { timeout?: number } = {}) => this.#wait(name, timeout),
      until: (predicate: () => boolean, { timeout }: { timeout?: number } = {}) => this.#until(predicate, timeout),
      on: (token: { name: string }, run: Handler["run"], { validate }: { validate?: Handler["validate"] } = {}) => {
        if (!this.#heard) return;
        this.#handlers.set(token.name, { run, validate });
        const kept = this.#kept.filter((one) => one.name === token.name);
        this.#kept = this.#kept.filter((one) => one.name !== token.name);
        for (const { value } of kept) run(value as never);
      },
      handlersFinished: () => this.#until(() => this.#handling === 0, undefined),
      scope: <T>(fn: (scope: { cancel(): void }) => Promise<T>, { timeout }: { timeout?: number } = {}) =>
        this.scope(fn, timeout),
      uncancellable: <T>(fn: () => Promise<T>) =>
        currentScope.run(new PlainScope(currentScope.getStore() ?? this.#scope, false), fn),
      handle: (id: string) => ({
        signal: ({ name }: { name: string }, value: unknown) =>
          this.#issue((pending) => {
            const told = this.world.runs.get(id)?.signal(name, value) === true;
            if (told) this.#settle(pending)?.resolve(undefined);
            else this.#settle(pending)?.reject(Object.assign(new Error("closed"), { code: "RUN_CLOSED" }));
          }),
      }),
      tag: (tags: Record<string, unknown>) => {
        if (this.#heard) for (const [key, value] of Object.entries(tags)) this.tags[key] = String(value);
      },
      continueAsNew: async (input: unknown) => {
        throw this.#cancelled ? new CancelledError("cancelled") : new Continue(input);
      },
    };
    return wf as unknown as WorkflowContext;
  }
}

function isCancellation(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause) if (one.name === "CancelledError") return true;
  return false;
}
