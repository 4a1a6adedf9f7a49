/** Inboxes: numbered, ordered, refused by closed runs. */
import assert from "node:assert/strict";
import type { MessageRow } from "../../store/store.ts";
import { event, message, newScene, withScene } from "./scene.ts";
import type { Topic } from "./subject.ts";

export const messages: Topic = (subject, { describe, it }) => {
  describe("messages", () => {
    it("numbers them from the run row, in the order they were sent (rule 24)", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        // Texts stay as they are: the space at the beginning says something, too.
        const sent = Array.from({ length: 50 }, (_, index) => message(run, { name: `m${index}`, data: ` [${index}]` }));
        const results = await Promise.all(sent.map((one) => scene.store.send(one)));
        assert.deepEqual(
          results,
          sent.map((_, index) => ({ number: index + 1 })),
        );
        const { row, messages: waiting } = await scene.load(run);
        assert.equal(row.inbox, 50);
        const { kind, at } = message(run);
        assert.deepEqual(
          waiting,
          sent.map(({ name, data }, index) => ({ run, number: index + 1, kind, name, data, at })),
        );
        assert.deepEqual(await scene.store.inbox(scene.lease), waiting);
      }));

    it("leaves out what was read before, of the runs it is told of", () =>
      withScene(subject, async (scene) => {
        const [one, two] = [await scene.start(), await scene.start()];
        for (const run of [one, one, one, two, two]) await scene.store.send(message(run));
        const seen = (rows: readonly MessageRow[]): unknown => rows.map(({ run, number }) => [run, number]);
        const rest = [
          [one, 3],
          [two, 1],
          [two, 2],
        ];
        assert.deepEqual(seen(await scene.store.inbox(scene.lease, new Map([[one, 2]]))), rest);
        const both = new Map([
          [two, 1],
          [one, 3],
        ]);
        assert.deepEqual(seen(await scene.store.inbox(scene.lease, both)), [[two, 2]]);
        const [loaded] = await scene.store.load([one], 9, 1);
        assert.deepEqual(
          [seen(loaded!.messages), loaded!.row.inbox],
          [
            [
              [one, 2],
              [one, 3],
            ],
            3,
          ],
        );
      }));

    it("sends a message with a key once, also when the first one was consumed long ago", () =>
      withScene(subject, async (scene) => {
        const [run, other] = [await scene.start(), await scene.start()];
        const keyed = message(run, { key: "k" });
        assert.deepEqual(await scene.store.send(keyed), { number: 1 });
        await scene.store.send(message(run));
        assert.deepEqual(await scene.store.send(keyed), { number: 1 });
        await scene.advance(run, 1, { events: [event("SignalReceived"), event("SignalReceived")], consumed: [1, 2] });
        assert.deepEqual(await scene.store.send(keyed), { number: 1 });
        assert.deepEqual((await scene.load(run)).messages, []);
        assert.deepEqual(await scene.store.send({ ...keyed, run: other }), { number: 1 });
      }));

    it("refuses runs that ended or never were", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        await scene.store.send(message(run, { key: "before" }));
        await scene.finish(run, 1);
        assert.deepEqual(await scene.store.send(message(run)), { refused: "closed" });
        assert.deepEqual(await scene.store.send(message(run, { key: "before" })), { number: 1 });
        assert.deepEqual(await scene.store.send(message(run + 1000)), { refused: "not_found" });
        assert.equal((await scene.load(run)).row.inbox, 1);
      }));

    it("makes a parked run due, never later than it was (rule 26)", () =>
      withScene(subject, async (scene) => {
        const wakeAfter = async (wakeAt: number | null): Promise<number | null> => {
          const run = await scene.start();
          await scene.park(run, 1, { wakeAt });
          await scene.store.send(message(run, { at: 50 }));
          return (await scene.load(run)).row.wakeAt;
        };
        assert.deepEqual([await wakeAfter(null), await wakeAfter(90), await wakeAfter(20)], [50, 50, 20]);
      }));

    it("wakes neither a run that has an owner nor one that stands still, and keeps the message", () =>
      withScene(subject, async (scene) => {
        const [owned, paused] = [await scene.start(), await scene.start()];
        await scene.park(paused, 1, { status: "paused" });
        for (const run of [owned, paused]) {
          assert.deepEqual(await scene.store.send(message(run)), { number: 1 });
          const { row, messages: waiting } = await scene.load(run);
          assert.deepEqual([row.wakeAt, waiting.length], [null, 1]);
        }
      }));

    it("shows an engine the inboxes of its own runs only", () =>
      withScene(subject, async (scene) => {
        const other = await newScene(scene.store);
        const [mine, theirs, parked] = [await scene.start(), await other.start(), await scene.start()];
        await scene.park(parked, 1);
        for (const run of [theirs, parked, mine]) await scene.store.send(message(run));
        assert.deepEqual(
          (await scene.store.inbox(scene.lease)).map(({ run }) => run),
          [mine],
        );
        assert.deepEqual(
          (await scene.store.inbox(other.lease)).map(({ run }) => run),
          [theirs],
        );
      }));
  });
};
