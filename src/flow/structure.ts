/** Checks a parsed file against the schema: unknown keys, missing keys, wrong types. Reports everything at once. */

import { didYouMean } from "../core/suggestion.ts";
import { foreignWord, laterWord } from "./foreign-words.ts";
import type { Finding, Path } from "./problem.ts";
import type { JsonSchema, JsonType } from "./schema.ts";

/** All disagreements between a JSON value and a schema. */
export function checkStructure(value: unknown, root: JsonSchema): Finding[] {
  const check: Check = { root, findings: [] };
  visit(check, value, root, [], "flow");
  return check.findings;
}

interface Check {
  readonly root: JsonSchema;
  readonly findings: Finding[];
}

/** `place` is the name of the definition the value belongs to: foreign words mean different things at different places. */
function visit(check: Check, value: unknown, schema: JsonSchema, path: Path, place: string): void {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.slice("#/$defs/".length);
    visit(check, value, check.root.$defs![name]!, path, name);
    return;
  }
  const described = objectBranch(value, schema);
  if (described !== undefined) {
    visitObject(check, value as Record<string, unknown>, described, path, place);
    return;
  }
  if (!shallow(value, schema)) {
    check.findings.push({
      code: place === "duration" ? "bad_duration" : fits(value, schema) ? "bad_value" : "wrong_type",
      path,
      message: `${nameOf(path)} must be ${expectation(schema)}, not ${describe(value)}`,
      hint: hintFor(value, schema),
    });
    return;
  }
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) if (schema.items) visit(check, item, schema.items, [...path, i], place);
  } else if (typeof value === "object" && value !== null) {
    visitObject(check, value as Record<string, unknown>, branchFor(schema), path, place);
  }
}

function visitObject(
  check: Check,
  value: Record<string, unknown>,
  schema: JsonSchema,
  path: Path,
  place: string,
): void {
  let later = false;
  for (const [key, item] of Object.entries(value)) {
    const known = schema.properties !== undefined && Object.hasOwn(schema.properties, key);
    if (known) visit(check, item, schema.properties[key]!, [...path, key], place);
    else if (typeof schema.additionalProperties === "object")
      visit(check, item, schema.additionalProperties, [...path, key], place);
    else if (schema.additionalProperties === false) {
      later ||= laterWord(place, key) !== undefined;
      check.findings.push(unknownKey(schema, key, path, place));
    }
  }
  for (const key of schema.required ?? []) {
    if (Object.hasOwn(value, key)) continue;
    check.findings.push({
      code: "missing_key",
      path: [...path, key],
      message: `${nameOf(path)} lacks ${key}`,
      hint: expected(schema, key),
    });
  }
  if (schema.oneOf !== undefined) checkChoice(check, value, schema, path, later);
  checkExclusions(check, value, schema, path);
}

function unknownKey(schema: JsonSchema, key: string, path: Path, place: string): Finding {
  const meaning = laterWord(place, key);
  if (meaning !== undefined) {
    return {
      code: "unsupported",
      path: [...path, key],
      message: `${key} (${meaning}) is not supported yet in this version`,
    };
  }
  const hint = foreignWord(place, key) ?? didYouMean(key, Object.keys(schema.properties ?? {}));
  return { code: "unknown_key", path: [...path, key], message: `unknown key ${JSON.stringify(key)}`, hint };
}

function checkChoice(
  check: Check,
  value: Record<string, unknown>,
  schema: JsonSchema,
  path: Path,
  later: boolean,
): void {
  const words = schema.oneOf!.map((branch) => branch.required![0]!);
  const present = words.filter((word) => Object.hasOwn(value, word));
  if (present.length === 1 || (present.length === 0 && later)) return;
  check.findings.push(
    present.length === 0
      ? { code: "missing_key", path, message: `${nameOf(path)} needs one of ${listed(words, "or")}` }
      : {
          code: "bad_value",
          path: [...path, present[1]!],
          message: `${nameOf(path)} has ${listed(present, "and")}; only one of them can be given`,
        },
  );
}

function checkExclusions(check: Check, value: Record<string, unknown>, schema: JsonSchema, path: Path): void {
  for (const [word, excluded] of Object.entries(schema.dependentSchemas ?? {})) {
    if (!Object.hasOwn(value, word)) continue;
    for (const key of Object.keys(excluded.properties ?? {})) {
      if (!Object.hasOwn(value, key)) continue;
      check.findings.push({
        code: "bad_value",
        path: [...path, key],
        message: `${key} has no meaning on a step with ${word}`,
        hint: key === "timeout" && word === "signal" ? "write it inside signal: { name, timeout }" : undefined,
      });
    }
  }
}

/** Whether the value has a type the schema names: then it is out of bounds rather than of the wrong kind. */
function fits(value: unknown, schema: JsonSchema): boolean {
  if (schema.type === undefined) return false;
  const types = typeof schema.type === "string" ? [schema.type] : schema.type;
  return types.some((type) => hasType(value, type));
}

/** The schema's own keywords, without looking into objects and lists. */
function shallow(value: unknown, schema: JsonSchema): boolean {
  if (schema.anyOf !== undefined)
    return schema.anyOf.some((branch) => shallow(value, branch) && deepEnough(value, branch));
  if (schema.enum !== undefined) return (schema.enum as readonly unknown[]).includes(value);
  if (schema.type !== undefined && !fits(value, schema)) return false;
  if (typeof value === "number") {
    return (
      value >= (schema.minimum ?? Number.NEGATIVE_INFINITY) && value <= (schema.maximum ?? Number.POSITIVE_INFINITY)
    );
  }
  if (typeof value === "string") {
    if (value.trim().length < (schema.minLength ?? 0)) return false;
    return schema.pattern === undefined || new RegExp(schema.pattern).test(value);
  }
  return !Array.isArray(value) || value.length >= (schema.minItems ?? 0);
}

/** Inside a choice, an object must also have what its branch requires. */
function deepEnough(value: unknown, branch: JsonSchema): boolean {
  if (typeof value !== "object" || value === null || branch.properties === undefined) return true;
  const object = value as Record<string, unknown>;
  if ((branch.required ?? []).some((key) => !Object.hasOwn(object, key))) return false;
  return Object.entries(object).every(([key, item]) => {
    const known = Object.hasOwn(branch.properties!, key) ? branch.properties![key] : undefined;
    return known === undefined ? branch.additionalProperties !== false : shallow(item, known);
  });
}

/** For choices, the branch that describes objects. */
function branchFor(schema: JsonSchema): JsonSchema {
  return schema.anyOf?.find((branch) => branch.type === "object") ?? schema;
}

/** Of a choice, the branch of many words an object is meant for: then what is wrong with it can be said word by word. */
function objectBranch(value: unknown, schema: JsonSchema): JsonSchema | undefined {
  if (!hasType(value, "object") || schema.anyOf === undefined) return undefined;
  const branch = branchFor(schema);
  return Object.keys(branch.properties ?? {}).length > 1 ? branch : undefined;
}

function hasType(value: unknown, type: JsonType): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    case "number":
      return typeof value === "number" && !Number.isNaN(value);
    default:
      return typeof value === type;
  }
}

const PHRASE: Readonly<Record<JsonType, string>> = {
  object: "a mapping",
  array: "a list",
  string: "a text",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  null: "null",
};

function expectation(schema: JsonSchema): string {
  if (schema.title !== undefined) return schema.title;
  if (schema.enum !== undefined) return listed(schema.enum.map(String), "or");
  const types = typeof schema.type === "string" ? [schema.type] : (schema.type ?? []);
  return types.length === 0
    ? "something else"
    : listed(
        types.filter((t) => t !== "null").map((t) => PHRASE[t]),
        "or",
      );
}

function expected(schema: JsonSchema, key: string): string | undefined {
  const title = schema.properties?.[key]?.title;
  return title === undefined ? undefined : `it is ${title}`;
}

function hintFor(value: unknown, schema: JsonSchema): string | undefined {
  if (value === null || value === undefined) return "leave the key out, or give it a value";
  if (typeof value === "string") {
    if (schema.type === "array") return `write [${value}]`;
    if (value.includes("${{")) return "expressions are read in input, when and output only";
    const words = schema.enum ?? schema.anyOf?.flatMap((branch) => branch.enum ?? []) ?? [];
    const pattern = schema.pattern === undefined ? undefined : "letters, digits, - and _ only";
    return didYouMean(value, words.map(String)) ?? pattern;
  }
  const text = schema.type === "string";
  return text && typeof value !== "object" ? `put it in quotes: "${String(value)}"` : undefined;
}

function nameOf(path: Path): string {
  if (path.length === 0) return "the flow";
  const last = path[path.length - 1]!;
  if (typeof last === "string") return last;
  const list = path[path.length - 2];
  return list === "steps" ? `step ${last + 1}` : `${String(list)}[${last}]`;
}

/** What a value is, in words. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** `a, b or c`. */
export function listed(words: readonly string[], last: "and" | "or"): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} ${last} ${words[words.length - 1]}`;
}
