/** Running code that only reads: queries, validators, predicates. It must be synchronous and ask for nothing. */
import { PerdureError } from "./errors.ts";

export class Reading {
  #what: string | undefined;
  #violation: Error | undefined;

  /** Whether such code runs now. */
  get on(): boolean {
    return this.#what !== undefined;
  }

  /** Runs it. @throws what it throws; PerdureError `OUT_OF_TURN` when it asked for something, `INVALID_ARGUMENT` for a promise. */
  run<T>(what: string, fn: () => T): T {
    this.#what = what;
    this.#violation = undefined;
    try {
      const result = fn();
      if (isThenable(result)) {
        // It is refused, whatever becomes of it.
        if (result instanceof Promise) result.catch(() => {});
        throw new PerdureError("INVALID_ARGUMENT", `${what} must be synchronous; it returned a promise`);
      }
      if (this.#violation !== undefined) throw this.#violation;
      return result;
    } finally {
      this.#what = undefined;
    }
  }

  /** It asked for something after all: that is refused, and remembered even if the code looks away. */
  violated(how: string): Promise<never> {
    this.#violation ??= new PerdureError("OUT_OF_TURN", `${this.#what} may only read; it ${how}`);
    const refused = Promise.reject(this.#violation);
    refused.catch(() => {});
    return refused;
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
