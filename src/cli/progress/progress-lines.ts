/** The picture of a run: a line per step. Used while it runs, and to show it later. */
import { cellWidth, padCells, plainLine } from "../text/cell-width.ts";
import { headline } from "../text/error-text.ts";
import type { Part, Style, StyledLine } from "../text/styled-line.ts";
import { clockText, spanText } from "../text/time-text.ts";
import { isSettled, type RunProgress, type StepProgress, type StepState } from "./run-progress.ts";

const ICONS: Readonly<Record<StepState, readonly [Style, string]>> = {
  pending: ["dim", "·"],
  running: ["cyan", "●"],
  retrying: ["yellow", "↻"],
  waiting: ["yellow", "◷"],
  completed: ["green", "✔"],
  failed: ["red", "✖"],
  continued: ["yellow", "✖"],
  skipped: ["dim", "↷"],
  timed_out: ["yellow", "◷"],
  cancelled: ["dim", "⊘"],
};
const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const SPINNER_MS = 100;
const MAX_NAME = 36;

/** What is drawn, and when. */
export interface Moment {
  readonly now: number;
  /** Whether the picture is redrawn, so that a spinner moves. */
  readonly animated: boolean;
  /** At most this many lines for steps. */
  readonly maxLines: number;
  /** Of more neighbours than this that all completed under one name only the first and the last are shown. Default: all of them. */
  readonly maxAlike?: number;
}

/** A line per step; what does not fit is counted. */
export function stepLines(progress: RunProgress, moment: Moment): StyledLine[] {
  const { steps } = progress;
  const shown = folded(steps, chosen(steps, moment.maxLines), moment.maxAlike ?? Number.POSITIVE_INFINITY);
  const width = Math.min(MAX_NAME, Math.max(0, ...shown.map((i) => cellWidth(steps[i]!.name))));
  const lines: StyledLine[] = [];
  let next = 0;
  for (const i of [...shown, steps.length]) {
    if (i > next) lines.push(gapLine(steps.slice(next, i)));
    if (i < steps.length) lines.push(stepLine(steps[i]!, width, moment));
    next = i + 1;
  }
  return lines.slice(0, Math.max(1, moment.maxLines));
}

/** Indexes of the steps to show: those in motion first, then what ended last and what comes next. */
function chosen(steps: readonly StepProgress[], maxLines: number): number[] {
  const all = steps.map((_, i) => i);
  if (steps.length <= maxLines) return all;
  const moving = all.filter((i) => !isSettled(steps[i]!) && steps[i]!.state !== "pending");
  const failed = all.filter((i) => steps[i]!.state === "failed");
  const settled = all
    .filter((i) => isSettled(steps[i]!))
    .sort((a, b) => (steps[b]!.settledAt ?? 0) - (steps[a]!.settledAt ?? 0));
  const pending = all.filter((i) => steps[i]!.state === "pending");
  const room = Math.max(1, maxLines - 3);
  return [...new Set([...failed, ...moving, ...settled.slice(0, room / 2), ...pending, ...settled])]
    .slice(0, room)
    .sort((a, b) => a - b);
}

/** Without what is in the middle of many alike. */
function folded(steps: readonly StepProgress[], shown: readonly number[], maxAlike: number): number[] {
  const kept: number[] = [];
  for (let from = 0; from < shown.length; ) {
    const { name, state } = steps[shown[from]!]!;
    let to = from + 1;
    while (
      to < shown.length &&
      state === "completed" &&
      steps[shown[to]!]!.state === state &&
      steps[shown[to]!]!.name === name
    )
      to++;
    const alike = shown.slice(from, to);
    if (alike.length > maxAlike) kept.push(alike[0]!, alike.at(-1)!);
    else kept.push(...alike);
    from = to;
  }
  return kept;
}

function gapLine(hidden: readonly StepProgress[]): StyledLine {
  const counts = new Map<string, number>();
  for (const { state } of hidden) counts.set(state, (counts.get(state) ?? 0) + 1);
  const words = [...counts].map(
    ([state, count]) => `${count} ${state === "pending" ? "to come" : state.replace("_", " ")}`,
  );
  return ["  ", ["dim", `… ${words.join(", ")}`]];
}

function stepLine(step: StepProgress, width: number, moment: Moment): StyledLine {
  const [style, still] = ICONS[step.state];
  const moving = step.state === "running" && moment.animated;
  const icon = moving ? SPINNER[Math.floor(moment.now / SPINNER_MS) % SPINNER.length]! : still;
  const quiet = step.state === "pending" || step.state === "skipped" || step.state === "cancelled";
  const details = stepDetails(step, moment.now);
  const name = details.length === 0 ? step.name : padCells(step.name, width);
  return ["  ", [style, icon], " ", quiet ? ["dim", name] : name, ...(details.length === 0 ? [] : ["  ", ...details])];
}

/** What is said of a step after its name. */
export function stepDetails(step: StepProgress, now: number): Part[] {
  const { state, attempts, durationMs, since, error } = step;
  const took = durationMs === undefined ? "" : spanText(durationMs);
  const message = error === undefined ? "" : headline(error);
  switch (state) {
    case "pending":
      return [];
    case "running": {
      const parts = [
        since === undefined ? "running" : spanText(now - since),
        ...(attempts > 1 ? [`attempt ${attempts}`] : []),
        ...(step.engine === undefined ? [] : [`on engine ${step.engine}`]),
      ];
      return [
        ["cyan", parts.join(" · ")],
        ...(step.log === undefined ? [] : [["dim", `  ${plainLine(step.log)}`] as const]),
      ];
    }
    case "retrying":
      return [["yellow", `attempt ${attempts} failed, next ${inText(step.due, now)}: `], message];
    case "waiting":
      return waitDetails(step, now);
    case "completed": {
      const tries = attempts > 1 ? `${attempts} attempts` : "";
      const parts = [took, tries, plainLine(step.child ?? "")].filter((part) => part !== "");
      return parts.length === 0 ? [] : [["dim", parts.join(" · ")]];
    }
    case "failed":
      return [["red", `failed${attempts > 1 ? ` after ${attempts} attempts` : ""}: `], message];
    case "continued":
      return [
        ["yellow", `failed, ${step.target === undefined ? "the flow goes on" : `goes on with ${step.target}`}: `],
        message,
      ];
    case "skipped":
      return [["dim", `skipped: ${step.reason ?? ""}`]];
    case "timed_out":
      return [
        ["yellow", `timed out${took === "" ? "" : ` after ${took}`}`],
        ...(step.target === undefined ? [] : [` → ${step.target}`]),
      ];
    case "cancelled":
      return [["dim", "cancelled"]];
  }
}

function waitDetails({ kind, signal, due, held, queue, child }: StepProgress, now: number): Part[] {
  if (child !== undefined)
    return [
      ["yellow", "waits for "],
      ["bold", plainLine(child)],
    ];
  if (queue !== undefined)
    return [
      ["yellow", "waits for an engine that serves queue "],
      ["bold", plainLine(queue)],
    ];
  if (held === true) return [["yellow", "could start, but a limit or a pause holds it back"]];
  const until = due === undefined ? "" : ` until ${clockText(due, now)}`;
  const left = due === undefined ? "" : ` (${spanText(due - now)})`;
  if (signal === undefined)
    return [
      ["yellow", `${kind === "approval" ? "waits for a decision" : "waits"}${until}`],
      ["dim", left],
    ];
  return [
    ["yellow", "waits for signal "],
    ["bold", plainLine(signal)],
    ["yellow", until],
    ["dim", left],
  ];
}

function inText(due: number | undefined, now: number): string {
  return due === undefined || due <= now ? "now" : `in ${spanText(due - now)}`;
}

/** The signals a run waits for. */
export function awaitedSignals({ steps }: RunProgress): string[] {
  const waiting = steps.filter(({ state, signal }) => state === "waiting" && signal !== undefined);
  return [...new Set(waiting.map(({ signal }) => signal!))];
}

const STATUS_STYLES: Readonly<Record<string, Style>> = {
  completed: "green",
  failed: "red",
  blocked: "red",
  timed_out: "red",
  cancelled: "yellow",
  terminated: "yellow",
  paused: "yellow",
  running: "cyan",
  waiting: "yellow",
};

/** A status in its colour. */
export function statusPart(status: string): Part {
  const style = STATUS_STYLES[status];
  const text = status.replaceAll("_", " ");
  return style === undefined ? text : [style, text];
}

/** What a run does right now: an open one without anything in motion waits. */
export function activityOf({ status, steps }: RunProgress): string {
  if (status !== "running" && status !== "pending") return status;
  const states = new Set(steps.map(({ state }) => state));
  if (states.has("running")) return "running";
  return states.has("waiting") || states.has("retrying") ? "waiting" : status;
}
