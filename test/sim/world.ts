/**
 * Virtual time and the order of everything. One step at a time is run (a timer, an answer of the store, an immediate), and the
 * next only when all promise reactions and ticks of the last are done: steps are the atoms of the simulation.
 *
 * While a world runs it stands in for `setImmediate`; what is scheduled in a step belongs to the host of that step. A frozen
 * host's steps wait in its backlog; those of a dead one are dropped.
 */
import { TextHash } from "./prng.ts";

/** Whatever a step belongs to: an engine's process. */
export interface Host {
  readonly name: string;
  alive: boolean;
  frozen: boolean;
  readonly backlog: (() => void)[];
}

interface Step {
  readonly at: number;
  readonly order: number;
  readonly host: Host | undefined;
  run: (() => void) | undefined;
}

/** A broken invariant: which check found it, and what it saw. */
export interface Violation {
  readonly check: string;
  readonly message: string;
  readonly at: number;
}

const START = Date.UTC(2026, 0, 1);

export class World {
  /** Milliseconds since the simulation began; every host's monotonic clock. */
  now = 0;
  /** What true wall time is ahead of `START + now`, because quiet days were skipped. */
  skippedMs = 0;
  readonly violations: Violation[] = [];
  readonly #hash = new TextHash();
  readonly #lines: string[] | undefined;
  readonly #heap: Step[] = [];
  readonly #immediates: Pick<Step, "host" | "run">[] = [];
  #order = 0;
  #current: Host | undefined;
  #stopped = false;
  steps = 0;

  constructor(options: { readonly record: boolean }) {
    this.#lines = options.record ? [] : undefined;
  }

  /** True wall time, epoch milliseconds. */
  get wall(): number {
    return START + this.now + this.skippedMs;
  }

  get traceHash(): string {
    return this.#hash.hex;
  }

  get lines(): readonly string[] {
    return this.#lines ?? [];
  }

  trace(text: string): void {
    const line = `${this.now} ${text}`;
    this.#hash.add(line);
    this.#lines?.push(line);
  }

  violate(check: string, message: string): void {
    this.violations.push({ check, message, at: this.now });
    this.trace(`VIOLATION ${check}: ${message}`);
    this.stop();
  }

  /** Runs `run` in `ms` from now, unless it is taken back or its host is gone by then. */
  after(ms: number, host: Host | undefined, run: () => void): () => void {
    const step: Step = { at: this.now + Math.max(0, Math.ceil(ms)), order: this.#order++, host, run };
    this.#push(step);
    return () => {
      step.run = undefined;
    };
  }

  /** Lets a frozen host go on: what piled up runs now, in order. */
  thaw(host: Host): void {
    host.frozen = false;
    for (const run of host.backlog.splice(0)) this.after(0, host, run);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Runs until `stop`, or until nothing is left to do. */
  async run(): Promise<void> {
    const real = globalThis.setImmediate;
    const onRejection = (reason: unknown): void =>
      this.violate("unhandled-rejection", reason instanceof Error ? String(reason.stack) : String(reason));
    process.on("unhandledRejection", onRejection);
    globalThis.setImmediate = ((run: (...args: unknown[]) => void, ...args: unknown[]) => {
      this.#immediates.push({ host: this.#current, run: () => run(...args) });
    }) as unknown as typeof setImmediate;
    try {
      await new Promise<void>((resolve) => {
        const pump = (): void => {
          if (this.#stopped || !this.#step()) resolve();
          else real(pump);
        };
        real(pump);
      });
    } finally {
      globalThis.setImmediate = real;
      await new Promise((resolve) => real(resolve));
      process.off("unhandledRejection", onRejection);
    }
  }

  #step(): boolean {
    const immediate = this.#immediates.shift();
    if (immediate !== undefined) {
      this.#enter(immediate);
      return true;
    }
    for (let step = this.#pop(); step !== undefined; step = this.#pop()) {
      if (step.run === undefined || step.host?.alive === false) continue;
      this.now = step.at;
      this.#enter(step);
      return true;
    }
    return false;
  }

  #enter(step: Pick<Step, "host" | "run">): void {
    const { host } = step;
    if (host?.alive === false) return;
    if (host?.frozen === true) {
      host.backlog.push(() => step.run?.());
      return;
    }
    this.#current = host;
    this.steps++;
    try {
      step.run?.();
    } catch (error) {
      this.violate("uncaught-exception", error instanceof Error ? String(error.stack) : String(error));
    }
  }

  #push(step: Step): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(step);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(step, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = step;
  }

  #pop(): Step | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return top;
  }
}

function before(a: Step, b: Step): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
