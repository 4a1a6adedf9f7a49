/** Histories recorded in files, to be replayed by tests against later code. Written by `perdure runs export`, or here. */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { PerdureError } from "../core/errors.ts";
import { formatHistory, parseHistories, parseHistory, type RecordedHistory } from "../engine/recorded-history.ts";
import { makeFolder } from "../store/folder.ts";

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
  return parseHistory(textOf(file), file);
}

/**
 * Reads all histories of a file: the only one, or one a line as archives have them.
 *
 * @throws PerdureError as {@link readFixture}.
 *
 * @example
 * for (const recorded of readFixtures("archive/order/2026-11-21.jsonl")) await replayHistory(order, recorded);
 */
export function readFixtures(file: string): RecordedHistory[] {
  return parseHistories(textOf(file), file);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new PerdureError("NOT_FOUND", `the recorded history ${file} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Writes a recorded history, with the folders above it. */
export function writeFixture(file: string, history: RecordedHistory): void {
  makeFolder(dirname(file));
  writeFileSync(file, formatHistory(history));
}
