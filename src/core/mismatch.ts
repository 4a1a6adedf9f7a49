/** Words for what histories say and what code asks for: read by people who look for the line that changed. */
import type { CommandKind } from "./events.ts";

/** Kinds that can be settled without an event of their own. */
export const WAITS: ReadonlySet<string> = new Set<CommandKind>(["wait", "until", "approval"]);

/** Where a history and the code part, in the words of both. */
export interface Difference {
  /** What the history says: `completed activity "charge" (command 2)`. */
  readonly history: string;
  /** What the code did instead: `asked for activity "pay"`. */
  readonly code: string;
  /** File, line and column of the author's code, where they are known. */
  readonly at?: string | undefined;
  /** What else may help. */
  readonly advice?: string | undefined;
}

/** A difference in one sentence, and what to do. */
export function mismatchMessage({ history, code, at, advice }: Difference): string {
  const place = at === undefined ? "" : ` at ${at}`;
  const more = advice === undefined ? "" : ` ${advice}.`;
  return `the code no longer agrees with the history: history says ${history}, code ${code}${place}.${more} Nothing was written. Deploy the code this run was started with (or fix it) and resume the run.`;
}

/** A command in words. */
export function describe({ kind, name, label }: Named): string {
  const shown = label === undefined || label === name ? "" : ` (${label})`;
  return `${kind === "inline" ? "step" : kind} ${JSON.stringify(name)}${shown}`;
}

/** The parts of a command that have a name. */
export interface Named {
  readonly kind: string;
  readonly name: string;
  readonly label?: string | undefined;
}

/** An outcome in words: what it says of its command. */
export function said(type: string, { kind, name, label }: Named): string {
  const what = describe({ kind, name, label });
  if (type === "WaitTimedOut") return `${what} timed out`;
  return `${PAST[type] ?? type} ${what}`;
}

/** The moment before an event, in words. */
export function before(type: string, { n, k = "", l }: { n?: string; k?: string; l?: string }): string {
  const moment = MOMENTS[type];
  if (moment !== undefined) return n === undefined ? moment : `${moment} ${JSON.stringify(n)}`;
  return n === undefined ? type : said(type, { kind: k, name: n, label: l });
}

/** What is another one when a command of the same name has another digest. */
export function changedInput(kind: string): string {
  if (kind === "timer") return "it with another time";
  return WAITS.has(kind) ? "it with another timeout" : "it with another input";
}

/** `1 command`, `2 commands`. */
export function commandCount(commands: number): string {
  return `${commands} ${commands === 1 ? "command" : "commands"}`;
}

const SHOWN = 200;

/** As much of a text as belongs into a message. */
export function clipped(text: string): string {
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}… (${text.length} characters)`;
}

const PAST: Readonly<Record<string, string>> = {
  StepCompleted: "completed",
  StepFailed: "failed",
  StepCancelled: "cancelled",
  TimerFired: "fired",
  ChildStarted: "started",
};

const MOMENTS: Readonly<Record<string, string>> = {
  SignalReceived: "it received signal",
  UpdateAccepted: "it accepted update",
  VersionMarked: "it decided for a version",
  CancelRequested: "it was cancelled",
  CodeFailed: "its code left a rejection unhandled",
  RunCompleted: "it completed",
  RunFailed: "it failed",
  RunCancelled: "it ended as cancelled",
  RunTerminated: "it was terminated",
  RunTimedOut: "it timed out",
  RunContinued: "it continued as new",
};

/** File, line and column of the author's code that issued a command, as far as the stack tells. */
export function callSite(error: Error | undefined): string | undefined {
  const lines = (error?.stack ?? "").split("\n").slice(1);
  const own = lines.find((line) => !line.includes("node:internal") && !OWN_FRAME.test(line));
  const frame = own?.trim().replace(/^at /, "");
  return (/\((.*)\)$/.exec(frame ?? "")?.[1] ?? frame)?.replace(/^async /, "").replace(/^file:\/\//, "");
}

/** Frames between the author's code and the machine. */
const OWN_FRAME: RegExp =
  /[\\/]core[\\/](machine|agreement|trace|handlers|reading)\.[jt]s|[\\/]engine[\\/](workflow-context|step-calls|child-calls|peer|run-scope|machine-maker|turns|replica|run-actor)\.[jt]s|[\\/]flow[\\/](interpreter|schedule|flow)\.[jt]s|[\\/]workflow[\\/](map|saga|entity)[\w-]*\.[jt]s|new Promise|AsyncLocalStorage|^\s*at <anonymous>/;
