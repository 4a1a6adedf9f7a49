/**
 * Points of a history that people go back to (rules 29 to 31): finding them by what they type, and how far back a run may go
 * that has undone some of its steps. A point is the number of the event before which the history is cut.
 */
import { type EventData, type EventType, type Note, parseEvent, TERMINAL } from "./events.ts";
import { inShort } from "./names.ts";
import type { ReplayRow } from "./resume.ts";

/** Where to go back to: a step by its name or label, a command by its number, or an event by its own. */
export type Point = string | number | { readonly event: number };

/** Something in a history that a point can name. */
export interface Place {
  /** Number of the event that is the first to be cut off. */
  readonly seq: number;
  readonly command: number | undefined;
  readonly names: readonly string[];
}

/** A command without an outcome. */
export interface OpenPlace {
  readonly id: number;
  readonly name: string;
  readonly label?: string | undefined;
}

const WITHOUT_PLACE: ReadonlySet<EventType> = new Set<EventType>([
  "RunStarted",
  "CancelRequested",
  "CodeFailed",
  "Resumed",
  "VersionMarked",
]);

/** Everything in a history that can be named, in order. */
export function placesOf(rows: readonly ReplayRow[]): Place[] {
  const places: Place[] = [];
  for (const row of rows) {
    const { type, data } = parseEvent(row);
    places.push(...waitsSettledBefore(row, data, rows));
    if (TERMINAL.has(type) || WITHOUT_PLACE.has(type)) continue;
    places.push({ seq: row.seq, command: data.c, names: namesOf(data.l, data.n) });
  }
  return places.sort((a, b) => a.seq - b.seq);
}

function namesOf(...names: readonly (string | undefined)[]): string[] {
  return names.filter((name) => name !== undefined);
}

/** Waits have no outcome of their own: a note beside a later event says when they were settled. */
function waitsSettledBefore(carrier: ReplayRow, { o = [] }: EventData, rows: readonly ReplayRow[]): Place[] {
  return o.flatMap((note) => {
    if (note.k !== "wait.completed") return [];
    const { command, name, label, at } = note as unknown as {
      command: number;
      name: string;
      label?: string;
      at: number;
    };
    const earlier = rows.filter((row) => row.seq < carrier.seq && row.at <= at && row.seq > 1);
    const signal = earlier.findLast((row) => row.type === "SignalReceived" && parseEvent(row).data.n === name);
    const settling = signal ?? earlier.at(-1);
    return settling === undefined ? [] : [{ seq: settling.seq, command, names: namesOf(label, name) }];
  });
}

/**
 * The event before which a point lies; undefined when there is none. Of several steps of one name the last one is meant. A command
 * in flight lies at the end.
 */
export function pointIn(rows: readonly ReplayRow[], open: readonly OpenPlace[], point: Point): number | undefined {
  const end = endOf(rows);
  if (typeof point === "object") {
    const { event } = point;
    return event === end || (event > 1 && rows.some(({ seq }) => seq === event)) ? event : undefined;
  }
  const named =
    typeof point === "number" ? ({ command }: Place) => command === point : ({ names }: Place) => names.includes(point);
  const place = placesOf(rows).findLast(named);
  if (place !== undefined) return place.seq;
  const inFlight = open.some(({ id, name, label }) => id === point || name === point || label === point);
  return inFlight ? end : undefined;
}

/** The number of the end of the run, or of the event that comes next while it has not ended. */
export function endOf(rows: readonly ReplayRow[]): number {
  const last = rows.at(-1);
  if (last === undefined) return 1;
  return TERMINAL.has(last.type as EventType) ? last.seq : last.seq + 1;
}

/** The first of the steps that were undone, or are about to be. */
export interface Undone {
  readonly seq: number;
  readonly step: string;
}

/** A step that a saga undoes. */
interface UndoneStep {
  readonly step: string;
  /** Its command; the first one of the saga for what is no step. Absent in old histories. */
  readonly command: number | undefined;
}

/**
 * Rule 30: the first compensated step. A run can only go back to before it: whatever comes after would build on what was undone.
 * `pending` are notes that no event carries yet.
 */
export function firstUndone(rows: readonly ReplayRow[], pending: readonly Note[]): Undone | undefined {
  const steps = [
    ...rows.flatMap((row) => (row.data.includes('"k":"saga.compensating"') ? undoneIn(parseEvent(row).data) : [])),
    ...pending.flatMap(({ kind, data }) => (kind === "saga.compensating" ? undoneSteps(data) : [])),
  ];
  if (steps.length === 0) return undefined;
  const places = placesOf(rows);
  const undone = steps.map((one) => ({ step: one.step, seq: placeOf(one, places)?.seq ?? limitWithout(one, rows) }));
  return undone.reduce((one, other) => (other.seq < one.seq ? other : one));
}

function undoneIn({ o = [] }: EventData): UndoneStep[] {
  return o.flatMap((note) => (note.k === "saga.compensating" ? undoneSteps(note) : []));
}

function undoneSteps(note: Readonly<Record<string, unknown>>): UndoneStep[] {
  const { steps, commands = [] } = note as { steps: readonly string[]; commands?: readonly number[] };
  return steps.map((step, index) => ({ step, command: commands[index] }));
}

/** The outcome of the step; without one, the first of what was asked for after it. */
function placeOf({ step, command }: UndoneStep, places: readonly Place[]): Place | undefined {
  if (command === undefined) return places.find(({ names }) => names.includes(step));
  return (
    places.find((place) => place.command === command) ??
    places.find((place) => place.command !== undefined && place.command > command)
  );
}

/** Nothing came of the step or after it. Where it began, old histories do not say: perhaps at once. */
function limitWithout({ command }: UndoneStep, rows: readonly ReplayRow[]): number {
  return command === undefined ? (rows[1]?.seq ?? endOf(rows)) : endOf(rows);
}

/** The places of a history for an error message, the last ones. */
export function placesText(rows: readonly ReplayRow[], open: readonly OpenPlace[]): string {
  const SHOWN = 20;
  const texts = [
    ...placesOf(rows).map(({ names, command, seq }) => `${inShort(names[0] ?? "?")} (${which(command, seq)})`),
    ...open.map(({ id, name, label }) => `${inShort(label ?? name)} (command ${id}, in flight)`),
  ];
  const more = texts.length > SHOWN ? `… ${texts.length - SHOWN} before, ` : "";
  return texts.length === 0 ? "nothing yet" : more + texts.slice(-SHOWN).join(", ");
}

function which(command: number | undefined, seq: number): string {
  return command === undefined ? `event ${seq}` : `command ${command}, event ${seq}`;
}
