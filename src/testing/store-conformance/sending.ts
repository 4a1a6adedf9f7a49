/** Messages that are sent in the commit of their sender, and messages that are given back. */
import assert from "node:assert/strict";
import { continuedAsNew, event, image, message, type Scene, transition, withScene } from "./scene.ts";
import type { Topic } from "./subject.ts";

async function parked(scene: Scene, wakeAt: number | null = null): Promise<number> {
  const run = await scene.start();
  await scene.park(run, 1, { wakeAt });
  return run;
}

export const sending: Topic = (subject, { describe, it }) => {
  describe("sending with a commit", () => {
    it("numbers messages like any others and wakes who waits for them (invariant 9)", () =>
      withScene(subject, async (scene) => {
        const [sender, owned, waiting] = [await scene.start(), await scene.start(), await parked(scene, 90)];
        await scene.store.send(message(waiting, { at: 95 }));
        const sends = [message(waiting, { name: "x", at: 50 }), message(owned), message(waiting, { at: 70 })];
        assert.equal(await scene.advance(sender, 1, { events: [event("A")], also: { sends } }), undefined);
        const woken = await scene.load(waiting);
        assert.deepEqual([woken.row.inbox, woken.row.wakeAt], [3, 50]);
        assert.deepEqual(
          woken.messages.map(({ run, number, at }) => [run, number, at]),
          [
            [waiting, 1, 95],
            [waiting, 2, 50],
            [waiting, 3, 70],
          ],
        );
        assert.equal((await scene.load(owned)).row.wakeAt, null);
        assert.equal((await scene.store.inbox(scene.lease)).length, 1);
      }));

    it("drops messages to runs that are closed or gone, and those with a key that was there", () =>
      withScene(subject, async (scene) => {
        const [sender, closed, open] = [await scene.start(), await scene.start(), await scene.start()];
        await scene.finish(closed, 1);
        await scene.store.send(message(open, { key: "k" }));
        const sends = [message(closed), message(9999), message(open, { key: "k" }), message(open, { key: "l" })];
        assert.equal(await scene.advance(sender, 1, { also: { sends } }), undefined);
        assert.equal(await scene.advance(sender, 1, { also: { sends } }), undefined);
        assert.deepEqual([(await scene.load(closed)).row.inbox, (await scene.load(open)).row.inbox], [0, 2]);
        assert.deepEqual(await scene.store.send(message(open, { key: "l" })), { number: 2 });
      }));

    it("sends nothing when its transition is refused, and everything else of the batch", () =>
      withScene(subject, async (scene) => {
        const [stale, good, target] = [await scene.start(), await scene.start(), await scene.start()];
        const { refused } = await scene.commit(
          [],
          [
            transition(stale, 7, { also: { sends: [message(target, { name: "stale" })] } }),
            transition(good, 1, { also: { sends: [message(target, { name: "good" })] } }),
            transition(target, 1, { image: image({ owned: false, ifInbox: 0 }) }),
          ],
        );
        assert.deepEqual(
          [...refused],
          [
            [0, "history"],
            [2, "inbox"],
          ],
        );
        assert.deepEqual(
          (await scene.load(target)).messages.map(({ name }) => name),
          ["good"],
        );
      }));

    it("reaches the sender's own run and the one that continues it", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        await scene.advance(run, 1, { also: { sends: [message(run)] } });
        assert.equal((await scene.load(run)).row.inbox, 1);
        const next = await continuedAsNew(scene, run, 1, {}, { consumed: [1] }, [message(run, { name: "late" })]);
        const { row, messages } = await scene.load(next);
        assert.deepEqual([row.inbox, messages.map(({ number, name }) => [number, name])], [2, [[2, "late"]]]);
      }));
  });

  describe("giving messages back", () => {
    it("puts them where they were, ahead of newer ones, and makes the run due", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        for (const name of ["a", "b", "c"]) await scene.store.send(message(run, { name, at: 50 }));
        const before = await scene.load(run);
        await scene.advance(run, 1, { events: [event("A")], consumed: [1, 2] });
        const [a, b] = before.messages;
        await scene.advance(run, 2, { also: { returned: [b!, a!] }, image: image({ owned: false }) });
        const after = await scene.load(run);
        assert.deepEqual(after.messages, before.messages);
        assert.deepEqual([after.row.inbox, after.row.wakeAt], [3, 50]);
      }));

    it("leaves a run with an owner where it is", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        await scene.store.send(message(run));
        const before = await scene.load(run);
        await scene.advance(run, 1, { consumed: [1] });
        await scene.advance(run, 1, { also: { returned: before.messages } });
        assert.deepEqual(await scene.load(run), before);
      }));
  });
};
