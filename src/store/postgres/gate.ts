/**
 * Back-off for a database that is away. After a connection could not be made, nobody tries for a moment that grows with every
 * failure: callers are refused at once with the last reason. It opens by itself.
 */
const FIRST_MS = 25;
const MOST_MS = 1000;

export class Gate {
  #closedUntil = 0;
  #backoffMs = FIRST_MS;
  #reason: unknown;
  #awaySince: number | undefined;
  #backAt = Number.NEGATIVE_INFINITY;

  /** @throws the last reason while it is closed */
  pass(): void {
    if (performance.now() < this.#closedUntil) throw this.#reason;
  }

  /** A connection was made. */
  opened(): void {
    this.#backoffMs = FIRST_MS;
    this.#closedUntil = 0;
    if (this.#awaySince !== undefined) this.#backAt = performance.now();
    this.#awaySince = undefined;
  }

  /** A connection could not be made. */
  failed(reason: unknown): void {
    this.#reason = reason;
    this.#awaySince ??= performance.now();
    this.#closedUntil = performance.now() + this.#backoffMs;
    this.#backoffMs = Math.min(this.#backoffMs * 2, MOST_MS);
  }

  /** How long the database has been reachable again after it was away. */
  get backForMs(): number {
    return this.#awaySince === undefined ? performance.now() - this.#backAt : 0;
  }
}
