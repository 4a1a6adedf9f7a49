/** Answers to updates. */
import assert from "node:assert/strict";
import type { AnswerRow } from "../../store/store.ts";
import { continuedAsNew, message, withScene } from "./scene.ts";
import type { Topic } from "./subject.ts";

function answer(number: number, rest: Partial<AnswerRow> = {}): AnswerRow {
  return { number, status: "completed", data: '{"ok":true}', at: 20, ...rest };
}

export const answers: Topic = (subject, { describe, it }) => {
  describe("answers to updates", () => {
    it("are kept by number, the last one for good", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const [run, other] = [await scene.start(), await scene.start()];
        assert.equal(await store.answer(run, 1), undefined);
        await scene.advance(run, 1, { also: { answers: [answer(1, { status: "accepted", data: "" }), answer(2)] } });
        assert.deepEqual(await store.answer(run, 1), answer(1, { status: "accepted", data: "" }));
        await scene.advance(run, 1, { also: { answers: [answer(1, { status: "rejected", data: "no" })] } });
        assert.deepEqual(await store.answer(run, 1), answer(1, { status: "rejected", data: "no" }));
        assert.deepEqual(await store.answer(run, 2), answer(2));
        assert.equal(await store.answer(other, 1), undefined);
      }));

    it("are loaded while they are owed, also by a run that continues another", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        const accepted = [3, 1, 2].map((number) => answer(number, { status: "accepted", data: "" }));
        await scene.advance(run, 1, { also: { answers: accepted } });
        assert.deepEqual((await scene.load(run)).unanswered, [1, 2, 3]);
        await scene.advance(run, 1, { also: { answers: [answer(2)] } });
        const next = await scene.take(await continuedAsNew(scene, run, 1));
        assert.deepEqual((await scene.load(next)).unanswered, [1, 3]);
        await scene.advance(next, 1, { also: { answers: [answer(1)] } });
        assert.deepEqual((await scene.load(next)).unanswered, [3]);
        assert.deepEqual([await scene.store.answer(run, 1), await scene.store.answer(next, 2)], [answer(1), answer(2)]);
      }));

    it("are not written when the transition is refused", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        assert.equal(await scene.advance(run, 5, { also: { answers: [answer(1)] } }), "history");
        assert.equal(await scene.store.answer(run, 1), undefined);
      }));

    it("are forgotten a few at a time, the oldest first, and so are keys", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const run = await scene.start();
        for (const at of [12, 10, 11]) await store.send(message(run, { key: `k${at}`, at }));
        const given = [answer(1, { at: 22 }), answer(2, { at: 20 }), answer(3, { at: 21 })];
        await scene.advance(run, 1, { also: { answers: given } });
        assert.equal(await store.forgetAnswers(30, 2), 4);
        assert.deepEqual([await store.answer(run, 1), await store.answer(run, 3)], [given[0], undefined]);
        assert.deepEqual(await store.send(message(run, { key: "k12" })), { number: 1 });
        assert.deepEqual(await store.send(message(run, { key: "k11" })), { number: 4 });
        assert.equal(await store.forgetAnswers(30, 2), 2);
        assert.equal(await store.forgetAnswers(30, 2), 0);
      }));

    it("are forgotten with the keys of messages when they are old, except those still owed", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const run = await scene.start();
        for (const [key, at] of [["old", 10] as const, ["new", 30] as const])
          await store.send(message(run, { key, at }));
        const given = [answer(1, { at: 10 }), answer(2, { at: 30 }), answer(3, { at: 10, status: "accepted" })];
        await scene.advance(run, 1, { also: { answers: given } });
        assert.equal(await store.forgetAnswers(30, 9), 2);
        assert.equal(await store.forgetAnswers(30, 9), 0);
        assert.deepEqual([await store.answer(run, 1), await store.answer(run, 2)], [undefined, given[1]]);
        assert.deepEqual((await scene.load(run)).unanswered, [3]);
        assert.deepEqual(await store.send(message(run, { key: "new" })), { number: 2 });
        assert.deepEqual(await store.send(message(run, { key: "old" })), { number: 3 });
      }));
  });
};
