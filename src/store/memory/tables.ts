/**
 * The rows of a memory store, and the few moves every operation is made of. Owned by one {@link MemoryStore}; nothing here is
 * asynchronous, so each operation of the store is one atomic step.
 *
 * Kept true at all times: `owned` holds exactly the open runs with an owner, by engine; `waiting` exactly the runs that a claim
 * may take at some time; `current` the newest run of each workflow id; `children` the runs with a parent that are not superseded.
 */
import type {
  AttemptRow,
  DefinitionRow,
  EventRow,
  MessageRow,
  NewRun,
  ParentLink,
  PauseRow,
  RunRow,
  StartResult,
} from "../store.ts";
import { isAdvancing } from "./advancing.ts";
import { Chains } from "./chains.ts";
import { newRun, successorOf } from "./new-run.ts";
import { MemoryTasks } from "./tasks.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A run with everything that belongs to it. */
export interface MemoryRun {
  readonly row: Mutable<RunRow>;
  readonly events: EventRow[];
  readonly attempts: Map<number, AttemptRow>;
  readonly messages: Map<number, MessageRow>;
  secrets: string | null;
}

/** A registered engine. `batch` and `renewals` together are its sign of life. */
export interface MemoryEngine {
  readonly engine: number;
  readonly label: string;
  readonly registeredAt: number;
  readonly serves: readonly string[] | null;
  activities: readonly string[];
  batch: number;
  renewals: number;
}

/** What a claim, a message or a sweep changes about who advances a run. */
export type Holding = Partial<
  Pick<RunRow, "status" | "owner" | "wakeAt" | "closedAt" | "crashes" | "detail" | "length">
>;

/** All rows of a memory store. */
export class Tables {
  readonly runs: Map<number, MemoryRun> = new Map();
  readonly engines: Map<number, MemoryEngine> = new Map();
  readonly definitions: Map<string, DefinitionRow> = new Map();
  readonly pauses: Map<string, PauseRow> = new Map();
  readonly turns: Map<string, { readonly holder: string; readonly until: number }> = new Map();
  readonly chains: Chains = new Chains();
  readonly tasks: MemoryTasks = new MemoryTasks(this);
  readonly #current = new Map<string, MemoryRun>();
  readonly #owned = new Map<number, Set<MemoryRun>>();
  readonly #waiting = new Set<MemoryRun>();
  readonly #children = new Map<number, Map<string, MemoryRun>>();
  #nextRun = 1;
  #nextEngine = 1;

  addEngine(row: Pick<MemoryEngine, "label" | "registeredAt" | "serves" | "activities">): MemoryEngine {
    const engine = { ...row, engine: this.#nextEngine++, batch: 0, renewals: 0 };
    this.engines.set(engine.engine, engine);
    return engine;
  }

  /** The newest run of a workflow id. */
  current(workflowId: string): MemoryRun | undefined {
    return this.#current.get(workflowId);
  }

  ownedBy(engine: number): ReadonlySet<MemoryRun> {
    return this.#owned.get(engine) ?? new Set();
  }

  /** Unowned open runs with a wake-up time in a state that advances by itself. */
  waiting(): ReadonlySet<MemoryRun> {
    return this.#waiting;
  }

  /** Children of a run that are not superseded. */
  childrenOf(run: number): MemoryRun[] {
    return [...(this.#children.get(run)?.values() ?? [])];
  }

  /** Changes a run row and keeps the indexes true. */
  update(run: MemoryRun, change: Holding): void {
    this.#unindex(run);
    Object.assign(run.row, change);
    this.#index(run);
  }

  /** Makes a run without owner due at `at`, or leaves it due earlier. */
  wake(run: MemoryRun, at: number): void {
    const { row } = run;
    if (row.owner === null && isAdvancing(row)) this.update(run, { wakeAt: Math.min(row.wakeAt ?? at, at) });
  }

  start(start: NewRun, engine: number): StartResult {
    const child = start.parent === undefined ? undefined : this.#child(start.parent);
    if (child !== undefined) return { run: child.row.run, existing: true };
    if (start.parent !== undefined && this.#hasLost(start.parent)) return { orphan: true };
    const holder = this.#current.get(start.workflowId);
    if (holder !== undefined) {
      const replaced = holder.row.run === start.supersedes && holder.row.closedAt !== null;
      if (!replaced) return { conflict: { ...holder.row } };
      this.#supersede(holder);
    }
    const run = newRun(this.#nextRun++, start, engine);
    this.#add(run);
    for (const message of start.messages ?? []) this.chains.put(run, message);
    return { run: run.row.run };
  }

  /** Puts the run in place that continues a closed one. */
  succeed(run: MemoryRun, start: NewRun, messages: readonly MessageRow[]): void {
    this.#supersede(run);
    this.#add(successorOf(run, this.#nextRun++, start, messages));
  }

  remove(run: MemoryRun): void {
    const { row } = run;
    this.#unindex(run);
    this.runs.delete(row.run);
    this.tasks.removeRun(row.run);
    if (this.#current.get(row.workflowId) === run) this.#current.delete(row.workflowId);
    this.#forgetChild(run);
    const others = [...this.runs.values()].some((other) => other.row.chain === row.chain);
    if (!others) this.chains.forget(row.chain);
  }

  /** Removes an engine, frees its runs to be claimed at `at` and gives up its tasks. Returns how many runs there were. */
  removeEngine(engine: number, at: number, crashed: boolean): number {
    this.engines.delete(engine);
    const runs = [...this.ownedBy(engine)];
    for (const run of runs) {
      this.update(run, { owner: null, wakeAt: at, crashes: run.row.crashes + (crashed ? 1 : 0) });
    }
    this.tasks.leave(engine, at, crashed);
    return runs.length;
  }

  #add(run: MemoryRun): void {
    const { row } = run;
    this.runs.set(row.run, run);
    this.#current.set(row.workflowId, run);
    this.#index(run);
    if (row.parent === null) return;
    const siblings = this.#children.get(row.parent.run) ?? new Map<string, MemoryRun>();
    siblings.set(commandOf(row.parent), run);
    this.#children.set(row.parent.run, siblings);
  }

  #supersede(run: MemoryRun): void {
    run.row.superseded = true;
    this.#forgetChild(run);
  }

  #child(parent: ParentLink): MemoryRun | undefined {
    return this.#children.get(parent.run)?.get(commandOf(parent));
  }

  /** Whether the parent of a child that must not outlive it has ended. */
  #hasLost({ run, onClose }: ParentLink): boolean {
    if (onClose === "abandon") return false;
    const parent = this.runs.get(run);
    return parent === undefined || (parent.row.closedAt !== null && parent.row.status !== "continued_as_new");
  }

  #forgetChild(run: MemoryRun): void {
    const { parent } = run.row;
    if (parent === null || this.#child(parent) !== run) return;
    const siblings = this.#children.get(parent.run)!;
    siblings.delete(commandOf(parent));
    if (siblings.size === 0) this.#children.delete(parent.run);
  }

  #index(run: MemoryRun): void {
    const { owner, wakeAt, closedAt } = run.row;
    if (closedAt !== null) return;
    if (owner === null) {
      if (wakeAt !== null && isAdvancing(run.row)) this.#waiting.add(run);
      return;
    }
    const owned = this.#owned.get(owner);
    if (owned === undefined) this.#owned.set(owner, new Set([run]));
    else owned.add(run);
  }

  #unindex(run: MemoryRun): void {
    this.#waiting.delete(run);
    const { owner } = run.row;
    const owned = owner === null ? undefined : this.#owned.get(owner);
    if (owner === null || owned === undefined) return;
    owned.delete(run);
    if (owned.size === 0) this.#owned.delete(owner);
  }
}

function commandOf({ command, generation }: ParentLink): string {
  return `${command}/${generation}`;
}
