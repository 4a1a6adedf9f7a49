/** What pictures say about a step and about what leads from one to another. */
import { formatDuration } from "../../core/duration.ts";
import type { FlowDefinition, FlowStep, TimerConfig } from "../model.ts";
import { branchesOf } from "../plan.ts";
import { cronWords } from "./cron-words.ts";

/** The second line of a step: what it calls or waits for. */
export function detailOf(step: FlowStep): string {
  switch (step.kind) {
    case "task":
      return step.activity;
    case "agent":
      return step.agent;
    case "signal": {
      const { name, timeoutMs } = step.signal;
      return timeoutMs === undefined ? name : `${name}, up to ${formatDuration(timeoutMs)}`;
    }
    case "timer":
      return timerWords(step.timer);
  }
}

function timerWords(timer: TimerConfig): string {
  if (timer.cron !== undefined) return `${cronWords(timer.cron)} ${timer.timezone ?? "UTC"}`;
  return timer.delayMs === undefined ? "no time given" : `waits ${formatDuration(timer.delayMs)}`;
}

/** Short remarks on how a step behaves. */
export interface Remark {
  readonly kind: "when" | "join" | "continue";
  readonly text: string;
}

/** The remarks on a step; most have none. */
export function remarksOf(step: FlowStep): Remark[] {
  const remarks: Remark[] = [];
  if (step.when !== undefined) remarks.push({ kind: "when", text: `when ${oneLine(step.when)}` });
  if (step.join === "any") remarks.push({ kind: "join", text: "join: any" });
  if (step.onError === "continue") remarks.push({ kind: "continue", text: "continues on error" });
  return remarks;
}

/** Everything there is to say about a step, over several lines. */
export function fullText(step: FlowStep): string {
  const lines = [
    `${step.id} (${step.kind})`,
    step.description,
    detailOf(step),
    ...remarksOf(step).map((of) => of.text),
  ];
  return lines.filter((line) => line !== undefined).join("\n");
}

/** An arrow of a picture. */
export interface FlowEdge {
  readonly from: string;
  readonly to: string;
  /** What has to happen for this arrow to be taken; plain dependencies have none. */
  readonly on?: "timeout" | "error";
}

/** The arrows between steps that exist, dependencies first. */
export function edgesOf(definition: FlowDefinition): FlowEdge[] {
  const ids = new Set(definition.steps.map((step) => step.id));
  const edges: FlowEdge[] = definition.steps.flatMap((step) =>
    [...new Set(step.dependsOn)].map((from) => ({ from, to: step.id })),
  );
  return [...edges, ...branchesOf(definition.steps)].filter(
    ({ from, to }) => from !== to && ids.has(from) && ids.has(to),
  );
}

/** The steps to draw: of two with the same id, the first. */
export function drawableSteps(definition: FlowDefinition): FlowStep[] {
  const seen = new Set<string>();
  return definition.steps.filter((step) => !seen.has(step.id) && seen.add(step.id));
}

/** Text without line breaks and runs of space. */
export function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
