/**
 * One clock for a fleet: the store's. Where a store has a clock of its own, everybody who uses it goes by that one, so that what is due,
 * in time or late does not depend on whose machine looks.
 *
 * The store is asked now and then, never when a time is needed: its time is the machine's monotonic clock plus an offset, known as
 * well as half a round trip is short. The machine's wall clock may be wrong or be set, nothing follows it.
 *
 * - Of two samples the one with less doubt counts; doubt grows with age, as clocks of machines drift. A sample that contradicts what is
 *   known is believed whatever its doubt: the store's clock was set, or this machine was asleep.
 * - Corrections forward are steps. One backwards is a standstill of up to {@link STANDSTILL_MS}; more than that is a step too, which
 *   histories bear (`at` never decreases within a run).
 */
import type { Store } from "../store/store.ts";
import type { CancelTimer, Clock } from "./clock.ts";

/** The most that operating systems let a clock run fast or slow. */
const DRIFT = 0.0005;
const STANDSTILL_MS = 1000;
/** Who is not reminded otherwise asks again after this long. */
const STALE_MS = 30_000;
/** When wall and monotonic clock have moved apart by this much, the machine was asleep or its clock was set. */
const APART_MS = 1000;
const FIRST_SAMPLES = 3;
/** With more doubt than this the store is asked again at once, a few times. */
const DOUBTFUL_MS = 1000;
const MORE_SAMPLES = 5;

/** What is known of the store's time. */
interface Known {
  /** To be added to the monotonic clock. */
  readonly offset: number;
  /** By how much the offset may have been wrong when it was measured. */
  readonly doubt: number;
  /** Monotonic time of the measurement. */
  readonly at: number;
  /** Wall clock minus monotonic clock at that time. */
  readonly apart: number;
}

/** The clock to use with a store: its own, or `machine`'s where it has none. */
export function clockFor(store: Pick<Store, "time">, machine: Clock): Clock {
  return store.time === undefined ? machine : new StoreClock(machine, () => store.time!());
}

/** Asks the store of a clock for its time, as often as it takes to know it well. Nothing to do for other clocks. */
export async function calibrate(clock: Clock): Promise<void> {
  if (clock instanceof StoreClock) await clock.calibrate();
}

/** The same in the background, and only when the time known is old or doubtful. Returns the time. */
export function refreshed(clock: Clock): number {
  if (clock instanceof StoreClock) clock.refresh();
  return clock.now();
}

/** A clock that follows the store's. Until it was asked once it is the machine's. */
export class StoreClock implements Clock {
  readonly #machine: Clock;
  readonly #ask: () => Promise<number>;
  #known: Known | undefined;
  #latest = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(machine: Clock, ask: () => Promise<number>) {
    this.#machine = machine;
    this.#ask = ask;
  }

  now(): number {
    if (this.#known === undefined) return this.#machine.now();
    const time = Math.floor(this.#machine.monotonic() + this.#known.offset);
    if (time > this.#latest) this.#latest = time;
    return this.#latest;
  }

  monotonic(): number {
    return this.#machine.monotonic();
  }

  after(ms: number, callback: () => void): CancelTimer {
    return this.#machine.after(ms, callback);
  }

  /** By how many milliseconds it may be wrong; infinite before the store was asked. */
  get doubt(): number {
    return this.#known === undefined ? Number.POSITIVE_INFINITY : this.#aged(this.#known, this.#machine.monotonic());
  }

  /** @throws what asking the store throws */
  calibrate(): Promise<void> {
    this.#asking ??= this.#sample(this.#known === undefined ? FIRST_SAMPLES : 1).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  refresh(): void {
    const known = this.#known;
    const age = known === undefined ? Number.POSITIVE_INFINITY : this.#machine.monotonic() - known.at;
    if (age > STALE_MS || Math.abs(this.#apart() - known!.apart) > APART_MS) this.calibrate().catch(() => {});
  }

  async #sample(count: number): Promise<void> {
    for (let n = 0; n < count || (n < count + MORE_SAMPLES && this.doubt > DOUBTFUL_MS); n++) {
      const sent = this.#machine.monotonic();
      const time = await this.#ask();
      this.#learn(sent, time, this.#machine.monotonic());
    }
  }

  /** `time` was the store's at some moment between `sent` and `received`. */
  #learn(sent: number, time: number, received: number): void {
    const fresh: Known = {
      offset: time - (sent + received) / 2,
      doubt: (received - sent) / 2,
      at: received,
      apart: this.#apart(),
    };
    const known = this.#known;
    if (known !== undefined) {
      const before = this.#aged(known, received);
      const agrees = Math.abs(fresh.offset - known.offset) <= fresh.doubt + before;
      if (agrees && fresh.doubt > before) return;
    }
    this.#known = fresh;
    if (this.#latest - (received + fresh.offset) > STANDSTILL_MS) this.#latest = Number.NEGATIVE_INFINITY;
  }

  #aged({ doubt, at }: Known, now: number): number {
    return doubt + (now - at) * DRIFT;
  }

  #apart(): number {
    return this.#machine.now() - this.#machine.monotonic();
  }
}
