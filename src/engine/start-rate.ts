/** How many may start within a span: never more than `rate` in any `perMs`, wherever it begins. */
export class StartRate {
  readonly #perMs: number;
  /** When the last `rate` starts were, as a ring. */
  readonly #starts: number[];
  readonly #rate: number;
  #next = 0;

  constructor(rate: number, perMs: number) {
    this.#rate = rate;
    this.#perMs = perMs;
    this.#starts = [];
  }

  /** Milliseconds until one more may start; 0 when it may now. */
  wait(now: number): number {
    const oldest = this.#starts[this.#next];
    return oldest === undefined ? 0 : Math.max(0, oldest + this.#perMs - now);
  }

  /** The last one did not start after all. */
  undo(): void {
    this.#next = (this.#next - 1 + this.#rate) % this.#rate;
    this.#starts[this.#next] = Number.NEGATIVE_INFINITY;
  }

  /** One started. */
  started(now: number): void {
    this.#starts[this.#next] = now;
    this.#next = (this.#next + 1) % this.#rate;
  }
}
