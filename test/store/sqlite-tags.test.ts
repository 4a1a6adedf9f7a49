import { describe, expect, it } from "vitest";
import { openSqliteStore } from "../../src/store/index.ts";
import { newRun, newScene, numbers, transition } from "../../src/testing/store-conformance/scene.ts";

/** What a run may have been given before such tags were refused: half a character, and the sign that ends texts in C. */
const BROKEN = [
  ["half a character", { name: "Ada 😀".slice(0, 5) }],
  ["half a character as a name", { "\ud83d": "1" }],
  ["two that cannot be told apart", { "\ud83d": "1", "\ud83e": "1" }],
  ["a NUL", { name: "x\0y" }],
  ["two NULs as names", { "a\0b": "1", "a\0c": "1" }],
] as const;

describe("broken tags in a SQLite store", () => {
  it.each(BROKEN)("are changed and removed with their run: %s", async (_, tags) => {
    const store = await openSqliteStore({ path: ":memory:" });
    try {
      const scene = await newScene(store);
      const { starts } = await scene.commit([newRun({ tags: JSON.stringify({ ...tags, kept: "1" }) })], []);
      const run = (starts[0] as { run: number }).run;
      const list = async (wanted: Record<string, string>): Promise<number[]> =>
        numbers(await store.list({ tags: wanted, limit: 9 }));
      expect(await list({ kept: "1" })).toEqual([run]);
      await scene.commit([], [transition(run, 1, { also: { facts: { tags: '{"other":"1"}' } } })]);
      expect([await list({ kept: "1" }), await list({ other: "1" }), await list(tags)]).toEqual([[], [run], []]);
      await scene.commit([], [transition(run, 1, { also: { facts: { tags: JSON.stringify(tags) } } })]);
      await scene.finish(run, 1);
      expect(await store.remove(run)).toBe(true);
      expect(await list(tags)).toEqual([]);
    } finally {
      await store.close();
    }
  });
});
