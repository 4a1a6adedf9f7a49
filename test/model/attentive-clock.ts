/** A clock that never runs ahead of the store: time stands still while the store owes somebody an answer. */
import type { Store } from "../../src/store/store.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

export class AttentiveClock extends VirtualClock {
  #owed = 0;

  /** The store, as one whose answers are waited for. */
  watched(store: Store): Store {
    return new Proxy(store, {
      get: (target, key) => {
        const value = Reflect.get(target, key) as unknown;
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          const answer: unknown = Reflect.apply(value, target, args);
          if (!(answer instanceof Promise)) return answer;
          this.#owed++;
          return answer.finally(() => this.#owed--);
        };
      },
    });
  }

  override async settle(): Promise<void> {
    do await super.settle();
    while (this.#owed > 0);
  }
}
