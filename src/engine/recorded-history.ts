/**
 * The history of a run outside of its store: a JSON text that is kept beside tests and replayed against later code, or one line of an
 * archive. The format is stable: `format` names it, what is unknown is refused, and every text written by an older version can be read.
 * Secrets of a run are never in its history.
 */
import { PerdureError } from "../core/errors.ts";
import type { Check } from "../core/events.ts";
import type { RunStatus } from "../core/status.ts";
import type { EventRow } from "../store/store.ts";

/** What the first key of every text says. */
export const HISTORY_FORMAT = "perdure-history/1";

/** Something that was in flight when the run was recorded. */
export interface RecordedCommand {
  readonly command: number;
  readonly kind: string;
  readonly name: string;
}

/** How a file begins that has a history a line. */
export const ARCHIVE_BEGINS = '{"format":';

/** A run as it was recorded. Times are epoch milliseconds. */
export interface RecordedHistory {
  readonly workflow: string;
  readonly version: string | null;
  readonly workflowId: string;
  /** Random values of the run derive from it. */
  readonly runId: string;
  readonly status: RunStatus;
  readonly startedAt: number;
  /** Run id of the run that started this one. */
  readonly parent: string | null;
  readonly tags: Readonly<Record<string, string>>;
  /** The definition the run is pinned to, of a declarative workflow. */
  readonly definition: string | null;
  /** Steps, timers, waits and children that had no outcome yet. */
  readonly inFlight: readonly RecordedCommand[];
  /** Commands issued, and their digest, when the run was last parked; null when that is not known. */
  readonly check: Check | null;
  /** `data` is JSON text, as in the store. */
  readonly events: readonly EventRow[];
}

/** The text of a recorded history: one event a line, so that changes can be read. */
export function formatHistory(history: RecordedHistory): string {
  const { events, ...about } = history;
  const head = Object.entries({ format: HISTORY_FORMAT, ...about }).map(
    ([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},\n`,
  );
  const rows = events.map(
    ({ type, at, data }) => `    { "type": ${JSON.stringify(type)}, "at": ${at}, "data": ${data} }`,
  );
  return `{\n${head.join("")}  "events": [\n${rows.join(",\n")}\n  ]\n}\n`;
}

/** The same text on one line, with its end. What else `history` has is in it too. */
export function formatHistoryLine(history: RecordedHistory): string {
  const { events, ...about } = history;
  const head = JSON.stringify({ format: HISTORY_FORMAT, ...about });
  const rows = events.map(
    ({ type, at, data }) => `{"type":${JSON.stringify(type)},"at":${at},"data":${oneLine(data)}}`,
  );
  return `${head.slice(0, -1)},"events":[${rows.join(",")}]}\n`;
}

function oneLine(json: string): string {
  return json.includes("\n") ? JSON.stringify(JSON.parse(json)) : json;
}

/** Whether a text is a line of which the end is missing: the process that wrote it was killed meanwhile. */
export function isTornLine(line: string): boolean {
  const begin = `{"format":"${HISTORY_FORMAT}"`;
  if (!line.startsWith(begin) && !begin.startsWith(line)) return false;
  try {
    JSON.parse(line);
    return false;
  } catch {
    return true;
  }
}

/**
 * Reads many: one text, or a line for each of them. Lines that were torn by a crash are left out, as are runs that come again.
 *
 * @throws PerdureError `INVALID_ARGUMENT` saying what is wrong with the text.
 */
export function parseHistories(text: string, source: string): RecordedHistory[] {
  const reader = new HistoryReader(source);
  const lines = text.startsWith(ARCHIVE_BEGINS) ? text.split("\n") : [text];
  return lines.flatMap((line) => reader.read(line) ?? []);
}

/** Reads an archive line by line. */
export class HistoryReader {
  readonly #source: string;
  /** How many events of a run have been read. */
  readonly #seen = new Map<string, number>();
  #line = 0;
  /** Lines that were left out because a crash tore them. */
  torn = 0;

  constructor(source: string) {
    this.#source = source;
  }

  /** The history in the next line, or undefined when there is nothing new in it. @throws PerdureError `INVALID_ARGUMENT` */
  read(line: string): RecordedHistory | undefined {
    this.#line++;
    if (line.trim() === "") return undefined;
    if (isTornLine(line)) {
      this.torn++;
      return undefined;
    }
    const history = parseHistory(line, this.#line === 1 ? this.#source : `${this.#source}:${this.#line}`);
    const { runId, events } = history;
    if (events.length <= (this.#seen.get(runId) ?? 0)) return undefined;
    this.#seen.set(runId, events.length);
    return history;
  }
}

/**
 * Reads what {@link formatHistory} wrote. `source` is said in errors.
 *
 * @throws PerdureError `INVALID_ARGUMENT` saying what is wrong with the text.
 */
export function parseHistory(text: string, source: string): RecordedHistory {
  const wrong = (what: string): PerdureError =>
    new PerdureError("INVALID_ARGUMENT", `${source} is no recorded history: ${what}`, {
      details: { hint: "perdure runs export ID writes one" },
    });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw wrong((error as Error).message);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw wrong("it is not a JSON object");
  const { format, ...fields } = parsed as Record<string, unknown>;
  if (format !== HISTORY_FORMAT)
    throw wrong(
      typeof format === "string"
        ? `its format is ${JSON.stringify(format)}, and this version of perdure reads ${HISTORY_FORMAT}`
        : `it has no "format": ${JSON.stringify(HISTORY_FORMAT)}`,
    );
  return historyOf(fields, wrong);
}

function historyOf(fields: Record<string, unknown>, wrong: (what: string) => PerdureError): RecordedHistory {
  const text = (key: string): string => {
    const value = fields[key];
    if (typeof value !== "string" || value === "") throw wrong(`${JSON.stringify(key)} must be a text`);
    return value;
  };
  const list = (key: string, fallback?: unknown[]): unknown[] => {
    const value = fields[key] ?? fallback;
    if (!Array.isArray(value)) throw wrong(`${JSON.stringify(key)} must be a list`);
    return value;
  };
  const events = list("events").map((event, index) => eventOf(event, `event ${index + 1}`, wrong));
  if (events[0]?.type !== "RunStarted") throw wrong("its first event must be RunStarted");
  const { version = null, parent = null, definition = null, startedAt = events[0].at } = fields;
  return {
    workflow: text("workflow"),
    version: version as string | null,
    workflowId: text("workflowId"),
    runId: text("runId"),
    status: text("status") as RunStatus,
    startedAt: startedAt as number,
    parent: parent as string | null,
    tags: (fields.tags ?? {}) as Record<string, string>,
    definition: definition as string | null,
    inFlight: list("inFlight", []) as RecordedCommand[],
    check: (fields.check ?? null) as Check | null,
    events,
  };
}

function eventOf(event: unknown, what: string, wrong: (what: string) => PerdureError): EventRow {
  if (typeof event !== "object" || event === null) throw wrong(`${what} must be an object`);
  const { type, at, data } = event as Record<string, unknown>;
  if (typeof type !== "string" || typeof at !== "number" || typeof data !== "object" || data === null)
    throw wrong(`${what} must have "type" (a text), "at" (epoch milliseconds) and "data" (an object)`);
  return { type, at, data: JSON.stringify(data) };
}
