/** Time as the engine sees it: one source, replaced by a virtual one in tests and simulation. */

/** Cancels a timer. */
export type CancelTimer = () => void;

/** The engine's only source of time. */
export interface Clock {
  /** Wall clock, epoch milliseconds. */
  now(): number;
  /** Monotonic milliseconds from an arbitrary start. */
  monotonic(): number;
  /** Calls back once after `ms`. */
  after(ms: number, callback: () => void): CancelTimer;
}

const MAX_TIMER_MS = 2_147_483_647;

/** The machine's own clock. Its timers keep the process alive: an open engine is waited for until it is closed. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(ms, 0), MAX_TIMER_MS));
    return () => clearTimeout(timer);
  },
};
