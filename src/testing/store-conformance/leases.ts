/** Engines come, stay, leave and die; their runs are never lost with them. */
import assert from "node:assert/strict";
import { event, newScene, numbers, withScene } from "./scene.ts";
import type { Topic } from "./subject.ts";

export const leases: Topic = (subject, { describe, it }) => {
  describe("leases", () => {
    it("lists engines with the runs they own, and never gives a number twice", () =>
      withScene(subject, async (scene) => {
        const { store, lease } = scene;
        await scene.start();
        await scene.finish(await scene.start(), 1);
        const other = await store.register({ label: "second", at: 5 });
        assert.deepEqual(await store.engines(), [
          { engine: lease.engine, registeredAt: 1, label: "test", runs: 1, serves: null, activities: [] },
          { engine: other.engine, registeredAt: 5, label: "second", runs: 0, serves: null, activities: [] },
        ]);
        await store.release(other, 6);
        assert.ok((await store.register({ label: "third", at: 7 })).engine > other.engine);
      }));

    it("frees the runs of an engine that stood still for the time to live, counting a crash", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const run = await scene.start();
        assert.equal(await store.sweep({ ttlMs: 10_000, monotonicMs: 100, at: 70 }), 0);
        assert.equal(await store.sweep({ ttlMs: 10_000, monotonicMs: 8000, at: 70 }), 0);
        assert.equal(await store.sweep({ ttlMs: 10_000, monotonicMs: 20_000, at: 70 }), 1);
        const { row } = await scene.load(run);
        assert.deepEqual([row.status, row.owner, row.wakeAt, row.crashes], ["running", null, 70, 1]);
        assert.deepEqual(await store.engines(), []);
      }));

    it("takes a renewal as well as a commit as a sign of life", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const run = await scene.start();
        const at = async (monotonicMs: number): Promise<number> => store.sweep({ ttlMs: 10_000, monotonicMs, at: 70 });
        await at(0);
        assert.equal(await store.renew(scene.lease), true);
        assert.equal(await at(20_000), 0);
        await scene.advance(run, 1, { events: [event("A")] });
        assert.equal(await at(40_000), 0);
        assert.equal(await at(60_000), 1);
      }));

    it("sweeps only those that stood still", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const [dead, alive] = [scene, await newScene(store)];
        const [lost, kept] = [await dead.start(), await alive.start()];
        await store.sweep({ ttlMs: 10_000, monotonicMs: 0, at: 70 });
        await store.renew(alive.lease);
        assert.equal(await store.sweep({ ttlMs: 10_000, monotonicMs: 20_000, at: 70 }), 1);
        assert.equal((await scene.load(lost)).row.owner, null);
        assert.equal((await scene.load(kept)).row.owner, alive.lease.engine);
      }));

    it("leaves closed runs alone when it sweeps", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        await scene.finish(run, 1);
        const before = await scene.load(run);
        await scene.store.sweep({ ttlMs: 10_000, monotonicMs: 0, at: 70 });
        assert.equal(await scene.store.sweep({ ttlMs: 10_000, monotonicMs: 20_000, at: 70 }), 0);
        assert.deepEqual(await scene.load(run), before);
      }));

    it("frees the runs of an engine that leaves without counting a crash", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        await scene.store.release(scene.lease, 80);
        const { row } = await scene.load(run);
        assert.deepEqual([row.owner, row.wakeAt, row.crashes], [null, 80, 0]);
        await scene.store.release(scene.lease, 81);
        const heir = await newScene(scene.store);
        const claimed = await heir.store.claim(heir.lease, { code: [{ workflow: "order" }], limit: 5, at: 80 });
        assert.deepEqual(numbers(claimed), [run]);
      }));
  });
};
