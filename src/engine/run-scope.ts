/**
 * Which run the code that executes belongs to, followed through its promises. Only workflow code runs inside a scope; activities
 * and inline step bodies run outside.
 *
 * Used to attribute unhandled rejections (rule 18): one inside workflow code fails its run, and never the process. Those of the
 * host application keep their meaning: other listeners get them, and without any the process ends as Node would end it.
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** Whoever answers for the code in a scope. */
export interface ScopeOwner {
  /** A promise of this scope was rejected and nobody handles it. */
  rejected(error: unknown): void;
}

const scope = new AsyncLocalStorage<ScopeOwner>();
let users = 0;

/** Runs workflow code on behalf of its run. */
export function runInScope<T>(owner: ScopeOwner, fn: () => T): T {
  return scope.run(owner, fn);
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
  const owner = scope.getStore();
  if (owner !== undefined) {
    owner.rejected(error);
    return;
  }
  if (process.listenerCount("unhandledRejection") > 1) return;
  process.nextTick(() => {
    throw error;
  });
}
