/** What an observer remembers of an engine: the last sign of life, and when it first saw that one. */
interface Observation {
  readonly sign: string;
  readonly sinceMs: number;
}

/**
 * Expiry without comparing clocks: an engine is dead when its sign of life stood still for the whole time to live on the
 * observer's own monotonic clock. Remembers only engines that are still registered.
 */
export class StillLeases {
  #seen = new Map<number, Observation>();

  /** Takes in the signs of all registered engines and returns those that stood still for `ttlMs`. */
  observe(
    signs: readonly { readonly engine: number; readonly sign: string }[],
    { ttlMs, monotonicMs }: { readonly ttlMs: number; readonly monotonicMs: number },
  ): number[] {
    const seen = new Map<number, Observation>();
    const still: number[] = [];
    for (const { engine, sign } of signs) {
      const before = this.#seen.get(engine);
      const now = before?.sign === sign ? before : { sign, sinceMs: monotonicMs };
      seen.set(engine, now);
      if (monotonicMs - now.sinceMs >= ttlMs) still.push(engine);
    }
    this.#seen = seen;
    return still;
  }
}
