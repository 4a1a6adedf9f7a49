/** Runs as JSON for programs: ISO times, readable names. */
import type { RunDescription } from "../client/run-description.ts";
import type { HistoryEvent } from "../client/run-handle.ts";
import { reviveParsed } from "../core/payload.ts";
import type { RunProgress, StepProgress } from "./progress/run-progress.ts";
import { isoTime } from "./text/time-text.ts";
import { jsonValue } from "./text/value-text.ts";

type Fields = Record<string, unknown>;

/** A run as a row of a list. */
export function runRecord({
  workflowId,
  runId,
  workflow,
  version,
  status,
  createdAt,
  closedAt,
  blocked,
  tags,
  progress,
}: RunDescription): Fields {
  return {
    workflowId,
    runId,
    workflow,
    ...(version !== undefined && { version }),
    status,
    createdAt: isoTime(createdAt),
    closedAt: time(closedAt),
    durationMs: closedAt === undefined ? null : closedAt - createdAt,
    ...(blocked !== undefined && { blocked }),
    ...(Object.keys(tags).length > 0 && { tags }),
    ...(progress !== undefined && { progress: jsonValue(progress) }),
  };
}

/** A step of a run. */
export function stepRecord(step: StepProgress): Fields {
  const { name, kind, state, attempts, durationMs, since, due, settledAt, signal, error, reason, target } = step;
  const { queue, engine, child } = step;
  const place = state === "waiting" || state === "running" ? { queue, engine } : {};
  return {
    step: name,
    kind,
    status: state === "continued" ? "failed" : state,
    ...(attempts > 0 && { attempts }),
    ...(since !== undefined && { startedAt: isoTime(since) }),
    ...(settledAt !== undefined && { settledAt: isoTime(settledAt) }),
    ...(durationMs !== undefined && { durationMs }),
    ...(due !== undefined && { due: isoTime(due) }),
    ...(signal !== undefined && { signal }),
    ...(child !== undefined && { child }),
    ...place,
    ...(error !== undefined && { error }),
    ...(reason !== undefined && { reason }),
    ...(target !== undefined && { startedInstead: target }),
    ...(state === "continued" && { continued: true }),
  };
}

/** A run with its steps. */
export function runDetails(description: RunDescription, progress: RunProgress, extra: Fields): Fields {
  const { crashes, meta, error } = description;
  return {
    ...runRecord(description),
    ...extra,
    ...(error !== undefined && { error: { name: error.name, message: error.message } }),
    steps: progress.steps.map(stepRecord),
    notes: progress.notes,
    crashes,
    meta,
  };
}

/** An event of a history, its short keys spelled out. */
export function eventRecord({ seq, type, at, step, data }: HistoryEvent): Fields {
  const { n, k, a, d, e, r, s, o, t, v, w, p } = data;
  return {
    seq,
    type,
    at: isoTime(at),
    ...(step !== undefined && { step }),
    ...(k !== undefined && { kind: k }),
    ...(n !== undefined && n !== step && { name: n }),
    ...(v !== undefined && { version: v }),
    ...(w !== undefined && { workflowId: w }),
    ...(t !== undefined && { deadline: isoTime(t) }),
    ...(a !== undefined && { attempts: a }),
    ...(d !== undefined && { durationMs: d }),
    ...("p" in data && {
      [type === "RunStarted" ? "input" : type === "SignalReceived" ? "payload" : "output"]: jsonValue(revived(p)),
    }),
    ...(e !== undefined && {
      error: { name: e.name, message: e.message, ...(e.code !== undefined && { code: e.code }) },
    }),
    ...(r !== undefined && r !== "" && { reason: r }),
    ...(s !== undefined && { setAside: s }),
    ...(o !== undefined && { notes: o.map(({ k: kind, ...fields }) => ({ kind, ...fields })) }),
  };
}

/** The value of a payload; one written through a codec stays as it is. */
export function revived(parsed: unknown): unknown {
  try {
    return reviveParsed(parsed);
  } catch {
    return "(written through a codec)";
  }
}

function time(at: number | undefined): string | null {
  return at === undefined ? null : isoTime(at);
}
