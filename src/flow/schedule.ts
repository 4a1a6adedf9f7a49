/**
 * Which step starts when: pure bookkeeping, no clock and no I/O. The interpreter asks {@link Schedule.next} until it gets
 * nothing, and tells {@link Schedule.settle} how each step ended.
 *
 * Invariants: every step settles exactly once; a step starts only when its join holds; steps that can start do so in definition
 * order; at most `maxParallel` tasks and agents run at a time; as long as the graph has no cycle, something runs or is ready
 * until all have settled.
 */
import { invariant } from "../core/errors.ts";
import { dependencyGraph } from "./dependency-graph.ts";
import type { FlowStep } from "./model.ts";

/**
 * How a step ended, as far as others care. `completed` and `continued` (failed, but the flow goes on) satisfy dependants,
 * `skipped` does not. A step that timed out or failed into a target counts as skipped, and names the target.
 */
export type StepEnd = "completed" | "continued" | "skipped" | { readonly starts: string };

/** A step that will not run, and why. */
export interface Skip {
  readonly index: number;
  readonly reason: SkipReason;
}

/** Why a step was skipped. */
export type SkipReason = "condition" | "not_triggered" | "dependencies_skipped";

interface Entry {
  readonly index: number;
  readonly step: FlowStep;
  /** Whether it takes one of the `maxParallel` places. */
  readonly works: boolean;
  /** Steps that depend on it. */
  readonly dependants: Entry[];
  /** Steps it can start by timing out or failing. */
  readonly targets: Entry[];
  /** Dependencies in all, and those that have not settled, and those that completed. */
  dependencies: number;
  open: number;
  satisfied: number;
  /** For steps that only a timeout or failure starts: how many of those can still happen, and whether one has. */
  readonly target: boolean;
  openSources: number;
  triggered: boolean;
  state: "waiting" | "ready" | "running" | "settled";
}

/** The state of one run of a flow. */
export class Schedule {
  readonly #entries: Entry[];
  readonly #maxParallel: number;
  /** Indexes in descending order: the next one is the last. */
  readonly #readyWork: number[] = [];
  readonly #readyWaits: number[] = [];
  #skips: Skip[] = [];
  #working = 0;
  #unsettled: number;

  constructor(steps: readonly FlowStep[], maxParallel: number = Number.POSITIVE_INFINITY) {
    this.#entries = link(steps);
    this.#maxParallel = maxParallel;
    this.#unsettled = this.#entries.length;
    for (const entry of this.#entries) this.#look(entry);
  }

  /** Whether all steps have settled. */
  get done(): boolean {
    return this.#unsettled === 0;
  }

  /** Index of the next step to start now, which thereby counts as running; `undefined` when none can. */
  next(): number | undefined {
    const wait = this.#readyWaits.at(-1);
    const work = this.#working < this.#maxParallel ? this.#readyWork.at(-1) : undefined;
    const index = wait === undefined || (work !== undefined && work < wait) ? work : wait;
    if (index === undefined) return undefined;
    const entry = this.#entries[index]!;
    (entry.works ? this.#readyWork : this.#readyWaits).pop();
    if (entry.works) this.#working++;
    entry.state = "running";
    return index;
  }

  /** Records how a running step ended. What follows from it is ready for {@link next} and {@link takeSkips}. */
  settle(index: number, end: StepEnd): void {
    const entry = this.#entries[index];
    invariant(entry?.state === "running", `step ${index} settled without running`);
    if (entry.works) this.#working--;
    this.#end(entry, end);
  }

  /** Steps that were skipped since the last call, in the order in which that became known. */
  takeSkips(): readonly Skip[] {
    const skips = this.#skips;
    this.#skips = [];
    return skips;
  }

  /** Settles an entry and everything that is skipped because of it. A list instead of recursion: chains can be long. */
  #end(first: Entry, firstEnd: StepEnd): void {
    const ends: [Entry, StepEnd][] = [[first, firstEnd]];
    for (const [entry, end] of ends) {
      entry.state = "settled";
      this.#unsettled--;
      const satisfies = end === "completed" || end === "continued";
      const touched = [...entry.dependants, ...entry.targets];
      for (const dependant of entry.dependants) {
        dependant.open--;
        if (satisfies) dependant.satisfied++;
      }
      for (const target of entry.targets) {
        target.openSources--;
        if (typeof end === "object" && end.starts === target.step.id) target.triggered = true;
      }
      for (const other of touched) {
        const reason = this.#look(other);
        if (reason !== undefined) ends.push([other, "skipped"]);
      }
    }
  }

  /** Makes a waiting entry ready when it can start; gives the reason when it never will, and takes note of it. */
  #look(entry: Entry): SkipReason | undefined {
    if (entry.state !== "waiting") return undefined;
    const verdict = judge(entry);
    if (verdict === "wait") return undefined;
    if (verdict === "start") {
      entry.state = "ready";
      insertDescending(entry.works ? this.#readyWork : this.#readyWaits, entry.index);
      return undefined;
    }
    entry.state = "settled";
    this.#skips.push({ index: entry.index, reason: verdict });
    return verdict;
  }
}

function judge(entry: Entry): "start" | "wait" | SkipReason {
  if (entry.target && !entry.triggered) return entry.openSources === 0 ? "not_triggered" : "wait";
  if (entry.dependencies === 0) return "start";
  if (entry.step.join === "any" && entry.satisfied > 0) return "start";
  if (entry.open > 0) return "wait";
  return entry.satisfied > 0 ? "start" : "dependencies_skipped";
}

function link(steps: readonly FlowStep[]): Entry[] {
  const { byId, sources } = dependencyGraph(steps);
  const entries = [...byId.values()].map(
    (step, index): Entry => ({
      index,
      step,
      works: step.kind === "task" || step.kind === "agent",
      dependants: [],
      targets: [],
      dependencies: 0,
      open: 0,
      satisfied: 0,
      target: sources.has(step.id),
      openSources: sources.get(step.id)?.length ?? 0,
      triggered: false,
      state: "waiting",
    }),
  );
  const entryOf = new Map(entries.map((entry) => [entry.step.id, entry]));
  for (const entry of entries) {
    const startedBy = new Set(sources.get(entry.step.id));
    for (const id of startedBy) entryOf.get(id)!.targets.push(entry);
    // A dependency on the step that starts this one by timing out or failing is met by just that.
    for (const id of new Set(entry.step.dependsOn)) {
      if (startedBy.has(id)) continue;
      entryOf.get(id)?.dependants.push(entry);
      entry.dependencies++;
      entry.open++;
    }
  }
  return entries;
}

function insertDescending(list: number[], value: number): void {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle]! > value) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, value);
}
