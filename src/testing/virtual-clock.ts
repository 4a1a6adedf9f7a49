/** A clock that stands still until it is told to move, for tests and simulation. */
import type { CancelTimer, Clock } from "../engine/clock.ts";

interface Timer {
  readonly due: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Passes of the event loop after which a quiet program is taken to be at rest. */
const REST_PASSES = 20;

export class VirtualClock implements Clock {
  #now: number;
  #order = 0;
  readonly #start: number;
  readonly #timers = new Set<Timer>();

  /** @param start epoch milliseconds at which time begins. Default 2026-01-01. */
  constructor(start: number = Date.UTC(2026, 0, 1)) {
    this.#now = start;
    this.#start = start;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now - this.#start;
  }

  after(ms: number, callback: () => void): CancelTimer {
    const timer = { due: this.#now + Math.max(0, ms), order: this.#order++, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Lets everything happen that can happen without time passing. */
  async settle(): Promise<void> {
    for (let pass = 0; pass < REST_PASSES; pass++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Moves time forward, timer by timer, letting each one's consequences happen before the next. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await this.settle();
    while (this.fire(until)) await this.settle();
    this.moveTo(until);
  }

  /** Moves to the next timer that is due by `until`, and rings it. False: there is none. */
  fire(until: number = Number.POSITIVE_INFINITY): boolean {
    const next = this.#next(until);
    if (next === undefined) return false;
    this.#timers.delete(next);
    this.moveTo(next.due);
    next.callback();
    return true;
  }

  /** Moves on without ringing anything. Never goes back. */
  moveTo(time: number): void {
    this.#now = Math.max(this.#now, time);
  }

  #next(until: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.due > until) continue;
      if (first === undefined || timer.due < first.due || (timer.due === first.due && timer.order < first.order))
        first = timer;
    }
    return first;
  }
}
