/** A store through which somebody looks at all that is asked of another one. */
import type { Store } from "../store/store.ts";

/** Asks the store itself. */
export type Ask = () => unknown;

/** `asked` stands around every call, but for the methods of `own`, which take the place of the store's. */
export function viewOf(store: Store, own: Partial<Store>, asked: (ask: Ask) => unknown): Store {
  const views = new Map<PropertyKey, unknown>(Object.entries(own));
  return new Proxy(store, {
    get: (_, key) => {
      const known = views.get(key);
      if (known !== undefined) return known;
      const value = Reflect.get(store, key) as unknown;
      if (typeof value !== "function") return value;
      const view = (...args: unknown[]): unknown => asked(() => Reflect.apply(value, store, args) as unknown);
      views.set(key, view);
      return view;
    },
  });
}
