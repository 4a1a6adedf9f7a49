/**
 * Resets (rules 29 to 31): the request that a caller leaves in the row of a run, and the transition by which the engine that takes
 * the run over carries it out. The request goes in the same commit, so that it is carried out once, whoever dies in between.
 */
import { newEvent, parseEvent } from "../core/events.ts";
import { decodePayload } from "../core/payload.ts";
import { planReplay, type ReplayPlan, WENT_BACK } from "../core/resume.ts";
import type { ChildRow, EventRow, LoadedRun, MessageRow, RunImage, RunRow, Transition } from "../store/store.ts";
import { acceptedAnew } from "./answers.ts";
import { toChild } from "./end-notices.ts";
import { givenBack } from "./valid-message.ts";

/** What somebody wants of a run that goes back. */
export interface ResetRequest {
  /** Number of the first event that is set aside. */
  readonly seq: number;
  readonly reason: string;
  /** Why the run was paused before, if it was: then it is again. */
  readonly paused?: string;
}

/** Why a run is paused while it waits for its reset: it goes on as if it had not been. */
export const PAUSED_FOR_RESET = "about to go back in its history";

/** Whether a message is the pause that a reset has asked for. */
export function isResetPause({ kind, data }: Pick<MessageRow, "kind" | "data">): boolean {
  return kind === "pause" && decodePayload(data) === PAUSED_FOR_RESET;
}

/** The request in the row of a run. */
export function resetRequest({ detail }: Pick<RunRow, "detail">): ResetRequest | undefined {
  if (detail === null || !detail.includes('"reset":')) return undefined;
  return (JSON.parse(detail) as { reset?: ResetRequest }).reset;
}

/** What becomes of a run that goes back. */
export interface Reset {
  readonly transition: Transition;
  /** The run as it is after that. */
  readonly loaded: LoadedRun;
  readonly plan: ReplayPlan;
}

/**
 * The transition of a reset. `commands` is how many commands had been issued before the cut. Of a run that had ended: `anew` are those of
 * them whose children the end has stopped, `owed` are updates from before the cut that it left unanswered.
 */
export function resetOf(
  loaded: LoadedRun,
  history: readonly EventRow[],
  {
    commands,
    anew,
    owed,
  }: { readonly commands: number; readonly anew: readonly number[]; readonly owed: readonly number[] },
  request: ResetRequest,
  now: number,
): Reset {
  const aside = planReplay(history).rows.filter(({ seq, type }) => seq >= request.seq && type !== "Resumed");
  const at = Math.max(now, history.at(-1)!.at);
  const why = request.reason === "" ? WENT_BACK : `${WENT_BACK}: ${request.reason}`;
  const event = newEvent.resumed(
    at,
    aside.map(({ seq }) => seq),
    commands,
    { reason: why, anew },
  );
  const row: EventRow = { type: event.type, at, data: `{${event.body}}` };
  const plan = planReplay([...history, row]);
  const isNew = ({ command }: { command: number }): boolean => command > commands;
  const left = (child: ChildRow): boolean => isNew(child) || child.generation !== plan.generation(child.command);
  const returned = aside.flatMap((one) => returnedMessage(loaded.row.run, one));
  const stopped = loaded.children.filter(left);
  const sends = stopped.flatMap((child) =>
    child.onClose === "abandon" ? [] : [toChild(child, child.onClose, at, "its parent went back in its history")],
  );
  const transition: Transition = {
    run: loaded.row.run,
    base: history.length,
    events: [row],
    consumed: loaded.messages.filter(isResetPause).map(({ number }) => number),
    attempts: [],
    settled: loaded.attempts.filter(isNew).map(({ command }) => command),
    image: imageOf(request),
    also: {
      ...(returned.length > 0 && { returned }),
      ...(sends.length > 0 && { sends }),
      ...(owed.length > 0 && { answers: acceptedAnew(owed, at) }),
    },
  };
  const after: LoadedRun = {
    ...loaded,
    row: { ...loaded.row, detail: null, crashes: 0 },
    attempts: loaded.attempts.filter((attempt) => !isNew(attempt)),
    messages: [...returned, ...loaded.messages.filter((message) => !isResetPause(message))].sort(
      (a, b) => a.number - b.number,
    ),
    children: loaded.children.filter((child) => !left(child)),
    outcomes: loaded.outcomes.filter((outcome) => !isNew(outcome)),
    unanswered: [...loaded.unanswered, ...owed],
  };
  return { transition, loaded: after, plan };
}

function imageOf({ paused }: ResetRequest): RunImage {
  const image = { wakeAt: null, closedAt: null, crashes: 0, ifInbox: null, forget: false } as const;
  if (paused === undefined) return { ...image, status: "running", owned: true, detail: null };
  return { ...image, status: "paused", owned: false, detail: JSON.stringify({ paused }) };
}

/** A message that is in the history, as it was in the inbox. A cancellation stays undone. */
function returnedMessage(run: number, row: EventRow): MessageRow[] {
  if (row.type !== "SignalReceived" && row.type !== "UpdateAccepted") return [];
  const { n: name = "", m: number = 0, p, u } = parseEvent(row).data;
  const kind = row.type === "SignalReceived" ? "signal" : "update";
  return [{ run, number, kind, name, data: givenBack(p, u === 1), at: row.at }];
}
