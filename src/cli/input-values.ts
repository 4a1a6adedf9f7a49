/** Inputs and payloads as people type them: `name=Ada`, `'{"name": "Ada"}'`, `@input.json`, `-` for standard input. */
import { readFile } from "node:fs/promises";
import { text as readStream } from "node:stream/consumers";
import { usageError } from "./usage-error.ts";

/** What was typed, as one value; undefined when nothing was. Objects and pairs are merged in order. */
export async function readValue(option: string, given: readonly string[]): Promise<unknown> {
  let value: unknown;
  for (const [i, item] of given.entries()) {
    const next = await readItem(option, item);
    if (i === 0) value = next;
    else if (isRecord(value) && isRecord(next)) merge(value, next);
    else throw usageError(`--${option} is given several times; that works for objects and key=value pairs only`);
  }
  return value;
}

/** Whether a positional looks like `key=value`. */
export function isPair(text: string): boolean {
  return PAIR.test(text);
}

const PAIR = /^[\p{L}_$][\p{L}\p{N}_$-]*(?:\.[\p{L}\p{N}_$-]+)*=/u;

async function readItem(option: string, text: string): Promise<unknown> {
  if (text === "-") return document(option, "standard input", await readStream(process.stdin));
  if (text.startsWith("@")) return document(option, text.slice(1), await readInputFile(option, text.slice(1)));
  if (isPair(text)) return pair(text);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw usageError(
      `--${option} ${shorten(text)} is neither key=value nor JSON: ${(error as Error).message}`,
      `write --${option} key=value, --${option} '{"key": "value"}', or --${option} @file.json; a plain text is written '"text"'`,
    );
  }
}

async function readInputFile(option: string, file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw usageError(`--${option} @${file}: ${code === "ENOENT" ? "there is no such file" : message}`);
  }
}

async function document(option: string, name: string, text: string): Promise<unknown> {
  try {
    if (/\.ya?ml$/.test(name)) return (await import("yaml")).parse(text);
    return JSON.parse(text);
  } catch (error) {
    throw usageError(
      `--${option}: ${name} is not readable as ${/\.ya?ml$/.test(name) ? "YAML" : "JSON"}: ${(error as Error).message}`,
    );
  }
}

/** `a.b=1` as `{a: {b: 1}}`. */
function pair(text: string): Record<string, unknown> {
  const at = text.indexOf("=");
  const keys = text.slice(0, at).split(".");
  if (keys.includes("__proto__")) throw usageError(`${JSON.stringify(text)}: __proto__ cannot be a key`);
  return keys.reduceRight<unknown>((value, key) => ({ [key]: value }), scalar(text.slice(at + 1))) as Record<
    string,
    unknown
  >;
}

/** JSON when it is JSON and nothing would be lost, otherwise the text. */
function scalar(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    const lossy = typeof value === "number" && /^-?\d+$/.test(text) && !Number.isSafeInteger(value);
    return lossy ? text : value;
  } catch {
    return text;
  }
}

function merge(into: Record<string, unknown>, from: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(from)) {
    const present = into[key];
    if (isRecord(present) && isRecord(value)) merge(present, value);
    else into[key] = value;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shorten(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
