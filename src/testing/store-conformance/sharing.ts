import assert from "node:assert/strict";
import type { Store } from "../../store/store.ts";
import { event, message, newScene, numbers, withScene } from "./scene.ts";
import type { StoreSubject, TestApi } from "./subject.ts";

/** Only for stores that can be opened again: what outlives a connection, and what two of them see of each other. */
export function sharing(
  subject: StoreSubject & { reopen(store: Store): Promise<Store> },
  { describe, it }: TestApi,
): void {
  describe("opening the same database again", () => {
    it("finds everything as it was left", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start({ workflowId: "a", secrets: "sealed" });
        await scene.store.send(message(run));
        await scene.advance(run, 1, { events: [event("A")] });
        const before = await scene.load(run);
        await scene.store.close();
        await scene.store.close();
        const again = await subject.reopen(scene.store);
        try {
          assert.equal(again.id, scene.store.id);
          assert.deepEqual(await again.load([run], 9), [before]);
          assert.ok((await (await newScene(again)).start()) > run);
        } finally {
          await again.close();
        }
      }));

    it("shows each connection the commits of the other and lets a run change hands", () =>
      withScene(subject, async (scene) => {
        const again = await subject.reopen(scene.store);
        try {
          const other = await newScene(again);
          const run = await scene.start();
          await scene.park(run, 1, { wakeAt: 5 });
          const wanted = { code: [{ workflow: "order" }], limit: 9, at: 30 };
          assert.deepEqual(numbers(await again.claim(other.lease, wanted)), [run]);
          assert.equal(await other.advance(run, 1, { events: [event("theirs")] }), undefined);
          assert.equal(await scene.advance(run, 1, { events: [event("ours")] }), "history");
          await other.park(run, 2, { wakeAt: 5 });
          await scene.store.claim(scene.lease, wanted);
          assert.equal(await scene.advance(run, 2, { events: [event("ours")] }), undefined);
          assert.deepEqual(await other.eventTypes(run), ["RunStarted", "theirs", "ours"]);
        } finally {
          await again.close();
        }
      }));

    it("hints when the other connection has changed something", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        const again = await subject.reopen(scene.store);
        try {
          const hinted = new Promise<void>((resolve) => void scene.store.watch(resolve));
          await scene.store.engines();
          await again.send(message(run));
          await hinted;
        } finally {
          await again.close();
        }
      }));
  });
}
