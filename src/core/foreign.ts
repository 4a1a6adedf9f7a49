/**
 * Looking at values that other people's code made: a getter, a proxy or a `toString` of theirs may throw whenever it is asked. What is
 * here never does.
 */

/** Whether a value is an Error, also of another realm: test runners and `node:vm` have classes of their own. */
export function isError(value: unknown): value is Error {
  return isA(value, Error) || isForeignError(value);
}

function isForeignError(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const tag = attempt(() => Object.prototype.toString.call(value));
  return tag === "[object Error]" || tag === "[object DOMException]";
}

/** Whether an error has several others in its `errors`, as that of `Promise.any`. */
export function isAggregate(error: Error): error is AggregateError {
  return isA(error, AggregateError) || (readKey(error, "name") === "AggregateError" && hasKey(error, "errors"));
}

/** Whether a value is an instance of a class. */
export function isA<T>(value: unknown, type: abstract new (...args: never[]) => T): value is T {
  return attempt(() => value instanceof type) === true;
}

/** Whether an object has a property, its own or inherited. */
export function hasKey(object: object, key: PropertyKey): boolean {
  return attempt(() => key in object) === true;
}

/** A property; undefined when it cannot be read. */
export function readKey(object: object, key: PropertyKey): unknown {
  return attempt(() => (object as Record<PropertyKey, unknown>)[key]);
}

/** Names of an object's own enumerable properties. */
export function ownKeys(object: object): readonly string[] {
  return attempt(() => Object.keys(object)) ?? [];
}

/** A value in words. */
export function described(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return String(value);
  const words = [() => JSON.stringify(value), () => String(value), () => Object.prototype.toString.call(value)];
  for (const word of words) {
    const text: unknown = attempt(word);
    if (typeof text === "string") return text;
  }
  return UNREADABLE;
}

/** Stands for what cannot be read. */
export const UNREADABLE = "(it cannot be read)";

/** How deep a property that cannot be read is looked for. */
const MAX_DEPTH = 64;

/** Where in a value a property cannot be read, like `.a[0].b`; undefined when all can. */
export function unreadablePath(
  value: unknown,
  path = "",
  depth = 0,
  seen: Set<object> = new Set(),
): string | undefined {
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH || seen.has(value)) return undefined;
  seen.add(value);
  const list = attempt(() => Array.isArray(value)) === true;
  for (const key of ownKeys(value)) {
    const at = `${path}${list ? `[${key}]` : `.${key}`}`;
    let inside: unknown;
    try {
      inside = (value as Record<string, unknown>)[key];
    } catch {
      return at;
    }
    const found = unreadablePath(inside, at, depth + 1, seen);
    if (found !== undefined) return found;
  }
  return undefined;
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
