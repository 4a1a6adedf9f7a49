/** Waits for something that only shows in the store. */
import { setTimeout as pass } from "node:timers/promises";

/** Looks every few milliseconds until there is an answer. @throws when there is none in time. */
export async function eventually<T>(look: () => Promise<T | undefined>, what: string, withinMs = 15_000): Promise<T> {
  const until = Date.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > until) throw new Error(`waited ${withinMs} ms for ${what}`);
    await pass(10);
  }
}
