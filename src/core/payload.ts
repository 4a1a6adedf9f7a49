/**
 * Values as text. Plain JSON stays plain JSON (fast, readable, greppable); anything richer (Date, Map, Set, BigInt,
 * Uint8Array, RegExp, URL, undefined, NaN, -0, cycles, Error) travels in an envelope `{"~":[…]}` in devalue's format.
 * A codec (compression, encryption) wraps either as `{"~c":"…"}`.
 *
 * The result is always one JSON value, so that it can stand inside a larger JSON text and is parsed in one go.
 */
import { DevalueError, defaultStringifyOperations, type StringifyOperations, stringify, unflatten } from "devalue";
import { PerdureError } from "./errors.ts";
import { described, isAggregate, isError, readKey, unreadablePath } from "./foreign.ts";
import { inShort } from "./names.ts";

/** One JSON value as text. */
export type Payload = string;

/** A reversible transformation of payload text, e.g. compression or encryption. */
export interface PayloadCodec {
  encode(text: string): string;
  decode(text: string): string;
}

/** Largest payload of one value, in UTF-16 units of its text. */
export const MAX_PAYLOAD: number = 2 * 1024 * 1024;
/** Size from which a warning is logged. */
export const WARN_PAYLOAD: number = 512 * 1024;

const RICH = "~";
const CODED = "~c";

/**
 * Encodes a value.
 *
 * @throws PerdureError `UNSERIALISABLE` naming the path of the offender; `PAYLOAD_TOO_LARGE` past {@link MAX_PAYLOAD}.
 */
export function encodePayload(value: unknown, codec?: PayloadCodec): Payload {
  return throughCodec(bounded(textOf(value, REDUCERS)), codec);
}

/** A payload as a codec writes it. @throws PerdureError `INVALID_ARGUMENT` for a codec that does not answer with text. */
export function throughCodec(payload: Payload, codec: PayloadCodec | undefined): Payload {
  if (codec === undefined) return payload;
  return `{"${CODED}":${JSON.stringify(textFrom(codec.encode(payload), "encode"))}}`;
}

/** A codec that is async, or answers with bytes, would leave something that nobody can read again. */
function textFrom(answer: unknown, method: keyof PayloadCodec): string {
  if (typeof answer === "string") return answer;
  throw new PerdureError(
    "INVALID_ARGUMENT",
    `${method} of the codec must return text, at once: it returned ${Object.prototype.toString.call(answer)}; write bytes as base64`,
  );
}

/**
 * Encodes the input of a step. Like {@link encodePayload}, but errors in it lose their stacks: those are other ones on replay,
 * and the input is compared with what was recorded.
 *
 * @throws PerdureError `UNSERIALISABLE`, `PAYLOAD_TOO_LARGE`.
 */
export function encodeInput(value: unknown): Payload {
  return bounded(textOf(value, STACKLESS));
}

/** Decodes what {@link encodePayload} made. */
export function decodePayload(payload: Payload, codec?: PayloadCodec): unknown {
  return reviveParsed(JSON.parse(payload), codec);
}

/** Turns a payload that was parsed as part of a larger JSON text into its value. */
export function reviveParsed(parsed: unknown, codec?: PayloadCodec): unknown {
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return parsed;
  if (RICH in parsed) return unflatten((parsed as { [RICH]: unknown })[RICH] as unknown[], REVIVERS);
  if (CODED in parsed) {
    if (codec === undefined)
      throw new PerdureError(
        "INCOMPATIBLE_STORE",
        "this value was written through a codec; open the store with the same codec",
      );
    return decodePayload(textFrom(codec.decode((parsed as { [CODED]: string })[CODED]), "decode"));
  }
  return parsed;
}

function bounded(text: string): string {
  if (text.length <= MAX_PAYLOAD) return text;
  throw new PerdureError(
    "PAYLOAD_TOO_LARGE",
    `the value takes ${text.length} characters, allowed are ${MAX_PAYLOAD}; keep large data outside and pass a reference`,
    { details: { size: text.length, limit: MAX_PAYLOAD } },
  );
}

/** Errors inside values: name, message, stack, cause and own properties survive; classes become plain `Error`. */
type Reducers = Record<string, (value: unknown) => unknown>;

const REDUCERS: Reducers = {
  Error: (value) =>
    isError(value) && {
      ...value,
      ...(isAggregate(value) && { errors: value.errors }),
      name: value.name,
      message: value.message,
      stack: value.stack,
      cause: value.cause,
    },
};
const STACKLESS: Reducers = {
  Error: (value) => {
    const kept = REDUCERS.Error!(value);
    return kept === false ? false : { ...(kept as object), stack: undefined };
  },
};
const REVIVERS = {
  Error: ({
    message,
    stack,
    cause,
    name,
    ...own
  }: {
    message: string;
    stack: unknown;
    cause: unknown;
    name: string;
  }) => {
    const error = new Error(message, cause === undefined ? undefined : { cause });
    Object.defineProperty(error, "name", { value: name, writable: true, configurable: true });
    Object.defineProperty(error, "stack", { value: stack, writable: true, configurable: true });
    return Object.assign(error, own);
  },
};

/** Of a view only the bytes it shows are kept: what else lies in its buffer is not part of the value, and may be anything. */
const OPERATIONS: Partial<StringifyOperations> = {
  viewInfo: (view) => {
    const info = defaultStringifyOperations.viewInfo(view);
    if (info.byteLength === info.bufferByteLength) return info;
    const buffer = (info.buffer as ArrayBuffer).slice(info.byteOffset, info.byteOffset + info.byteLength);
    return { ...info, buffer, byteOffset: 0, bufferByteLength: info.byteLength };
  },
};

/** Whether JSON alone keeps the value exactly. Depth is bounded so that a cycle ends here and goes to devalue. */
function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0);
    case "object":
      return (
        value === null ||
        (depth < 64 && (Array.isArray(value) ? isPlainArray(value, depth) : isPlainObject(value, depth)))
      );
    default:
      return false;
  }
}

function isPlainArray(array: readonly unknown[], depth: number): boolean {
  for (let i = 0; i < array.length; i++) if (!isPlain(array[i], depth + 1)) return false;
  return true;
}

function isPlainObject(object: object, depth: number): boolean {
  const proto: unknown = Object.getPrototypeOf(object);
  if (proto !== Object.prototype) return false;
  for (const key in object) {
    if (key.charCodeAt(0) === 126 || key === "toJSON" || key === "__proto__") return false;
    if (!isPlain((object as Record<string, unknown>)[key], depth + 1)) return false;
  }
  return true;
}

function textOf(value: unknown, reducers: Reducers): string {
  try {
    return isPlain(value, 0)
      ? JSON.stringify(value)
      : `{"${RICH}":${stringify(value, reducers, { operations: OPERATIONS })}}`;
  } catch (error) {
    throw unserialisable(value, error);
  }
}

/** Whatever is thrown on the way is the value's fault: what it is made of has no place in a history, or cannot be read. */
function unserialisable(value: unknown, error: unknown): PerdureError {
  const unreadable = error instanceof DevalueError ? undefined : unreadablePath(value);
  const found = error instanceof DevalueError && error.path !== "" ? error.path : unreadable;
  const path = found ?? "the value";
  const kind = error instanceof DevalueError ? misfit(error.value) : undefined;
  const reason = kind ?? (isError(error) ? described(readKey(error, "message")) : described(error));
  return new PerdureError(
    "UNSERIALISABLE",
    `${path} cannot be kept in a history: ${unreadable === undefined ? "" : "reading it threw "}${reason}; pass plain data (JSON, Date, Map, Set, BigInt, Uint8Array)`,
    { details: { path }, cause: error },
  );
}

/** What a value is that has no place in a history; undefined where that does not tell what is wrong with it. */
function misfit(value: unknown): string | undefined {
  if (typeof value === "function" || typeof value === "symbol") return `it is a ${typeof value}`;
  if (typeof value !== "object" || value === null) return undefined;
  if (typeof readKey(value, "then") === "function") return "it is a promise, which has to be awaited first";
  const of = readKey(Object(readKey(value, "constructor")) as object, "name");
  if (of === "Object") return undefined;
  return `it is an instance of ${typeof of === "string" && of !== "" ? inShort(of) : "a class"}`;
}
