/** `process.env` in workflow code: every look at a variable is refused by its name. Everybody else has the real object. */
import { INSTEAD } from "./message.ts";
import type { Patch } from "./patch.ts";
import { twoFacedProperty } from "./two-faced-property.ts";
import { guardedCode, refuse } from "./workflow-code.ts";

function used(key: PropertyKey | undefined, trap: CallableFunction): void {
  const code = typeof key === "symbol" ? undefined : guardedCode();
  const what = key === undefined ? "process.env" : `process.env.${String(key)}`;
  if (code !== undefined) refuse(code, what, INSTEAD.environment, trap);
}

/** Names what is looked at, then does it to the real environment. */
const TRAPS = {
  get(env, key) {
    used(key, TRAPS.get);
    return Reflect.get(env, key) as unknown;
  },
  set(env, key, value) {
    used(key, TRAPS.set);
    return Reflect.set(env, key, value);
  },
  has(env, key) {
    used(key, TRAPS.has);
    return Reflect.has(env, key);
  },
  deleteProperty(env, key) {
    used(key, TRAPS.deleteProperty);
    return Reflect.deleteProperty(env, key);
  },
  defineProperty(env, key, property) {
    used(key, TRAPS.defineProperty);
    return Reflect.defineProperty(env, key, property);
  },
  getOwnPropertyDescriptor(env, key) {
    used(key, TRAPS.getOwnPropertyDescriptor);
    return Reflect.getOwnPropertyDescriptor(env, key);
  },
  ownKeys(env) {
    used(undefined, TRAPS.ownKeys);
    return Reflect.ownKeys(env);
  },
} satisfies ProxyHandler<object>;

const views = new WeakMap<object, object>();

function viewOf(env: object): object {
  let view = views.get(env);
  if (view === undefined) {
    view = new Proxy(env, TRAPS);
    views.set(env, view);
  }
  return view;
}

export function environmentPatches(): Patch[] {
  return [twoFacedProperty(process, "env", (_code, real) => viewOf(real() as object))];
}
