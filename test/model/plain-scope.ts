/** Scopes of the model: what is cancelled with what. */
import { AsyncLocalStorage } from "node:async_hooks";

/** A part of a run's code that is cancelled as one. */
export class PlainScope {
  readonly outer: PlainScope | undefined;
  readonly #open: boolean;
  #reason: string | undefined;

  /** @param open whether a cancellation of the scope around reaches it. */
  constructor(outer: PlainScope | undefined, open: boolean) {
    this.outer = outer;
    this.#open = open;
  }

  cancel(reason: string): void {
    this.#reason ??= reason;
  }

  get cancelled(): boolean {
    return this.#reason !== undefined || (this.#open && this.outer?.cancelled === true);
  }

  /** Whether this belongs to the run whose whole scope is `root`. */
  isInLifeOf(root: PlainScope): boolean {
    return this === root || this.outer?.isInLifeOf(root) === true;
  }

  /** Whether cancelling `other` cancels this. */
  isIn(other: PlainScope): boolean {
    return this === other || (this.#open && this.outer?.isIn(other) === true);
  }
}

/** The scope that code runs in. */
export const currentScope: AsyncLocalStorage<PlainScope> = new AsyncLocalStorage();
