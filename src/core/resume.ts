/**
 * Resume (rules 29, 30): what a failed or cancelled run sets aside so that it can go on, and how a history with such cuts is
 * replayed. The history itself keeps everything.
 */
import { type EventData, type EventType, parseEvent, TERMINAL } from "./events.ts";
import { commandOf } from "./failure.ts";

/** A row of a history with its sequence number and whether its check still holds. */
export interface ReplayRow {
  readonly type: string;
  readonly at: number;
  readonly data: string;
  readonly seq: number;
  readonly verify: boolean;
  /** The run whose random numbers the code draws from this event on (rule 8): the one it was copied from, else its own. */
  readonly drawnAs?: string | undefined;
}

/** A history as it is to be replayed. */
export interface ReplayPlan {
  readonly rows: readonly ReplayRow[];
  /** How often a command's outcome was set aside: part of its idempotency key. */
  readonly generation: (command: number) => number;
}

interface Row {
  readonly type: string;
  readonly at: number;
  readonly data: string;
}

interface Cut {
  readonly seq: number;
  readonly setAside: ReadonlySet<number>;
  readonly first: number;
  readonly commands: number;
  readonly drawnAs: string | undefined;
  /** Those of the rows set aside whose notes tell of the time before the cut. */
  readonly noted: readonly number[];
  /** Commands begun anew although they had no outcome. */
  readonly anew: readonly number[];
}

const NO_GENERATION = (): number => 0;

/** Reason of the `Resumed` at which a fork begins: what it was given of another run is not checked, its values may differ. */
export const FORKED = "fork";
/** Reason of the `Resumed` by which a run goes back in its history. */
export const WENT_BACK = "reset";

/** Leaves out what resumes set aside. Cheap when there was none. */
export function planReplay(history: readonly Row[]): ReplayPlan {
  const cuts = cutsOf(history);
  if (cuts.length === 0) {
    return { rows: history.map((row, index) => ({ ...row, seq: index + 1, verify: true })), generation: NO_GENERATION };
  }
  const rows: ReplayRow[] = [];
  const bumped = new Map<number, number>();
  for (let index = 0; index < history.length; index++) {
    const row = history[index]!;
    const seq = index + 1;
    if (cuts.some((cut) => cut.setAside.has(seq))) continue;
    const cut = cuts.find((one) => one.seq === seq);
    const data = cut === undefined ? row.data : withAnswers(row, cut, history);
    const verify = !cuts.some((one) => seq > one.first && seq < one.seq);
    rows.push({ ...row, data, seq, verify, drawnAs: drawnAs(cuts, seq) });
  }
  const bump = (command: number): unknown => bumped.set(command, (bumped.get(command) ?? 0) + 1);
  for (const cut of cuts) {
    for (const seq of cut.setAside) {
      const command = outcomeCommand(history[seq - 1]!);
      if (command !== undefined && command <= cut.commands) bump(command);
    }
    cut.anew.forEach(bump);
  }
  const generation = (command: number): number =>
    cuts.reduce((sum, cut) => sum + (command > cut.commands ? 1 : 0), bumped.get(command) ?? 0);
  return { rows, generation };
}

function cutsOf(history: readonly Row[]): Cut[] {
  const cuts: Cut[] = [];
  for (let index = 0; index < history.length; index++) {
    const row = history[index]!;
    if (row.type !== "Resumed") continue;
    const { s = [], f = 0, b = [], r, h } = parseEvent(row).data;
    const least = s.reduce((one, other) => Math.min(one, other), index + 1);
    cuts.push({
      seq: index + 1,
      setAside: new Set(s),
      first: r?.startsWith(FORKED) === true ? 1 : least,
      commands: f,
      drawnAs: h,
      noted: r === undefined ? s : s.filter((seq) => seq === least),
      anew: b,
    });
  }
  return cuts;
}

/** The run whose random numbers were drawn at an event of a history; undefined for its own. */
export function drawnAt(history: readonly Row[], seq: number): string | undefined {
  return drawnAs(cutsOf(history), seq);
}

/** What was copied was drawn as whoever it was copied from: the fork that came next says so. */
function drawnAs(cuts: readonly Cut[], seq: number): string | undefined {
  return cuts.find((cut) => cut.drawnAs !== undefined && seq < cut.seq)?.drawnAs;
}

/**
 * A `Resumed` with the answers of `version` that stand beside what it sets aside. Notes tell of what was before their event: the code
 * that gave these answers has been there, and goes by them.
 */
function withAnswers(row: Row, { noted, commands }: Cut, history: readonly Row[]): string {
  const answers = noted
    .flatMap((seq) => versionNotes(history[seq - 1]))
    .filter((note) => Number(note.commands) <= commands);
  if (answers.length === 0) return row.data;
  const { o = [], ...data } = parseEvent(row).data;
  return JSON.stringify({ ...data, o: [...answers, ...o] });
}

/** The answers of `version` beside an event. */
export function versionNotes(row: Row | undefined): NonNullable<EventData["o"]> {
  if (row === undefined || !row.data.includes('"k":"version"')) return [];
  return (parseEvent(row).data.o ?? []).filter(({ k }) => k === "version");
}

function outcomeCommand(row: Row): number | undefined {
  return parseEvent(row).data.c;
}

/** Whether the last thing in a history is an end that a resume can set aside. */
export function endsClosed(history: readonly Row[]): boolean {
  const last = history.at(-1);
  return last !== undefined && TERMINAL.has(last.type as EventType);
}

/**
 * The row whose effect a resume undoes: the outcome that failed the run, or the cancellation. Undefined when the failure came
 * from the workflow code itself; then only the end is set aside.
 */
export function pivotOf(rows: readonly ReplayRow[]): number | undefined {
  const end = rows.at(-1);
  if (end === undefined) return undefined;
  const type = end.type as EventType;
  if (type === "RunCancelled") return rows.findLast((row) => row.type === "CancelRequested")?.seq;
  if (type !== "RunFailed") return undefined;
  const command = commandOf(parseEvent(end).data.e);
  const failed = rows.findLast(
    (row) => row.type === "StepFailed" && command !== undefined && parseEvent(row).data.c === command,
  );
  return (failed ?? rows.findLast((row) => row.type === "CodeFailed"))?.seq;
}

/**
 * Sequence numbers to set aside: the pivot, the end, outcomes of commands issued after the pivot was applied, and whatever a
 * cancellation recorded. `commands` is how many commands had been issued when the pivot was applied.
 */
export function setAside(rows: readonly ReplayRow[], pivot: number | undefined, commands: number): number[] {
  const end = rows.at(-1)!;
  if (pivot === undefined) return [end.seq];
  const aside: number[] = [];
  for (const row of rows) {
    if (row.seq < pivot) continue;
    const data: EventData = parseEvent(row).data;
    const undone =
      row.seq === pivot || row.seq === end.seq || row.type === "StepCancelled" || row.type === "CodeFailed";
    if (undone || (data.c !== undefined && data.c > commands)) aside.push(row.seq);
  }
  return aside;
}
