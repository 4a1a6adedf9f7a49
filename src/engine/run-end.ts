/** How a run ends whose function has ended: its last event, and what moves on to the run that continues it. */
import { isCancellation } from "../core/cancelled.ts";
import { type NewEvent, newEvent } from "../core/events.ts";
import { toFailure } from "../core/failure.ts";
import type { Buffered } from "../core/handlers.ts";
import type { Machine } from "../core/machine.ts";
import type { ClosedStatus } from "../core/status.ts";
import type { MessageRow } from "../store/store.ts";
import type { CommandSpec } from "./command-spec.ts";
import { encodeResult, type ResultHost, type RunFacts } from "./run-facts.ts";
import { redactFailure } from "./secrets.ts";
import { givenBack } from "./valid-message.ts";

/** A last event and the state it leaves the run in. */
export interface RunEnd {
  readonly event: NewEvent;
  readonly status: ClosedStatus;
}

/** The end of a run that is not continued. */
export function endOf(
  { ending, cancelReason }: Machine<CommandSpec>,
  about: RunFacts,
  host: ResultHost,
  at: number,
): RunEnd {
  if (!ending!.ok) {
    const { error } = ending!;
    if (cancelReason !== undefined && isCancellation(error))
      return { event: newEvent.runCancelled(at, cancelReason), status: "cancelled" };
    const failure = redactFailure(about.secrets, toFailure(error));
    return { event: newEvent.runFailed(at, failure), status: "failed" };
  }
  try {
    const result = encodeResult(host, about, ending!.value, "the workflow's result");
    return { event: newEvent.runCompleted(at, result), status: "completed" };
  } catch (error) {
    return { event: newEvent.runFailed(at, toFailure(error)), status: "failed" };
  }
}

/** What this run has received and its code did not take, for the run that goes on from it (rule 25). */
export function movesOn({ messages }: Machine<CommandSpec>, run: number): MessageRow[] {
  const buffered = messages.kept.map((signal) => again(run, "signal", signal));
  const unhandled = messages.keptUpdates.map((update) => again(run, "update", update));
  return [...buffered, ...unhandled];
}

/** A message that is in the history already, as it was in the inbox. */
function again(run: number, kind: "signal" | "update", { name, message, at, data, raw }: Buffered): MessageRow {
  return { run, number: message, kind, name, data: givenBack(data, raw === true), at };
}
