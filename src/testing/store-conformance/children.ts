/** Runs that other runs started. */
import assert from "node:assert/strict";
import type { ParentLink, StartResult } from "../../store/store.ts";
import { continuedAsNew, event, image, message, newRun, numbers, type Scene, withScene } from "./scene.ts";
import type { Topic } from "./subject.ts";

function link(run: number, command: number, rest: Partial<ParentLink> = {}): ParentLink {
  return { run, command, generation: 0, onClose: "cancel", ...rest };
}

async function family(scene: Scene): Promise<{ parent: number; first: number; second: number }> {
  const parent = await scene.start({ workflowId: "parent" });
  const second = await scene.start({ workflowId: "b", parent: link(parent, 2, { onClose: "abandon" }), owned: false });
  const first = await scene.start({ workflowId: "a", parent: link(parent, 1, { generation: 3 }) });
  return { parent, first, second };
}

export const children: Topic = (subject, { describe, it }) => {
  describe("children", () => {
    it("keep the command that started them, and are loaded with their parent while they are open", () =>
      withScene(subject, async (scene) => {
        const { parent, first, second } = await family(scene);
        assert.deepEqual((await scene.load(first)).row.parent, link(parent, 1, { generation: 3 }));
        assert.deepEqual((await scene.load(parent)).children, [
          { run: first, workflowId: "a", command: 1, generation: 3, onClose: "cancel" },
          { run: second, workflowId: "b", command: 2, generation: 0, onClose: "abandon" },
        ]);
        assert.deepEqual((await scene.load(first)).children, []);
        await scene.finish(first, 1);
        assert.deepEqual(
          numbers((await scene.load(parent)).children).concat(numbers(await scene.store.list({ parent, limit: 9 }))),
          [second, first, second],
        );
      }));

    it("are started once by a command, whatever workflow id the second attempt brings (rule 27)", () =>
      withScene(subject, async (scene) => {
        const { parent, first } = await family(scene);
        const again = (rest: object): Promise<unknown> =>
          scene.tryStart({ parent: link(parent, 1, { generation: 3 }), messages: [message(0)], ...rest });
        const before = await scene.load(first);
        for (const workflowId of ["a", "another", "parent"]) {
          assert.deepEqual(await again({ workflowId }), { run: first, existing: true });
        }
        await scene.finish(first, 1);
        assert.deepEqual(await again({ workflowId: "a", supersedes: first }), { run: first, existing: true });
        assert.deepEqual((await scene.load(first)).messages, before.messages);
        assert.equal(await scene.store.find({ workflowId: "another" }), undefined);
      }));

    it("are started once in one batch as well", () =>
      withScene(subject, async (scene) => {
        const parent = await scene.start();
        const twins = [newRun({ parent: link(parent, 1) }), newRun({ parent: link(parent, 1) })];
        const { starts } = await scene.commit(twins, []);
        const [born, twin] = starts;
        assert.ok(born !== undefined && "run" in born);
        assert.deepEqual(twin, { run: born.run, existing: true });
      }));

    it("are others under another generation, and conflict over a workflow id like any run", () =>
      withScene(subject, async (scene) => {
        const { parent, first } = await family(scene);
        const other = await scene.start({ parent: link(parent, 1, { generation: 4 }) });
        assert.notEqual(other, first);
        const taken = await scene.tryStart({ workflowId: "a", parent: link(parent, 9) });
        assert.ok("conflict" in taken && taken.conflict.run === first);
        assert.equal((await scene.load(parent)).children.length, 3);
      }));

    it("may be started again once their run was superseded or removed", () =>
      withScene(subject, async (scene) => {
        const { parent, first, second } = await family(scene);
        await scene.finish(first, 1);
        await scene.start({ workflowId: "a", supersedes: first });
        assert.equal(await scene.store.remove(second), true);
        const [one, two] = [
          await scene.start({ parent: link(parent, 1, { generation: 3 }) }),
          await scene.start({ parent: link(parent, 2) }),
        ];
        assert.deepEqual(numbers((await scene.load(parent)).children), [one, two]);
        assert.deepEqual(numbers(await scene.store.list({ parent, limit: 9 })), [two, one, first]);
        assert.deepEqual(numbers(await scene.store.list({ parent, limit: 9, before: two })), [one, first]);
      }));

    it("are stopped by the end of their parent as was agreed, once, also those nobody has heard of", () =>
      withScene(subject, async (scene) => {
        const { parent, first, second } = await family(scene);
        const ended = await scene.start({ parent: link(parent, 3) });
        await scene.finish(ended, 1);
        const harsh = await scene.start({ parent: link(parent, 4, { onClose: "terminate" }) });
        const told = await scene.start({ parent: link(parent, 5, { generation: 2 }) });
        const grandchild = await scene.start({ parent: link(first, 1) });
        const continued = await scene.start({ parent: link(parent, 6) });
        const next = await continuedAsNew(scene, continued, 1);
        await scene.store.send(message(told, { kind: "cancel", name: "", key: "parent:2:5:cancel" }));
        const also = { stopsChildren: { data: '"over"', at: 7 }, sends: [message(second, { name: "bye" })] };
        const closed = image({ status: "completed", owned: false, closedAt: 7 });
        assert.equal(await scene.advance(parent, 1, { events: [event("B")], image: closed, also }), undefined);
        const inbox = async (run: number): Promise<unknown[]> =>
          (await scene.load(run)).messages.map(({ kind, name, data, at }) => [kind, name, data, at]);
        assert.deepEqual(await inbox(first), [["cancel", "", '"over"', 7]]);
        assert.deepEqual(await inbox(harsh), [["terminate", "", '"over"', 7]]);
        assert.deepEqual(await inbox(next), [["cancel", "", '"over"', 7]]);
        assert.equal((await inbox(told)).length, 1, "it was told twice");
        assert.deepEqual(
          (await inbox(second)).map((columns) => (columns as unknown[])[1]),
          ["bye"],
        );
        for (const other of [ended, grandchild, parent]) assert.deepEqual(await inbox(other), []);
      }));

    it("that were to be stopped do not come into being after their parent has ended", () =>
      withScene(subject, async (scene) => {
        const { parent, first } = await family(scene);
        const going = await scene.start();
        await continuedAsNew(scene, going, 1);
        await scene.finish(parent, 1);
        const late = (run: number, rest: Partial<ParentLink> = {}): Promise<StartResult> =>
          scene.tryStart({ parent: link(run, 7, rest) });
        assert.deepEqual(await late(parent), { orphan: true });
        assert.deepEqual(await late(parent, { onClose: "terminate" }), { orphan: true });
        assert.deepEqual(await scene.tryStart({ parent: link(parent, 1, { generation: 3 }) }), {
          run: first,
          existing: true,
        });
        for (const born of [await late(parent, { onClose: "abandon" }), await late(going)]) assert.ok("run" in born);
        const plain = newRun();
        const { starts } = await scene.commit([newRun({ parent: link(parent, 8) }), plain], []);
        assert.deepEqual(starts[0], { orphan: true });
        assert.ok("run" in starts[1]!);
        assert.equal(await scene.store.remove(parent), true);
        assert.deepEqual(await scene.tryStart({ parent: link(parent, 9) }), { orphan: true });
      }));

    it("hand their place to the run that continues them", () =>
      withScene(subject, async (scene) => {
        const { parent, first } = await family(scene);
        const next = await continuedAsNew(scene, first, 1);
        assert.deepEqual((await scene.load(next)).row.parent, link(parent, 1, { generation: 3 }));
        assert.deepEqual(numbers((await scene.load(parent)).children)[0], next);
        const again = await scene.tryStart({ parent: link(parent, 1, { generation: 3 }) });
        assert.deepEqual(again, { run: next, existing: true });
      }));
  });
};
