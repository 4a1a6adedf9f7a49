/**
 * A process with one engine in it: booted on a slot of the simulated fleet, frozen, closed or killed there. A killed process
 * never does anything again; its slot boots the next one.
 */

import type { HandleHost } from "../../src/client/handle-host.ts";
import type { CancelTimer, Clock } from "../../src/engine/clock.ts";
import { Engine } from "../../src/engine/engine.ts";
import { silentLogger } from "../../src/engine/log.ts";
import { Registry } from "../../src/engine/registry.ts";
import { Retention } from "../../src/engine/retention.ts";
import type { RetentionRules } from "../../src/engine/retention-rules.ts";
import type { Logger } from "../../src/workflow/logger.ts";
import type { AnyWorkflow } from "../../src/workflow/workflow.ts";
import { faultStore, type LendingStore, type SharedStore, type StoreUser } from "./fault-store.ts";
import { ACTIVITIES, type WorkPlace } from "./interpreter.ts";

/** How the engines of one simulation are configured. */
export interface FleetConfig {
  readonly ttlMs: number;
  readonly pollMs: number;
  readonly parkAfterMs: number;
  readonly warmRuns: number;
  /** How many messages a run takes at a time. */
  readonly ahead: number;
  /** Limits of queues in all of the store. */
  readonly everywhere: ReadonlyMap<string, number>;
}

export class EngineProcess implements StoreUser, WorkPlace {
  readonly name: string;
  readonly #shared: SharedStore;
  readonly #config: FleetConfig;
  store: LendingStore;
  readonly slot: number;
  /** This machine's own clock. */
  readonly clock: Clock;
  readonly backlog: (() => void)[] = [];
  alive = true;
  frozen = false;
  lease: number | undefined;
  boots = 0;
  disturbedAt: number = Number.NEGATIVE_INFINITY;
  /** What this machine's wall clock is ahead of true time. */
  skewMs: number;
  /** Set once the engine takes calls. */
  engine: Engine | undefined;
  readonly #workflows: readonly AnyWorkflow[];
  readonly #serves: readonly string[] | undefined;
  readonly #died: () => void;
  /** What this machine's engine deletes, if anything. */
  readonly retention: RetentionRules | undefined;
  #retention: Retention | undefined;
  /** The latest time that retention was told here. */
  retentionNow: number = Number.NEGATIVE_INFINITY;
  #thawAt = 0;
  #time: Clock;

  constructor(
    name: string,
    shared: SharedStore,
    config: FleetConfig,
    machine: {
      readonly slot: number;
      readonly skewMs: number;
      readonly serves: readonly string[] | undefined;
      readonly workflows: readonly AnyWorkflow[];
      readonly retention?: RetentionRules | undefined;
    },
    died: () => void,
  ) {
    this.name = name;
    this.#shared = shared;
    this.#config = config;
    this.skewMs = machine.skewMs;
    this.#workflows = machine.workflows;
    this.#serves = machine.serves;
    this.retention = machine.retention;
    this.#died = died;
    this.slot = machine.slot;
    this.store = faultStore(shared, this);
    const { world } = shared;
    this.clock = {
      now: () => Math.floor(world.wall + this.skewMs),
      // Days that are skipped pass for monotonic clocks, too, where clocks of machines are set by another's time.
      monotonic: () => world.now + (shared.database.kind === "postgres" ? world.skippedMs : 0),
      after: (ms, callback): CancelTimer => world.after(ms, this, callback),
    };
    this.#time = this.clock;
  }

  /** What time it is for its engine. */
  get now(): number {
    return this.#time.now();
  }

  /** What handles need that are made here. */
  get handleHost(): HandleHost {
    const { store, engine, clock } = this;
    return {
      store,
      codec: undefined,
      query: () => Promise.reject(new Error("nobody asks here")),
      now: () => this.now,
      hint: () => engine?.hint(),
      active: () => false,
      changed: (_run, ms) => new Promise((resolve) => clock.after(ms, () => resolve(undefined))),
      ...(engine !== undefined && {
        rewinding: {
          standing: (row, plan, rows) => engine.standing(row, plan, rows),
          create: (run) => engine.create(run),
          seal: (text) => text,
          input: async (_row, given) => given,
        },
      }),
    };
  }

  /** Whether its engine can run this workflow. */
  knows(workflow: string): boolean {
    return this.#workflows.some(({ name }) => name === workflow);
  }

  /** Opens the engine, again and again until the store lets it. */
  boot(): void {
    const { world } = this.#shared;
    world.trace(`${this.name} boots`);
    this.boots++;
    this.store = faultStore(this.#shared, this);
    const engine = new Engine({
      store: this.store,
      registry: new Registry(this.#workflows, Object.values(ACTIVITIES), {}, this.#serves),
      clock: this.clock,
      log: this.#logger(),
      label: this.name,
      codec: undefined,
      deps: this,
      observers: [],
      ...this.#config,
      claims: "all",
      guard: "error",
      seal: (text) => text,
      unseal: (text) => text,
    });
    engine.open().then(
      () => {
        this.engine = engine;
        this.#time = engine.clock;
        if (this.retention !== undefined) this.#retain(this.retention);
      },
      (error: unknown) => {
        world.trace(`${this.name} could not open: ${String(error)}`);
        const again = (): void => void world.after(700, this, () => this.boot());
        engine.close().then(again, again);
      },
    );
  }

  /** Deletes old runs, as whoever opens an engine does. */
  #retain(rules: RetentionRules): void {
    const { archive, world } = this.#shared;
    const { clock } = this.engine!;
    const now = (): number => {
      const told = clock.now();
      this.retentionNow = Math.max(this.retentionNow, told);
      return told;
    };
    // Days that are skipped are no time that it has worked, after which it would rest.
    const monotonic = (): number => world.now;
    const told: Clock = { now, monotonic, after: (ms, run) => clock.after(ms, run) };
    const host = { store: this.store, clock: told, log: this.#logger(), holder: this.name, archive: archive.of(this) };
    this.#retention = new Retention(host, rules);
    this.#retention.start();
  }

  #logger(): Logger {
    const { world } = this.#shared;
    const write = (_fields: object, message?: string): void => {
      if (this.alive) world.trace(`${this.name} log: ${message}`);
    };
    return { ...silentLogger, warn: write, error: write };
  }

  /** Dies at once, without a word. */
  crash(): void {
    if (!this.alive) return;
    this.#shared.world.trace(`${this.name} CRASHES`);
    this.alive = false;
    this.engine = undefined;
    this.#died();
  }

  /** Stands still, as with SIGSTOP. */
  freeze(ms: number): void {
    if (!this.alive) return;
    const { world } = this.#shared;
    const until = world.now + ms;
    world.trace(`${this.name} FREEZES for ${ms}`);
    if (this.frozen && this.#thawAt >= until) return;
    this.frozen = true;
    this.#thawAt = until;
    world.after(ms, undefined, () => {
      if (this.alive && this.#thawAt === until) this.thaw();
    });
  }

  thaw(): void {
    if (!this.frozen) return;
    this.#shared.world.trace(`${this.name} thaws`);
    this.#shared.world.thaw(this);
  }

  /** Leaves in order, then ends. */
  close(): void {
    const { world } = this.#shared;
    const engine = this.engine;
    if (!this.alive || engine === undefined) return;
    world.trace(`${this.name} closes`);
    this.engine = undefined;
    this.disturbedAt = Number.POSITIVE_INFINITY;
    const gone = (): void => {
      world.trace(`${this.name} is closed`);
      this.alive = false;
      this.#died();
    };
    const retention = this.#retention;
    const closing = retention === undefined ? engine.close() : retention.stop().then(() => engine.close());
    closing.then(gone, (error: unknown) => world.violate("close", `${this.name} could not close: ${String(error)}`));
  }

  // ---- WorkPlace -------------------------------------------------------------------------------------------------------

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(ms, resolve));
  }

  started(key: string, attempt: number): void {
    if (this.alive) this.#shared.effects.started(this, key, attempt);
  }

  ended(key: string, attempt: number, how: string): void {
    if (this.alive) this.#shared.world.trace(`effect ${key} attempt ${attempt} ${how} on ${this.name}`);
  }

  begun(key: string): number {
    return this.#shared.effects.begun(key);
  }

  dies(key: string, times: number): void {
    if (this.alive && this.#shared.faults.poison && this.#shared.effects.begun(key) <= times) this.crash();
  }

  mayDie(): void {
    if (this.alive && this.#shared.faults.crashInEffect()) this.crash();
  }
}
