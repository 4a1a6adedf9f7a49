/** Typed tokens for messages to a run: signals tell, queries ask, updates change and answer. */
import { checkedName } from "../core/names.ts";

/** The name and type of a signal: something told to a run, kept until the run asks for it. */
export interface Signal<T> {
  readonly kind: "signal";
  readonly name: string;
  /** Carries the type only. */
  readonly payload?: T;
}

/** The name and types of a query: a question about a run's state that changes nothing. */
export interface Query<O, I = undefined> {
  readonly kind: "query";
  readonly name: string;
  /** Carries the types only. */
  readonly types?: (input: I) => O;
}

/** The name and types of an update: a change to a run that answers. */
export interface Update<I, O> {
  readonly kind: "update";
  readonly name: string;
  /** Carries the types only. */
  readonly types?: (input: I) => O;
}

/** Defines a signal. @example const approved = signal<{ ok: boolean }>("approved"); */
export function signal<T = unknown>(name: string): Signal<T> {
  return { kind: "signal", name: checkedName(name, "the name of a signal") };
}

/** Defines a query: what it answers, and what it is asked with. @example const total = query<number>("total"); */
export function query<O = unknown, I = undefined>(name: string): Query<O, I> {
  return { kind: "query", name: checkedName(name, "the name of a query") };
}

/** Defines an update: what it is given, and what it answers. @example const add = update<Item, number>("add"); */
export function update<I = undefined, O = unknown>(name: string): Update<I, O> {
  return { kind: "update", name: checkedName(name, "the name of an update") };
}
