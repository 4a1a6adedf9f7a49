/**
 * The rows of a memory store, and the few moves every operation is made of. Owned by one {@link MemoryStore}; nothing here is
 * asynchronous, so each operation of the store is one atomic step.
 *
 * Kept true at all times: `owned` holds exactly the open runs with an owner, by engine; `waiting` exactly the runs that a claim
 * may take at some time; `current` the newest run of each workflow id.
 */
import type { AttemptRow, DefinitionRow, EventRow, MessageRow, NewRun, RunRow, StartResult } from "../store.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A run with everything that belongs to it. */
export interface MemoryRun {
  readonly row: Mutable<RunRow>;
  readonly events: EventRow[];
  readonly attempts: Map<number, AttemptRow>;
  readonly messages: Map<number, MessageRow>;
  readonly keys: Map<string, number>;
  secrets: string | null;
}

/** A registered engine. `batch` and `renewals` together are its sign of life. */
export interface MemoryEngine {
  readonly engine: number;
  readonly label: string;
  readonly registeredAt: number;
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
  readonly #current = new Map<string, MemoryRun>();
  readonly #owned = new Map<number, Set<MemoryRun>>();
  readonly #waiting = new Set<MemoryRun>();
  #nextRun = 1;
  #nextEngine = 1;

  addEngine(label: string, registeredAt: number): MemoryEngine {
    const engine = { engine: this.#nextEngine++, label, registeredAt, batch: 0, renewals: 0 };
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

  /** Changes a run row and keeps the indexes true. */
  update(run: MemoryRun, change: Holding): void {
    this.#unindex(run);
    Object.assign(run.row, change);
    this.#index(run);
  }

  start(start: NewRun, engine: number): StartResult {
    const holder = this.#current.get(start.workflowId);
    if (holder !== undefined) {
      const replaced = holder.row.run === start.supersedes && holder.row.closedAt !== null;
      if (!replaced) return { conflict: { ...holder.row } };
      holder.row.superseded = true;
    }
    const run = newRun(this.#nextRun++, start, engine);
    this.runs.set(run.row.run, run);
    this.#current.set(start.workflowId, run);
    this.#index(run);
    return { run: run.row.run };
  }

  remove(run: MemoryRun): void {
    this.#unindex(run);
    this.runs.delete(run.row.run);
    if (this.#current.get(run.row.workflowId) === run) this.#current.delete(run.row.workflowId);
  }

  /** Removes an engine and frees its runs to be claimed at `at`. Returns how many there were. */
  removeEngine(engine: number, at: number, crashed: boolean): number {
    this.engines.delete(engine);
    const runs = [...this.ownedBy(engine)];
    for (const run of runs) {
      this.update(run, { owner: null, wakeAt: at, crashes: run.row.crashes + (crashed ? 1 : 0) });
    }
    return runs.length;
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

/** Whether a run goes on by itself when it is due. */
export function isAdvancing(row: RunRow): boolean {
  return row.closedAt === null && (row.status === "pending" || row.status === "running");
}

function newRun(number: number, start: NewRun, engine: number): MemoryRun {
  return {
    row: {
      run: number,
      workflowId: start.workflowId,
      workflow: start.workflow,
      version: start.version,
      status: start.owned ? "running" : "pending",
      owner: start.owned ? engine : null,
      wakeAt: start.owned ? null : start.wakeAt,
      inbox: 0,
      createdAt: start.createdAt,
      closedAt: null,
      crashes: 0,
      detail: null,
      meta: start.meta,
      length: 0,
      superseded: false,
      request: start.request,
    },
    events: [start.first],
    attempts: new Map(),
    messages: new Map(),
    keys: new Map(),
    secrets: start.secrets,
  };
}
