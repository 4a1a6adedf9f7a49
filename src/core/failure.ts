/**
 * Failures as they are stored: a closed shape that an Error turns into once, when it happens, and turns back from
 * whenever workflow code or a caller sees it. Stacks are kept for people and never compared.
 */
import { described, hasKey, isAggregate, isError, ownKeys, readKey, UNREADABLE } from "./foreign.ts";
import { decodePayload, encodeInput, encodePayload, type Payload, type PayloadCodec } from "./payload.ts";

/** An error in a history, a message or an attempt. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  /** Names of the error's class and its parents up to, but without, `Error`. Left out when there are none. */
  readonly classes?: readonly string[];
  readonly code?: string | number;
  readonly stack?: string;
  /** The error's own further properties, encoded. */
  readonly props?: Payload;
  readonly cause?: Failure;
  /** Set for errors that must not be retried. */
  readonly fatal?: true;
  /** The delay asked for by the error, in milliseconds. */
  readonly retryAfterMs?: number;
  /** What the engine added: the step that failed, its attempts, the command, compensations. */
  readonly step?: string;
  readonly attempts?: number;
  readonly command?: number;
}

const MAX_TEXT = 16_384;
/** Characters that the properties of an error may take together, about. */
const MAX_PROPS = 65_536;
const MAX_DEPTH = 8;
const MAX_CLASSES = 32;
const RESERVED = new Set(["name", "message", "stack", "cause", "code", "step", "attempts"]);

/** Turns whatever was thrown into a {@link Failure}. Never throws itself: what cannot be kept is described instead. */
export function toFailure(thrown: unknown, depth = 0): Failure {
  if (!isError(thrown)) return { name: "Error", message: clip(described(thrown)), ...kept(thrown) };
  const read = (key: PropertyKey): unknown => readKey(thrown, key);
  const [code, stack, cause, retryAfterMs] = [read("code"), read("stack"), read("cause"), read(RETRY_AFTER)];
  const classes = classChain(thrown);
  const props = ownProperties(thrown);
  return {
    name: clip(described(read("name") ?? "Error")),
    message: clip(described(read("message") ?? UNREADABLE)),
    ...(classes.length > 0 && { classes }),
    ...(typeof code === "number" && { code }),
    ...(typeof code === "string" && { code: clip(code) }),
    ...(typeof stack === "string" && { stack: clip(stack) }),
    ...(props !== undefined && { props }),
    ...(cause !== undefined && depth < MAX_DEPTH && { cause: toFailure(cause, depth + 1) }),
    ...(hasKey(thrown, FATAL) && { fatal: true as const }),
    ...(typeof retryAfterMs === "number" && { retryAfterMs }),
    ...stepOf(thrown),
  };
}

/** Marks errors that are never retried. */
export const FATAL: unique symbol = Symbol.for("perdure.fatal");
/** Marks errors that name their own delay, in milliseconds. */
export const RETRY_AFTER: unique symbol = Symbol.for("perdure.retryAfter");
const COMMAND: unique symbol = Symbol.for("perdure.command");

/** Constructors that {@link fromFailure} may give a rebuilt error back to, so that `instanceof` holds over replay. */
export type ErrorClasses = readonly (abstract new (...args: never[]) => Error)[];

/**
 * Rebuilds the error: same name, message, code and properties; the same class, or else its nearest parent, where `classes` has
 * it. The engine's additions `.step` and `.attempts` are set when known.
 */
export function fromFailure(failure: Failure, classes: ErrorClasses = [], codec?: PayloadCodec): Error {
  const error = new Error(failure.message);
  const known = nearest(failure.classes ?? [failure.name], classes);
  if (known !== undefined) Object.setPrototypeOf(error, known.prototype as object);
  if (failure.props !== undefined) show(error, decodePayload(failure.props, codec) as object);
  if (readKey(error, "name") !== failure.name) define(error, "name", failure.name);
  if (failure.code !== undefined) show(error, { code: failure.code });
  define(error, "stack", failure.stack ?? `${failure.name}: ${failure.message}`);
  if (failure.cause !== undefined) define(error, "cause", fromFailure(failure.cause, classes, codec));
  if (failure.fatal === true) define(error, FATAL, true);
  if (failure.step !== undefined) show(error, { step: failure.step, attempts: failure.attempts ?? 1 });
  if (failure.command !== undefined) define(error, COMMAND, failure.command);
  return error;
}

function nearest(names: readonly string[], classes: ErrorClasses): ErrorClasses[number] | undefined {
  if (classes.length === 0) return undefined;
  for (const name of names) {
    const known = classes.find((type) => type.name === name);
    if (known !== undefined) return known;
  }
  return undefined;
}

/** The command whose outcome this error is, also when it was wrapped in other errors as their `cause`. */
export function commandOf(failure: Failure | undefined): number | undefined {
  for (let current = failure; current !== undefined; current = current.cause) {
    if (current.command !== undefined) return current.command;
  }
  return undefined;
}

/** `name: message`, the way people read it. */
export function failureText(failure: Failure): string {
  return failure.name === "Error" ? failure.message : `${failure.name}: ${failure.message}`;
}

function stepOf(error: Error): Pick<Failure, "step" | "attempts" | "command"> {
  const command = readKey(error, COMMAND);
  if (typeof command !== "number") return {};
  const [step, attempts] = [readKey(error, "step"), readKey(error, "attempts")];
  return {
    command,
    ...(typeof step === "string" && { step }),
    ...(typeof attempts === "number" && { attempts }),
  };
}

function classChain(error: Error): string[] {
  const names: string[] = [];
  let proto = prototypeOf(error);
  for (let depth = 0; depth < MAX_CLASSES && proto !== null && proto !== Error.prototype; depth++) {
    const { name } = (readKey(proto, "constructor") ?? {}) as { name?: unknown };
    if (typeof name === "string" && name !== "" && name !== "Object") names.push(name);
    proto = prototypeOf(proto);
  }
  return names;
}

function prototypeOf(value: object): object | null {
  try {
    return Object.getPrototypeOf(value) as object | null;
  } catch {
    return null;
  }
}

function ownProperties(error: Error): Payload | undefined {
  const props: Record<string, unknown> = {};
  let room = MAX_PROPS;
  for (const key of propertyNames(error)) {
    if (RESERVED.has(key) || room <= 0) continue;
    const several = key === "errors" && isAggregate(error);
    const [keptValue, size] = several ? keptErrors(readKey(error, key)) : keptProperty(readKey(error, key));
    props[key] = keptValue;
    room -= size;
  }
  if (Object.keys(props).length === 0) return undefined;
  try {
    return encodeInput(props);
  } catch {
    return undefined;
  }
}

/** The errors of an AggregateError are its own as well, though not enumerable. */
function propertyNames(error: Error): readonly string[] {
  return isAggregate(error) ? ["errors", ...ownKeys(error).filter((key) => key !== "errors")] : ownKeys(error);
}

/** The errors of an AggregateError, each by itself: what cannot be kept of one says nothing of the others. */
function keptErrors(errors: unknown): [value: unknown, size: number] {
  const list: unknown[] = [];
  let total = 0;
  try {
    for (const one of errors as Iterable<unknown>) {
      if (total > MAX_PROPS) break;
      const [value, size] = keptProperty(one);
      const asError = value !== one && isError(one);
      list.push(asError ? fromFailure(toFailure(one, MAX_DEPTH)) : value);
      total += size;
    }
  } catch {
    // What was read so far is kept.
  }
  return [list, total];
}

/** A property as it is kept, and how much room it takes: what is too large or cannot be kept is described. */
function keptProperty(value: unknown): [value: unknown, size: number] {
  try {
    const size = encodeInput(value).length;
    if (size <= MAX_TEXT) return [value, size];
  } catch {
    // It is described below.
  }
  const text = clip(described(value));
  return [text, text.length];
}

function kept(thrown: unknown): Pick<Failure, "props"> {
  if (typeof thrown !== "object" || thrown === null) return {};
  try {
    const props = encodePayload({ thrown });
    return props.length > MAX_TEXT ? {} : { props };
  } catch {
    return {};
  }
}

function clip(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}… (${text.length} characters)`;
}

/** Makes them properties of its own, whatever its class thinks of them. */
function show(target: object, props: object): void {
  for (const [key, value] of Object.entries(props))
    Object.defineProperty(target, key, { value, writable: true, configurable: true, enumerable: true });
}

function define(target: object, key: PropertyKey, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, configurable: true, enumerable: false });
}
