/** What moves in a test environment: calls to the store, the engine, running attempts. Time stands still while it does. */

import { describeRun, type RunDescription } from "../client/run-description.ts";
import { OPEN_STATUSES } from "../core/status.ts";
import type { Clock } from "../engine/clock.ts";
import type { Store } from "../store/store.ts";
import type { Attempts } from "./attempts.ts";
import type { EngineSlot } from "./engine-slot.ts";
import { type Ask, viewOf } from "./store-view.ts";
import type { Moving } from "./test-time.ts";

const MAX_TOLD = 10;

export class Movement implements Moving {
  readonly #slot: EngineSlot;
  readonly #attempts: Attempts;
  readonly #store: Store;
  readonly #now: () => number;
  #asked = 0;
  #answered = 0;

  constructor(slot: EngineSlot, attempts: Attempts, store: Store, now: () => number) {
    this.#now = now;
    this.#slot = slot;
    this.#attempts = attempts;
    this.#store = store;
  }

  /** The store as callers see it: what they ask counts, and they are told when an engine was replaced. */
  clientStore(): Store {
    const watch: Store["watch"] = (listener) => {
      const stop = [this.#store.watch(listener), this.#slot.watch(listener)];
      return () => {
        for (const one of stop) one();
      };
    };
    return viewOf(this.#store, { watch }, (ask) => this.#ask(ask));
  }

  async #ask(ask: Ask): Promise<unknown> {
    this.#asked++;
    try {
      return await ask();
    } finally {
      this.#answered++;
    }
  }

  get idle(): boolean {
    return this.#slot.idle && this.#asked === this.#answered;
  }

  get moves(): number {
    return this.#slot.moves + this.#attempts.moves + this.#asked;
  }

  running(patient: boolean): boolean {
    return this.#attempts.running(patient);
  }

  ended(): Promise<void> {
    return this.#attempts.ended();
  }

  async stuck(): Promise<string> {
    const rows = await this.#store.list({ status: OPEN_STATUSES, limit: MAX_TOLD });
    if (rows.length === 0) return "No run is open.";
    const about = { store: this.#store, codec: this.#slot.codec, now: this.#now };
    const runs = rows.map(async (row) => describeRun(row, await this.#store.attempts(row.run), about, undefined));
    return `Open runs: ${(await Promise.all(runs)).map(runText).join("; ")}`;
  }
}

/** A run and what it does, in words. */
export function runText({ workflow, workflowId, status, open, blocked }: RunDescription): string {
  const steps = open.map(({ step, kind }) => `${kind} ${step}`).join(", ");
  const why = blocked?.message ?? (steps === "" ? "" : `in flight: ${steps}`);
  return `${workflow} ${workflowId} is ${status}${why === "" ? "" : ` (${why})`}`;
}

/** A clock on which endless timers are none. */
export function finite(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (ms, callback) => (Number.isFinite(ms) ? clock.after(ms, callback) : () => {}),
  };
}
