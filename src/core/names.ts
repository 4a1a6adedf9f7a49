/** Names and ids: text that every store keeps as it is. From JavaScript anything may come in their place. */
import { PerdureError } from "./errors.ts";
import { described } from "./foreign.ts";
import { MAX_NAME } from "./ids.ts";

/** Halves of characters that are written as a pair, and the character no database keeps. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
const BROKEN = /[\p{Surrogate}\u0000]/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/;
/** How much of a wrong one is shown. */
const SHOWN = 60;

/** @throws PerdureError `INVALID_ARGUMENT` for what is no well-formed text. */
export function checkedText(value: unknown, what: string): string {
  if (typeof value !== "string") throw invalid(`${what} must be text, not ${inShort(described(value))}`);
  if (BROKEN.test(value)) throw invalid(`${what} must be well-formed text, which ${shown(value)} is not`);
  return value;
}

/**
 * @param what names it in the error: `the name of a signal`.
 * @throws PerdureError `INVALID_ARGUMENT` for what cannot be a name.
 */
export function checkedName(value: unknown, what: string): string {
  const name = checkedText(value, what);
  if (name === "" || name.length > MAX_NAME) throw invalid(`${what} must have 1 to ${MAX_NAME} characters`);
  return name;
}

/** @throws PerdureError `INVALID_ARGUMENT` for what cannot be an id: a name without control characters. */
export function checkedId(value: unknown, what: string): string {
  const right = typeof value !== "string" || (value !== "" && value.length <= MAX_NAME && !CONTROL.test(value));
  if (!right) throw invalid(`${what} must have 1 to ${MAX_NAME} characters, none of them control characters`);
  return checkedText(value, what);
}

/** The name of something that is given by it, or as a token that has it. @throws PerdureError `INVALID_ARGUMENT` */
export function nameOf(given: unknown, what: string): string {
  const token = typeof given === "object" && given !== null && "name" in given ? given.name : given;
  return checkedName(token, `the name of ${what}`);
}

const ARTICLES: Readonly<Record<string, string>> = { signal: "a signal", query: "a query", update: "an update" };

/** The name of a message to be sent. @throws PerdureError `INVALID_ARGUMENT`, also for the token of another kind. */
export function messageNameOf(given: unknown, kind: "signal" | "query" | "update"): string {
  const what = ARTICLES[kind]!;
  const name = nameOf(given, what);
  const other = typeof given === "object" && given !== null && "kind" in given ? given.kind : kind;
  if (other === kind) return name;
  throw invalid(`the name of ${what} cannot be that of ${ARTICLES[String(other)] ?? "something else"}: ${shown(name)}`);
}

/** A text that may be long, cut and quoted. */
export function shown(text: string): string {
  return JSON.stringify(inShort(text));
}

/** A text that may be long, cut. */
export function inShort(text: string): string {
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}…`;
}

function invalid(message: string): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", message);
}
