/** Words for what histories say and code asks for, and where in the code it asks. */
import type { CommandKind } from "./events.ts";

/** Kinds that can be settled without an event of their own. */
export const WAITS: ReadonlySet<string> = new Set<CommandKind>(["wait", "until", "approval"]);

const PAST: Readonly<Record<string, string>> = {
  StepCompleted: "completed",
  StepFailed: "failed",
  StepCancelled: "cancelled",
  TimerFired: "fired",
  WaitTimedOut: "timed out",
  SignalReceived: "received signal",
  UpdateAccepted: "accepted update",
  ChildStarted: "started",
};

/** An event's type as a verb. */
export function past(type: string): string {
  return PAST[type] ?? type;
}

/** A command in words. */
export function describe({ kind, name }: { readonly kind: string; readonly name: string }): string {
  return `${kind === "inline" ? "step" : kind} ${JSON.stringify(name)}`;
}

/** File and line of the author's code that issued a command, as far as the stack tells. */
export function callSite(error: Error | undefined): string | undefined {
  const lines = (error?.stack ?? "").split("\n").slice(1);
  const own = lines.find((line) => !line.includes("node:internal") && !OWN_FRAME.test(line));
  return own?.trim().replace(/^at /, "");
}

/** Frames between the author's code and the machine. */
const OWN_FRAME: RegExp =
  /[\\/]core[\\/](machine|handlers|reading)\.[jt]s|[\\/]engine[\\/](workflow-context|child-calls|peer|run-scope)\.[jt]s|[\\/]workflow[\\/](map|saga|entity)[\w-]*\.[jt]s|new Promise|AsyncLocalStorage/;
