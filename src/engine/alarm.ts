/**
 * Due times of runs in memory: a binary heap and one clock timer for its top. A cancelled entry stays in the heap, empty, until
 * it is the next one or half of the heap is empty.
 *
 * Due times are wall time, timers are not: when the wall clock is set, or the machine was asleep, a long timer is late by as
 * much. So none is longer than {@link LONGEST_MS}.
 */
import type { CancelTimer, Clock } from "./clock.ts";

/** A due time that was set. */
export interface AlarmEntry {
  readonly due: number;
  /** Undefined once it was cancelled. */
  ring: (() => void) | undefined;
}

const MIN_SWEEP = 1000;
const LONGEST_MS = 10_000;

export class Alarm {
  readonly #clock: Clock;
  #heap: AlarmEntry[] = [];
  #cancelled = 0;
  #armedFor = Number.POSITIVE_INFINITY;
  #cancel: CancelTimer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `ring` once the wall clock has reached `due`. */
  set(due: number, ring: () => void): AlarmEntry {
    const entry: AlarmEntry = { due, ring };
    this.#push(entry);
    this.#arm();
    return entry;
  }

  /** Takes an entry back. */
  cancel(entry: AlarmEntry): void {
    if (entry.ring === undefined) return;
    entry.ring = undefined;
    this.#cancelled++;
    if (this.#cancelled < MIN_SWEEP || this.#cancelled * 2 < this.#heap.length) return;
    const kept = this.#heap.filter((other) => other.ring !== undefined);
    this.#heap = [];
    this.#cancelled = 0;
    for (const other of kept) this.#push(other);
  }

  #push(entry: AlarmEntry): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (heap[parent]!.due <= entry.due) break;
      heap[index] = heap[parent]!;
      heap[parent] = entry;
      index = parent;
    }
  }

  clear(): void {
    this.#heap = [];
    this.#cancelled = 0;
    this.#cancel?.();
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    while (this.#heap[0] !== undefined && this.#heap[0].ring === undefined) {
      this.#pop();
      this.#cancelled--;
    }
    const top = this.#heap[0];
    if (top === undefined || top.due >= this.#armedFor) return;
    this.#cancel?.();
    this.#armedFor = top.due;
    const wait = Math.min(Math.max(0, top.due - this.#clock.now()), LONGEST_MS);
    this.#cancel = this.#clock.after(wait, () => this.#ring());
  }

  #ring(): void {
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#cancel = undefined;
    // What is set while others ring waits for the next time, even if it is due: no run can keep the engine in here.
    for (const entry of this.#takeDue(this.#clock.now())) {
      const { ring } = entry;
      entry.ring = undefined;
      ring?.();
    }
    this.#arm();
  }

  #takeDue(now: number): AlarmEntry[] {
    const due: AlarmEntry[] = [];
    for (let top = this.#heap[0]; top !== undefined && top.due <= now; top = this.#heap[0]) {
      this.#pop();
      if (top.ring === undefined) this.#cancelled--;
      else due.push(top);
    }
    return due;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.due < heap[child]!.due) child++;
      if (heap[child]!.due >= last.due) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}
