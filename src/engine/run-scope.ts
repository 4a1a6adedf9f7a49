/**
 * Which run and which cancellation scope the code that executes belongs to, followed through its promises. Only workflow code
 * runs inside; activities and inline step bodies run outside.
 *
 * Also used to attribute unhandled rejections (rule 18): one inside workflow code fails its run, and never the process. Those of the
 * host application keep their meaning: other listeners get them, and without any the process ends as Node would end it.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Scope } from "../core/scope.ts";
import type { GuardedCode } from "./guard/guard.ts";

/** Whoever answers for the code of a run. */
export interface ScopeOwner {
  /** A promise of this scope was rejected and nobody handles it. */
  rejected(error: unknown): void;
}

/** Where workflow code is. */
export interface Place {
  readonly owner: ScopeOwner;
  readonly scope: Scope;
  /** What the determinism guard asks; undefined when it is off. */
  readonly guarded: GuardedCode | undefined;
}

const place = new AsyncLocalStorage<Place | undefined>();
let users = 0;

/** Runs workflow code on behalf of its run, in a scope. */
export function runInScope<T>(at: Place, fn: () => T): T {
  return place.run(at, fn);
}

/** Runs workflow code in a scope inside the present one. */
export function runInner<T>(scope: Scope, fn: () => T): T {
  const at = place.getStore();
  return at === undefined ? fn() : place.run({ ...at, scope }, fn);
}

/** Runs code that is none of a workflow although workflow code led to it: loggers, observers, effects, what ends a turn. */
export function runOutside<T>(fn: () => T): T {
  return place.run(undefined, fn);
}

/** Where the code that executes is, to call back there later; undefined outside of workflow code. */
export function currentPlace(): Place | undefined {
  return place.getStore();
}

/** The scope of the code that executes; undefined outside of workflow code. */
export function currentScope(): Scope | undefined {
  return place.getStore()?.scope;
}

/** Attributes unhandled rejections to runs until the returned function is called. */
export function attributeRejections(): () => void {
  if (users++ === 0) process.on("unhandledRejection", onUnhandled);
  let released = false;
  return () => {
    if (released) return;
    released = true;
    if (--users === 0) process.off("unhandledRejection", onUnhandled);
  };
}

function onUnhandled(error: unknown): void {
  const owner = place.getStore()?.owner;
  if (owner !== undefined) {
    runOutside(() => owner.rejected(error));
    return;
  }
  if (process.listenerCount("unhandledRejection") > 1) return;
  process.nextTick(() => {
    throw error;
  });
}
