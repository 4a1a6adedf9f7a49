/**
 * Replaying recorded runs against the code at hand: whether the code still asks for what the history says, and whether a run that
 * ended ends the same way again (rule 9: what a closure in `wf.step` did to variables outside of it shows here). Nothing is written, no
 * effect is started.
 */

import { isCancellation } from "../core/cancelled.ts";
import type { Blockage, Ending } from "../core/ending.ts";
import type { Check } from "../core/events.ts";
import { type EventType, parseEvent, TERMINAL } from "../core/events.ts";
import { type Failure, failureText, toFailure } from "../core/failure.ts";
import { before, clipped } from "../core/mismatch.ts";
import { pastOf } from "../core/past.ts";
import { decodePayload, encodeInput, encodePayload, type PayloadCodec, reviveParsed } from "../core/payload.ts";
import { planReplay, type ReplayRow } from "../core/resume.ts";
import type { EventRow } from "../store/store.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import type { RecordedCommand } from "./recorded-history.ts";
import { Replica, type ReplicaParts } from "./replica.ts";
import type { RunFacts } from "./run-facts.ts";

/** What is replayed of a run. */
export interface Recording {
  readonly facts: RunFacts;
  readonly events: readonly EventRow[];
  /** What had no outcome yet: rows in flight, children. */
  readonly inFlight: readonly RecordedCommand[];
  /** Where the code stood when the run was last parked, if nothing was appended since. */
  readonly check: Check | undefined;
}

/** What a replay found. */
export type Replayed = { readonly ok: true } | { readonly ok: false; readonly blockage: Blockage };

const SAME: Replayed = { ok: true };

/** Replays one recording. Many may go on at a time: they share turns. */
export async function replayRecording(
  parts: ReplicaParts,
  { facts, events, inFlight, check }: Recording,
  definition: AnyWorkflow,
  codec: PayloadCodec | undefined,
): Promise<Replayed> {
  const plan = planReplay(events);
  const issued = [...inFlight.map(({ command }) => command), check?.[0] ?? 0];
  const replica = new Replica(parts, facts, definition, plan);
  replica.machine.recall(pastOf(plan.rows, issued));
  try {
    const last = plan.rows.at(-1);
    const end = last !== undefined && TERMINAL.has(last.type as EventType) ? last : undefined;
    await replica.apply(end === undefined ? plan.rows : plan.rows.slice(0, -1));
    await replica.settled();
    const { machine } = replica;
    if (machine.blockage === undefined && end !== undefined) compareEnd(replica, end, codec);
    if (machine.blockage === undefined && end === undefined) {
      for (const row of inFlight)
        if (row.kind !== "child" || row.command > machine.commands) machine.verifyInFlight(row);
      if (check !== undefined) machine.verifyCheck(check);
    }
    return machine.blockage === undefined ? SAME : { ok: false, blockage: machine.blockage };
  } catch (error) {
    const message = `replaying the run threw: ${String((error as Error).stack ?? error)}`;
    return { ok: false, blockage: { reason: "defect", message } };
  } finally {
    replica.end();
  }
}

/** Ends that come from outside of the code: it may stand anywhere then. */
const ABRUPT: ReadonlySet<string> = new Set<EventType>(["RunTerminated", "RunTimedOut"]);

function compareEnd({ machine }: Replica, end: ReplayRow, codec: PayloadCodec | undefined): void {
  const { data } = parseEvent(end);
  if (data.x !== undefined && end.verify) machine.verifyCheck(data.x, `before ${before(end.type, data)}`);
  if (machine.blockage !== undefined || ABRUPT.has(end.type)) return;
  // The secret that was refused then is not there now.
  if (data.e?.code === "SECRET_LEAK" && machine.ending?.ok === true) return;
  const said = recordedEnd(end, codec);
  const asked = replayedEnd(machine.ending, machine.cancelReason, codec);
  if (asked === undefined) {
    const open = [...machine.open.values()].map(({ label, name }) => JSON.stringify(label ?? name));
    const waits = open.length === 0 ? "has not ended" : `still waits for ${open.join(", ")}`;
    machine.disagree({ history: `the run ${said.text}`, code: waits });
  } else if (said.key !== asked.key) {
    machine.disagree({ history: `the run ${said.text}`, code: asked.text, advice: OTHER_END });
  }
}

const OTHER_END =
  "What decides the result must come from the input, from steps and from wf: a closure in wf.step that assigns variables outside of it is not run on replay (return the value from the step instead)";

/** An end as it is compared, and in words. */
interface End {
  readonly key: string;
  readonly text: string;
}

function recordedEnd(end: ReplayRow, codec: PayloadCodec | undefined): End {
  const { p, e, r = "" } = parseEvent(end).data;
  switch (end.type as EventType) {
    case "RunCompleted":
      return returned(reviveParsed(p, codec));
    case "RunContinued":
      return continued(reviveParsed(p, codec));
    case "RunCancelled":
      return cancelled(r);
    default:
      return failed(e ?? { name: "Error", message: "" });
  }
}

function replayedEnd(
  ending: Ending | undefined,
  cancelReason: string | undefined,
  codec: PayloadCodec | undefined,
): End | undefined {
  if (ending === undefined) return undefined;
  if (!ending.ok)
    return cancelReason !== undefined && isCancellation(ending.error)
      ? cancelled(cancelReason)
      : failed(toFailure(ending.error));
  if (ending.next !== undefined) return continued(decodePayload(ending.next));
  try {
    return returned(decodePayload(encodePayload(ending.value, codec), codec));
  } catch (error) {
    return failed(toFailure(error));
  }
}

function returned(value: unknown): End {
  const text = encodeInput(value);
  return { key: `returned ${text}`, text: `returned ${clipped(text)}` };
}

function continued(input: unknown): End {
  const text = encodeInput(input);
  return { key: `continued ${text}`, text: `continued as new with ${clipped(text)}` };
}

function cancelled(reason: string): End {
  return { key: `cancelled ${reason}`, text: `was cancelled${reason === "" ? "" : ` (${reason})`}` };
}

/** What a failure says; its stack is another one each time. */
function failed(failure: Failure): End {
  const { name, message, code, step } = failure;
  return {
    key: JSON.stringify(["failed", name, message, code, step]),
    text: `failed with ${clipped(failureText(failure))}`,
  };
}
