/** What one commit does to a run, and what is left out of it. */
import assert from "node:assert/strict";
import { isPerdureError } from "../../core/errors.ts";
import { attempt, event, image, message, newRun, transition, withScene } from "./scene.ts";
import type { Topic } from "./subject.ts";

export const transitions: Topic = (subject, { describe, it }) => {
  describe("advancing runs", () => {
    it("appends events in order", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        await scene.advance(run, 1, { events: [event("A", 3), event("B", 4)] });
        await scene.advance(run, 3, { events: [event("C", 5)] });
        assert.deepEqual(await scene.eventTypes(run), ["RunStarted", "A", "B", "C"]);
        assert.deepEqual(await scene.store.history(run, 2, 1), [event("B", 4)]);
        assert.deepEqual(await scene.store.lastEvent(run), event("C", 5));
      }));

    it("refuses what does not continue the history, and does the rest of the batch", () =>
      withScene(subject, async (scene) => {
        const [a, b, c] = [await scene.start(), await scene.start(), await scene.start()];
        const events = [event("A")];
        const { refused } = await scene.commit(
          [],
          [transition(a, 2, { events }), transition(b, 1, { events }), transition(c, 0, { events })],
        );
        assert.deepEqual(
          [...refused],
          [
            [0, "history"],
            [2, "history"],
          ],
        );
        assert.deepEqual(await scene.eventTypes(a), ["RunStarted"]);
        assert.deepEqual(await scene.eventTypes(b), ["RunStarted", "A"]);
        assert.equal(await scene.advance(a, 1, { events }), undefined);
      }));

    it("refuses runs the engine does not own", () =>
      withScene(subject, async (scene) => {
        const parked = await scene.start();
        await scene.park(parked, 1);
        const events = [event("A")];
        assert.equal(await scene.advance(parked, 1, { events }), "history");
        assert.equal(await scene.advance(parked + 1, 0, { events }), "history");
        assert.deepEqual(await scene.eventTypes(parked), ["RunStarted"]);
      }));

    it("keeps, replaces and settles attempts", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        const full = attempt(1, { attempt: 2, startedAt: null, nextAt: 90, error: '{"name":"E"}', details: '"half"' });
        await scene.advance(run, 1, { attempts: [attempt(2), attempt(1)] });
        await scene.advance(run, 1, { attempts: [full] });
        assert.deepEqual(await scene.store.attempts(run), [full, attempt(2)]);
        await scene.advance(run, 1, { events: [event("StepCompleted")], settled: [2] });
        assert.deepEqual((await scene.load(run)).attempts, [full]);
      }));

    it("tells attempts that go on elsewhere from others", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        await scene.advance(run, 1, { attempts: [attempt(1, { external: true }), attempt(2)] });
        assert.deepEqual(await scene.store.attempts(run), [attempt(1, { external: true }), attempt(2)]);
        assert.deepEqual((await scene.load(run)).attempts, [attempt(1, { external: true }), attempt(2)]);
      }));

    it("takes exactly the consumed messages out of the inbox", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        for (const name of ["a", "b", "c"]) await scene.store.send(message(run, { name }));
        await scene.advance(run, 1, { events: [event("SignalReceived")], consumed: [2] });
        const { messages, row } = await scene.load(run);
        assert.deepEqual(
          messages.map(({ name }) => name),
          ["a", "c"],
        );
        assert.equal(row.inbox, 3);
      }));

    it("parks with a reason, a time and the length of the history, and gives up the run", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        const parked = image({ owned: false, wakeAt: 99, crashes: 1, detail: '{"why":"timer"}' });
        await scene.advance(run, 1, { events: [event("A")], image: parked });
        const { row } = await scene.load(run);
        assert.deepEqual(
          [row.status, row.owner, row.wakeAt, row.crashes, row.detail, row.length],
          ["running", null, 99, 1, '{"why":"timer"}', 2],
        );
      }));

    it("may close a run over what is in its inbox: signals and updates are there when it is opened again, orders are not", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const run = await scene.start();
        const kinds = ["signal", "cancel", "update", "terminate", "pause", "outcome", "retry"] as const;
        for (const kind of kinds) await store.send(message(run, { kind, name: kind }));
        const left = async (): Promise<unknown> => (await scene.load(run)).messages.map(({ kind }) => kind);
        await scene.park(run, 1, { wakeAt: 5 });
        const to = { wakeAt: 9, closedAt: null, crashes: 0, detail: null } as const;
        assert.equal(await store.amend(run, ["running"], { ...to, status: "paused" }), true);
        assert.deepEqual(await left(), kinds);
        assert.equal(await store.amend(run, ["paused"], { ...to, status: "running" }), true);
        await scene.finish(await scene.take(run), 1, { status: "failed" });
        assert.deepEqual(await left(), kinds);
        assert.deepEqual(await store.send(message(run)), { refused: "closed" });
        assert.equal(await store.amend(run, ["completed"], { ...to, status: "running" }), false);
        assert.deepEqual(await left(), kinds);
        assert.equal(await store.amend(run, ["failed"], { ...to, status: "running" }), true);
        assert.deepEqual(await left(), ["signal", "update"]);
      }));

    it("leaves out everything of a run whose inbox has moved (rule 25)", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start({ secrets: "sealed" });
        await scene.advance(run, 1, { attempts: [attempt(1)] });
        await scene.store.send(message(run));
        const before = await scene.load(run);
        const closing = {
          events: [event("RunCompleted")],
          consumed: [1],
          settled: [1],
          image: image({ status: "completed", owned: false, closedAt: 9, ifInbox: 0, forget: true }),
        };
        assert.equal(await scene.advance(run, 1, closing), "inbox");
        assert.deepEqual(await scene.load(run), before);
        assert.equal(await scene.advance(run, 1, { ...closing, image: { ...closing.image, ifInbox: 1 } }), undefined);
        const after = await scene.load(run);
        assert.deepEqual([after.row.status, after.row.closedAt, after.secrets], ["completed", 9, null]);
        assert.deepEqual([after.attempts, after.messages], [[], []]);
      }));

    it("keeps the secrets of a run that ends until told to forget them", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start({ secrets: "sealed" });
        await scene.finish(run, 1, { status: "failed" });
        assert.equal((await scene.load(run)).secrets, "sealed");
      }));

    it("writes nothing of a batch with a row it cannot keep (rule 16)", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        const bad = transition(run, 1, { events: [event("A", Number.NaN)] });
        const good = newRun({ workflowId: "with-a-bad-one" });
        await assert.rejects(scene.commit([good], [bad]), (error) => isPerdureError(error, "INTERNAL"));
        assert.equal(await scene.store.find({ workflowId: "with-a-bad-one" }), undefined);
        assert.equal(await scene.advance(run, 1, { events: [event("B")] }), undefined);
        assert.deepEqual(await scene.eventTypes(run), ["RunStarted", "B"]);
      }));

    it("commits a thousand runs at once", () =>
      withScene(subject, async (scene) => {
        const { starts } = await scene.commit(
          Array.from({ length: 1000 }, () => newRun()),
          [],
        );
        const runs = starts.map((result) => ("run" in result ? result.run : 0));
        assert.equal(new Set(runs).size, 1000);
        const step = { events: [event("A"), event("B")] };
        const { refused } = await scene.commit(
          [],
          runs.map((run) => transition(run, 1, step)),
        );
        assert.equal(refused.size, 0);
        const loaded = await scene.store.load([...runs].reverse(), 2);
        assert.deepEqual(
          loaded.map(({ row }) => row.run),
          [...runs].reverse(),
        );
        assert.ok(loaded.every(({ events }) => events.length === 2 && events[1]?.type === "A"));
      }));
  });
};
