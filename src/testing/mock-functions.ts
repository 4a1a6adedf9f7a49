/** Functions for mocks: what a mock is to do, in a word. */
import type { ActivityContext } from "../workflow/activity.ts";

/** Promises of attempts that hang: time goes on beside them. */
const hanging = new WeakSet<object>();

/** A mock that returns the value. */
export function returns<T>(value: T): () => T {
  return () => value;
}

/** A mock that throws the error, or one with this message. */
export function fails(error: Error | string): () => never {
  return () => {
    throw typeof error === "string" ? new Error(error) : error;
  };
}

/** A mock that does nothing until it is aborted, by its timeout or by the run's cancellation. Time goes on meanwhile. */
export function hangs(): (input: unknown, ctx: ActivityContext) => Promise<never> {
  return (_input, { signal }) => {
    const never = new Promise<never>((_resolve, reject) => {
      if (signal.aborted) reject(signal.reason);
      else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    hanging.add(never);
    return never;
  };
}

/**
 * A mock that does something else each time: the first call is the first function's, the last one takes all that are left.
 *
 * @example
 * env.mock(charge, inTurn(fails("503"), fails("503"), returns({ txn: "t-1" })));
 */
export function inTurn<A extends unknown[], R>(
  ...functions: readonly ((...args: A) => R | Promise<R>)[]
): (...args: A) => R | Promise<R> {
  if (functions.length === 0) throw new TypeError("inTurn needs at least one function");
  let calls = 0;
  return (...args) => functions[Math.min(calls++, functions.length - 1)]!(...args);
}

/** Says that a promise is of an attempt that hangs. */
export function markHanging(result: object): void {
  hanging.add(result);
}

/** Whether what an attempt returned is of {@link hangs}. */
export function isHanging(result: object): boolean {
  return hanging.has(result);
}
