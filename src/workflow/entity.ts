/**
 * Entities: one long-lived run per key that owns some state and answers messages about it, one at a time. An entity is a workflow like any
 * other, written on the public context: its operations are updates, its questions queries, and it continues as new by itself.
 */
import { type Duration, durationMs } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import { checkedName, checkedText, inShort } from "../core/names.ts";
import { checkKind, checkOptions, optionNames } from "../core/options.ts";
import type { WorkflowContext } from "./context.ts";
import { EntityState } from "./entity-state.ts";
import { keptMs, type Retention } from "./retention.ts";
import { type Query, query, type Update, update } from "./signal.ts";
import { isWorkflow, type Workflow, workflowOf } from "./workflow.ts";

/** What the handler of an operation gets beside the state and its input. */
export interface EntityContext {
  readonly wf: WorkflowContext;
  /** The key of this entity. */
  readonly key: string;
  /** Completes the entity with its present state once all messages that came before are handled. The next message starts it anew. */
  end(): void;
}

/** Changes the state in place and returns what the caller gets. When it throws, the state is as it was and the caller gets the error. */
type Operation<S> = (state: S, input: never, ctx: EntityContext) => unknown;
/** Answers from a copy of the state. Synchronous. */
type Question<S> = (state: S, input: never) => unknown;
type Operations<S> = Readonly<Record<string, Operation<S>>>;
type Questions<S> = Readonly<Record<string, Question<S>>>;

// biome-ignore lint/suspicious/noExplicitAny: the only type every function is assignable to
type AnyFunction = (...args: any) => unknown;
/** Type of a handler's input; undefined when it takes none. */
type InputOf<F extends AnyFunction> = Parameters<F>["length"] extends 0 | 1 ? undefined : Parameters<F>[1];
type OutputOf<F extends AnyFunction> = Awaited<ReturnType<F>>;
type Method<F extends AnyFunction, Rest extends readonly unknown[] = []> = (
  ...args: undefined extends InputOf<F> ? [input?: InputOf<F>, ...Rest] : [input: InputOf<F>, ...Rest]
) => Promise<OutputOf<F>>;

/** How an operation is called. */
export interface OperationOptions {
  /** Calling again with the same id is the same call: it is not handled twice and has the same answer. For callers that try again. */
  readonly id?: string;
}

const OPERATION: ReadonlySet<string> = optionNames<OperationOptions>({ id: true });

/** The names of handlers; none when nobody said any. */
type NamesOf<Handlers> = string extends keyof Handlers ? never : keyof Handlers & string;

/** What an entity is made of. */
export interface EntityDefinition<S extends object, On extends Operations<S>, Get extends Questions<S>> {
  /** The state of a new entity, plain data, or what makes it of the key. */
  readonly state: S | ((key: string) => S);
  /** Operations by name. They run one at a time; async ones may use `ctx.wf`. */
  readonly on: On;
  /** Questions by name. */
  readonly get?: Get;
  /** Looks at the input of an operation before it is taken; what it throws, the caller gets, and nothing is recorded. */
  readonly validate?: { readonly [K in keyof NoInfer<On>]?: (state: S, input: InputOf<NoInfer<On>[K]>) => unknown };
  /** After this long without a message the entity completes with its state; the next message starts it anew. Default never. */
  readonly expire?: Duration;
  /** How long its runs are kept after their end; every run but the last one of a live entity has ended. Default for ever. */
  readonly retention?: Retention;
  /** Number of handled messages after which the entity goes on with an empty history. Default 1000. */
  readonly continueAfter?: number;
}

// biome-ignore lint/suspicious/noExplicitAny: of whatever entity
const DEFINITION: ReadonlySet<string> = optionNames<EntityDefinition<any, any, any>>({
  state: true,
  on: true,
  get: true,
  validate: true,
  expire: true,
  retention: true,
  continueAfter: true,
});

/** What a run of an entity begins with: nothing, or the state it goes on with. */
export interface EntityInput<S> {
  readonly state: S;
}

/** An entity: a workflow, with the names and types of what it answers. */
export interface Entity<S extends object, On extends Operations<S>, Get extends Questions<S>>
  extends Workflow<EntityInput<S> | undefined, S> {
  /** The operations as updates, for `handle.update`. */
  readonly updates: { readonly [K in NamesOf<On>]: Update<InputOf<On[K]>, OutputOf<On[K]>> };
  /** The questions as queries, for `handle.query`. */
  readonly queries: { readonly [K in NamesOf<Get>]: Query<OutputOf<Get[K]>, InputOf<Get[K]>> };
  /** Carries the types only. */
  readonly types?: { readonly on: On; readonly get: Get };
}

/** Any entity, whatever its types. */
// biome-ignore lint/suspicious/noExplicitAny: the only type every entity is assignable to
export type AnyEntity = Entity<any, any, any>;

/** One entity as its callers see it: a method for each operation and question. */
export type EntityClient<E extends AnyEntity> =
  E extends Entity<infer _, infer On, infer Get>
    ? { readonly [K in NamesOf<On>]: Method<On[K], [options?: OperationOptions]> } & {
        readonly [K in NamesOf<Get>]: Method<Get[K]>;
      }
    : never;

/** Number of handled messages after which an entity continues as new, unless it says otherwise. */
const CONTINUE_AFTER = 1000;
/** Names that mean something to the language, so that no client may have them. */
const RESERVED: ReadonlySet<string> = new Set(["then", "constructor", "__proto__"]);

/**
 * Defines an entity.
 *
 * @throws PerdureError `INVALID_ARGUMENT` for a name that is used twice or reserved, and for bad options.
 *
 * @example
 * const cart = entity("cart", {
 *   state: { items: [] as string[] },
 *   on: { add: (state, item: string) => state.items.push(item) },
 *   get: { count: (state) => state.items.length },
 *   expire: "7d",
 * });
 */
export function entity<S extends object, On extends Operations<S>, Get extends Questions<S>>(
  name: string,
  definition: EntityDefinition<S, On, Get>,
): Entity<S, On, Get> {
  checkedName(name, "an entity's name");
  checkDefinition(`entity ${inShort(name)}`, definition);
  const { on, get = {}, expire, retention, continueAfter = CONTINUE_AFTER } = definition;
  checkNames(name, Object.keys(on), Object.keys(get));
  if (!Number.isInteger(continueAfter) || continueAfter < 1)
    throw new PerdureError("INVALID_ARGUMENT", `entity ${name}: continueAfter must be a whole number from 1`);
  const limits = {
    expireMs: expire === undefined ? undefined : durationMs(expire, `expire of entity ${name}`),
    continueAfter,
  };
  const run = (wf: WorkflowContext, input: EntityInput<S> | undefined): Promise<S> =>
    live(wf, { name, definition, limits }, input);
  return {
    ...workflowOf({
      name,
      version: undefined,
      run,
      ...(retention !== undefined && { kept: keptMs(retention, `retention of entity ${name}`) }),
    }),
    updates: tokens(on, update) as unknown as Entity<S, On, Get>["updates"],
    queries: tokens(get, query) as unknown as Entity<S, On, Get>["queries"],
  };
}

/** @throws PerdureError `INVALID_ARGUMENT` */
function checkDefinition(what: string, definition: object): void {
  checkOptions(definition, DEFINITION, what);
  const {
    state,
    on,
    get = {},
    validate = {},
  } = definition as { state?: unknown; on?: object; get?: object; validate?: object };
  if (state === null || (typeof state !== "object" && typeof state !== "function"))
    throw new PerdureError("INVALID_ARGUMENT", `${what} has no state: an object, or a function that makes one`);
  for (const [part, handlers] of Object.entries<unknown>({ on, get, validate })) {
    if (typeof handlers !== "object" || handlers === null)
      throw new PerdureError("INVALID_ARGUMENT", `${part} of ${what} must be an object of functions`);
    for (const [name, one] of Object.entries(handlers))
      checkKind(part === "validate" ? one : (one ?? null), "function", `${part}.${name} of ${what}`);
  }
  checkOptions(validate, new Set(Object.keys(on ?? {})), `validate of ${what}`);
}

function checkNames(entityName: string, operations: readonly string[], questions: readonly string[]): void {
  const wrong = (why: string): PerdureError => new PerdureError("INVALID_ARGUMENT", `entity ${entityName}: ${why}`);
  for (const name of [...operations, ...questions])
    if (RESERVED.has(name)) throw wrong(`nothing can be called ${JSON.stringify(name)}`);
  const twice = operations.find((name) => questions.includes(name));
  if (twice !== undefined) throw wrong(`${JSON.stringify(twice)} is both an operation (on) and a question (get)`);
}

function tokens<T>(handlers: object, token: (name: string) => T): Record<string, T> {
  return Object.fromEntries(Object.keys(handlers).map((name) => [name, token(name)]));
}

interface Live<S extends object> {
  readonly name: string;
  readonly definition: EntityDefinition<S, Operations<S>, Questions<S>>;
  readonly limits: { readonly expireMs: number | undefined; readonly continueAfter: number };
}

/** The workflow function of every entity. */
async function live<S extends object>(
  wf: WorkflowContext,
  { name, definition, limits }: Live<S>,
  input: EntityInput<S> | undefined,
): Promise<S> {
  const key = keyOf(name, wf.info.workflowId);
  const { state } = definition;
  const cell = new EntityState<S>(input?.state ?? (typeof state === "function" ? state(key) : state), wf);
  answer(wf, key, definition, cell);
  const full = (): boolean => cell.handled >= limits.continueAfter;
  for (;;) {
    const finished = (): boolean => cell.idle && (cell.ended || full());
    if (limits.expireMs === undefined) await wf.until(finished);
    else if (!(await wf.until(finished, { timeout: Math.max(0, cell.touchedAt + limits.expireMs - wf.now()) }))) {
      await wf.until(() => cell.idle);
      if (wf.now() < cell.touchedAt + limits.expireMs) continue;
      cell.ended = true;
    }
    await wf.handlersFinished();
    if (cell.ended) return cell.copy();
    return wf.continueAsNew({ state: cell.copy() });
  }
}

/** Answers messages from now on. */
function answer<S extends object>(
  wf: WorkflowContext,
  key: string,
  { on, get = {}, validate = {} }: EntityDefinition<S, Operations<S>, Questions<S>>,
  cell: EntityState<S>,
): void {
  for (const [name, handler] of Object.entries(on)) {
    const check = validate[name];
    wf.on(
      update<unknown, unknown>(name),
      (input) => cell.handle((state, end) => handler(state, input as never, { wf, key, end })),
      check === undefined ? {} : { validate: (input) => check(cell.copy(), input as never) },
    );
  }
  for (const [name, handler] of Object.entries(get))
    wf.on(query<unknown, unknown>(name), (input) => handler(cell.copy(), input as never));
}

function keyOf(name: string, workflowId: string): string {
  return workflowId.startsWith(`${name}/`) ? workflowId.slice(name.length + 1) : workflowId;
}

/** The workflow id of the entity of a key. */
export function entityId(of: AnyEntity, key: string): string {
  if (!isWorkflow(of) || (of as Partial<AnyEntity>).updates === undefined)
    throw new PerdureError("INVALID_ARGUMENT", "entity() takes what entity(…) returned");
  checkedText(key, `the key of an entity ${of.name}`);
  return `${of.name}/${key}`;
}

/** How a client reaches its entity. */
export interface EntityCalls {
  update(name: string, input: unknown, options: OperationOptions): Promise<unknown>;
  query(name: string, input: unknown): Promise<unknown>;
}

/** Makes the client of an entity: an object with these methods and nothing else, so that it can be awaited and printed. */
export function entityClient<E extends AnyEntity>(of: E, calls: EntityCalls): EntityClient<E> {
  const methods: Record<string, (input?: unknown, options?: OperationOptions) => Promise<unknown>> =
    Object.create(null);
  for (const name of Object.keys(of.updates))
    methods[name] = async (input, options = {}) => {
      checkOptions(options, OPERATION, `${name}()`);
      return calls.update(name, input, options);
    };
  for (const name of Object.keys(of.queries)) methods[name] = (input) => calls.query(name, input);
  return Object.freeze(methods) as unknown as EntityClient<E>;
}
