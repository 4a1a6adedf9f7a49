/** Histories recorded in files, to be replayed by tests against later code. Written by `perdure runs export`, or here. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { PerdureError } from "../core/errors.ts";
import { formatHistory, parseHistory, type RecordedHistory } from "../engine/recorded-history.ts";

export type { RecordedCommand, RecordedHistory } from "../engine/recorded-history.ts";

/**
 * Reads a recorded history.
 *
 * @throws PerdureError `NOT_FOUND` when there is no such file, `INVALID_ARGUMENT` when it is something else.
 *
 * @example
 * const recorded = readFixture("test/histories/order-42.json");
 */
export function readFixture(file: string): RecordedHistory {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new PerdureError("NOT_FOUND", `the recorded history ${file} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  return parseHistory(text, file);
}

/** Writes a recorded history, with the folders above it. */
export function writeFixture(file: string, history: RecordedHistory): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, formatHistory(history));
}
