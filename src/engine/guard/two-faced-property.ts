/**
 * A property with two faces: workflow code sees one, everybody else the very value that was there, with its identity. For what
 * is compared and not only called: code outside that asks `type === Date`, or keeps `process.env`, must not notice anything.
 *
 * Assignments go to the face everybody else sees.
 */
import type { GuardedCode } from "./guard.ts";
import type { Patch } from "./patch.ts";
import { guardedCode } from "./workflow-code.ts";

/** What workflow code sees. `real` reads what everybody else sees. */
export type InnerFace = (code: GuardedCode, real: () => unknown) => unknown;

export function twoFacedProperty(holder: object, key: string, inner: InnerFace): Patch {
  /** The property as it was found, with the value it has now. */
  let outer: PropertyDescriptor = {};

  const read = (self: unknown): unknown => {
    if (outer.get === undefined) return outer.value;
    const value: unknown = Reflect.apply(outer.get, self, []);
    settle();
    return value;
  };
  /** Properties that are made when they are first read replace themselves by their value: it is taken in, the faces stay. */
  const settle = (): void => {
    const property = Object.getOwnPropertyDescriptor(holder, key);
    if (property === undefined || property.get === get) return;
    outer = property;
    Object.defineProperty(holder, key, faces());
  };
  function get(this: unknown): unknown {
    const code = guardedCode();
    if (code === undefined) return outer.get === undefined ? outer.value : read(this);
    return inner(code, () => read(this));
  }
  function set(this: unknown, value: unknown): void {
    const self = this === undefined ? holder : this;
    if (outer.set !== undefined) Reflect.apply(outer.set, self, [value]);
    else if (self === holder) outer.value = value;
    else Object.defineProperty(self, key, { value, writable: true, enumerable: true, configurable: true });
  }
  const faces = (): PropertyDescriptor => ({
    get,
    ...((outer.set !== undefined || outer.writable === true) && { set }),
    enumerable: outer.enumerable === true,
    configurable: true,
  });

  return {
    apply() {
      const property = Object.getOwnPropertyDescriptor(holder, key);
      if (property === undefined || property.configurable !== true) return;
      outer = property;
      Object.defineProperty(holder, key, faces());
    },
    restore() {
      if (Object.getOwnPropertyDescriptor(holder, key)?.get === get) Object.defineProperty(holder, key, outer);
    },
  };
}
