/** Which command people mean when they name a step of a run, to settle it by hand. */
import { PerdureError } from "../core/errors.ts";
import { parseEvent } from "../core/events.ts";
import { commandOf, type Failure } from "../core/failure.ts";
import type { EventRow } from "../store/store.ts";
import type { RunDescription } from "./run-description.ts";

/** The command of a step in flight. @throws PerdureError `NOT_FOUND` when there is none of this name, or more than one. */
export function stepInFlight({ workflowId, open }: RunDescription, step: string | number): number {
  const found = open.filter((one) => one.command === step || one.step === step);
  if (found.length === 1) return found[0]!.command;
  const has = open.map((one) => `${one.step} (${one.command})`).join(", ") || "none";
  const what = found.length === 0 ? "is no" : `are ${found.length}`;
  throw new PerdureError(
    "NOT_FOUND",
    `there ${what} step ${JSON.stringify(step)} in flight in ${workflowId}; in flight are: ${has}. Steps show once they have lasted about a second or failed an attempt; name one by its number if several have its name`,
  );
}

/** The command that failed the run with this last event, if it is the one that is named. */
export function failedStep(last: EventRow | undefined, step: string | number): number | undefined {
  const failure = last === undefined ? undefined : parseEvent(last).data.e;
  const command = commandOf(failure);
  const named = typeof step === "number" ? step === command : namesIn(failure).includes(step);
  return named ? command : undefined;
}

/** Names a step is known by in a chain of failures. */
function namesIn(failure: Failure | undefined): string[] {
  const names: string[] = [];
  for (let current = failure; current !== undefined; current = current.cause)
    if (current.step !== undefined) names.push(current.step);
  return names;
}
