/**
 * The database that all processes of a simulation share: the memory store, and what a real one has beside it. As PostgreSQL it has
 * one clock for all, by which leases end, and row locks: a lease that a user's transaction proves in its last statement cannot be
 * swept meanwhile (rule 21). Everything here happens at one instant.
 */
import { PerdureError } from "../../src/core/errors.ts";
import { createMemoryStore } from "../../src/store/memory/memory-store.ts";
import type {
  Batch,
  BatchResult,
  Lease,
  LoadedRun,
  NewRun,
  OutcomeRow,
  StartResult,
  Store,
} from "../../src/store/store.ts";
import { AdmissionTable, type Asked } from "./admission-table.ts";
import type { World } from "./world.ts";

/** Which database is simulated. */
export type DatabaseKind = "sqlite" | "postgres";

/** The place of a transactional step: one outcome is kept for each. */
export interface StepPlace {
  readonly run: number;
  readonly command: number;
  readonly generation: number;
}

/** A row of the users' table: what a transactional step wrote. */
export interface LedgerRow extends StepPlace {
  readonly at: number;
  readonly engine: number;
  readonly rows: readonly unknown[];
}

interface LeaseTerm {
  readonly ttlMs: number;
  expires: number;
}

/** What is left of an outcome that is in the history: its key, which keeps attempts out that come too late. */
const CONSUMED = "";

const placeKey = ({ run, command, generation }: StepPlace): string => `${run}/${command}/${generation}`;

/** The error of whoever has lost the lease. */
export function leaseLost(engine: number): PerdureError {
  return new PerdureError("LEASE_LOST", `simulated: engine ${engine} has lost its lease`);
}

export class Database {
  readonly kind: DatabaseKind;
  readonly store: Store;
  readonly ledger: LedgerRow[] = [];
  /** Called for each row of the users' table at the instant its transaction commits. */
  onLedger: (row: LedgerRow) => void = () => {};
  /** Called at the instant at which what was asked for in a transaction is decided. */
  onDecided: (asked: Asked) => void = () => {};
  /** Called when a run was started that had been asked for in a transaction. */
  onAdmitted: (run: number, start: NewRun) => void = () => {};
  /** Present where users ask for something in their transactions. */
  readonly admissions: AdmissionTable | undefined;
  readonly #memory: Store;
  readonly #world: World;
  readonly #terms = new Map<number, LeaseTerm>();
  /** Leases that transactions hold, and until when at most. */
  readonly #held = new Map<number, number>();
  readonly #outcomes = new Map<string, OutcomeRow & { readonly run: number }>();
  readonly #keys = new Map<string, { readonly isOpen: boolean }>();
  #observations = 0;
  /** In whose name the database itself starts runs. No engine, and never shown as one. */
  #self: Lease | undefined;
  #ownBatches = 0;

  constructor(world: World, kind: DatabaseKind, { admits = false }: { readonly admits?: boolean } = {}) {
    this.#world = world;
    this.kind = kind;
    this.#memory = createMemoryStore({ id: "sim" });
    this.admissions = admits && kind === "postgres" ? this.#admissionTable() : undefined;
    this.store = this.#overlaid();
  }

  /** The database's own clock, epoch milliseconds. */
  get now(): number {
    return Math.floor(this.#world.wall);
  }

  #admissionTable(): AdmissionTable {
    return new AdmissionTable({
      start: (run) => this.#start(run),
      send: (message) => this.#memory.send(message),
      decided: (asked) => this.onDecided(asked),
      now: () => this.#world.now,
    });
  }

  async #start(run: NewRun): Promise<StartResult> {
    this.#self ??= await this.#memory.register({ label: "database", at: this.now });
    const batch = { number: ++this.#ownBatches, starts: [run], transitions: [] };
    const [started] = (await this.#memory.commit(this.#self, batch)).starts;
    if ("run" in started!) this.onAdmitted(started.run, run);
    return started!;
  }

  /** The memory store with what is different here. */
  #overlaid(): Store {
    const methods: Partial<Store> = {
      load: (...of) => this.#load(...of),
      commit: (lease, batch) => this.#commit(lease, batch),
      ...(this.kind === "postgres" && {
        time: async () => this.now,
        register: async (params) => {
          const lease = await this.#memory.register(params);
          const ttlMs = params.ttlMs ?? 10_000;
          this.#terms.set(lease.engine, { ttlMs, expires: this.#world.now + ttlMs });
          return lease;
        },
        renew: (lease) => {
          this.#prolong(lease.engine);
          return this.#memory.renew(lease);
        },
        sweep: ({ at }) => this.#sweep(at),
        engines: async () => (await this.#memory.engines()).filter(({ engine }) => engine !== this.#self?.engine),
        forgetAnswers: (at, limit) => {
          this.admissions?.forget(at);
          return this.#memory.forgetAnswers(at, limit);
        },
      }),
    };
    return new Proxy(this.#memory, {
      get(target, key: keyof Store) {
        const own = methods[key] ?? target[key];
        return typeof own === "function" ? own.bind(target) : own;
      },
    });
  }

  #prolong(engine: number): void {
    const term = this.#terms.get(engine);
    if (term !== undefined) term.expires = this.#world.now + term.ttlMs;
  }

  async #load(...of: Parameters<Store["load"]>): Promise<LoadedRun[]> {
    const loaded = await this.#memory.load(...of);
    return loaded.map((one) => ({
      ...one,
      outcomes: [...this.#outcomes.values()]
        .filter(({ run, data }) => run === one.row.run && data !== CONSUMED)
        .map(({ run: _, ...outcome }) => outcome),
    }));
  }

  async #commit(lease: Lease, batch: Batch): Promise<BatchResult> {
    const result = await this.#memory.commit(lease, batch);
    this.#prolong(lease.engine);
    batch.transitions.forEach(({ run, also }, index) => {
      if (result.refused.has(index)) return;
      for (const [key, outcome] of this.#outcomes)
        if (outcome.run === run && also?.outcomes?.includes(outcome.command))
          this.#outcomes.set(key, { ...outcome, data: CONSUMED });
    });
    return result;
  }

  /**
   * Removes the leases that have ended by the database's clock, but for those that transactions hold. The memory store counts signs
   * of life: it is shown two looks between which all others gave one.
   */
  async #sweep(at: number): Promise<number> {
    const engines = await this.#memory.engines();
    // The memory store does things when it is called: nothing comes in between.
    void this.#memory.sweep({ ttlMs: Number.POSITIVE_INFINITY, monotonicMs: ++this.#observations, at });
    for (const { engine } of engines) {
      if (engine === this.#self?.engine) {
        void this.#memory.renew({ engine });
        continue;
      }
      const { expires } = this.#terms.get(engine)!;
      const held = (this.#held.get(engine) ?? 0) > this.#world.now;
      if (expires >= this.#world.now || held) void this.#memory.renew({ engine });
    }
    return this.#memory.sweep({ ttlMs: 1, monotonicMs: ++this.#observations, at });
  }

  /** The time to live of a lease. */
  ttlOf(engine: number): number {
    return this.#terms.get(engine)?.ttlMs ?? 10_000;
  }

  // ---- transactional steps (rule 32) -----------------------------------------------------------------------------------

  /** Whether the engine owns the run. */
  async owns({ engine }: Lease, run: number): Promise<boolean> {
    const alive = (await this.#memory.engines()).some((row) => row.engine === engine);
    return alive && (await this.#memory.find({ run }))?.owner === engine;
  }

  /** Gives the key of a step to a transaction, unless another one has it that is still open. */
  takeKey(place: StepPlace, transaction: { readonly isOpen: boolean }): boolean {
    const key = placeKey(place);
    const holder = this.#keys.get(key);
    if (holder !== undefined && holder !== transaction && holder.isOpen) return false;
    this.#keys.set(key, transaction);
    return true;
  }

  outcome(place: StepPlace): OutcomeRow | undefined {
    return this.#outcomes.get(placeKey(place));
  }

  /** Nobody sweeps this lease until the transaction ends or the server ends it. */
  hold({ engine }: Lease, ms: number): void {
    this.#held.set(engine, this.#world.now + ms);
  }

  letGo({ engine }: Lease): void {
    this.#held.delete(engine);
  }

  /** A transaction commits: its rows and its outcome, or nothing. */
  keep({ engine }: Lease, place: StepPlace, outcome: OutcomeRow, rows: readonly unknown[]): void {
    this.#outcomes.set(placeKey(place), { run: place.run, ...outcome });
    const row = { ...place, at: this.#world.now, engine, rows };
    this.ledger.push(row);
    this.onLedger(row);
  }
}
