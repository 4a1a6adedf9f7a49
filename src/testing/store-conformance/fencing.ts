import assert from "node:assert/strict";
import { isPerdureError } from "../../core/errors.ts";
import { event, newRun, newScene, type Scene, transition, withScene } from "./scene.ts";
import type { Topic } from "./subject.ts";

const leaseLost = (error: unknown): boolean => isPerdureError(error, "LEASE_LOST");

/** Lets the engine's lease expire as another engine sees it. */
async function expire(scene: Scene): Promise<void> {
  const { store } = scene;
  await store.sweep({ ttlMs: 10_000, monotonicMs: 0, at: 70 });
  await store.sweep({ ttlMs: 10_000, monotonicMs: 20_000, at: 70 });
}

export const fencing: Topic = (subject, { describe, it }) => {
  describe("the fence", () => {
    it("numbers the commits of a lease and tells the last one (rule 13)", () =>
      withScene(subject, async (scene) => {
        assert.equal(await scene.store.lastBatch(scene.lease), 0);
        await scene.start();
        await scene.start();
        assert.equal(await scene.store.lastBatch(scene.lease), 2);
      }));

    it("writes nothing of a batch that is out of order or sent twice", () =>
      withScene(subject, async (scene) => {
        await scene.start();
        for (const number of [1, 3]) {
          const batch = { number, starts: [newRun({ workflowId: "twice" })], transitions: [] };
          await assert.rejects(scene.store.commit(scene.lease, batch), leaseLost);
        }
        assert.equal(await scene.store.find({ workflowId: "twice" }), undefined);
        assert.equal(await scene.store.lastBatch(scene.lease), 1);
      }));

    it("shuts out an engine that was swept, whatever it tries", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        await expire(scene);
        await assert.rejects(scene.advance(run, 1, { events: [event("A")] }), leaseLost);
        await assert.rejects(scene.commit([newRun()], []), leaseLost);
        const wanted = { code: [{ workflow: "order" }], limit: 1, at: 100 };
        await assert.rejects(scene.store.claim(scene.lease, wanted), leaseLost);
        assert.equal(await scene.store.renew(scene.lease), false);
        assert.equal(await scene.store.lastBatch(scene.lease), null);
        assert.deepEqual(await scene.eventTypes(run), ["RunStarted"]);
      }));

    it("lets only the engine that took a run over write to it (invariant 2)", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        await expire(scene);
        const heir = await newScene(scene.store);
        await heir.store.claim(heir.lease, { code: [{ workflow: "order" }], limit: 1, at: 100 });
        await assert.rejects(scene.advance(run, 1, { events: [event("old")] }), leaseLost);
        assert.equal(await heir.advance(run, 1, { events: [event("new")] }), undefined);
        assert.deepEqual(await scene.eventTypes(run), ["RunStarted", "new"]);
      }));

    it("does not let one engine write to a run of another", () =>
      withScene(subject, async (scene) => {
        const other = await newScene(scene.store);
        const run = await scene.start();
        const { refused } = await other.commit([], [transition(run, 1, { events: [event("A")] })]);
        assert.deepEqual([...refused], [[0, "history"]]);
      }));
  });
};
