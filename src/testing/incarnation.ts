/**
 * One life of a test environment's engine: an engine on a view of the store and of the clock that can be cut off at once, as the death of
 * a process cuts it off. What it still tries afterwards has no effect: calls to the store never answer, timers never ring.
 */
import type { CancelTimer, Clock } from "../engine/clock.ts";
import type { Engine } from "../engine/engine.ts";
import { silentLogger } from "../engine/log.ts";
import type { Batch, BatchResult, Lease, Store } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { CrashPoints } from "./crash-points.ts";
import { never } from "./real-time.ts";
import { viewOf } from "./store-view.ts";

/** What an engine of this life is made of. */
export interface Surroundings {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly life: Life;
}

/** What attempts must know of the engine they belong to. */
export interface Life {
  /** It has crashed. */
  readonly gone: boolean;
  /** Whether it crashes as an attempt of a step begins, or once its function was called; it does so at once. */
  begins(step: string, name: string, begun: boolean): boolean;
}

/** Timers beyond this are those by which an engine looks again just in case: here every change is told. */
const JUST_IN_CASE_MS = 20 * 365 * 86_400_000;

export class Incarnation implements Life {
  readonly engine: Engine;
  /** Resolves when it has crashed. */
  readonly end: Promise<void>;
  gone = false;
  /** Calls to the store without an answer. */
  pending = 0;
  /** Grows with every call to the store and its answer. */
  moves = 0;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #points: CrashPoints;
  readonly #timers = new Set<CancelTimer>();
  readonly #lost: () => void;
  #ended: () => void = () => {};

  constructor(
    store: Store,
    clock: Clock,
    logger: Logger,
    points: CrashPoints,
    lost: () => void,
    make: (own: Surroundings) => Engine,
  ) {
    this.#lost = lost;
    this.#store = store;
    this.#clock = clock;
    this.#points = points;
    this.end = new Promise((resolve) => {
      this.#ended = resolve;
    });
    this.engine = make({
      store: this.#storeView(),
      clock: this.#clockView(),
      logger: this.#loggerView(logger),
      life: this,
    });
  }

  begins(step: string, name: string, begun: boolean): boolean {
    if (this.#points.begins(step, name, begun)) this.crash();
    return this.gone;
  }

  /** Dies. */
  crash(): void {
    if (this.gone) return;
    this.gone = true;
    this.pending = 0;
    this.#lost();
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    queueMicrotask(() => {
      this.engine.vanish();
      this.#ended();
    });
  }

  #storeView(): Store {
    const own: Partial<Store> = {
      watch: (listener) => this.#store.watch(() => !this.gone && listener()),
      commit: (lease, batch) => this.#asked(() => this.#commit(lease, batch)),
    };
    return viewOf(this.#store, own, (ask) => this.#asked(async () => ask()));
  }

  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    if (this.gone) return never();
    this.pending++;
    this.moves++;
    try {
      return await ask();
    } finally {
      this.moves++;
      if (this.gone) await never();
      this.pending--;
    }
  }

  async #commit(lease: Lease, batch: Batch): Promise<BatchResult> {
    if (this.#points.beforeCommit(batch)) this.crash();
    if (this.gone) return never();
    const result = await this.#store.commit(lease, batch);
    if (this.#points.afterCommit(batch)) this.crash();
    return result;
  }

  #clockView(): Clock {
    const clock = this.#clock;
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      after: (ms, callback) => {
        if (this.gone || ms > JUST_IN_CASE_MS) return () => {};
        const cancel = clock.after(ms, () => {
          this.#timers.delete(cancel);
          callback();
        });
        this.#timers.add(cancel);
        return () => {
          this.#timers.delete(cancel);
          cancel();
        };
      },
    };
  }

  #loggerView(logger: Logger): Logger {
    const write =
      (level: keyof Logger) =>
      (fields: object, message?: string): void =>
        (this.gone ? silentLogger : logger)[level](fields, message);
    return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
  }
}
