/** Typed tokens for messages to a run. */
import { PerdureError } from "../core/errors.ts";
import { MAX_NAME } from "../core/ids.ts";

/** The name and type of a signal: something told to a run, kept until the run asks for it. */
export interface Signal<T> {
  readonly kind: "signal";
  readonly name: string;
  /** Carries the type only. */
  readonly payload?: T;
}

/** Defines a signal. @example const approved = signal<{ ok: boolean }>("approved"); */
export function signal<T = unknown>(name: string): Signal<T> {
  if (name === "" || name.length > MAX_NAME) {
    throw new PerdureError("INVALID_ARGUMENT", `a signal's name must have 1 to ${MAX_NAME} characters`);
  }
  return { kind: "signal", name };
}
