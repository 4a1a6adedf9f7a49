/** What a flow will do, read off its definition alone: what runs side by side, where it waits, which branches it may take. */
import { dependencyGraph } from "./dependency-graph.ts";
import type { FlowDefinition, FlowStep } from "./model.ts";

/** A step at which the run waits for somebody or for a time. */
export type Gate =
  | {
      readonly step: string;
      readonly kind: "signal";
      readonly signal: string;
      /** Longest wait; left out when it is endless. */
      readonly timeoutMs?: number;
      readonly onTimeout?: string;
    }
  | {
      readonly step: string;
      readonly kind: "timer";
      readonly delayMs?: number;
      readonly cron?: string;
      readonly timezone?: string;
    };

/** A step that starts only when another one times out or fails. */
export interface Branch {
  readonly from: string;
  readonly to: string;
  readonly on: "timeout" | "error";
}

/** The shape of a flow. All steps are named by their ids. */
export interface FlowPlan {
  /** Groups of steps that can run side by side, when all goes through every level; each in definition order. */
  readonly levels: readonly (readonly string[])[];
  /** An order in which the steps could run one by one. */
  readonly order: readonly string[];
  readonly gates: readonly Gate[];
  readonly branches: readonly Branch[];
  /** The longest chain of steps that wait for one another: no run has fewer rounds than this when all steps run. */
  readonly longestPath: readonly string[];
  /** Most steps in one level. */
  readonly widest: number;
}

/**
 * Plans a flow without running anything. Dependencies count, and so do `on_timeout` and `goto`: their target comes after
 * the step that triggers it. For an invalid definition the plan is a best effort: unknown ids are left out, what hangs on a
 * cycle comes last.
 *
 * @example
 * planFlow(definition).levels // [["fetch"], ["process-a", "process-b"], ["merge"]]
 */
export function planFlow(definition: FlowDefinition): FlowPlan {
  const { steps } = definition;
  const before = dependencyGraph(steps).waitsFor;
  const levelOf = levelsOf(before);
  const levels: string[][] = [];
  for (const [id, level] of levelOf) {
    while (levels.length <= level) levels.push([]);
    levels[level]!.push(id);
  }
  const position = new Map(steps.map((step, i) => [step.id, i]));
  for (const level of levels) level.sort((a, b) => position.get(a)! - position.get(b)!);
  return {
    levels,
    order: levels.flat(),
    gates: steps.flatMap(gateOf),
    branches: branchesOf(steps),
    longestPath: longestPath(levels, levelOf, before),
    widest: levels.reduce((most, level) => Math.max(most, level.length), 0),
  };
}

/** The edges of a flow that are no dependencies: which step starts when another one times out or fails. */
export function branchesOf(steps: readonly FlowStep[]): Branch[] {
  return steps.flatMap((step) => {
    const branches: Branch[] = [];
    if (step.kind === "signal" && step.signal.onTimeout !== undefined) {
      branches.push({ from: step.id, to: step.signal.onTimeout, on: "timeout" });
    }
    if (typeof step.onError === "object") branches.push({ from: step.id, to: step.onError.goto, on: "error" });
    return branches;
  });
}

/** The level of each step: one more than the highest of its predecessors. Steps on or after a cycle share the last one. */
function levelsOf(before: ReadonlyMap<string, readonly string[]>): Map<string, number> {
  const levelOf = new Map<string, number>();
  const waiting = new Set(before.keys());
  for (let level = 0; waiting.size > 0; level++) {
    const ready = [...waiting].filter((id) => before.get(id)!.every((other) => levelOf.has(other)));
    for (const id of ready.length > 0 ? ready : waiting) {
      levelOf.set(id, level);
      waiting.delete(id);
    }
  }
  return levelOf;
}

/** Walks back from the first step of the last level, each time to a predecessor one level up. */
function longestPath(
  levels: readonly (readonly string[])[],
  levelOf: ReadonlyMap<string, number>,
  before: ReadonlyMap<string, readonly string[]>,
): string[] {
  const path: string[] = [];
  let current = levels.at(-1)?.[0];
  while (current !== undefined) {
    path.unshift(current);
    const level = levelOf.get(current)!;
    current = before.get(current)!.find((id) => levelOf.get(id) === level - 1);
  }
  return path;
}

function gateOf(step: FlowStep): Gate[] {
  if (step.kind === "signal") {
    const { name, timeoutMs, onTimeout } = step.signal;
    return [
      {
        step: step.id,
        kind: "signal",
        signal: name,
        ...(timeoutMs !== undefined && { timeoutMs }),
        ...(onTimeout !== undefined && { onTimeout }),
      },
    ];
  }
  if (step.kind !== "timer") return [];
  const { delayMs, cron, timezone } = step.timer;
  return [
    {
      step: step.id,
      kind: "timer",
      ...(delayMs !== undefined && { delayMs }),
      ...(cron !== undefined && { cron }),
      ...(timezone !== undefined && { timezone }),
    },
  ];
}
