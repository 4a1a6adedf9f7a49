/** How a run ended, for people and as the result object that `--json` prints last. */
import type { RunDescription } from "../client/run-description.ts";
import type { HistoryEvent, RunHandle } from "../client/run-handle.ts";
import { firstUndone } from "../core/cut.ts";
import { isPerdureError } from "../core/errors.ts";
import type { Failure } from "../core/failure.ts";
import { planReplay } from "../core/resume.ts";
import { RESUMABLE, type RunStatus } from "../core/status.ts";
import { EXIT } from "./command.ts";
import { statusPart } from "./progress/progress-lines.ts";
import { shellWord } from "./progress/run-display.ts";
import type { Terminal } from "./terminal.ts";
import { plainText } from "./text/cell-width.ts";
import { errorPlace, errorText } from "./text/error-text.ts";
import { renderLine } from "./text/styled-line.ts";
import { spanText } from "./text/time-text.ts";
import { jsonValue, prettyValue } from "./text/value-text.ts";

/** The outcome of a run, or how it stands when it was left open. */
export interface RunEnding {
  readonly status: RunStatus;
  readonly workflowId: string;
  readonly runId: string;
  /** Of completed runs. */
  readonly output?: unknown;
  /** Why there is no output. */
  readonly error?: EndingError;
  /** Where the author's code failed. */
  readonly place?: string;
  readonly durationMs: number | undefined;
  /** The first step that was undone, as a point to go back to: such a run cannot simply go on. */
  readonly undone?: string;
}

/** Why a run has no output. */
export interface EndingError {
  readonly name: string;
  readonly message: string;
  readonly code?: string | number;
  readonly step?: string;
  readonly attempts?: number;
}

/** The ending of a run as its rows have it now. */
export async function endingOf(handle: RunHandle): Promise<RunEnding> {
  const description = await handle.describe();
  const { status, workflowId, runId, createdAt, closedAt } = description;
  const same = { status, workflowId, runId, durationMs: closedAt === undefined ? undefined : closedAt - createdAt };
  if (closedAt === undefined && status !== "blocked") return same;
  try {
    return { ...same, output: await handle.result() };
  } catch (error) {
    if (!isPerdureError(error) || error.details.runId === undefined) throw error;
    const undone = await undoneStep(handle, status);
    const place = description.error === undefined ? undefined : errorPlace(description.error);
    return {
      ...same,
      ...(place !== undefined && { place }),
      error: endingError(description, error.code, error.message),
      ...(undone !== undefined && { undone }),
    };
  }
}

/** The first step of a run in this state that was undone, as a point to go back to; undefined where the run can go on. */
export async function undoneStep(handle: RunHandle, status: RunStatus): Promise<string | undefined> {
  return RESUMABLE.has(status) ? undoneIn(await handle.history()) : undefined;
}

/** The first step that compensations have undone: its name if only one has it, else the number of its event. */
function undoneIn(history: readonly HistoryEvent[]): string | undefined {
  const { rows } = planReplay(history.map(({ type, at, data }) => ({ type, at, data: JSON.stringify(data) })));
  const undone = firstUndone(rows, []);
  if (undone === undefined) return undefined;
  const named = rows.filter(({ data }) => {
    const { l, n } = JSON.parse(data) as { readonly l?: string; readonly n?: string };
    return (l ?? n) === undone.step;
  });
  return named.length === 1 && named[0]!.seq === undone.seq ? undone.step : `@${undone.seq}`;
}

function endingError({ error, blocked }: RunDescription, code: string, message: string): EndingError {
  if (error !== undefined) return failureError(error);
  return { name: "PerdureError", code: blocked?.reason ?? code, message: blocked?.message ?? message };
}

function failureError(failure: Failure): EndingError {
  const origin = deepest(failure);
  const { step, attempts } = origin;
  return {
    name: failure.name,
    message: failure.message,
    ...(failure.code !== undefined && { code: failure.code }),
    ...(step !== undefined && { step }),
    ...(attempts !== undefined && { attempts }),
  };
}

/** The failure of the step behind the run's. */
function deepest(failure: Failure): Failure {
  let found = failure;
  for (let at: Failure | undefined = failure; at !== undefined; at = at.cause) if (at.step !== undefined) found = at;
  return found;
}

/** The exit code an ending stands for. */
export function exitCodeOf({ status }: RunEnding): number {
  return status === "completed" ? EXIT.ok : EXIT.failed;
}

/** The object `--json` prints. */
export function endingJson(ending: RunEnding): string {
  const { status, workflowId, runId, output, error, durationMs } = ending;
  return JSON.stringify({
    status,
    workflowId,
    runId,
    ...(error === undefined ? status === "completed" && { output: jsonValue(output) } : { error }),
    durationMs: durationMs ?? null,
  });
}

const OUTPUT_LINES = 40;

/** Prints an ending. */
export function printEnding(ending: RunEnding, terminal: Terminal, json: boolean): void {
  if (json) terminal.line(endingJson(ending));
  else for (const line of endingLines(ending, terminal)) terminal.line(line);
}

function endingLines(
  { status, workflowId, output, error, place, durationMs, undone }: RunEnding,
  terminal: Terminal,
): string[] {
  const { styles, columns } = terminal;
  const span = durationMs === undefined ? "" : styles.dim(` in ${spanText(durationMs)}`);
  const lines = ["", `${styles.bold(renderLine([statusPart(status)], styles))}${span}`];
  if (status === "completed") {
    const [first = "", ...rest] = prettyValue(output, { lines: OUTPUT_LINES, columns: columns - 8 });
    lines.push(`${styles.dim("output")}  ${first}`, ...rest.map((line) => `        ${line}`));
  }
  if (error !== undefined) {
    const [first = "", ...rest] = plainText(errorText(error)).trimEnd().split("\n");
    lines.push(`${styles.red("error")}   ${first}`, ...rest.slice(0, OUTPUT_LINES).map((line) => `        ${line}`));
    if (place !== undefined) lines.push(styles.dim(`        at ${place}`));
  }
  const id = shellWord(workflowId);
  const next = NEXT[status];
  lines.push("");
  if (undone !== undefined) {
    for (const [what, command] of waysBack(workflowId, undone)) lines.push(`${styles.dim(what)} ${command}`);
  } else if (next !== undefined) lines.push(`${styles.dim(next.padEnd(7))} perdure runs resume ${id}`);
  lines.push(`${styles.dim("details")} perdure runs show ${id}`);
  return lines;
}

/** The commands that take a run back to before its steps were undone, each with what it is. */
export function waysBack(workflowId: string, undone: string): readonly (readonly [what: string, command: string])[] {
  const id = shellWord(workflowId);
  return [
    ["go back", `perdure runs reset ${id} --to ${shellWord(undone)}`],
    ["or anew", `perdure runs fork ${id} --from ${shellWord(undone)}`],
  ];
}

/** What can be done after an ending that is not the good one. */
const NEXT: Readonly<Partial<Record<RunStatus, string>>> = {
  failed: "go on",
  cancelled: "go on",
  timed_out: "go on",
  blocked: "go on",
  paused: "go on",
};
