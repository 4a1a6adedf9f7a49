/** Values of the user's statements on their way into the database and out of it. */
import { PerdureError } from "../../core/errors.ts";
import type { Bindable } from "./driver.ts";

/**
 * A parameter as the libraries take it. Whole numbers become integers (JavaScript has none of its own), booleans 0 and 1.
 *
 * @throws PerdureError INVALID_ARGUMENT
 */
export function bindable(value: unknown, index: number): Bindable {
  if (value === null || value === undefined) return null;
  if (typeof value === "boolean") return value ? 1n : 0n;
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value === "bigint") {
    if (BigInt.asIntN(64, value) === value) return value;
    throw unusable(index, "is an integer of more than 64 bits");
  }
  if (typeof value === "string") {
    if (!value.includes("\0")) return value;
    throw unusable(index, "has a U+0000 in it, at which SQLite would cut it off; pass a Uint8Array");
  }
  if (value instanceof Uint8Array) return new Uint8Array(value);
  throw unusable(index, `is of type ${describe(value)}; pass null, a boolean, number, bigint, string or Uint8Array`);
}

/** A row as the user gets it: integers as numbers where they fit, blobs as Uint8Array. */
export function plainRow(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, plainValue(value)]));
}

function plainValue(value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return value instanceof Uint8Array ? Uint8Array.from(value) : value;
}

function describe(value: unknown): string {
  return typeof value === "object" ? (value?.constructor?.name ?? "object") : typeof value;
}

function unusable(index: number, why: string): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", `the statement was not run: parameter ${index + 1} ${why}`);
}
