/**
 * What a run does with messages: signals that are kept until somebody asks, handlers of signals and updates, queries.
 *
 * Owner: the machine. A handler starts inside the drain of the event that caused it (rule 6); ending out of turn blocks the run.
 */

import type { Ending } from "./ending.ts";
import { PerdureError } from "./errors.ts";
import type { Reading } from "./reading.ts";
import { type StandardSchemaV1, validatedNow } from "./schema.ts";
import type { Scope } from "./scope.ts";
import { Vouched } from "./vouched.ts";

/** A signal that came and was not asked for. `data` is its parsed payload. */
export interface Buffered {
  readonly name: string;
  readonly message: number;
  readonly at: number;
  readonly data: unknown;
  /** Nobody has validated it: it was sent by its name, before the run asked for it. */
  readonly raw?: boolean;
}

/** A signal with its payload revived. */
export type Received = Buffered & { readonly value: unknown };

/** What handles a message, and the scope of the code it belongs to. */
interface Handler {
  readonly run: (input: unknown) => unknown;
  readonly scope: Scope;
}

/** What handles an update, and what looks at it before. */
export interface UpdateHandler extends Handler {
  readonly validate: ((input: unknown) => unknown) | undefined;
}

/** What handlers need from the machine. */
export interface HandlersHost {
  readonly reading: Reading;
  /** Whether endings still count; blocks the run when they come out of turn. */
  mayEnd(what: string): boolean;
  /** Whether code of this scope is still to get messages. */
  reaches(scope: Scope): boolean;
  /** The handler of a signal failed. */
  signalFailed(error: unknown): void;
  /** A signal that was kept does not fit the schema it is taken with: it is dropped. */
  signalRefused(name: string, error: unknown): void;
}

/** Kinds of messages that may have a schema. */
export type MessageKind = "signal" | "query" | "update";

type Run = Handler["run"];

export class Handlers {
  readonly #host: HandlersHost;
  readonly #kept = new Map<string, Received[]>();
  readonly #keptUpdates: Buffered[] = [];
  readonly #signals = new Map<string, Handler>();
  readonly #updates = new Map<string, UpdateHandler>();
  readonly #queries = new Map<string, Run>();
  /** What messages go through that were sent without a schema, by kind and name. */
  #schemas: Map<string, StandardSchemaV1> | undefined;
  /** Handlers that have not ended, by name. */
  readonly #running = new Map<string, number>();

  constructor(host: HandlersHost) {
    this.#host = host;
  }

  /** Names of handlers that have not ended. */
  get running(): readonly string[] {
    return [...this.#running.keys()];
  }

  // ---- schemas ---------------------------------------------------------------------------------------------------------

  /** From now on messages of this name that nobody has validated go through the schema. */
  expects(kind: MessageKind, name: string, schema: StandardSchemaV1): void {
    this.#schemas ??= new Map();
    this.#schemas.set(`${kind} ${name}`, schema);
  }

  /** The value of a message as the schema of its token gives it; as it is when there is none. @throws PerdureError `INVALID_ARGUMENT` */
  valid(kind: MessageKind, name: string, value: unknown): unknown {
    const schema = this.schemaOf(kind, name);
    return schema === undefined ? value : validatedNow(schema, value, messageName(kind, name));
  }

  /** The schema that messages of this name go through, if one is known. */
  schemaOf(kind: MessageKind, name: string): StandardSchemaV1 | undefined {
    return this.#schemas?.get(`${kind} ${name}`);
  }

  /** A signal as the code gets it, if it gets it now: `asked` when something waits for it. Undefined when its schema refuses it. */
  taken(signal: Received, asked: boolean): Received | undefined {
    if (signal.raw !== true || !(asked || this.receives(signal.name))) return signal;
    try {
      return { ...signal, value: this.valid("signal", signal.name, signal.value) };
    } catch (error) {
      this.#host.signalRefused(signal.name, error);
      return undefined;
    }
  }

  // ---- signals ---------------------------------------------------------------------------------------------------------

  /** Gives a signal to its handler, or keeps it. */
  receive(signal: Received): void {
    if (this.receives(signal.name)) this.#signal(signal.name, this.#signals.get(signal.name)!.run, signal.value);
    else this.keep(signal);
  }

  keep(signal: Received): void {
    const kept = this.#kept.get(signal.name);
    if (kept === undefined) this.#kept.set(signal.name, [signal]);
    else kept.push(signal);
  }

  /** Keeps an update that came when the function had ended already: the run that goes on handles it. */
  keepUpdate(update: Buffered): void {
    this.#keptUpdates.push(update);
  }

  /** Updates nobody has handled. */
  get keptUpdates(): readonly Buffered[] {
    return this.#keptUpdates;
  }

  /** The oldest kept signal of this name, which is then not kept any more. */
  take(name: string): Received | undefined {
    const kept = this.#kept.get(name);
    while (kept !== undefined && kept.length > 0) {
      const taken = this.taken(kept.shift()!, true);
      if (taken !== undefined) return taken;
    }
    return undefined;
  }

  /** How many signals of this name are kept. */
  keptOf(name: string): number {
    return this.#kept.get(name)?.length ?? 0;
  }

  /** Whether a signal of this name would be handled at once. */
  receives(name: string): boolean {
    const handler = this.#signals.get(name);
    return handler !== undefined && this.#host.reaches(handler.scope);
  }

  /** Signals nobody has asked for, in the order in which they came. */
  get kept(): readonly Buffered[] {
    return [...this.#kept.values()].flat().sort((a, b) => a.message - b.message);
  }

  /** Handles signals of this name from now on, those that came before at once. */
  onSignal(name: string, handler: Handler): void {
    this.#signals.set(name, handler);
    if (!this.#host.reaches(handler.scope)) return;
    const kept = this.#kept.get(name) ?? [];
    this.#kept.delete(name);
    for (const signal of kept) {
      const taken = this.taken(signal, true);
      if (taken !== undefined) this.#signal(name, handler.run, taken.value);
    }
  }

  #signal(name: string, run: Run, value: unknown): void {
    this.#run(name, run, value, (ending) => {
      if (!ending.ok) this.#host.signalFailed(ending.error);
    });
  }

  // ---- updates ---------------------------------------------------------------------------------------------------------

  onUpdate(name: string, handler: UpdateHandler): void {
    this.#updates.set(name, handler);
  }

  /** Whether somebody here is to handle updates of this name. */
  handles(name: string): boolean {
    const handler = this.#updates.get(name);
    return handler !== undefined && this.#host.reaches(handler.scope);
  }

  /** Whether an update of this name is looked at before it is accepted. */
  validates(name: string): boolean {
    const handler = this.#updates.get(name);
    return handler === undefined || handler.validate !== undefined;
  }

  /** Asks an update's validator. What it answers is why the update is rejected. */
  validate(name: string, input: unknown): { readonly error: unknown } | undefined {
    const handler = this.#updates.get(name);
    if (handler === undefined) return { error: unknownHandler("update", name, this.#updates) };
    const { validate } = handler;
    if (validate === undefined) return undefined;
    try {
      const said = this.#host.reading.run(`the validator of update ${name}`, () => validate(input));
      // It throws to reject; who returns false means no as well.
      if (said !== false) return undefined;
      return { error: new PerdureError("INVALID_ARGUMENT", `the validator of update ${name} says no`) };
    } catch (error) {
      return { error };
    }
  }

  /** Runs the handler of an accepted update. False: there is none. */
  accept(name: string, input: unknown, done: (ending: Ending) => void): boolean {
    const handler = this.#updates.get(name);
    if (handler !== undefined) this.#run(name, handler.run, input, done);
    return handler !== undefined;
  }

  #run(name: string, run: Run, value: unknown, done: (ending: Ending) => void): void {
    this.#running.set(name, (this.#running.get(name) ?? 0) + 1);
    let running: Promise<unknown>;
    try {
      running = Promise.resolve(run(value));
    } catch (error) {
      running = Promise.reject(error);
    }
    running.then(
      (result) => this.#ended(name, { ok: true, value: result }, done),
      (error: unknown) => this.#ended(name, { ok: false, error }, done),
    );
  }

  #ended(name: string, ending: Ending, done: (ending: Ending) => void): void {
    if (!this.#host.mayEnd(`the handler of ${JSON.stringify(name)}`)) return;
    const left = (this.#running.get(name) ?? 1) - 1;
    if (left === 0) this.#running.delete(name);
    else this.#running.set(name, left);
    done(ending);
  }

  // ---- queries ---------------------------------------------------------------------------------------------------------

  onQuery(name: string, handler: Run): void {
    this.#queries.set(name, handler);
  }

  /** Answers a query. @throws what the handler throws; PerdureError `NOT_FOUND`. */
  query(name: string, input: unknown): unknown {
    const handler = this.#queries.get(name);
    if (handler === undefined) throw unknownHandler("query", name, this.#queries);
    return this.#host.reading.run(`the handler of query ${name}`, () =>
      handler(input instanceof Vouched ? input.value : this.valid("query", name, input)),
    );
  }
}

/** What errors call a message. */
export function messageName(kind: MessageKind, name: string): string {
  return kind === "signal" ? `signal ${name}` : `the input of ${kind} ${name}`;
}

/** What updates that decide approvals are called, in front of the approval's name. */
export const APPROVAL = "approval:";

function unknownHandler(kind: string, name: string, known: ReadonlyMap<string, unknown>): PerdureError {
  if (kind === "update" && name.startsWith(APPROVAL)) {
    const approval = JSON.stringify(name.slice(APPROVAL.length));
    return new PerdureError("NOT_FOUND", `the run has not asked for approval ${approval}`);
  }
  const has = known.size === 0 ? "none" : [...known.keys()].join(", ");
  return new PerdureError("NOT_FOUND", `the run has no handler for ${kind} ${JSON.stringify(name)}; it has ${has}`);
}
