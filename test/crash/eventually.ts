/** Waits for something that only shows when one looks: in a store, a database, another process. */
import { setTimeout as pass } from "node:timers/promises";

/** Looks every few milliseconds until there is an answer other than `false`. @throws when there is none in time. */
export async function eventually<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  withinMs = 15_000,
): Promise<T> {
  const until = Date.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > until) throw new Error(`waited ${withinMs} ms for ${what}`);
    await pass(10);
  }
}
