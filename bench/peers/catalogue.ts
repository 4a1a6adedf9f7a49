/** The systems that are compared. Each but the engine itself has a folder here with its own packages and a driver. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Load } from "./serve.ts";

/** What a peer keeps its runs in. One with a store of its own is compared with the engine on the store that was asked for. */
export type PeerStore = "postgres" | "sqlite" | "own";

export interface Peer {
  readonly name: string;
  readonly folder: string;
  readonly store: PeerStore;
  /** Workloads that make sense for it. */
  readonly works: readonly string[];
  /** It needs a newer Node than the project does: the one in `node-24`. */
  readonly newerNode: boolean;
}

export const PEERS: readonly Peer[] = [
  { name: "dbos", folder: "dbos", store: "postgres", works: ["W1", "W2", "W3", "W4"], newerNode: false },
  {
    name: "openworkflow",
    folder: "openworkflow",
    store: "postgres",
    works: ["W1", "W2", "W3", "W4"],
    newerNode: false,
  },
  { name: "langgraph", folder: "langgraph", store: "postgres", works: ["W1", "W2", "W3", "W4"], newerNode: true },
  { name: "langgraph-sqlite", folder: "langgraph", store: "sqlite", works: ["W1", "W2", "W3", "W4"], newerNode: true },
  { name: "graphile-worker", folder: "graphile-worker", store: "postgres", works: ["W4"], newerNode: true },
  { name: "restate", folder: "restate", store: "own", works: ["W1", "W2", "W3", "W4"], newerNode: true },
];

/** A workload as every system gets it. */
export interface ComparedWork {
  readonly name: string;
  readonly title: string;
  readonly unit: "ms" | "steps/s" | "runs/s";
  readonly load: Omit<Load, "concurrency">;
  /** The best of these in the first round counts in the others. */
  readonly concurrencies: readonly number[];
}

const MANY = [20, 100, 500];

export const WORKS: readonly ComparedWork[] = [
  {
    name: "W1",
    title: "10-step runs, one at a time",
    unit: "ms",
    load: { shape: "sequence", steps: 10, warmUpSeconds: 0.5, seconds: 1.5, atLeast: 5 },
    concurrencies: [1],
  },
  {
    name: "W2",
    title: "10-step runs, many at a time",
    unit: "steps/s",
    load: { shape: "sequence", steps: 10, warmUpSeconds: 1, seconds: 2, atLeast: 20 },
    concurrencies: MANY,
  },
  {
    name: "W3",
    title: "one run of 1,000 parallel steps",
    unit: "ms",
    load: { shape: "fan-out", steps: 1000, warmUpSeconds: 0.5, seconds: 1.5, atLeast: 2 },
    concurrencies: [1],
  },
  {
    name: "W4",
    title: "one-step runs, many at a time",
    unit: "runs/s",
    load: { shape: "sequence", steps: 1, warmUpSeconds: 1, seconds: 2, atLeast: 20 },
    concurrencies: MANY,
  },
];

const SOURCES = new URL("../../peers/", import.meta.url);

/** Folder of a peer among the sources. */
export function folderOf(name: string): string {
  return fileURLToPath(new URL(`${name}/`, SOURCES));
}

/** The newer Node from npm. */
export function newerNode(): string {
  return fileURLToPath(new URL("node-24/node_modules/node/bin/node", SOURCES));
}

export function isInstalled({ folder, newerNode: needed }: Peer): boolean {
  return existsSync(`${folderOf(folder)}node_modules`) && (!needed || existsSync(newerNode()));
}
