/**
 * Which run and which cancellation scope the code that executes belongs to, followed through its promises. Only workflow code
 * runs inside; activities and inline step bodies run outside.
 *
 * Also used to attribute unhandled rejections (rule 18): one inside workflow code fails its run, and never the process. Nobody else is
 * told of it: listeners of applications end the process, those of test runners fail a test, for what is the business of a run alone. So
 * it is taken before they are called, where Node tells of it. Those of the host application go their way.
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
  if (users++ === 0) stepIn();
  let released = false;
  return () => {
    if (released) return;
    released = true;
    if (--users === 0) stepOut();
  };
}

type Emit = (this: NodeJS.Process, event: string | symbol, ...about: unknown[]) => boolean;

/** How the process tells of events without us. */
let emitBefore = process.emit as Emit;
let ownBefore: PropertyDescriptor | undefined;
let inFront = false;

function stepIn(): void {
  if (inFront) return;
  inFront = true;
  emitBefore = process.emit as Emit;
  ownBefore = Object.getOwnPropertyDescriptor(process, "emit");
  process.emit = emit as typeof process.emit;
}

/** Somebody may have put theirs over ours, which then stays below it and takes nothing. */
function stepOut(): void {
  if (process.emit !== (emit as typeof process.emit)) return;
  inFront = false;
  if (ownBefore === undefined) Reflect.deleteProperty(process, "emit");
  else Object.defineProperty(process, "emit", ownBefore);
}

function emit(this: NodeJS.Process, event: string | symbol, ...about: unknown[]): boolean {
  if (event === "unhandledRejection" && users > 0 && isAttributed(about[0])) return true;
  return emitBefore.call(this, event, ...about);
}

/** Node tells of a rejection in the context in which the promise was made. */
function isAttributed(error: unknown): boolean {
  const owner = place.getStore()?.owner;
  if (owner === undefined) return false;
  runOutside(() => owner.rejected(error));
  return true;
}
