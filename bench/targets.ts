/** What the engine is held to on two cores with a disk that keeps its word. One table for all. */
import type { Measurement } from "./measurement.ts";
import type { StoreKind } from "./store-place.ts";

/** A limit on a metric's value, in its unit. */
export interface Target {
  readonly limit: number;
  readonly is: "at least" | "at most";
}

/** How much of a target may be missed before a check fails: benchmarks of a shared machine vary. */
export const TOLERANCE = 0.25;

const TARGETS: Readonly<Partial<Record<StoreKind, Readonly<Record<string, Target>>>>> = {
  sqlite: {
    W1: { limit: 4, is: "at most" },
    W2: { limit: 60_000, is: "at least" },
    W3: { limit: 50, is: "at most" },
    W4: { limit: 12_000, is: "at least" },
    W5: { limit: 1.5, is: "at most" },
    "W5 heap": { limit: 20, is: "at most" },
    W6: { limit: 1000, is: "at most" },
    long: { limit: 1.2, is: "at most" },
    memory: { limit: 5, is: "at most" },
    "1M": { limit: 60, is: "at most" },
    entities: { limit: 20, is: "at most" },
    "entities heap": { limit: 20, is: "at most" },
  },
  postgres: {
    W1: { limit: 7, is: "at most" },
    W2: { limit: 40_000, is: "at least" },
    W3: { limit: 80, is: "at most" },
    W4: { limit: 8000, is: "at least" },
    W5: { limit: 2.5, is: "at most" },
    "W5 heap": { limit: 20, is: "at most" },
    "W6 expired": { limit: 1000, is: "at most" },
    long: { limit: 1.2, is: "at most" },
    memory: { limit: 5, is: "at most" },
    "1M": { limit: 90, is: "at most" },
    "entities heap": { limit: 20, is: "at most" },
  },
};

/** The target of a metric, if it has one on this store. */
export function targetOf(store: StoreKind, metric: string): Target | undefined {
  return TARGETS[store]?.[metric];
}

/** Whether a measurement meets its target, with some slack if wanted: 0.25 lets it be missed by a quarter. */
export function meets({ value }: Measurement, { limit, is }: Target, slack = 0): boolean {
  return is === "at least" ? value >= limit * (1 - slack) : value <= limit * (1 + slack);
}
