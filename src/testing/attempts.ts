/**
 * Every attempt of a test environment: what takes its place, what became of it, and whether it still runs.
 *
 * Owner: one environment, through all crashes of its engines. An attempt counts as running until its promise is settled or its signal
 * is aborted; one of an engine that has crashed counts no more and answers nobody.
 */
import { closest } from "../core/suggestion.ts";
import type { Around, Attempt } from "../engine/around.ts";
import { type ActivityContext, FatalError } from "../workflow/activity.ts";
import type { Life } from "./incarnation.ts";
import { isHanging, markHanging } from "./mock-functions.ts";
import { never } from "./real-time.ts";

/** One attempt of an activity, a step or a mocked child. */
export interface Call<I = unknown, O = unknown> {
  /** Name or label of the step. */
  readonly step: string;
  readonly workflowId: string;
  readonly attempt: number;
  readonly input: I;
  /** When it began, epoch milliseconds. */
  readonly at: number;
  /** `lost`: its engine crashed. */
  readonly status: "running" | "returned" | "threw" | "lost";
  readonly output?: O;
  readonly error?: unknown;
}

type MutableCall = { -readonly [Key in keyof Call]: Call[Key] };

/** A function in place of an activity or step. */
// biome-ignore lint/suspicious/noExplicitAny: the caller's types are checked where the mock is given
export type MockFunction = (input: any, ctx: ActivityContext) => unknown;

/** What a mock stands for: `activity:charge`, `step:load`, `workflow:ship`. */
export type Target = `${"activity" | "step" | "workflow"}:${string}`;

interface Running {
  readonly text: string;
  readonly mocked: boolean;
  readonly since: number;
  readonly hangs: boolean;
  readonly call: MutableCall;
  warned: boolean;
}

/** What has not settled after this much real time is taken to hang when time is moved explicitly. */
const MOCK_PATIENCE_MS = 100;
const REAL_PATIENCE_MS = 2000;
const ACTIVITY = "activity:";
const ALIVE: Life = { gone: false, begins: () => false };

export class Attempts {
  readonly #now: () => number;
  readonly #mockedOnly: boolean;
  readonly #mocks = new Map<Target, MockFunction>();
  readonly #calls = new Map<Target, MutableCall[]>();
  readonly #running = new Set<Running>();
  #endings: (() => void)[] = [];
  /** Grows with every beginning and ending. */
  moves = 0;

  constructor(now: () => number, mockedOnly: boolean) {
    this.#now = now;
    this.#mockedOnly = mockedOnly;
  }

  mock(target: Target, fn: MockFunction): void {
    this.#mocks.set(target, fn);
  }

  /** Of mocks for names that nobody has, those that were never asked for while an activity of nearly that name ran. */
  mistaken(strangers: Iterable<string>): readonly { readonly mock: string; readonly meant: string }[] {
    const ran = [...this.#calls.keys()].filter((target) => target.startsWith(ACTIVITY) && !this.#mocks.has(target));
    const names = ran.map((target) => target.slice(ACTIVITY.length));
    return [...strangers].flatMap((mock) => {
      const meant = this.#calls.has(`${ACTIVITY}${mock}`) ? undefined : closest(mock, names);
      return meant === undefined ? [] : [{ mock, meant }];
    });
  }

  calls(target: Target): readonly Call[] {
    return [...(this.#calls.get(target) ?? [])];
  }

  #remember(target: Target, call: MutableCall): void {
    const calls = this.#calls.get(target);
    if (calls === undefined) this.#calls.set(target, [call]);
    else calls.push(call);
  }

  /** Stands around the attempts of one engine, which may crash there. */
  around(engine: Life): Around {
    return (attempt, carryOut) => {
      const { step } = attempt.context;
      if (engine.gone || engine.begins(step, attempt.name, false)) return never();
      const result = this.#carryOut(attempt, carryOut, engine);
      return engine.begins(step, attempt.name, true) ? never() : result;
    };
  }

  #carryOut(attempt: Attempt, carryOut: () => unknown, engine: Life): unknown {
    const target = targetOf(attempt);
    const mock = target === undefined ? undefined : this.#mocks.get(target);
    const run = mock === undefined ? carryOut : (): unknown => mock(attempt.input, attempt.context);
    if (mock === undefined && this.#mockedOnly && attempt.kind === "activity") throw unmocked(attempt.name);
    return this.#watch(target, attempt, run, mock !== undefined, engine);
  }

  /** Runs the mock of a child, inside of the step that stands for it. */
  stand(target: Target, { input, context }: Pick<Attempt, "input" | "context">): unknown {
    const mock = this.#mocks.get(target);
    return this.#watch(target, { input, context }, () => mock?.(input, context), true, ALIVE);
  }

  /** Runs something, and keeps account of it. */
  #watch(
    target: Target | undefined,
    { input, context }: Pick<Attempt, "input" | "context">,
    run: () => unknown,
    mocked: boolean,
    engine: Life,
  ): unknown {
    const { step, workflowId, attempt } = context;
    const call: MutableCall = { step, workflowId, attempt, input, at: this.#now(), status: "running" };
    if (target !== undefined) this.#remember(target, call);
    this.moves++;
    let result: unknown;
    try {
      result = run();
    } catch (error) {
      Object.assign(call, { status: "threw", error });
      throw error;
    }
    if (isThenable(result)) return this.#wait(call, result, context, mocked, engine);
    Object.assign(call, { status: "returned", output: result });
    return result;
  }

  #wait(
    call: MutableCall,
    result: PromiseLike<unknown>,
    context: ActivityContext,
    mocked: boolean,
    engine: Life,
  ): Promise<unknown> {
    const hangs = isHanging(result);
    const end = this.#begin(call, context, mocked, hangs);
    const ended = (settled: Partial<MutableCall>): boolean => {
      end();
      this.moves++;
      if (!engine.gone) Object.assign(call, settled);
      return !engine.gone;
    };
    const watched = new Promise((resolve, reject) => {
      result.then(
        (output) => ended({ status: "returned", output }) && resolve(output),
        (error: unknown) => ended({ status: "threw", error }) && reject(error),
      );
    });
    if (hangs) markHanging(watched);
    return watched;
  }

  /** @returns what ends it: it is settled, or aborted. */
  #begin(call: MutableCall, { signal, workflow }: ActivityContext, mocked: boolean, hangs: boolean): () => void {
    const text = `${JSON.stringify(call.step)} of ${workflow} ${call.workflowId} (attempt ${call.attempt})`;
    const end = (): void => {
      this.#running.delete(running);
      this.#tellEnd();
    };
    const running = { text, mocked, hangs, since: performance.now(), call, warned: false };
    this.#running.add(running);
    signal.addEventListener("abort", end, { once: true });
    return end;
  }

  #tellEnd(): void {
    const endings = this.#endings;
    this.#endings = [];
    for (const tell of endings) tell();
  }

  /** One of the attempts that run. `patient`: what has not settled for a while is left out. */
  running(patient: boolean): boolean {
    const now = performance.now();
    for (const attempt of this.#running) {
      const ranMs = now - attempt.since;
      if (attempt.hangs || (patient && ranMs >= (attempt.mocked ? MOCK_PATIENCE_MS : REAL_PATIENCE_MS))) continue;
      if (ranMs >= REAL_PATIENCE_MS) warn(attempt);
      return true;
    }
    return false;
  }

  /** Resolves when the next running attempt ends. */
  ended(): Promise<void> {
    return new Promise((resolve) => {
      this.#endings.push(resolve);
    });
  }

  /** The engine crashes: what ran there counts no more. */
  lost(): void {
    for (const { call } of this.#running) call.status = "lost";
    this.#running.clear();
    this.moves++;
    this.#tellEnd();
  }
}

/** Time stands still for long: says so once, the test may never end. */
function warn(attempt: Running): void {
  if (attempt.warned) return;
  attempt.warned = true;
  console.warn(
    `perdure: time stands still because ${attempt.text} has been running for ${REAL_PATIENCE_MS / 1000} s of real time. A mock that is to hang: env.mock(…, hangs())`,
  );
}

function targetOf({ kind, name }: Attempt): Target | undefined {
  if (kind === "activity") return `activity:${name}`;
  return kind === "inline" || kind === "transaction" ? `step:${name}` : undefined;
}

function unmocked(name: string): FatalError {
  return new FatalError(
    `activity ${JSON.stringify(name)} has no mock, and this test environment runs nothing else (unmocked: "fail"): env.mock(${JSON.stringify(name)}, async (input) => …)`,
  );
}

function isThenable(value: unknown): value is PromiseLike<unknown> & object {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
