/**
 * The history of a run: a closed set of events, each a fact that is never changed. A row has `type`, `at` and `data`, one JSON
 * object with short keys, because there are many rows. This file is the only place that knows the keys:
 *
 *     c command number        k kind of command     n name              l label
 *     i digest of its input   a attempts (1 if absent)                  d duration of the step in ms (0 if absent)
 *     p payload               e failure             r reason text       m number of the message in the inbox
 *     v version               w workflow id         t deadline          s sequence numbers set aside
 *     f commands issued when they were set aside    h run id (of a child, of a parent)
 *     b commands begun anew although they had no outcome
 *     x check: [commands issued, their rolling digest] after the event before this one (absent inside a transition)
 *     o notes gathered since the previous event: [{k: kind, …}]
 *
 * SQL views give auditors readable columns.
 */
import { Defect } from "./errors.ts";
import type { Failure } from "./failure.ts";
import type { Payload } from "./payload.ts";

/** What a command does, one letter in the row. */
export type CommandKind =
  | "activity"
  | "inline"
  | "timer"
  | "wait"
  | "until"
  | "approval"
  | "child"
  | "message"
  | "transaction";

/** How many commands had been issued at some point of the history, and the digest of all of them. */
export type Check = readonly [commands: number, digest: string];

/** Something people and auditors want to see beside the event that came next. */
export interface Note {
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Every type of event. */
export type EventType =
  | "RunStarted"
  | "StepCompleted"
  | "StepFailed"
  | "StepCancelled"
  | "TimerFired"
  | "WaitTimedOut"
  | "SignalReceived"
  | "UpdateAccepted"
  | "ChildStarted"
  | "VersionMarked"
  | "CancelRequested"
  | "CodeFailed"
  | "Resumed"
  | "RunCompleted"
  | "RunFailed"
  | "RunCancelled"
  | "RunTerminated"
  | "RunTimedOut"
  | "RunContinued";

/** Types after which nothing follows but `Resumed`. */
export const TERMINAL: ReadonlySet<EventType> = new Set<EventType>([
  "RunCompleted",
  "RunFailed",
  "RunCancelled",
  "RunTerminated",
  "RunTimedOut",
  "RunContinued",
]);

/** The parsed `data` of an event: the short keys, all optional here, as the type decides which are present. */
export interface EventData {
  readonly c?: number;
  readonly k?: CommandKind;
  readonly n?: string;
  readonly l?: string;
  readonly i?: string;
  readonly a?: number;
  readonly d?: number;
  /** Parsed JSON of the payload; revive it with `reviveParsed`. */
  readonly p?: unknown;
  readonly e?: Failure;
  readonly r?: string;
  readonly m?: number;
  readonly v?: string;
  readonly w?: string;
  readonly t?: number;
  /** 1: nobody has validated the signal, see handlers.ts. */
  readonly u?: number;
  readonly s?: readonly number[];
  readonly f?: number;
  readonly b?: readonly number[];
  readonly h?: string;
  readonly x?: Check;
  readonly o?: readonly ({ readonly k: string } & Record<string, unknown>)[];
}

/** An event before it has a place in a history. `body` is the inside of its JSON object, without check and notes. */
export interface NewEvent {
  readonly type: EventType;
  readonly at: number;
  readonly body: string;
}

/** Joins a new event's body with what is only known when it is handed to the store. */
export function eventData(body: string, check: Check | undefined, notes: readonly Note[] | undefined): string {
  let data = `{${body}`;
  if (check !== undefined) data += `${data.length > 1 ? "," : ""}"x":[${check[0]},"${check[1]}"]`;
  if (notes !== undefined && notes.length > 0) {
    data += `${data.length > 1 ? "," : ""}"o":${JSON.stringify(notes.map(({ kind, data: fields }) => ({ ...fields, k: kind })))}`;
  }
  return `${data}}`;
}

/** Parses the `data` of a row. */
export function parseEventData(data: string): EventData {
  return JSON.parse(data) as EventData;
}

/** The command an outcome belongs to, as it was issued. */
export interface CommandIdentity {
  readonly id: number;
  readonly kind: CommandKind;
  readonly name: string;
  readonly label: string | undefined;
  readonly inputDigest: string;
}

/** A text as JSON, and JSON whatever it is: what cannot be parsed hides the histories of all runs from those who look. */
function quoted(text: string): string {
  return JSON.stringify(String(text));
}

function identity({ id, kind, name, label, inputDigest }: CommandIdentity): string {
  const text = `"c":${id},"k":"${kind}","n":${quoted(name)},"i":"${inputDigest}"`;
  return label === undefined ? text : `${text},"l":${quoted(label)}`;
}

/** How a step ran. */
export interface StepTiming {
  readonly at: number;
  readonly startedAt: number;
  readonly attempts: number;
}

function timing({ at, startedAt, attempts }: StepTiming): string {
  return `${attempts === 1 ? "" : `,"a":${attempts}`}${at > startedAt ? `,"d":${at - startedAt}` : ""}`;
}

/** Constructors of events, one per type. */
export const newEvent: {
  runStarted(
    at: number,
    run: {
      workflow: string;
      version: string | undefined;
      workflowId: string;
      input: Payload;
      deadline: number | undefined;
      /** Run id of the parent, of a child. */
      parent?: string | undefined;
    },
  ): NewEvent;
  stepCompleted(command: CommandIdentity, ran: StepTiming, result: Payload): NewEvent;
  stepFailed(command: CommandIdentity, ran: StepTiming, failure: Failure): NewEvent;
  stepCancelled(command: CommandIdentity, at: number): NewEvent;
  timerFired(command: CommandIdentity, at: number): NewEvent;
  waitTimedOut(command: CommandIdentity, at: number): NewEvent;
  signalReceived(at: number, name: string, payload: Payload, message: number, raw?: boolean): NewEvent;
  updateAccepted(at: number, name: string, payload: Payload, message: number): NewEvent;
  childStarted(command: CommandIdentity, at: number, child: { workflowId: string; runId: string }): NewEvent;
  /** Says nothing itself: the answers of `version` are in its notes. */
  versionMarked(at: number): NewEvent;
  cancelRequested(at: number, reason: string, message: number): NewEvent;
  /** The code has left a rejection to itself while there was something to undo: the run fails with it once that is undone. */
  codeFailed(at: number, failure: Failure): NewEvent;
  /**
   * `reason` says what it was when it was not a resume: a reset or a fork. `anew`: children that the end has stopped. `drawnAs`, of a fork:
   * the run whose random numbers were drawn before this event.
   */
  resumed(
    at: number,
    setAside: readonly number[],
    commands: number,
    more?: { reason?: string | undefined; anew?: readonly number[]; drawnAs?: string },
  ): NewEvent;
  runCompleted(at: number, result: Payload): NewEvent;
  runFailed(at: number, failure: Failure): NewEvent;
  runCancelled(at: number, reason: string): NewEvent;
  runTerminated(at: number, reason: string): NewEvent;
  runTimedOut(at: number): NewEvent;
  runContinued(at: number, input: Payload): NewEvent;
} = {
  runStarted: (at, { workflow, version, workflowId, input, deadline, parent }) => ({
    type: "RunStarted",
    at,
    body: `"n":${quoted(workflow)},"w":${quoted(workflowId)}${version === undefined ? "" : `,"v":${quoted(version)}`}${deadline === undefined ? "" : `,"t":${deadline}`}${parent === undefined ? "" : `,"h":${quoted(parent)}`},"p":${input}`,
  }),
  stepCompleted: (command, ran, result) => ({
    type: "StepCompleted",
    at: ran.at,
    body: `${identity(command)}${timing(ran)},"p":${result}`,
  }),
  stepFailed: (command, ran, failure) => ({
    type: "StepFailed",
    at: ran.at,
    body: `${identity(command)}${timing(ran)},"e":${JSON.stringify(failure)}`,
  }),
  stepCancelled: (command, at) => ({ type: "StepCancelled", at, body: identity(command) }),
  timerFired: (command, at) => ({ type: "TimerFired", at, body: identity(command) }),
  waitTimedOut: (command, at) => ({ type: "WaitTimedOut", at, body: identity(command) }),
  signalReceived: (at, name, payload, message, raw = false) => ({
    type: "SignalReceived",
    at,
    body: `"n":${quoted(name)},"m":${message},"p":${payload}${raw ? ',"u":1' : ""}`,
  }),
  updateAccepted: (at, name, payload, message) => ({
    type: "UpdateAccepted",
    at,
    body: `"n":${quoted(name)},"m":${message},"p":${payload}`,
  }),
  childStarted: (command, at, { workflowId, runId }) => ({
    type: "ChildStarted",
    at,
    body: `${identity(command)},"w":${quoted(workflowId)},"h":${quoted(runId)}`,
  }),
  versionMarked: (at) => ({ type: "VersionMarked", at, body: "" }),
  cancelRequested: (at, reason, message) => ({
    type: "CancelRequested",
    at,
    body: `"m":${message},"r":${JSON.stringify(reason)}`,
  }),
  codeFailed: (at, failure) => ({ type: "CodeFailed", at, body: `"e":${JSON.stringify(failure)}` }),
  resumed: (at, setAside, commands, { reason, anew = [], drawnAs } = {}) => ({
    type: "Resumed",
    at,
    body: `"s":${JSON.stringify(setAside)},"f":${commands}${anew.length === 0 ? "" : `,"b":${JSON.stringify(anew)}`}${reason === undefined ? "" : `,"r":${JSON.stringify(reason)}`}${drawnAs === undefined ? "" : `,"h":${quoted(drawnAs)}`}`,
  }),
  runCompleted: (at, result) => ({ type: "RunCompleted", at, body: `"p":${result}` }),
  runFailed: (at, failure) => ({ type: "RunFailed", at, body: `"e":${JSON.stringify(failure)}` }),
  runCancelled: (at, reason) => ({ type: "RunCancelled", at, body: `"r":${JSON.stringify(reason)}` }),
  runTerminated: (at, reason) => ({ type: "RunTerminated", at, body: `"r":${JSON.stringify(reason)}` }),
  runTimedOut: (at) => ({ type: "RunTimedOut", at, body: "" }),
  runContinued: (at, input) => ({ type: "RunContinued", at, body: `"p":${input}` }),
};

/** Parses a row into its parts. @throws Defect when it is no event. */
export function parseEvent(row: { readonly type: string; readonly at: number; readonly data: string }): {
  type: EventType;
  at: number;
  data: EventData;
} {
  try {
    return { type: row.type as EventType, at: row.at, data: parseEventData(row.data) };
  } catch (cause) {
    throw new Defect(`history row ${row.type} is not readable: ${String(cause)}`);
  }
}
