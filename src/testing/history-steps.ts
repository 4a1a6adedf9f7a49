/** What happened in a run, step by step, for tests to read and to compare. */
import type { HistoryEvent } from "../client/run-handle.ts";
import type { CommandKind } from "../core/events.ts";
import type { Failure } from "../core/failure.ts";
import { type PayloadCodec, reviveParsed } from "../core/payload.ts";

/** One thing that happened in a run, in the order of the history. */
export interface HistoryStep {
  /** Name or label of the step; name of the signal or update. */
  readonly step: string;
  readonly kind: CommandKind | "signal" | "update" | "cancel";
  readonly status: "completed" | "failed" | "cancelled" | "timed_out" | "started" | "received" | "accepted";
  /** What the step returned, or what the message brought. */
  readonly output?: unknown;
  readonly error?: Failure;
  /** Attempts it took; 0 for what is not tried. */
  readonly attempts: number;
  /** When it had happened, epoch milliseconds. */
  readonly at: number;
}

const STATUS: Readonly<Partial<Record<HistoryEvent["type"], HistoryStep["status"]>>> = {
  StepCompleted: "completed",
  StepFailed: "failed",
  StepCancelled: "cancelled",
  TimerFired: "completed",
  WaitTimedOut: "timed_out",
  ChildStarted: "started",
  SignalReceived: "received",
  UpdateAccepted: "accepted",
  CancelRequested: "received",
};

const KIND: Readonly<Partial<Record<HistoryEvent["type"], HistoryStep["kind"]>>> = {
  SignalReceived: "signal",
  UpdateAccepted: "update",
  CancelRequested: "cancel",
};

/** The steps of a history; what a resume has set aside is left out. */
export function stepsOf(history: readonly HistoryEvent[], codec?: PayloadCodec): HistoryStep[] {
  const aside = new Set(history.flatMap(({ data }) => data.s ?? []));
  const steps: HistoryStep[] = [];
  for (const { seq, type, at, data } of history) {
    const status = STATUS[type];
    if (status === undefined || aside.has(seq)) continue;
    const kind = KIND[type] ?? data.k ?? "activity";
    const tried = type === "StepCompleted" || type === "StepFailed";
    steps.push({
      step: data.l ?? data.n ?? "cancel",
      kind,
      status,
      ...(data.p !== undefined && { output: reviveParsed(data.p, codec) }),
      ...(data.e !== undefined && { error: data.e }),
      attempts: tried ? (data.a ?? 1) : 0,
      at,
    });
  }
  return steps;
}
