/** The place of the engine in a test environment: when the one in it crashes, the next one takes over what it left. */
import type { AskedEngine } from "../client/perdure.ts";
import { isPerdureError } from "../core/errors.ts";
import type { Closing, Engine } from "../engine/engine.ts";
import type { StartSpec } from "../engine/new-run.ts";
import type { NewRun, StartResult, Store } from "../store/store.ts";
import type { Incarnation } from "./incarnation.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** What the slot needs. */
export interface SlotParts {
  readonly store: Store;
  readonly clock: VirtualClock;
  readonly codec: Engine["codec"];
  /** Makes the next engine. */
  make(): Incarnation;
}

export class EngineSlot implements AskedEngine {
  readonly #parts: SlotParts;
  readonly #listeners = new Set<(closing: Closing) => void>();
  readonly #watchers = new Set<() => void>();
  #life: Incarnation;
  #up: Promise<void>;
  #restarting = false;
  #closed = false;
  /** Crashes so far. */
  crashes = 0;
  #pastMoves = 0;

  constructor(parts: SlotParts) {
    this.#parts = parts;
    this.#life = parts.make();
    this.#up = this.#open();
  }

  async #open(): Promise<void> {
    const life = this.#life;
    const { engine } = life;
    engine.onClosed((closing) => {
      for (const listener of this.#listeners) listener(closing);
    });
    void life.end.then(() => this.#restart());
    await Promise.race([engine.open(), life.end]);
  }

  #restart(): void {
    if (this.#closed) return;
    this.crashes++;
    this.#restarting = true;
    this.#pastMoves += this.#life.moves + 1;
    this.#up = this.#replace();
  }

  /** The lease of the dead engine ends at once: no time has to pass for it. */
  async #replace(): Promise<void> {
    const { store, clock } = this.#parts;
    await store.sweep({ ttlMs: 0, monotonicMs: clock.monotonic(), at: clock.now() });
    this.#life = this.#parts.make();
    this.#restarting = false;
    await this.#open();
    for (const watcher of this.#watchers) watcher();
  }

  /** The engine there is, once it is open. */
  async ready(): Promise<Engine> {
    for (;;) {
      const up = this.#up;
      await up;
      if (up === this.#up && !this.#life.gone) return this.#life.engine;
      await this.#life.end;
      await Promise.resolve();
    }
  }

  /** Lets the engine crash now. Resolves when the next one is open. */
  async crash(): Promise<void> {
    await this.ready();
    this.#life.crash();
    await this.#life.end;
    await this.ready();
  }

  get idle(): boolean {
    return !this.#restarting && !this.#life.gone && this.#life.pending === 0 && this.#life.engine.idle;
  }

  get moves(): number {
    return this.#pastMoves + this.#life.moves;
  }

  /** Calls back when an engine was replaced: anything may have changed unseen. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  // ---- AskedEngine -----------------------------------------------------------------------------------------------------

  get codec(): Engine["codec"] {
    return this.#parts.codec;
  }

  get inMemory(): { active: number; warm: number } {
    return this.#life.engine.inMemory;
  }

  hint(run?: number): void {
    if (!this.#life.gone) this.#life.engine.hint(run);
  }

  async pausesChanged(): Promise<void> {
    await (await this.ready()).pausesChanged();
  }

  advances(run: number): boolean {
    return !this.#life.gone && this.#life.engine.advances(run);
  }

  onClosed(listener: (closing: Closing) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Starts a run; when the engine crashes over it, the start is repeated unless it did happen. */
  async start(spec: StartSpec, supersedes: number | null): Promise<StartResult> {
    for (;;) {
      const engine = await this.ready();
      const at = this.#parts.clock.now();
      const started = await this.#unlessCrashed(engine.start(spec, supersedes));
      if (started !== undefined) return started.value;
      const row = await this.#parts.store.find({ workflowId: spec.workflowId });
      if (row?.createdAt === at && row.workflow === spec.workflow.name && row.run !== supersedes)
        return { run: row.run };
    }
  }

  async query(run: number, name: string, input: unknown): Promise<unknown> {
    for (;;) {
      const engine = await this.ready();
      const answered = await this.#unlessCrashed(engine.query(run, name, input));
      if (answered !== undefined) return answered.value;
    }
  }

  async standing(...of: Parameters<Engine["standing"]>): ReturnType<Engine["standing"]> {
    return (await this.ready()).standing(...of);
  }

  async create(run: NewRun): Promise<StartResult> {
    return (await this.ready()).create(run);
  }

  async #unlessCrashed<T>(asked: Promise<T>): Promise<{ readonly value: T } | undefined> {
    const life = this.#life;
    const value = asked.then(
      (answer) => ({ value: answer }),
      (error: unknown) => {
        if (life.gone && isPerdureError(error, "UNAVAILABLE")) return undefined;
        throw error;
      },
    );
    return Promise.race([value, life.end.then(() => undefined)]);
  }

  async close(): Promise<void> {
    const engine = await this.ready();
    this.#closed = true;
    await engine.close();
  }
}
