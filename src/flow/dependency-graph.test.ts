import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dependencyGraph, findCycles, upstreamOf } from "./dependency-graph.ts";
import { task, waitForSignal } from "./step-builders.ts";

function graphOf(edges: Readonly<Record<string, readonly string[]>>) {
  return dependencyGraph(Object.entries(edges).map(([id, dependsOn]) => task(id, "x", { dependsOn })));
}

describe("the dependency graph", () => {
  it("finds everything a step waits for, through timeouts and failures too", () => {
    const graph = dependencyGraph([
      task("a", "x", { onError: { goto: "fix" } }),
      waitForSignal("w", "s", { dependsOn: ["a"], timeout: 1, onTimeout: "late" }),
      task("late", "x"),
      task("fix", "x"),
    ]);
    expect([...upstreamOf(graph, "late")].sort()).toEqual(["a", "w"]);
    expect([...upstreamOf(graph, "fix")]).toEqual(["a"]);
  });

  it("gives one cycle for each group of steps that wait for one another, as a path", () => {
    expect(findCycles(graphOf({ a: ["c"], b: ["a"], c: ["b"], d: ["c"], x: ["y"], y: ["x"], z: [] }))).toEqual([
      ["a", "c", "b", "a"],
      ["x", "y", "x"],
    ]);
  });

  it("sees a cycle through a timeout", () => {
    const graph = dependencyGraph([
      waitForSignal("w", "s", { timeout: 1, onTimeout: "e", dependsOn: ["e"] }),
      task("e", "x"),
    ]);
    expect(findCycles(graph)).toEqual([["w", "e", "w"]]);
  });

  it("finds no cycle where all edges lead backwards, and real ones elsewhere", () => {
    const edges = fc.array(fc.array(fc.nat({ max: 11 }), { maxLength: 3 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(edges, fc.boolean(), (lists, backwards) => {
        const all = Object.fromEntries(
          lists.map((list, i) => [`s${i}`, list.filter((n) => n < (backwards ? i : lists.length)).map((n) => `s${n}`)]),
        );
        const graph = graphOf(all);
        const cycles = findCycles(graph);
        if (backwards) expect(cycles).toEqual([]);
        for (const cycle of cycles) {
          expect(cycle.length).toBeGreaterThan(2);
          for (let i = 1; i < cycle.length; i++) expect(graph.waitsFor.get(cycle[i - 1]!)).toContain(cycle[i]);
          expect(cycle[0]).toBe(cycle[cycle.length - 1]);
        }
        const cyclic = [...graph.byId.keys()].some((id) => upstreamOf(graph, id).has(id));
        expect(cycles.length > 0).toBe(cyclic);
      }),
    );
  });
});
