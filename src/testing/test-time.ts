/**
 * Time in a test environment: it stands still while anything runs, and jumps to the next timer when somebody waits and nothing runs.
 *
 * Owner: one environment. Rest is not guessed from time: the engine says that it is idle, calls to the store and running attempts
 * are counted, and a whole pass of the event loop must go by in which nothing of that moved.
 */
import type { Waits } from "../client/handle-host.ts";
import { type Duration, durationMs } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import { described } from "../core/foreign.ts";
import { nextPass, realTime } from "./real-time.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** The time of a test environment. */
export interface TestClock {
  /** Epoch milliseconds. */
  now(): number;
  /** Moves on by as much, timer by timer; what each one causes happens before the next. */
  advance(by: Duration): Promise<void>;
  /** Moves on to a point in time. */
  advanceTo(time: number | Date): Promise<void>;
}

/** What can keep time from moving. */
export interface Moving {
  /** Whether nothing is on its way; running attempts are not asked. */
  readonly idle: boolean;
  /** Grows with everything that happens. */
  readonly moves: number;
  /** Whether attempts run; when `patient`, such that an explicit move of time still waits for. */
  running(patient: boolean): boolean;
  /** Resolves when a running attempt ends. */
  ended(): Promise<void>;
  /** What keeps open runs, to tell whoever waits for ever. */
  stuck(): Promise<string>;
}

interface Wait {
  readonly what: string;
  readonly fail: (error: Error) => void;
}

/** Passes without any move before time jumps: code of the test that goes on by itself comes first. */
const REST_PASSES = 2;
const LOOK_MS = 20;

export class TestTime implements TestClock, Waits {
  readonly #clock: VirtualClock;
  readonly #moving: Moving;
  readonly #patienceMs: number;
  readonly #waits = new Set<Wait>();
  #driving = false;
  #advancing = 0;
  #skip: boolean;
  #closed = false;

  constructor(clock: VirtualClock, moving: Moving, options: { readonly skip: boolean; readonly patienceMs: number }) {
    this.#clock = clock;
    this.#moving = moving;
    this.#skip = options.skip;
    this.#patienceMs = options.patienceMs;
  }

  get skip(): boolean {
    return this.#skip;
  }

  set skip(on: boolean) {
    this.#skip = on;
    this.#start();
  }

  now(): number {
    return this.#clock.now();
  }

  async advance(by: Duration): Promise<void> {
    await this.#moveTo(this.now() + durationMs(by, "advance"));
  }

  async advanceTo(time: number | Date): Promise<void> {
    await this.#moveTo(pointInTime(time, "advanceTo"));
  }

  async #moveTo(time: number): Promise<void> {
    this.#advancing++;
    try {
      await this.settled();
      while (this.#clock.fire(time)) await this.settled();
      this.#clock.moveTo(time);
    } finally {
      this.#advancing--;
    }
  }

  /** Resolves when nothing happens any more without time passing. */
  async settled(): Promise<void> {
    for (let still = 0; still < 1; ) {
      if (this.#closed) return;
      still = (await this.#pass(true)) ? still + 1 : 0;
    }
  }

  /** One pass; longer while attempts run. True when nothing moved. */
  async #pass(patient: boolean): Promise<boolean> {
    const { moves } = this.#moving;
    await nextPass();
    while (this.#moving.running(patient) && !this.#closed && (patient || this.#waits.size > 0))
      await realTime(LOOK_MS, this.#moving.ended());
    return this.#moving.idle && this.#moving.moves === moves && !this.#moving.running(patient);
  }

  during<T>(what: string, wait: () => Promise<T>): Promise<T> {
    return new Promise((resolve, fail) => {
      const waiting = { what, fail };
      this.#waits.add(waiting);
      wait()
        .then(resolve, fail)
        .finally(() => this.#waits.delete(waiting));
      this.#start();
    });
  }

  #start(): void {
    if (this.#driving || !this.#skip || this.#waits.size === 0) return;
    this.#driving = true;
    void this.#drive().finally(() => {
      this.#driving = false;
      this.#start();
    });
  }

  async #drive(): Promise<void> {
    for (let still = 0; this.#waits.size > 0 && this.#skip && !this.#closed; ) {
      still = (await this.#pass(false)) && this.#advancing === 0 ? still + 1 : 0;
      if (still < REST_PASSES || this.#waits.size === 0 || !this.#skip) continue;
      still = 0;
      if (!this.#clock.fire()) await this.#outlast();
    }
  }

  /** Nothing runs and no timer is set: only the test can go on. It gets some real time for that. */
  async #outlast(): Promise<void> {
    const { moves } = this.#moving;
    const unchanged = (): boolean => this.#moving.moves === moves && this.#waits.size > 0 && this.#advancing === 0;
    for (let waited = 0; waited < this.#patienceMs && unchanged() && !this.#closed; waited += LOOK_MS)
      await realTime(LOOK_MS);
    if (!unchanged() || this.#closed) return;
    const why = await this.#moving.stuck();
    for (const { what, fail } of [...this.#waits])
      fail(new Error(`${what} would be waited for for ever: nothing runs and no timer is set. ${why}`));
    this.#waits.clear();
  }

  close(): void {
    this.#closed = true;
    this.#waits.clear();
  }
}

/** Epoch milliseconds of a time that a test names. @throws PerdureError `INVALID_ARGUMENT` for what is none. */
export function pointInTime(time: number | Date, what: string): number {
  const at = typeof time === "number" || time instanceof Date ? Number(time) : Number.NaN;
  if (Number.isFinite(at)) return at;
  throw new PerdureError("INVALID_ARGUMENT", `${what} takes epoch milliseconds or a Date, not ${described(time)}`);
}
