/** Tags: short texts to find a run by. */
import { PerdureError } from "./errors.ts";
import { MAX_NAME } from "./ids.ts";

/** Control characters, and halves of a character that is written as a pair: no database keeps them as they are. */
const UNFIT = /[\p{Cc}\p{Cs}]/u;

/**
 * Tags as texts.
 *
 * @throws PerdureError `INVALID_ARGUMENT` for keys and values that cannot be kept.
 */
export function textTags(tags: Readonly<Record<string, string | number | boolean>>): Record<string, string> {
  checkTags(tags);
  return Object.fromEntries(Object.entries(tags).map(([key, value]) => [key, String(value)]));
}

/** @throws PerdureError `INVALID_ARGUMENT` for what is no tags; `null` stands for one that is taken away. */
export function checkTags(tags: Readonly<Record<string, unknown>>): void {
  if (typeof tags !== "object" || tags === null || Array.isArray(tags))
    throw invalid("tags are an object like { customer: 42 }");
  for (const [key, value] of Object.entries(tags)) {
    const shown = JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}…` : key);
    if (key === "" || !isFit(key))
      throw invalid(`the name of tag ${shown} must have 1 to ${MAX_NAME} characters, ${ALL_OF_THEM}`);
    if (!KINDS.has(typeof value) && value !== null)
      throw invalid(`tag ${shown} must be a text, a number or a boolean, not ${typeof value}`);
    if (!isFit(String(value))) throw invalid(`tag ${shown} may have ${MAX_NAME} characters, ${ALL_OF_THEM}`);
  }
}

const KINDS: ReadonlySet<string> = new Set(["string", "number", "boolean", "bigint"]);
const ALL_OF_THEM = "none of them control characters or halves of a surrogate pair";

function isFit(text: string): boolean {
  return text.length <= MAX_NAME && !UNFIT.test(text);
}

function invalid(message: string): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", message);
}
