/** Creating runs, and who holds a workflow id. */
import assert from "node:assert/strict";
import { event, message, newRun, withScene } from "./scene.ts";
import type { Topic } from "./subject.ts";

export const starts: Topic = (subject, { describe, it }) => {
  describe("starting runs", () => {
    it("writes the run and its first event in one commit", () =>
      withScene(subject, async (scene) => {
        const first = event("RunStarted", 7, '{"p":"ü ☃ \\u0000 𝒳"}');
        const given = {
          workflowId: "a",
          version: "2",
          createdAt: 7,
          meta: "{}",
          request: "hash",
          secrets: "sealed",
          first,
        };
        const run = await scene.start(given);
        const { row, events, attempts, messages, secrets } = await scene.load(run);
        assert.deepEqual(row, {
          run,
          workflowId: "a",
          workflow: "order",
          version: "2",
          status: "running",
          owner: scene.lease.engine,
          wakeAt: null,
          inbox: 0,
          createdAt: 7,
          closedAt: null,
          crashes: 0,
          detail: null,
          meta: "{}",
          length: 0,
          superseded: false,
          request: "hash",
          chain: run,
          parent: null,
          tags: null,
          progress: null,
        });
        assert.deepEqual([events, attempts, messages, secrets], [[first], [], [], "sealed"]);
      }));

    it("leaves a run without owner pending until it is due", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start({ owned: false, wakeAt: 30 });
        const { row } = await scene.load(run);
        assert.deepEqual([row.status, row.owner, row.wakeAt], ["pending", null, 30]);
      }));

    it("answers with the open run that holds the workflow id, and starts the others of the batch", () =>
      withScene(subject, async (scene) => {
        const holder = await scene.start({ workflowId: "a" });
        const batch = [newRun({ workflowId: "a" }), newRun({ workflowId: "b" }), newRun({ workflowId: "b" })];
        const { starts: results } = await scene.commit(batch, []);
        const [taken, started, again] = results;
        assert.ok(taken !== undefined && "conflict" in taken && started !== undefined && "run" in started);
        assert.deepEqual(taken.conflict, (await scene.load(holder)).row);
        assert.ok(again !== undefined && "conflict" in again && again.conflict.run === started.run);
        assert.equal((await scene.store.list({ limit: 10 })).length, 2);
      }));

    it("conflicts with a closed run too unless it supersedes it", () =>
      withScene(subject, async (scene) => {
        const old = await scene.start({ workflowId: "a" });
        const early = await scene.tryStart({ workflowId: "a", supersedes: old });
        assert.ok("conflict" in early, "an open run was superseded");
        await scene.finish(old, 1);
        const plain = await scene.tryStart({ workflowId: "a" });
        assert.ok("conflict" in plain && plain.conflict.status === "completed");
        const replaced = await scene.start({ workflowId: "a", supersedes: old });
        assert.equal((await scene.store.find({ workflowId: "a" }))?.run, replaced);
        assert.deepEqual(
          [(await scene.load(old)).row.superseded, (await scene.load(replaced)).row.superseded],
          [true, false],
        );
        const late = await scene.tryStart({ workflowId: "a", supersedes: old });
        assert.ok("conflict" in late && late.conflict.run === replaced, "a run was superseded twice");
      }));

    it("begins in the middle when it is given more events and messages", () =>
      withScene(subject, async (scene) => {
        const first = [message(0, { name: "a", key: "k" }), message(0, { name: "again", key: "k" }), message(0)];
        const run = await scene.start({
          rest: [event("B"), event("C")],
          messages: first.map(({ run: _, ...rest }) => rest),
        });
        const { row, messages } = await scene.load(run);
        assert.deepEqual(await scene.eventTypes(run), ["RunStarted", "B", "C"]);
        assert.deepEqual(
          messages.map(({ number, name }) => [number, name]),
          [
            [1, "a"],
            [2, "approved"],
          ],
        );
        assert.equal(row.inbox, 2);
        assert.deepEqual(await scene.store.send(message(run, { key: "k" })), { number: 1 });
        assert.deepEqual(await scene.store.send(message(run)), { number: 3 });
        assert.equal(await scene.advance(run, 1, { events: [event("X")] }), "history");
        assert.equal(await scene.advance(run, 3, { events: [event("D")] }), undefined);
      }));

    it("keeps first messages of a run nobody owns until it is due", () =>
      withScene(subject, async (scene) => {
        const { run: _, ...first } = message(0, { at: 5 });
        const run = await scene.start({ owned: false, wakeAt: 30, messages: [first] });
        const { row, messages } = await scene.load(run);
        assert.deepEqual([row.wakeAt, row.inbox, messages.length], [30, 1, 1]);
      }));

    it("never gives a number twice, also after a run was removed", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        await scene.finish(run, 1);
        assert.equal(await scene.store.remove(run), true);
        assert.ok((await scene.start()) > run);
      }));
  });
};
