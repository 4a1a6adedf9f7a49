/**
 * What the end of a run tells others, in the commit that ends it (I9): its parent gets the outcome, its children what their
 * policy says, callers of its updates an answer.
 */
import { type EventType, parseEvent } from "../core/events.ts";
import { type Failure, failureText } from "../core/failure.ts";
import { encodePayload } from "../core/payload.ts";
import { stopOf } from "../store/stop-message.ts";
import type {
  Also,
  AnswerRow,
  ChildRow,
  EventRow,
  MessageRow,
  NewMessage,
  ParentLink,
  Transition,
} from "../store/store.ts";
import { type ForeignOutcome, foreignOutcome } from "./foreign-outcome.ts";

/** A transition that ends a run, with what the end means to its parent and its children. */
export function tellsKin(
  transition: Transition,
  about: Identity & { readonly parent: ParentLink | null },
  status: string,
  withChildren: boolean,
): Transition {
  const { parent, workflowId } = about;
  if (parent === null && !withChildren) return transition;
  const last = transition.events.at(-1)!;
  const told = parent === null ? NONE : [toParent(parent, about, last)];
  const sends = [...(transition.also?.sends ?? NONE), ...told];
  const stops = withChildren ? stopsChildren(last.at, `its parent ${workflowId} ended (${status})`) : undefined;
  return { ...transition, also: { ...transition.also, ...stops, ...(sends.length > 0 && { sends }) } };
}

interface Identity {
  readonly workflowId: string;
  readonly runId: string;
}

/** The message by which a run that has ended settles the command of its parent. */
export function toParent(parent: ParentLink, { workflowId, runId }: Identity, last: EventRow): NewMessage {
  const address = { c: parent.command, g: parent.generation, w: workflowId, h: runId, u: parent.run };
  const { at } = last;
  const data = childOutcome(address, workflowId, last);
  return { run: parent.run, kind: "outcome", name: "", data, at, key: null };
}

/** What the last event of a child means to its parent. */
export function childOutcome(address: Omit<ForeignOutcome, "p" | "e">, workflowId: string, last: EventRow): string {
  const { data } = parseEvent(last);
  if (last.type === "RunCompleted") return foreignOutcome(address, JSON.stringify(data.p));
  return foreignOutcome({ ...address, e: childFailure(workflowId, last.type as EventType, data) });
}

function childFailure(workflowId: string, type: EventType, { e, r }: { e?: Failure; r?: string }): Failure {
  const because = r === undefined || r === "" ? "" : `: ${r}`;
  const failure = (code: string, text: string, cause?: Failure): Failure => ({
    name: "ChildFailed",
    message: `child workflow ${workflowId} ${text}`,
    code,
    ...(cause !== undefined && { cause }),
  });
  switch (type) {
    case "RunFailed":
      return failure("RUN_FAILED", `failed: ${e === undefined ? "" : failureText(e)}`, e);
    case "RunCancelled":
      return failure("RUN_CANCELLED", `was cancelled${because}`);
    case "RunTerminated":
      return failure("RUN_TERMINATED", `was terminated${because}`);
    default:
      return failure("RUN_TIMED_OUT", "took longer than its timeout");
  }
}

/** Stops all children of a run that ends, as their policies say. */
export function stopsChildren(at: number, why: string): Required<Pick<Also, "stopsChildren">> {
  return { stopsChildren: { data: encodePayload(why), at } };
}

/** Asks a child to stop; once, however often it is repeated. */
export function toChild(child: ChildRow, kind: "cancel" | "terminate", at: number, why: string): NewMessage {
  return stopOf(child, kind, encodePayload(why), at);
}

/** Rejects updates that the run will never answer. */
export function unanswered(
  numbers: readonly number[],
  workflowId: string,
  status: string,
  at: number,
): readonly AnswerRow[] {
  if (numbers.length === 0) return NONE;
  const message = `${workflowId} ended (${status}) before it answered the update`;
  const failure: Failure = { name: "PerdureError", message, code: "RUN_CLOSED" };
  const data = JSON.stringify(failure);
  return numbers.map((number) => ({ number, status: "rejected", data, at }));
}

/** Whether a rejection says that the run ended first, not that its code met the end of another: what was thrown has a stack. */
export function saysUnanswered({ code, stack }: Failure): boolean {
  return code === "RUN_CLOSED" && stack === undefined;
}

/** Numbers of the updates among messages. */
export function updatesIn(messages: readonly MessageRow[]): number[] {
  return messages.filter(({ kind }) => kind === "update").map(({ number }) => number);
}

const NONE: readonly never[] = [];
