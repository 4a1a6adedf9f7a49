import type { Store } from "../../src/store/store.ts";

/** The store, but for a few of its methods. */
export function intercept(store: Store, methods: Partial<Store>): Store {
  return new Proxy(store, {
    get(target, key: keyof Store) {
      const own = methods[key] ?? target[key];
      return typeof own === "function" ? own.bind(target) : own;
    },
  });
}
