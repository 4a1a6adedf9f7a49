/** Activities: named functions that may do anything. At least once, retried, timed out. */
import { type Duration, durationMs } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import { type ErrorClasses, FATAL, RETRY_AFTER } from "../core/failure.ts";
import { checkedName, inShort } from "../core/names.ts";
import { checkWord, optionNames } from "../core/options.ts";
import { DEFAULT_RETRY, type RetryOptions, type RetryPolicy, retryPolicy } from "../core/retry-policy.ts";
import {
  type InferInput,
  type InferOutput,
  invalidActivityInput,
  invalidOutput,
  type StandardSchemaV1,
  schemasOf,
  type ValueSchemas,
  validated,
} from "../core/schema.ts";
import { definitionOf } from "./definition.ts";
import type { Logger } from "./logger.ts";
import { inWorkflowTurn } from "./turn.ts";

/** What an activity gets beside its input. */
export interface ActivityContext {
  /** Aborted on timeout, cancellation, loss of the lease and shutdown; pass it to `fetch` and friends. */
  readonly signal: AbortSignal;
  /** Number of this attempt, from 1. */
  readonly attempt: number;
  /** The same for every attempt of this step, also after a crash; different for every step of every run. */
  readonly idempotencyKey: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly workflow: string;
  /** Name or label of the step. */
  readonly step: string;
  /** The secrets given at start, in clear text. Only activities see them. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The `deps` given to `open`. */
  readonly deps: unknown;
  /** What the workflow passed as `extra`; in flows `{upstream, runInput}`. */
  readonly extra: unknown;
  /** Outputs of the direct dependencies by step id, inside flows; empty elsewhere. */
  readonly upstream: Readonly<Record<string, unknown>>;
  /** The input of the whole run, inside flows; undefined elsewhere. */
  readonly runInput: unknown;
  /** Says that the attempt is alive; `details` reach the next attempt as `lastHeartbeat`. */
  heartbeat(details?: unknown): void;
  /**
   * The attempt goes on after the function returns: whoever has the token completes it with `engine.complete(token, result)` or fails it with
   * `engine.fail(token, error)`. What the function returns is ignored, what it throws is not; its time limits go on. A crash of the
   * engine does not repeat the attempt.
   */
  completeLater(): string;
  /** Details of the last heartbeat of an earlier attempt. */
  readonly lastHeartbeat: unknown;
  readonly log: Logger;
}

/** Options of an activity, beside the schemas `input` and `output`; a call can override the first three. */
export interface ActivityOptions {
  readonly retry?: RetryOptions;
  /** Longest time of one attempt. Default 10 min. */
  readonly timeout?: Duration;
  /** Longest time of all attempts together. Default none. */
  readonly totalTimeout?: Duration;
  /** Longest silence between heartbeats. Default none: heartbeats are not required. */
  readonly heartbeatTimeout?: Duration;
  /** Error classes that keep their identity (`instanceof`) in workflow code. */
  readonly errors?: ErrorClasses;
  /** At most this many attempts of it run at a time in an engine; further ones wait, served in turn by run. Default: no limit. */
  readonly concurrency?: number;
  /** `start` writes a journal row before each attempt starts, `outcome` (default) only when it lasts. */
  readonly journal?: "start" | "outcome";
}

const OPTIONS: ReadonlySet<string> = optionNames<ActivityOptions & ValueSchemas>({
  retry: true,
  timeout: true,
  totalTimeout: true,
  heartbeatTimeout: true,
  errors: true,
  concurrency: true,
  journal: true,
  input: true,
  output: true,
});

/** Options in plain numbers. */
export interface ActivityConfig extends ValueSchemas {
  readonly retry: RetryPolicy;
  readonly timeoutMs: number;
  readonly totalTimeoutMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly errors: ErrorClasses;
  readonly journalStart: boolean;
  /** Infinite for no limit. */
  readonly concurrency: number;
}

/** Default limit of one attempt: 10 minutes. */
export const DEFAULT_TIMEOUT_MS: number = 600_000;

/** The configuration of a step that says nothing. */
export const DEFAULT_CONFIG: ActivityConfig = {
  retry: DEFAULT_RETRY,
  timeoutMs: DEFAULT_TIMEOUT_MS,
  totalTimeoutMs: Number.POSITIVE_INFINITY,
  heartbeatTimeoutMs: Number.POSITIVE_INFINITY,
  errors: [],
  journalStart: false,
  concurrency: Number.POSITIVE_INFINITY,
};

const ACTIVITY: unique symbol = Symbol.for("perdure.activity");

/** A named activity. Called directly it is the plain function (for unit tests). */
export interface Activity<I, O> {
  (input: I, ctx?: ActivityContext): Promise<O>;
  readonly activityName: string;
  readonly [ACTIVITY]: {
    readonly config: ActivityConfig;
    readonly run: (input: I, ctx: ActivityContext) => O | Promise<O>;
  };
}

/** Any activity, whatever its types. */
// biome-ignore lint/suspicious/noExplicitAny: the only type every activity is assignable to
export type AnyActivity = Activity<any, any>;

/** Beside a schema this is not given. */
interface NoSchemas {
  readonly input?: undefined;
  readonly output?: undefined;
}

type Handler<I, O> = (input: I, ctx: ActivityContext) => O | Promise<O>;

/**
 * Defines an activity.
 *
 * @param name `etl/extract` means activity `etl/extract` on queue `etl`.
 * @throws PerdureError `INVALID_ARGUMENT` for an empty name or bad options.
 *
 * @example
 * const greet = activity("greet", async (name: string) => `Hello ${name}`);
 */
export function activity<I = undefined, O = unknown>(name: string, fn: Handler<I, O>): Activity<I, O>;
/**
 * Defines an activity whose input, output or both go through a Standard Schema: callers are typed by what goes into the input's and comes
 * out of the output's, the function by the other ends.
 *
 * @example
 * const charge = activity("charge", { input: Order, output: z.string() }, async (order) => (await pay(order)).txn);
 */
export function activity<In extends StandardSchemaV1, Out extends StandardSchemaV1>(
  name: string,
  options: ActivityOptions & { readonly input: In; readonly output: Out },
  fn: Handler<InferOutput<In>, InferInput<Out>>,
): Activity<InferInput<In>, InferOutput<Out>>;
export function activity<In extends StandardSchemaV1, O>(
  name: string,
  options: ActivityOptions & { readonly input: In; readonly output?: undefined },
  fn: Handler<InferOutput<In>, O>,
): Activity<InferInput<In>, O>;
export function activity<Out extends StandardSchemaV1, I = undefined>(
  name: string,
  options: ActivityOptions & { readonly input?: undefined; readonly output: Out },
  fn: Handler<I, InferInput<Out>>,
): Activity<I, InferOutput<Out>>;
export function activity<I = undefined, O = unknown>(
  name: string,
  options: ActivityOptions & NoSchemas,
  fn: Handler<I, O>,
): Activity<I, O>;
export function activity<I, O>(
  name: string,
  options: (ActivityOptions & ValueSchemas) | Handler<I, O>,
  fn?: Handler<I, O>,
): Activity<I, O> {
  checkedName(name, "an activity's name");
  const { options: given, run } = definitionOf(`activity ${inShort(name)}`, OPTIONS, options, fn);
  const config = activityConfig(name, given);
  const checked = withInput(name, config.input, withOutput(name, config.output, run as AttemptFunction)) as typeof run;
  const direct = async (input: I, ctx?: ActivityContext): Promise<O> => {
    if (inWorkflowTurn()) {
      throw new PerdureError(
        "OUT_OF_TURN",
        `activity ${name} was called directly inside a workflow, where its result would not be kept; write: await wf.call(${name}, input)`,
      );
    }
    return checked(input, ctx as ActivityContext);
  };
  return Object.assign(direct, { activityName: name, [ACTIVITY]: { config, run } });
}

type AttemptFunction = (input: unknown, ctx: ActivityContext) => unknown;

function withOutput(name: string, schema: StandardSchemaV1 | undefined, run: AttemptFunction): AttemptFunction {
  if (schema === undefined) return run;
  return async (input, ctx) => validated(schema, await run(input, ctx), outputOf(name), invalidOutput);
}

/** What errors call the output of an activity. */
export function outputOf(activity: string): string {
  return `the output of activity ${activity}`;
}

function withInput(name: string, schema: StandardSchemaV1 | undefined, run: AttemptFunction): AttemptFunction {
  if (schema === undefined) return run;
  const what = `the input of activity ${name}`;
  return async (input, ctx) => run(await validated(schema, input, what, invalidActivityInput), ctx);
}

/** The function of an activity for an input that nobody has validated yet. */
export function uncheckedRun(of: AnyActivity): (input: never, ctx: ActivityContext) => unknown {
  const { config, run } = of[ACTIVITY];
  return withInput(of.activityName, config.input, run);
}

function activityConfig(name: string, options: ActivityOptions & ValueSchemas): ActivityConfig {
  const ms = (value: Duration | undefined, what: string, fallback: number): number =>
    value === undefined ? fallback : durationMs(value, `${what} of activity ${name}`);
  checkWord(options.journal, ["start", "outcome"], `journal of activity ${name}`);
  return {
    retry: retryPolicy(options.retry),
    timeoutMs: ms(options.timeout, "timeout", DEFAULT_TIMEOUT_MS),
    totalTimeoutMs: ms(options.totalTimeout, "totalTimeout", Number.POSITIVE_INFINITY),
    heartbeatTimeoutMs: ms(options.heartbeatTimeout, "heartbeatTimeout", Number.POSITIVE_INFINITY),
    errors: errorsOf(name, options.errors),
    journalStart: options.journal === "start",
    concurrency: concurrencyOf(name, options.concurrency),
    ...schemasOf(`activity ${name}`, options),
  };
}

function errorsOf(name: string, given: ErrorClasses | undefined): ErrorClasses {
  if (given === undefined) return [];
  if (Array.isArray(given) && given.every((type) => typeof type === "function")) return given;
  throw new PerdureError("INVALID_ARGUMENT", `the errors of activity ${name} must be a list of classes`);
}

function concurrencyOf(name: string, given: number | undefined): number {
  if (given === undefined || given === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  if (Number.isSafeInteger(given) && given > 0) return given;
  throw new PerdureError(
    "INVALID_ARGUMENT",
    `the concurrency of activity ${name} must be a whole number above 0, not ${String(given)}`,
  );
}

/** Whether a value was made by {@link activity}. */
export function isActivity(value: unknown): value is AnyActivity {
  return typeof value === "function" && ACTIVITY in value;
}

/** The function and configuration inside an activity. */
export function activityParts<I, O>(of: Activity<I, O>): Activity<I, O>[typeof ACTIVITY] {
  return of[ACTIVITY];
}

/** An error that is never retried: the attempt after it would fail the same way. */
export class FatalError extends Error {
  override readonly name: string = "FatalError";
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    Object.defineProperty(this, FATAL, { value: true });
  }
}

/** An error that names when to try again, whatever the policy's back-off says. */
export class RetryError extends Error {
  override readonly name: string = "RetryError";
  constructor(message: string, options: { after: Duration; cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    Object.defineProperty(this, RETRY_AFTER, { value: durationMs(options?.after, "RetryError.after") });
  }
}
