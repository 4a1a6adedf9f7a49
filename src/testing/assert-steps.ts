/** Comparing the steps of a run with what a test expects. */
import { AssertionError } from "node:assert";
import { isDeepStrictEqual } from "node:util";
import type { HistoryEvent } from "../client/run-handle.ts";
import { type HistoryStep, stepsOf } from "./history-steps.ts";

/** Some fields of a step that must be as said; of an error, some fields again. */
export interface StepFields {
  readonly step: string;
  readonly kind?: HistoryStep["kind"];
  readonly status?: HistoryStep["status"];
  readonly output?: unknown;
  readonly attempts?: number;
  readonly error?: { readonly name?: string; readonly message?: string; readonly code?: string };
}

/**
 * A step as a test says it: `"charge"` went well (completed, started, received, accepted); `"charge failed"` with its status; fields of
 * it; `"..."` stands for any number of steps; a list for steps in any order.
 */
export type ExpectedStep = string | StepFields | readonly (string | StepFields)[];

const WELL: ReadonlySet<HistoryStep["status"]> = new Set(["completed", "started", "received", "accepted"]);
const GAP = "...";

/**
 * Asserts what a run did, in its order.
 *
 * @param history `await handle.history()`, or `await env.history(handle)`.
 * @throws AssertionError showing both sides.
 *
 * @example
 * assertSteps(await handle.history(), ["reserve", "charge failed", "release"]);
 */
export function assertSteps(
  history: readonly HistoryEvent[] | readonly HistoryStep[],
  expected: readonly ExpectedStep[],
): void {
  if (!Array.isArray(history))
    throw new TypeError("assertSteps takes a history: await handle.history(), or await env.history(handle)");
  const steps = history.every(isStep) ? history : stepsOf(history as readonly HistoryEvent[]);
  const reached = match(steps, 0, expected, 0);
  if (reached === true) return;
  const actual = steps.map(lineOf);
  const wanted = expected.map(wantedLine);
  const message = `the run did something else than expected\n${sideBySide(actual, wanted, reached)}`;
  throw new AssertionError({ message, actual, expected: wanted, operator: "assertSteps", stackStartFn: assertSteps });
}

function isStep(one: HistoryEvent | HistoryStep): one is HistoryStep {
  return "status" in one;
}

/** How far both agree. */
interface Reached {
  readonly actual: number;
  readonly expected: number;
}

/** True when all of both agree; else the furthest point up to which they do. */
function match(
  steps: readonly HistoryStep[],
  from: number,
  expected: readonly ExpectedStep[],
  next: number,
): true | Reached {
  const want = expected[next];
  if (want === undefined) return from === steps.length || { actual: from, expected: next };
  if (want === GAP) {
    let best: Reached = { actual: from, expected: next + 1 };
    for (let end = from; end <= steps.length; end++) {
      const rest = match(steps, end, expected, next + 1);
      if (rest === true) return true;
      if (rest.expected > best.expected) best = rest;
    }
    return best;
  }
  const wants = isList(want) ? want : [want];
  const taken = steps.slice(from, from + wants.length);
  if (!inAnyOrder(taken, wants)) return { actual: from, expected: next };
  return match(steps, from + wants.length, expected, next + 1);
}

function inAnyOrder(taken: readonly HistoryStep[], wants: readonly (string | StepFields)[]): boolean {
  const left = [...taken];
  for (const want of wants) {
    const found = left.findIndex((step) => isWanted(step, want));
    if (found < 0) return false;
    left.splice(found, 1);
  }
  return true;
}

function isWanted(step: HistoryStep, want: string | StepFields): boolean {
  if (typeof want === "string")
    return (step.step === want && WELL.has(step.status)) || `${step.step} ${step.status}` === want;
  const { error, ...fields } = want;
  const said = { ...step.error } as Record<string, unknown>;
  return (
    Object.entries(fields).every(([key, value]) => isDeepStrictEqual(step[key as keyof HistoryStep], value)) &&
    Object.entries(error ?? {}).every(([key, value]) => isDeepStrictEqual(said[key], value)) &&
    (error === undefined || step.error !== undefined)
  );
}

function isList(want: ExpectedStep): want is readonly (string | StepFields)[] {
  return Array.isArray(want);
}

function lineOf({ step, status, error, output }: HistoryStep): string {
  if (error !== undefined) return `${step} ${status}: ${error.message}`;
  return output === undefined || output === null ? `${step} ${status}` : `${step} ${status}: ${textOf(output)}`;
}

function wantedLine(want: ExpectedStep): string {
  if (typeof want === "string") return want;
  return isList(want) ? `in any order: ${want.map(wantedLine).join(", ")}` : textOf(want);
}

const SHOWN = 80;

function textOf(value: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    text = String(value);
  }
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}…`;
}

function sideBySide(actual: readonly string[], expected: readonly string[], reached: Reached): string {
  const mark = (lines: readonly string[], at: number, end: string): string =>
    [...lines, end].map((line, index) => `  ${index === at ? ">" : " "} ${line}`).join("\n");
  return `history:\n${mark(actual, reached.actual, "(end)")}\nexpected:\n${mark(expected, reached.expected, "(end)")}`;
}
