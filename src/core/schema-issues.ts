/** What a schema finds wrong, in words that show no value: libraries quote what they got, and that may be a secret (I7). */
import { inShort } from "./names.ts";

/** One thing that a schema finds wrong. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** An issue as it is told. */
export interface ToldIssue {
  /** Where it is, `items[0].price`; empty for the value as a whole. */
  readonly path: string;
  readonly message: string;
}

/** How many issues are told, and how much of each. */
const MAX_ISSUES = 10;
const MAX_MESSAGE = 200;
/** How many parts of a value are looked for in messages. */
const MAX_PARTS = 2000;
/** From this length on a text is looked for wherever it lies in the value, not only where the issue is. */
const TELLING_LENGTH = 8;
/** Messages may show the beginning of a long text only. */
const BEGINNING = 12;
const HIDDEN = "…";
const NO_MORE = "is not valid";

/** The first issues of a value, and how many more there are. */
export function toldIssues(issues: readonly SchemaIssue[], given: unknown): { told: ToldIssue[]; more: number } {
  const long = partsOf(given).filter((part) => part.length >= TELLING_LENGTH);
  const told = issues.slice(0, MAX_ISSUES).map(({ message, path = [] }) => {
    const keys = path.map((segment) => (typeof segment === "object" ? segment.key : segment));
    return { path: pathText(keys), message: withoutParts(String(message), [...partsOf(at(given, keys)), ...long]) };
  });
  return { told, more: issues.length - told.length };
}

function pathText(keys: readonly PropertyKey[]): string {
  let text = "";
  for (const key of keys)
    text += typeof key === "number" ? `[${key}]` : `${text === "" ? "" : "."}${inShort(String(key))}`;
  return clipped(text);
}

/** What lies there, or the last thing on the way that can be found: what is in a Set has no path. */
function at(given: unknown, keys: readonly PropertyKey[]): unknown {
  let value = given;
  for (const key of keys) {
    const next = inside(value, key);
    if (next === undefined) break;
    value = next;
  }
  return value;
}

function inside(value: unknown, key: PropertyKey): unknown {
  try {
    return value instanceof Map ? value.get(key) : (value as Record<PropertyKey, unknown> | null)?.[key];
  } catch {
    return undefined;
  }
}

/** The texts and numbers in a value. */
function partsOf(value: unknown): string[] {
  const parts: string[] = [];
  const seen = new Set<unknown>();
  const left = [value];
  for (let looked = 0; left.length > 0 && looked < MAX_PARTS; looked++) {
    const one = left.pop();
    if (typeof one === "string" || typeof one === "number" || typeof one === "bigint") parts.push(String(one).trim());
    if (typeof one !== "object" || one === null || seen.has(one)) continue;
    seen.add(one);
    try {
      for (const next of one instanceof Map || one instanceof Set ? one.values() : Object.values(one)) {
        if (left.length > MAX_PARTS) break;
        left.push(next);
      }
    } catch {
      // What cannot be read is not in the message either.
    }
  }
  return parts.filter((part) => part !== "");
}

function withoutParts(message: string, parts: readonly string[]): string {
  let text = message.slice(0, MAX_MESSAGE * 2);
  const forms = new Set(parts.flatMap((part) => [part, JSON.stringify(part).slice(1, -1)]));
  for (const form of [...forms].sort((a, b) => b.length - a.length)) {
    if (form.length <= text.length) text = text.replace(wholly(form), HIDDEN);
    if (form.length > BEGINNING && text.toLowerCase().includes(form.slice(0, BEGINNING).toLowerCase())) return NO_MORE;
  }
  return clipped(text);
}

function clipped(text: string): string {
  return text.length <= MAX_MESSAGE ? text : `${text.slice(0, MAX_MESSAGE)}${HIDDEN}`;
}

/** Where a text stands by itself: the letter "a" is not looked for inside of words. */
function wholly(text: string): RegExp {
  const literal = text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`, "giu");
}
