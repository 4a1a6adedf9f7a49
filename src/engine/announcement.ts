/** What observers are told of durable events. */
import { type EventType, parseEventData } from "../core/events.ts";
import type { Command } from "../core/machine.ts";
import type { EventRow } from "../store/store.ts";
import type { StepIdentity } from "./observers.ts";

/** An observer event without the identity of its run. */
export type Announcement = { readonly type: string } & Record<string, unknown>;

/** The announcement of an event that was applied, if there is one. */
export function announcementOf(row: EventRow): Announcement | undefined {
  const { c, k, n, l, a = 1, d = 0, e, w, h } = parseEventData(row.data);
  const step = { command: c, kind: k, step: l ?? n, name: n };
  switch (row.type as EventType) {
    case "RunStarted":
      return { type: "run.started" };
    case "StepCompleted":
      return { type: "step.completed", ...step, attempts: a, durationMs: d };
    case "TimerFired":
      return { type: "step.completed", ...step, attempts: 0, durationMs: 0 };
    case "StepFailed":
      return { type: "step.failed", ...step, attempts: a, durationMs: d, error: e };
    case "StepCancelled":
      return { type: "step.cancelled", ...step };
    case "WaitTimedOut":
      return { type: "step.timed_out", ...step };
    case "SignalReceived":
      return { type: "signal.received", signal: n };
    case "UpdateAccepted":
      return { type: "update.accepted", update: n };
    case "ChildStarted":
      return { type: "child.started", ...step, childId: w, childRunId: h };
    default:
      return undefined;
  }
}

/** A command as observers know it. */
export function stepIdentity({ id, kind, name, label }: Command): StepIdentity {
  return { command: id, kind, step: label ?? name, name };
}
