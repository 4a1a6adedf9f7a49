/**
 * `wf.saga`: steps with compensations. Written on the public context.
 *
 * A compensation is registered before its step begins. When the function throws, what is still going on inside the saga is cancelled and
 * waited for, sagas inside included; then the compensations run one at a time, the last first, out of reach of any cancellation.
 * All of it is deterministic code, so that a crash in the middle is a replay like any other.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { PerdureError } from "../core/errors.ts";
import { fromFailure, toFailure } from "../core/failure.ts";
import { isError } from "../core/foreign.ts";
import { encodePayload } from "../core/payload.ts";
import type { Activity, ActivityContext } from "./activity.ts";
import type { ChildOptions, StepOptions, WorkflowContext } from "./context.ts";
import type { Workflow } from "./workflow.ts";

/** Undoes a step. Gets what the step returned, or undefined when that is not known: it failed, or may have happened all the same. */
export type Undo<O> = (result: O | undefined) => Promise<unknown>;

/** What became of a compensation. */
export interface Compensation {
  readonly step: string;
  readonly status: "completed" | "failed";
  readonly error?: Error;
}

/** What the function of `wf.saga` gets: steps that can be undone. */
export interface Saga {
  /** Calls an activity; `undo` compensates it when the saga fails later. */
  call<I, O>(activity: Activity<I, O>, input: I, options: StepOptions & { undo: Undo<O> }): Promise<O>;
  /** Runs a function once and keeps its result, like `wf.step`. */
  step<T>(
    name: string,
    fn: (ctx: ActivityContext) => T | Promise<T>,
    options: StepOptions & { undo: Undo<T> },
  ): Promise<T>;
  /** Starts a child workflow and waits for its result. */
  child<I, O>(workflow: Workflow<I, O>, input: I, options: ChildOptions & { undo: Undo<O> }): Promise<O>;
  /** Registers a compensation by itself. */
  onFailure(name: string, undo: () => Promise<unknown>): void;
}

/** A registered compensation. `begun` is false when its step has certainly done nothing. */
interface Undoing {
  readonly step: string;
  /** Number of the step's command, the first of the saga for what is no step: the run can go back to before that (rule 30). */
  readonly command: number;
  readonly begun: () => boolean;
  readonly run: () => Promise<unknown>;
}

/** The saga that the executing code is in. */
const inside = new AsyncLocalStorage<SagaRun>();

/** Whether the executing code is in a saga. */
export function isInSaga(): boolean {
  return inside.getStore() !== undefined;
}

/**
 * Behind `wf.saga`. Throws what the function threw, the very same, with `.compensations` when some ran. `issued` counts the commands
 * of the run.
 */
export async function runSaga<T>(
  wf: WorkflowContext,
  fn: (saga: Saga) => Promise<T>,
  issued: () => number,
): Promise<T> {
  const saga = new SagaRun(wf, issued);
  const ended = wf.scope(async (scope) => {
    try {
      return await inside.run(saga, async () => fn(saga));
    } catch (error) {
      scope.cancel("the saga is being undone");
      await saga.settled();
      throw told(error, await saga.undo());
    } finally {
      saga.close();
    }
  });
  inside.getStore()?.contains(ended);
  return ended;
}

class SagaRun implements Saga {
  readonly #wf: WorkflowContext;
  readonly #issued: () => number;
  /** Number of the first command asked for in here. */
  readonly #first: number;
  readonly #undoings: Undoing[] = [];
  /** Sagas inside this one that have not ended. */
  readonly #inner = new Set<Promise<unknown>>();
  #closed = false;

  constructor(wf: WorkflowContext, issued: () => number) {
    this.#wf = wf;
    this.#issued = issued;
    this.#first = issued() + 1;
  }

  call<I, O>(activity: Activity<I, O>, input: I, options: StepOptions & { undo: Undo<O> }): Promise<O> {
    const { undo, ...rest } = given(options);
    const name = rest.label ?? named(activity);
    return this.#step(name, undo, () => this.#wf.call<unknown, O>(activity as Activity<unknown, O>, input, rest));
  }

  step<T>(
    name: string,
    fn: (ctx: ActivityContext) => T | Promise<T>,
    options: StepOptions & { undo: Undo<T> },
  ): Promise<T> {
    const { undo, ...rest } = given(options);
    return this.#step(rest.label ?? name, undo, () => this.#wf.step(name, fn, rest));
  }

  child<I, O>(workflow: Workflow<I, O>, input: I, options: ChildOptions & { undo: Undo<O> }): Promise<O> {
    const { undo, ...rest } = given(options);
    const name = rest.label ?? named(workflow);
    return this.#step(name, undo, () => this.#wf.child<unknown, O>(workflow as Workflow<unknown, O>, input, rest));
  }

  onFailure(name: string, undo: () => Promise<unknown>): void {
    this.#register({ step: name, command: this.#first, begun: () => true, run: undo }, undo);
  }

  /** What rejects before anything else has happened to the run was refused or cancelled before it was started. */
  async #step<O>(step: string, undo: Undo<O>, begin: () => Promise<O>): Promise<O> {
    const { historyLength } = this.#wf.info;
    const moved = (): boolean => this.#wf.info.historyLength > historyLength;
    let result: O | undefined;
    let begun: boolean | undefined;
    const command = this.#issued() + 1;
    this.#register({ step, command, begun: () => begun ?? moved(), run: () => undo(result) }, undo);
    try {
      result = await begin();
      begun = true;
      return result;
    } catch (error) {
      begun = moved();
      throw error;
    }
  }

  #register(undoing: Undoing, undo: unknown): void {
    const { step } = undoing;
    if (this.#closed)
      throw new PerdureError(
        "CONFLICT",
        `${step} was asked of a saga that has ended; begin its steps inside of wf.saga`,
      );
    if (typeof undo !== "function")
      throw new PerdureError("INVALID_ARGUMENT", `${step} in a saga has no undo; use wf.call for what needs none`);
    this.#undoings.push(undoing);
  }

  /** A saga was begun inside of this one. */
  contains(inner: Promise<unknown>): void {
    this.#inner.add(inner);
    const ended = (): void => {
      this.#inner.delete(inner);
    };
    inner.then(ended, ended);
  }

  /** Resolves once no saga inside is at work any more. */
  async settled(): Promise<void> {
    while (this.#inner.size > 0) await Promise.allSettled(this.#inner);
  }

  /** No step is begun any more. */
  close(): void {
    this.#closed = true;
  }

  /** Runs the compensations; tells what became of them. */
  async undo(): Promise<readonly Compensation[]> {
    this.close();
    const due = this.#undoings.filter(({ begun }) => begun()).reverse();
    const done: Compensation[] = [];
    if (due.length === 0) return done;
    this.#wf.note("saga.compensating", {
      steps: due.map(({ step }) => step),
      commands: due.map(({ command }) => command),
    });
    await this.#wf.uncancellable(async () => {
      for (const undoing of due) done.push(await this.#compensate(undoing));
    });
    return done;
  }

  async #compensate({ step, run }: Undoing): Promise<Compensation> {
    const compensation = await this.#attempt(step, run);
    this.#wf.note("saga.compensated", { step, status: compensation.status });
    return compensation;
  }

  async #attempt(step: string, run: () => Promise<unknown>): Promise<Compensation> {
    try {
      await run();
      return { step, status: "completed" };
    } catch (error) {
      return { step, status: "failed", error: keepable(error) };
    }
  }
}

/** What a step is called after; from JavaScript it may be a mere name, or nothing, which is found out where it is called. */
function named(target: unknown): string {
  if (typeof target !== "object" && typeof target !== "function") return String(target);
  const { activityName, name = "a step" } = (target ?? {}) as { activityName?: string; name?: string };
  return activityName ?? name;
}

/** The options; from JavaScript they may be missing, which is found out where the undo is. */
function given<Options extends object>(options: Options | undefined): Options {
  return options ?? ({} as Options);
}

/** Puts what was undone onto the error, behind what sagas inside have put there. */
function told(error: unknown, done: readonly Compensation[]): unknown {
  if (done.length === 0 || typeof error !== "object" || error === null) return error;
  try {
    if (!Object.isExtensible(error)) return error;
    const { compensations: earlier } = error as { compensations?: unknown };
    return Object.assign(error, { compensations: [...(Array.isArray(earlier) ? earlier : []), ...done] });
  } catch {
    return error;
  }
}

/** The error itself, or its description when a history cannot keep all of it. */
function keepable(thrown: unknown): Error {
  if (!isError(thrown)) return fromFailure(toFailure(thrown));
  try {
    encodePayload(thrown);
    return thrown;
  } catch {
    return fromFailure(toFailure(thrown));
  }
}
