/** Keeping a store small: reading runs from the oldest on, deleting many at once, and who does it. */
import assert from "node:assert/strict";
import type { RunFilter, RunRow } from "../../store/store.ts";
import { attempt, continuedAsNew, event, message, numbers, type Scene, withScene } from "./scene.ts";
import type { Topic } from "./subject.ts";

async function rowsOf({ store }: Scene, runs: readonly number[]): Promise<RunRow[]> {
  return (await store.load(runs, 0)).map(({ row }) => row);
}

export const purging: Topic = (subject, { describe, it }) => {
  describe("keeping it small", () => {
    it("lists the oldest first after a run", () =>
      withScene(subject, async (scene) => {
        const [a, b, c, d] = [await scene.start(), await scene.start(), await scene.start(), await scene.start()];
        const list = async (filter: Partial<RunFilter>): Promise<number[]> =>
          numbers(await scene.store.list({ limit: 9, ...filter }));
        assert.deepEqual(await list({ after: 0 }), [a, b, c, d]);
        assert.deepEqual(await list({ after: a, limit: 2 }), [b, c]);
        assert.deepEqual(await list({ after: a, before: d }), [b, c]);
        assert.deepEqual(await list({ after: d }), []);
      }));

    it("deletes many closed runs at once, and leaves alone what is open, has gone on or is not there", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const tagged = { tags: '{"a":"1"}', secrets: "sealed" };
        const [closed, also] = [await scene.start(tagged), await scene.start(tagged)];
        const [open, parked, again] = [await scene.start(tagged), await scene.start(), await scene.start()];
        await store.send(message(closed, { key: "k" }));
        await scene.advance(closed, 1, { attempts: [attempt(1)] });
        for (const run of [closed, also, again]) await scene.finish(run, 1);
        await scene.park(parked, 1);
        const rows = await rowsOf(scene, [also, closed, open, parked, again]);
        const reopened = { status: "running", wakeAt: 60, closedAt: null, crashes: 0, detail: null } as const;
        assert.equal(await store.amend(again, ["completed"], reopened), true);
        assert.deepEqual(await store.purge([...rows, { run: again + 1000, length: 2 }]), [closed, also]);
        assert.deepEqual(await store.purge(rows), []);
        await scene.take(again);
        await scene.finish(again, 2);
        assert.deepEqual(await store.purge(rows), [], "it has ended once more, with another history");
        assert.deepEqual(await store.purge([]), []);
        assert.deepEqual(numbers(await store.list({ limit: 9 })), [again, parked, open]);
        assert.deepEqual(numbers(await store.list({ limit: 9, tags: { a: "1" } })), [open]);
        assert.deepEqual(
          [await store.load([closed, also], 9), await store.history(closed, 0, 9), await store.attempts(closed)],
          [[], [], []],
        );
        assert.deepEqual(await store.send(message(closed, { key: "k" })), { refused: "not_found" });
        await scene.start({ workflowId: rows[1]!.workflowId });
      }));

    it("keeps what belongs to a chain until its last run is deleted", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const first = await scene.start();
        await store.send(message(first, { kind: "update", key: "k" }));
        const answers = [{ number: 1, status: "completed", data: "1", at: 5 }] as const;
        await scene.advance(first, 1, { consumed: [1], events: [event("UpdateAccepted")], also: { answers } });
        const next = await continuedAsNew(scene, first, 2);
        assert.deepEqual(await store.answersOf([next, first]), new Map([first, next].map((run) => [run, answers])));
        assert.deepEqual(await store.purge(await rowsOf(scene, [first])), [first]);
        assert.deepEqual(await store.answersOf([first, next]), new Map([[next, answers]]));
        assert.deepEqual(await store.send(message(next, { key: "k" })), { number: 1 });
        await scene.take(next);
        await scene.finish(next, 1);
        assert.deepEqual(await store.purge(await rowsOf(scene, [next])), [next]);
        assert.equal((await store.answersOf([first, next])).size, 0);
      }));

    it("gives a job to one at a time, until its time is over or it is given back", () =>
      withScene(subject, async ({ store }) => {
        const turn = { job: "retention", ttlMs: 60_000, at: 1000 };
        assert.equal(await store.takeTurn({ ...turn, holder: "a" }), true);
        assert.equal(await store.takeTurn({ ...turn, holder: "b" }), false);
        assert.equal(await store.takeTurn({ ...turn, holder: "a" }), true);
        assert.equal(await store.takeTurn({ ...turn, holder: "b", job: "another" }), true);
        assert.equal(await store.takeTurn({ ...turn, holder: "a", ttlMs: 0 }), true);
        assert.equal(await store.takeTurn({ ...turn, holder: "b" }), true);
      }));
  });
};
