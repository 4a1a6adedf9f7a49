/**
 * Who waits for whom. An edge leads from a step to what it waits for: a dependency, or the step whose timeout or failure
 * starts it.
 */
import { type FlowStep, targetsOf } from "./model.ts";

/** The steps of a flow by id, and their edges. Unknown ids have no edges; of duplicate ids the first counts. */
export interface DependencyGraph {
  readonly byId: ReadonlyMap<string, FlowStep>;
  /** For each step that starts on a timeout or failure only: the steps that can start it. */
  readonly sources: ReadonlyMap<string, readonly string[]>;
  readonly waitsFor: ReadonlyMap<string, readonly string[]>;
}

/** Reads the edges off the steps. Self-edges are left out: they are reported by themselves. */
export function dependencyGraph(steps: readonly FlowStep[]): DependencyGraph {
  const byId = new Map<string, FlowStep>();
  for (const step of steps) if (!byId.has(step.id)) byId.set(step.id, step);
  const sources = new Map<string, string[]>();
  for (const step of byId.values()) {
    for (const target of new Set(targetsOf(step))) {
      if (target === step.id || !byId.has(target)) continue;
      const list = sources.get(target);
      if (list === undefined) sources.set(target, [step.id]);
      else list.push(step.id);
    }
  }
  const waitsFor = new Map<string, string[]>();
  for (const step of byId.values()) {
    const all = [...step.dependsOn, ...(sources.get(step.id) ?? [])];
    waitsFor.set(step.id, [...new Set(all.filter((id) => id !== step.id && byId.has(id)))]);
  }
  return { byId, sources, waitsFor };
}

/** Everything a step waits for, directly or not. */
export function upstreamOf(graph: DependencyGraph, id: string): Set<string> {
  const found = new Set<string>();
  const open = [...(graph.waitsFor.get(id) ?? [])];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    open.push(...(graph.waitsFor.get(next) ?? []));
  }
  return found;
}

/** One cycle for each group of steps that wait for one another, as a path that ends where it starts. */
export function findCycles(graph: DependencyGraph): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  for (const id of stuck(graph)) {
    if (done.has(id) || !upstreamOf(graph, id).has(id)) continue;
    const cycle = shortestCycle(graph, id);
    cycles.push(cycle);
    const upstream = upstreamOf(graph, id);
    for (const other of upstream) if (upstreamOf(graph, other).has(id)) done.add(other);
  }
  return cycles;
}

/** The steps that are never free: those on cycles and those behind them, in definition order. */
function stuck(graph: DependencyGraph): string[] {
  const waiting = new Map([...graph.waitsFor].map(([id, list]) => [id, list.length]));
  const waiters = new Map<string, string[]>();
  for (const [id, list] of graph.waitsFor) {
    for (const other of list) {
      const known = waiters.get(other);
      if (known === undefined) waiters.set(other, [id]);
      else known.push(id);
    }
  }
  const free = [...waiting].filter(([, count]) => count === 0).map(([id]) => id);
  for (const id of free) {
    waiting.delete(id);
    for (const waiter of waiters.get(id) ?? []) {
      const count = waiting.get(waiter)! - 1;
      waiting.set(waiter, count);
      if (count === 0) free.push(waiter);
    }
  }
  return [...waiting.keys()];
}

/** Breadth first from `id` back to `id`. */
function shortestCycle(graph: DependencyGraph, id: string): string[] {
  const cameFrom = new Map<string, string>();
  const open = [id];
  for (const current of open) {
    for (const next of graph.waitsFor.get(current) ?? []) {
      if (next === id) return pathTo(cameFrom, id, current);
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, current);
      open.push(next);
    }
  }
  return [id, id];
}

function pathTo(cameFrom: ReadonlyMap<string, string>, id: string, last: string): string[] {
  const path = [id];
  for (let at = last; at !== id; at = cameFrom.get(at)!) path.unshift(at);
  return [id, ...path];
}
