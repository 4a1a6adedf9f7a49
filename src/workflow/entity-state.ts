/**
 * The state of an entity's run. Handlers change it one at a time, in the order in which their messages came; what others see is the state
 * after the last handler that succeeded.
 */
import { decodePayload, encodePayload, type Payload } from "../core/payload.ts";

/** What the state needs to know of its run. */
interface Clock {
  now(): number;
}

export class EntityState<S extends object> {
  readonly #clock: Clock;
  /** What handlers change. */
  #state: S;
  /** The state after the last handler that succeeded. */
  #kept: Payload;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  /** Messages handled, failed ones included. */
  handled = 0;
  /** Whether the entity is to complete. */
  ended = false;
  /** When the last message came, or its handler ended. */
  touchedAt: number;

  constructor(initial: S, clock: Clock) {
    this.#clock = clock;
    this.touchedAt = clock.now();
    this.#kept = encodePayload(initial);
    this.#state = this.copy();
  }

  /** Whether no handler is running or waiting for its turn. */
  get idle(): boolean {
    return this.#waiting === 0;
  }

  /** A copy of the state, without what a running handler has done to it. */
  copy(): S {
    return decodePayload(this.#kept) as S;
  }

  /** Runs a handler when those before it have ended. When it fails, or leaves what cannot be kept, the state is as it was. */
  handle(handler: (state: S, end: () => void) => unknown): Promise<unknown> {
    this.#waiting++;
    this.touchedAt = this.#clock.now();
    const mine = this.#last.then(() => this.#run(handler));
    this.#last = mine.catch(() => {});
    return mine;
  }

  async #run(handler: (state: S, end: () => void) => unknown): Promise<unknown> {
    let last = false;
    try {
      const result = await handler(this.#state, () => {
        last = true;
      });
      const kept = encodePayload(this.#state);
      // The next handler may change what this one returned before the answer is written.
      const answer = typeof result === "object" ? decodePayload(encodePayload(result)) : result;
      this.#kept = kept;
      this.ended ||= last;
      return answer;
    } catch (error) {
      this.#state = this.copy();
      throw error;
    } finally {
      this.#waiting--;
      this.handled++;
      this.touchedAt = this.#clock.now();
    }
  }
}
