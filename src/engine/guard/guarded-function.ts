/**
 * Functions that treat workflow code differently, and everybody else as before: they have the same name, length, prototype and
 * properties as what they stand for, can be called and constructed, and cost one look at a flag.
 */
import { promisify } from "node:util";
import type { GuardedCode } from "./guard.ts";
import type { Instead } from "./message.ts";
import type { AnyFunction, Patch } from "./patch.ts";
import { guardedCode, refuse } from "./workflow-code.ts";

/** Answer of an {@link Inside} that lets the real thing through. */
export const PASS: unique symbol = Symbol("pass");

/** What workflow code gets instead. `self` is the guarded function, for reading the stack below it. */
export type Inside = (code: GuardedCode, args: unknown[], self: AnyFunction) => unknown;

/** Own properties that are functions doing the same work: they are guarded alike. */
const PARTS: readonly (string | symbol)[] = ["native", "bigint", promisify.custom];
/** Own properties of old-fashioned functions that belong to the engine. */
const NOT_COPIED: readonly (string | symbol)[] = ["arguments", "caller"];

/** What each guarded function stands for, and the other way round: what was one function stays one, wherever it lies. */
const originals = new WeakMap<AnyFunction, AnyFunction>();
const guardeds = new WeakMap<AnyFunction, AnyFunction>();

/** A function that refuses workflow code. */
export function refusing(what: string, instead: Instead): Inside {
  return (code, _args, self) => {
    refuse(code, what, instead, self);
    return PASS;
  };
}

/** Wraps a function so that workflow code gets `inside` and everybody else the function. */
export function guardedFunction(original: AnyFunction, inside: Inside): AnyFunction {
  let guarded = guardeds.get(original);
  if (guarded === undefined) {
    guarded = wrap(original, inside, (part) => wrap(part, inside, (itself) => itself));
    originals.set(guarded, original);
    guardeds.set(original, guarded);
  }
  return guarded;
}

function wrap(original: AnyFunction, inside: Inside, guardPart: (part: AnyFunction) => AnyFunction): AnyFunction {
  const guarded = function (this: unknown, ...args: unknown[]): unknown {
    const code = guardedCode();
    if (code !== undefined) {
      const answer = inside(code, args, guarded);
      if (answer !== PASS) return answer;
    }
    if (new.target === undefined) return Reflect.apply(original, this, args);
    return Reflect.construct(original, args, new.target === guarded ? original : new.target);
  };
  for (const key of Reflect.ownKeys(original)) {
    if (NOT_COPIED.includes(key)) continue;
    const property = Object.getOwnPropertyDescriptor(original, key)!;
    const value: unknown = property.value;
    if (value === original) property.value = guarded;
    else if (PARTS.includes(key) && typeof value === "function") property.value = guardPart(value as AnyFunction);
    Object.defineProperty(guarded, key, property);
  }
  Object.setPrototypeOf(guarded, Object.getPrototypeOf(original) as object | null);
  return guarded;
}

/** Guards a function where it lies. `inside` is given what was found there. */
export function functionPatch(holder: object, key: string, inside: (original: AnyFunction) => Inside): Patch {
  let found: AnyFunction | undefined;
  let guarded: AnyFunction | undefined;
  return {
    apply() {
      const property = Object.getOwnPropertyDescriptor(holder, key);
      const current: unknown = property?.value;
      if (property === undefined || typeof current !== "function") return;
      if (property.configurable !== true && property.writable !== true) return;
      // One of ours, which somebody had built upon when it was to be taken out, and has put back since.
      const left = originals.get(current as AnyFunction);
      found = left ?? (current as AnyFunction);
      guarded = left === undefined ? guardedFunction(found, inside(found)) : (current as AnyFunction);
      Object.defineProperty(holder, key, { ...property, value: guarded });
    },
    restore() {
      const property = Object.getOwnPropertyDescriptor(holder, key);
      if (property !== undefined && guarded !== undefined && property.value === guarded)
        Object.defineProperty(holder, key, { ...property, value: found });
    },
  };
}
