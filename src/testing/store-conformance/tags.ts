/** What people find runs by, and what runs tell about themselves. */
import assert from "node:assert/strict";
import type { RunFilter } from "../../store/store.ts";
import { continuedAsNew, event, message, newRun, numbers, transition, withScene } from "./scene.ts";
import type { Topic } from "./subject.ts";

export const tags: Topic = (subject, { describe, it }) => {
  describe("tags and progress", () => {
    it("lists the runs that have all the tags asked for", () =>
      withScene(subject, async (scene) => {
        const list = async (filter: Partial<RunFilter>): Promise<number[]> =>
          numbers(await scene.store.list({ limit: 9, ...filter }));
        const a = await scene.start({ tags: '{"city":"Kyiv","tier":"gold"}' });
        const b = await scene.start({ tags: '{"city":"Kyiv"}' });
        await scene.start();
        assert.deepEqual(await list({ tags: { city: "Kyiv" } }), [b, a]);
        assert.deepEqual(await list({ tags: { city: "Kyiv", tier: "gold" } }), [a]);
        assert.deepEqual(await list({ tags: { city: "Kyiv" }, before: b }), [a]);
        assert.deepEqual(await list({ tags: { city: "kyiv" } }), []);
        assert.deepEqual(await list({ tags: { tier: "Kyiv" } }), []);
        assert.equal((await list({ tags: {} })).length, 3);
        assert.equal((await scene.load(b)).row.tags, '{"city":"Kyiv"}');
      }));

    it("replaces tags and progress, and leaves what it is not told about", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start({ tags: '{"a":"1","b":"2"}' });
        const tagged = async (wanted: Record<string, string>): Promise<boolean> =>
          (await scene.store.list({ tags: wanted, limit: 9 })).length === 1;
        const facts = async (): Promise<unknown[]> => {
          const { row } = await scene.load(run);
          return [row.tags, row.progress];
        };
        await scene.advance(run, 1, { also: { facts: { tags: '{"b":"2","c":"3"}' } } });
        assert.deepEqual(await facts(), ['{"b":"2","c":"3"}', null]);
        assert.deepEqual(
          [await tagged({ a: "1" }), await tagged({ b: "2" }), await tagged({ c: "3" })],
          [false, true, true],
        );
        await scene.advance(run, 1, { also: { facts: { progress: '{"done":3}' } } });
        assert.deepEqual(await facts(), ['{"b":"2","c":"3"}', '{"done":3}']);
        assert.equal(await scene.advance(run, 9, { also: { facts: { tags: "{}", progress: "0" } } }), "history");
        assert.deepEqual(await facts(), ['{"b":"2","c":"3"}', '{"done":3}']);
      }));

    it("are found on each run of a chain until it is removed", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start({ tags: '{"a":"1"}' });
        const next = await continuedAsNew(scene, run, 1);
        const list = async (): Promise<number[]> => numbers(await scene.store.list({ tags: { a: "1" }, limit: 9 }));
        assert.deepEqual(await list(), [next, run]);
        await scene.store.remove(run);
        assert.deepEqual(await list(), [next]);
        await scene.store.remove(next);
        assert.deepEqual(await list(), []);
      }));

    it("refuses tags that are no JSON together with their batch", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        await assert.rejects(scene.commit([newRun({ tags: "{" })], []));
        await assert.rejects(scene.commit([], [transition(run, 1, { also: { facts: { tags: "{" } } })]));
        assert.equal((await scene.store.list({ limit: 9 })).length, 1);
      }));
  });

  describe("looking at many runs", () => {
    it("lists what was closed before a time", () =>
      withScene(subject, async (scene) => {
        const [a, b] = [await scene.start(), await scene.start(), await scene.start()];
        await scene.finish(a, 1, { closedAt: 10 });
        await scene.finish(b, 1, { closedAt: 20, status: "failed" });
        const list = async (filter: Partial<RunFilter>): Promise<number[]> =>
          numbers(await scene.store.list({ limit: 9, ...filter }));
        assert.deepEqual(await list({ closedBefore: 10 }), []);
        assert.deepEqual(await list({ closedBefore: 20 }), [a]);
        assert.deepEqual(await list({ closedBefore: 21 }), [b, a]);
        assert.deepEqual(await list({ closedBefore: 21, status: ["failed"] }), [b]);
      }));

    it("measures runs by workflow and status", () =>
      withScene(subject, async (scene) => {
        assert.deepEqual(await scene.store.sizes(), []);
        const first = event("RunStarted", 1, "1234");
        const [a] = [await scene.start({ first }), await scene.start({ first })];
        await scene.start({ first, workflow: "invoice" });
        await scene.advance(a, 1, { events: [event("A", 1, '"ü𝒳"'), event("B", 1, "")] });
        await scene.store.send(message(a));
        const size = { status: "running" as const, runs: 1, events: 1, size: 4 };
        assert.deepEqual(await scene.store.sizes(), [
          { ...size, workflow: "invoice" },
          { ...size, workflow: "order", runs: 2, events: 4, size: 12 },
        ]);
        await scene.finish(a, 3);
        assert.deepEqual(
          (await scene.store.sizes()).map(({ workflow, status, runs }) => [workflow, status, runs]),
          [
            ["invoice", "running", 1],
            ["order", "completed", 1],
            ["order", "running", 1],
          ],
        );
      }));
  });
};
