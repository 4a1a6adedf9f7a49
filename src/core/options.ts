/** Options as they come from JavaScript. What nobody knows is refused: a slip of the pen would silently mean the default. */
import { PerdureError } from "./errors.ts";
import { didYouMean } from "./suggestion.ts";

/** Names of the options of `T`, all of them. */
export function optionNames<T extends object>(names: Readonly<Record<keyof T, true>>): ReadonlySet<string> {
  return new Set(Object.keys(names));
}

/**
 * @param what whose options they are, for the message: `start()`.
 * @throws PerdureError `INVALID_ARGUMENT` for what is no object, and for names that are not known.
 */
export function checkOptions(given: unknown, known: ReadonlySet<string>, what: string): void {
  const wrong = unknownOptions(given, known, what);
  if (wrong !== undefined) throw invalid(wrong[0].message);
}

/** An option that nobody knows; what is no object at all has no name. */
export interface UnknownOption {
  readonly name: string | undefined;
  readonly message: string;
}

/** What {@link checkOptions} would throw for, where a throw does more harm than the slip. It is cheap for options that are known. */
export function unknownOptions(
  given: unknown,
  known: ReadonlySet<string>,
  what: string,
): readonly [UnknownOption, ...UnknownOption[]] | undefined {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    return [{ name: undefined, message: `the options of ${what} are an object with ${list(known)}` }];
  let wrong: [UnknownOption, ...UnknownOption[]] | undefined;
  for (const name in given) {
    if (known.has(name)) continue;
    const one = { name, message: unknown("option", name, known, what) };
    if (wrong === undefined) wrong = [one];
    else wrong.push(one);
  }
  return wrong;
}

/** @throws PerdureError `INVALID_ARGUMENT` for another word than these; undefined stands for the default. */
export function checkWord(value: unknown, words: readonly string[], what: string): void {
  if (value === undefined || words.includes(value as string)) return;
  throw invalid(unknown("value", typeof value === "string" ? value : String(JSON.stringify(value)), words, what));
}

/** @throws PerdureError `INVALID_ARGUMENT` for what is no whole number from 1 on; undefined stands for the default. */
export function checkCount(value: unknown, what: string): void {
  if (value === undefined || value === Number.POSITIVE_INFINITY) return;
  if (!Number.isInteger(value) || (value as number) < 1)
    throw invalid(`${what} must be a whole number from 1 on, not ${String(JSON.stringify(value))}`);
}

/** @throws PerdureError `INVALID_ARGUMENT` for another kind of value; undefined stands for the default. */
export function checkKind(value: unknown, kind: "string" | "boolean" | "function", what: string): void {
  if (value === undefined || typeof value === kind) return;
  const article = kind === "string" ? "a text" : `a ${kind}`;
  throw invalid(`${what} must be ${article}, not ${value === null ? "null" : typeof value}`);
}

function unknown(sort: "option" | "value", name: string, known: Iterable<string>, what: string): string {
  const words = [...known];
  const shown = JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
  const hint = didYouMean(name, words) ?? `there ${words.length === 1 ? "is" : "are"} ${list(words)}`;
  return `${what} has no ${sort} ${shown}; ${hint}`;
}

function list(words: Iterable<string>): string {
  return [...words].join(", ");
}

function invalid(message: string): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", message);
}
