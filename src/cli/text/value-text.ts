/** Values of runs for people and as JSON. */
import { plainText } from "./cell-width.ts";

/** The value as JSON can say it: dates as ISO 8601, maps and sets as lists, big integers as text, bytes as base64. */
export function jsonValue(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Map) return [...value].map(([key, item]) => [jsonValue(key), jsonValue(item)]);
  if (value instanceof Set) return [...value].map(jsonValue);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof Error) return { name: value.name, message: value.message };
  if (Array.isArray(value)) return value.map(jsonValue);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, jsonValue(item)]));
}

/** Pretty JSON of at most so many lines and characters a line. Text stays text. */
export function prettyValue(value: unknown, limits: { lines: number; columns: number }): string[] {
  const json = jsonValue(value);
  const text = typeof json === "string" ? json : (compact(json, limits.columns) ?? JSON.stringify(json, null, 2));
  const lines = plainText(text).split("\n");
  const shown = lines
    .slice(0, limits.lines)
    .map((line) => (line.length > limits.columns ? `${line.slice(0, limits.columns - 1)}…` : line));
  return lines.length > limits.lines ? [...shown, `… ${lines.length - limits.lines} more lines`] : shown;
}

/** One line, if it fits. */
function compact(json: unknown, columns: number): string | undefined {
  const text = JSON.stringify(json);
  if (text.length > Math.min(72, columns)) return undefined;
  return typeof json === "object" && json !== null ? JSON.stringify(json, null, 1).replace(/\n\s*/g, " ") : text;
}
