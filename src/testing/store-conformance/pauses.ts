/** What people stopped. */
import assert from "node:assert/strict";
import type { PauseRow } from "../../store/store.ts";
import { withScene } from "./scene.ts";
import type { Topic } from "./subject.ts";

export const pauses: Topic = (subject, { describe, it }) => {
  describe("pauses", () => {
    it("are entered, replaced and taken away", () =>
      withScene(subject, async ({ store }) => {
        const order: PauseRow = { scope: "workflow", name: "order", reason: "incident", at: 5 };
        const queue: PauseRow = { scope: "queue", name: "order", reason: "", at: 6 };
        const all: PauseRow = { scope: "all", name: "", reason: "deploy", at: 7 };
        assert.deepEqual(await store.pauses(), []);
        for (const row of [order, queue, all]) await store.pause(row);
        assert.deepEqual(await store.pauses(), [all, queue, order]);
        await store.pause({ ...order, reason: "still", at: 9 });
        assert.equal(await store.unpause("all", ""), true);
        assert.equal(await store.unpause("all", ""), false);
        assert.equal(await store.unpause("workflow", "invoice"), false);
        assert.deepEqual(await store.pauses(), [queue, { ...order, reason: "still", at: 9 }]);
      }));
  });
};
