/** Runs that continue others under the same workflow id. */
import assert from "node:assert/strict";
import { isPerdureError } from "../../core/errors.ts";
import { continuedAsNew, continuing, event, image, message, newRun, numbers, transition, withScene } from "./scene.ts";
import type { Topic } from "./subject.ts";

export const continuation: Topic = (subject, { describe, it }) => {
  describe("continuing as new", () => {
    it("closes one run and puts the next in its place, unowned, in one commit", () =>
      withScene(subject, async (scene) => {
        const old = await scene.start({ workflowId: "a", tags: '{"k":"v"}', meta: "old", secrets: "old" });
        await scene.advance(old, 1, { also: { facts: { progress: '"half"' } } });
        const start = newRun({
          workflowId: "ignored",
          workflow: "order",
          version: "2",
          createdAt: 9,
          owned: true,
          wakeAt: 9,
          first: event("RunStarted", 9, '{"new":1}'),
          rest: [event("Marker")],
          meta: "new",
          request: "hash",
          secrets: "new",
        });
        const next = await continuedAsNew(scene, old, 1, { start });
        const closed = await scene.load(old);
        assert.deepEqual(
          [closed.row.status, closed.row.closedAt, closed.row.owner, closed.row.superseded, closed.secrets],
          ["continued_as_new", 9, null, true, null],
        );
        const { row, events, secrets } = await scene.load(next);
        assert.deepEqual(row, {
          ...closed.row,
          run: next,
          version: "2",
          status: "pending",
          wakeAt: 9,
          createdAt: 9,
          closedAt: null,
          meta: "new",
          length: 0,
          superseded: false,
          request: "hash",
          chain: old,
          progress: '"half"',
        });
        assert.deepEqual([events, secrets], [[start.first, event("Marker")], "new"]);
        assert.equal((await scene.store.find({ workflowId: "a" }))?.run, next);
        assert.equal(await scene.store.find({ workflowId: "ignored" }), undefined);
        const claimed = await scene.store.claim(scene.lease, { code: [{ workflow: "order" }], limit: 9, at: 9 });
        assert.deepEqual(numbers(claimed), [next]);
        assert.equal(await scene.advance(next, 2, { events: [event("A")] }), undefined);
      }));

    it("takes messages along under their numbers, and numbers go on (invariant 4)", () =>
      withScene(subject, async (scene) => {
        const old = await scene.start();
        for (const name of ["a", "b", "c"]) await scene.store.send(message(old, { name, key: name }));
        const { messages } = await scene.load(old);
        const next = await continuedAsNew(scene, old, 1, { messages: [messages[1]!] }, { consumed: [1, 2] });
        const moved = await scene.load(next);
        assert.deepEqual(
          moved.messages,
          messages.slice(1).map((row) => ({ ...row, run: next })),
        );
        assert.deepEqual([moved.row.inbox, (await scene.load(old)).messages], [3, []]);
        assert.deepEqual(await scene.store.send(message(next)), { number: 4 });
      }));

    it("moves what came in since the run was looked at, but nothing that is for its steps", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const old = await scene.start();
        const kinds = ["signal", "update", "cancel", "outcome", "retry", "terminate"] as const;
        for (const kind of kinds) await store.send(message(old, { kind, name: kind }));
        const next = await continuedAsNew(scene, old, 1, {}, { consumed: [1] });
        const { row, messages } = await scene.load(next);
        assert.deepEqual(
          messages.map(({ number, kind }) => [number, kind]),
          [
            [2, "update"],
            [3, "cancel"],
            [6, "terminate"],
          ],
        );
        assert.deepEqual([row.inbox, (await scene.load(old)).messages], [6, []]);
      }));

    it("leads messages to the open run of the chain, and knows the keys of all of them", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const first = await scene.start({ workflowId: "a" });
        assert.deepEqual(await store.send(message(first, { key: "k" })), { number: 1 });
        const second = await continuedAsNew(scene, first, 1, {}, { consumed: [1] });
        assert.deepEqual(await store.send(message(first, { name: "late", at: 5 })), { number: 2 });
        const third = await continuedAsNew(scene, await scene.take(second), 1, {}, { consumed: [2] });
        for (const run of [first, second, third]) {
          assert.deepEqual(await store.send(message(run, { key: "k" })), { number: 1 });
          assert.deepEqual(await store.send(message(run, { key: "l" })), { number: 3 });
        }
        const { row, messages } = await scene.load(third);
        assert.deepEqual([row.inbox, row.chain, messages.length], [3, first, 1]);
        await scene.finish(await scene.take(third), 1);
        assert.deepEqual(await store.send(message(first)), { refused: "closed" });
        assert.deepEqual(await store.send(message(first, { key: "l" })), { number: 3 });
      }));

    it("does not lead messages into a new chain under the same workflow id", () =>
      withScene(subject, async (scene) => {
        const first = await scene.start({ workflowId: "a" });
        const second = await continuedAsNew(scene, first, 1);
        await scene.finish(await scene.take(second), 1);
        await scene.start({ workflowId: "a", supersedes: second });
        assert.deepEqual(await scene.store.send(message(first)), { refused: "closed" });
      }));

    it("does nothing when the transition is refused", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start({ workflowId: "a" });
        await scene.store.send(message(run));
        const before = await scene.load(run);
        const step = continuing(run, 1);
        const moved = { ...step, image: { ...step.image!, ifInbox: 0 } };
        assert.equal((await scene.commit([], [moved])).refused.get(0), "inbox");
        assert.equal((await scene.commit([], [continuing(run, 7)])).refused.get(0), "history");
        assert.deepEqual(await scene.load(run), before);
        assert.equal((await scene.store.list({ limit: 9 })).length, 1);
      }));

    it("is refused for a run that stays open, with the whole batch", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start({ workflowId: "a" });
        const open = transition(run, 1, { ...continuing(run, 1), image: image({ owned: false }) });
        await assert.rejects(scene.commit([], [open]), (error) => isPerdureError(error, "INTERNAL"));
        assert.deepEqual(numbers(await scene.store.list({ limit: 9 })), [run]);
      }));

    it("keeps what belongs to the chain until its last run is removed", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const first = await scene.start();
        await store.send(message(first, { key: "k" }));
        const answer = { number: 1, status: "completed", data: "1", at: 5 } as const;
        await scene.advance(first, 1, { consumed: [1], also: { answers: [answer] } });
        const second = await continuedAsNew(scene, first, 1);
        assert.equal(await store.remove(first), true);
        assert.deepEqual(await store.answer(second, 1), answer);
        assert.equal(await store.answer(first, 1), undefined);
        assert.deepEqual(await store.send(message(second, { key: "k" })), { number: 1 });
        assert.equal(await store.remove(second), true);
        assert.equal(await store.forgetAnswers(1000, 9), 0);
      }));
  });
};
