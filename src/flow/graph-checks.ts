/** Checks of what steps say about one another: ids, dependencies, targets, cycles, and what expressions read. */

import { didYouMean } from "../core/suggestion.ts";
import { type DependencyGraph, dependencyGraph, findCycles, upstreamOf } from "./dependency-graph.ts";
import type { FlowStep } from "./model.ts";
import type { Finding, Path } from "./problem.ts";
import type { Compiled } from "./program.ts";

/** Everything wrong with how the steps hang together. */
export function checkGraph(steps: readonly FlowStep[], references: Compiled["references"]): Finding[] {
  const graph = dependencyGraph(steps);
  const position = new Map<string, number>();
  for (const [i, step] of steps.entries()) if (!position.has(step.id)) position.set(step.id, i);
  const cycles = findCycles(graph);
  const scene: Scene = { graph, position, onCycles: cycles.map((cycle) => groupOf(graph, cycle[0]!)) };
  return [
    ...steps.flatMap((step, i) => [
      ...checkDuplicate(step, i, scene),
      ...checkDependencies(step, i, scene),
      ...checkTargets(step, i, scene),
    ]),
    ...cycles.map((cycle) => cycleFinding(cycle, scene)),
    ...references.flatMap((reference) => checkReference(reference, steps, scene)),
  ];
}

interface Scene {
  readonly graph: DependencyGraph;
  readonly position: ReadonlyMap<string, number>;
  /** Groups of steps that wait for one another. */
  readonly onCycles: readonly ReadonlySet<string>[];
}

function groupOf(graph: DependencyGraph, id: string): Set<string> {
  return new Set([...upstreamOf(graph, id)].filter((other) => upstreamOf(graph, other).has(id)));
}

function checkDuplicate(step: FlowStep, index: number, scene: Scene): Finding[] {
  const first = scene.position.get(step.id)!;
  if (first === index || step.id === "") return [];
  const message = `the id ${step.id} is taken by step ${first + 1} already`;
  return [{ code: "duplicate_id", path: ["steps", index, "id"], message, hint: "ids are unique within a flow" }];
}

function checkDependencies(step: FlowStep, index: number, scene: Scene): Finding[] {
  const seen = new Set<string>();
  return step.dependsOn.flatMap((id, i) => {
    const path = ["steps", index, "depends_on", i];
    if (seen.has(id)) {
      return [{ code: "duplicate_dependency", path, message: `${quoted(step)} depends on ${id} twice` } as const];
    }
    seen.add(id);
    return checkDependency(step, id, path, index, scene);
  });
}

function checkDependency(step: FlowStep, id: string, path: Path, index: number, scene: Scene): Finding[] {
  if (id === step.id) {
    return [{ code: "self_dependency", path, message: `${quoted(step)} depends on itself, so it could never start` }];
  }
  const other = scene.position.get(id);
  if (other === undefined) {
    const message = `${quoted(step)} depends on ${JSON.stringify(id)}, but there is no such step`;
    return [{ code: "unknown_dependency", path, message, hint: didYouMean(id, scene.position.keys()) }];
  }
  const together = scene.onCycles.some((group) => group.has(id) && group.has(step.id));
  if (other < index || together) return [];
  return [
    {
      code: "later_dependency",
      path,
      message: `${quoted(step)} depends on ${id}, which comes later; steps stand in the order in which they can start, so that cycles cannot arise unseen`,
      hint: `move ${id} above ${step.id}`,
    },
  ];
}

function checkTargets(step: FlowStep, index: number, scene: Scene): Finding[] {
  const findings: Finding[] = [];
  if (step.kind === "signal" && step.signal.onTimeout !== undefined) {
    const path = ["steps", index, "signal", "on_timeout"];
    findings.push(...checkTarget(step, step.signal.onTimeout, "on_timeout", path, scene));
    if (step.signal.timeoutMs === undefined) {
      const message = `${quoted(step)} has on_timeout but no timeout, so ${step.signal.onTimeout} could never start`;
      findings.push({ code: "target_without_timeout", path, message, hint: "add timeout: 48h" });
    }
  }
  if (typeof step.onError === "object") {
    findings.push(...checkTarget(step, step.onError.goto, "goto", ["steps", index, "on_error", "goto"], scene));
  }
  return findings;
}

function checkTarget(step: FlowStep, target: string, word: string, path: Path, scene: Scene): Finding[] {
  if (target === step.id)
    return [{ code: "self_target", path, message: `${word} of ${quoted(step)} names the step itself` }];
  if (scene.position.has(target)) return [];
  const message = `${word} of ${quoted(step)} names ${JSON.stringify(target)}, but there is no such step`;
  return [{ code: "unknown_target", path, message, hint: didYouMean(target, scene.position.keys()) }];
}

function cycleFinding(cycle: readonly string[], scene: Scene): Finding {
  const [first, second] = cycle as [string, string];
  const index = scene.position.get(first)!;
  const at = scene.graph.byId.get(first)!.dependsOn.indexOf(second);
  return {
    code: "cycle",
    path: at < 0 ? ["steps", index] : ["steps", index, "depends_on", at],
    message: `steps wait for one another: ${cycle.join(" -> ")}`,
    hint: "remove one of these dependencies",
  };
}

function checkReference(
  reference: Compiled["references"][number],
  steps: readonly FlowStep[],
  scene: Scene,
): Finding[] {
  const { id, path, excerpt } = reference;
  if (!scene.position.has(id)) {
    const hint = didYouMean(id, scene.position.keys());
    return [
      { code: "unknown_step", path, excerpt, message: `${excerpt}: there is no step ${JSON.stringify(id)}`, hint },
    ];
  }
  const reader = steps[reference.reader];
  if (reader === undefined) return [];
  const direct = scene.graph.waitsFor.get(reader.id)?.includes(id) === true;
  if (direct || (id !== reader.id && upstreamOf(scene.graph, reader.id).has(id))) return [];
  const why = id === reader.id ? "which is this step itself" : `which ${reader.id} does not wait for`;
  return [
    {
      code: "not_upstream",
      path,
      excerpt,
      message: `${excerpt}: reads step ${id}, ${why}`,
      hint: id === reader.id ? undefined : `add ${id} to depends_on of ${reader.id}`,
    },
  ];
}

function quoted(step: FlowStep): string {
  return `step ${step.id === "" ? "without id" : step.id}`;
}
