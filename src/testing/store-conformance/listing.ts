/** Finding, listing, amending and deleting runs. */
import assert from "node:assert/strict";
import { attempt, event, image, message, numbers, type Scene, withScene } from "./scene.ts";
import type { Topic } from "./subject.ts";

const paused = { status: "paused", wakeAt: null, closedAt: null, crashes: 0, detail: "by hand" } as const;

async function fourRuns(scene: Scene): Promise<[number, number, number, number]> {
  const a = await scene.start({ workflowId: "a", createdAt: 10 });
  const b = await scene.start({ workflowId: "b", createdAt: 20, workflow: "invoice" });
  const c = await scene.start({ workflowId: "c", createdAt: 30, owned: false });
  await scene.finish(a, 1);
  const d = await scene.start({ workflowId: "a", createdAt: 40, supersedes: a });
  return [a, b, c, d];
}

export const listing: Topic = (subject, { describe, it }) => {
  describe("looking at runs", () => {
    it("lists the newest first, filtered, page by page", () =>
      withScene(subject, async (scene) => {
        const [a, b, c, d] = await fourRuns(scene);
        const list = async (filter: object): Promise<number[]> =>
          numbers(await scene.store.list({ limit: 10, ...filter }));
        assert.deepEqual(await list({}), [d, c, b, a]);
        assert.deepEqual(await list({ limit: 2 }), [d, c]);
        assert.deepEqual(await list({ limit: 2, before: c }), [b, a]);
        assert.deepEqual(await list({ workflow: "invoice" }), [b]);
        assert.deepEqual(await list({ workflowId: "a" }), [d, a]);
        assert.deepEqual(await list({ status: ["completed", "pending"] }), [c, a]);
        assert.deepEqual(await list({ status: [] }), []);
        assert.deepEqual(await list({ since: 20, workflow: "order" }), [d, c]);
      }));

    it("finds a run by number, and the newest run of a workflow id", () =>
      withScene(subject, async (scene) => {
        const [a, , , d] = await fourRuns(scene);
        const { store } = scene;
        assert.deepEqual(await store.find({ run: a }), (await scene.load(a)).row);
        assert.equal((await store.find({ workflowId: "a" }))?.run, d);
        assert.equal(await store.find({ run: d + 1000 }), undefined);
        assert.equal(await store.find({ workflowId: "nobody" }), undefined);
      }));

    it("pages through a history", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        await scene.advance(run, 1, { events: ["A", "B", "C", "D"].map((type) => event(type)) });
        const types = async (after: number, limit: number): Promise<string[]> =>
          (await scene.store.history(run, after, limit)).map(({ type }) => type);
        assert.deepEqual(await types(0, 2), ["RunStarted", "A"]);
        assert.deepEqual(await types(2, 2), ["B", "C"]);
        assert.deepEqual(await types(4, 2), ["D"]);
        assert.deepEqual(await types(5, 2), []);
        assert.deepEqual(await scene.store.history(run + 1000, 0, 5), []);
        assert.equal(await scene.store.lastEvent(run + 1000), undefined);
        assert.deepEqual(await scene.store.attempts(run + 1000), []);
        assert.deepEqual((await scene.store.load([run], 3))[0]?.events.length, 3);
        assert.deepEqual((await scene.store.load([run], 0))[0]?.events, []);
        assert.equal((await scene.store.load([run], Number.MAX_SAFE_INTEGER))[0]?.events.length, 5);
        assert.equal((await scene.store.load([run], Number.MAX_SAFE_INTEGER))[0]?.events.length, 5);
      }));

    it("leaves out runs that do not exist when it loads", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        assert.deepEqual(
          (await scene.store.load([run + 1, run], 9)).map(({ row }) => row.run),
          [run],
        );
        assert.deepEqual(await scene.store.load([], 9), []);
      }));

    it("amends the row of a run nobody owns, if it is in one of the states given", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const run = await scene.start();
        assert.equal(await store.amend(run, ["running"], paused), false);
        await scene.park(run, 1, { wakeAt: 5 });
        assert.equal(await store.amend(run, ["blocked", "failed"], paused), false);
        assert.equal(await store.amend(run, ["pending", "running"], paused), true);
        const { row } = await scene.load(run);
        assert.deepEqual([row.status, row.wakeAt, row.detail, row.length], ["paused", null, "by hand", 1]);
        assert.equal(await store.amend(run + 1000, ["running"], paused), false);
      }));

    it("reopens a closed run by amending it, unless it is superseded", () =>
      withScene(subject, async (scene) => {
        const { store, lease } = scene;
        const run = await scene.start({ workflowId: "a" });
        await scene.finish(run, 1, { status: "failed" });
        const open = { status: "running", wakeAt: 60, closedAt: null, crashes: 0, detail: null } as const;
        assert.equal(await store.amend(run, ["failed"], open), true);
        const claimed = await store.claim(lease, { code: [{ workflow: "order" }], limit: 9, at: 60 });
        assert.deepEqual(numbers(claimed), [run]);
        assert.equal(await scene.advance(run, 2, { events: [event("Resumed")] }), undefined);
        await scene.advance(run, 3, { image: image({ status: "failed", owned: false, closedAt: 9 }) });
        await scene.start({ workflowId: "a", supersedes: run });
        assert.equal(await store.amend(run, ["failed"], open), false);
      }));

    it("removes a run nobody owns with everything that belongs to it", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const run = await scene.start({ workflowId: "a", secrets: "sealed" });
        await store.send(message(run, { key: "k" }));
        await scene.advance(run, 1, { attempts: [attempt(1)] });
        assert.equal(await store.remove(run), false);
        await scene.park(run, 1);
        assert.equal(await store.remove(run), true);
        assert.equal(await store.remove(run), false);
        assert.deepEqual(
          [await store.load([run], 9), await store.history(run, 0, 9), await store.attempts(run)],
          [[], [], []],
        );
        assert.deepEqual(await store.send(message(run, { key: "k" })), { refused: "not_found" });
        assert.equal(await store.find({ workflowId: "a" }), undefined);
        await scene.start({ workflowId: "a" });
      }));
  });
};
