/** Runs that other runs started. */
import assert from "node:assert/strict";
import type { ParentLink } from "../../store/store.ts";
import { continuedAsNew, message, newRun, numbers, type Scene, withScene } from "./scene.ts";
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
