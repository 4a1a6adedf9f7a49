/** Which runs an engine may take, and in which order. */
import assert from "node:assert/strict";
import type { RunStatus } from "../../core/status.ts";
import type { CodeKey } from "../../store/store.ts";
import { newScene, numbers, type Scene, withScene } from "./scene.ts";
import type { Topic } from "./subject.ts";

function due(scene: Scene, wakeAt: number | null, workflow = "order"): Promise<number> {
  return scene.start({ owned: false, wakeAt, workflow });
}

export const claims: Topic = (subject, { describe, it }) => {
  describe("claiming runs", () => {
    it("takes what is due, the longest waiting first, up to the limit", () =>
      withScene(subject, async (scene) => {
        const { store, lease } = scene;
        const [late, early, future] = [await due(scene, 20), await due(scene, 10), await due(scene, 31)];
        const wanted = { code: [{ workflow: "order" }], limit: 1, at: 30 };
        assert.deepEqual(numbers(await store.claim(lease, wanted)), [early]);
        const [row] = await store.claim(lease, { ...wanted, limit: 10 });
        assert.deepEqual(row, (await scene.load(late)).row);
        assert.deepEqual([row?.status, row?.owner, row?.wakeAt], ["running", lease.engine, null]);
        assert.deepEqual(await store.claim(lease, { ...wanted, limit: 10 }), []);
        assert.equal((await scene.load(future)).row.owner, null);
      }));

    it("takes only runs of workflows the engine has", () =>
      withScene(subject, async (scene) => {
        const { store, lease } = scene;
        const [order, invoice] = [await due(scene, 10), await due(scene, 5, "invoice")];
        assert.deepEqual(numbers(await store.claim(lease, { code: [], limit: 9, at: 30 })), []);
        assert.deepEqual(
          numbers(await store.claim(lease, { code: [{ workflow: "order" }, { workflow: "x" }], limit: 9, at: 30 })),
          [order],
        );
        assert.equal(await store.nextWake([{ workflow: "order" }, { workflow: "x" }]), null);
        assert.equal(await store.nextWake([{ workflow: "order" }, { workflow: "invoice" }]), 5);
        assert.deepEqual(numbers(await store.claim(lease, { code: [{ workflow: "invoice" }], limit: 9, at: 30 })), [
          invoice,
        ]);
      }));

    it("takes the first of several workflows, in the order of their time", () =>
      withScene(subject, async (scene) => {
        const { store, lease } = scene;
        const times = [7, 3, 9, 1, 5, 2];
        const runs: number[] = [];
        for (const [n, wakeAt] of times.entries())
          runs.push(await due(scene, wakeAt, ["order", "invoice", "x"][n % 3]));
        const code = [{ workflow: "order" }, { workflow: "invoice", version: null }, { workflow: "invoice" }];
        const first = await store.claim(lease, { code, limit: 3, at: 30 });
        assert.deepEqual(numbers(first).sort(), [runs[3]!, runs[1]!, runs[4]!].sort());
        assert.equal(await store.nextWake(code), 7);
        assert.deepEqual(numbers(await store.claim(lease, { code, limit: 3, at: 30 })), [runs[0]]);
        assert.equal(await store.nextWake(code), null);
      }));

    it("leaves out runs with secrets when the engine cannot read them", () =>
      withScene(subject, async (scene) => {
        const { store, lease } = scene;
        const [plain, secret] = [
          await scene.start({ owned: false, wakeAt: 20 }),
          await scene.start({ owned: false, wakeAt: 10, secrets: "sealed" }),
        ];
        assert.equal(await store.someSecrets(), "sealed");
        const code = [{ workflow: "order" }];
        assert.deepEqual([await store.nextWake(code), await store.nextWake(code, false)], [10, 20]);
        const suspects = { from: 2, limit: 1 };
        assert.deepEqual(numbers(await store.claim(lease, { code, limit: 9, at: 30, sealed: false, suspects })), [
          plain,
        ]);
        assert.equal(await store.nextWake(code, false), null);
        assert.deepEqual(numbers(await store.claim(lease, { code, limit: 9, at: 30, sealed: true })), [secret]);
      }));

    it("takes only runs in a version the engine has", () =>
      withScene(subject, async (scene) => {
        const { store, lease } = scene;
        const start = (version: string | null, wakeAt: number): Promise<number> =>
          scene.start({ owned: false, wakeAt, version });
        const [plain, one, two] = [await start(null, 10), await start("1", 8), await start("2", 6)];
        const [unversioned, first] = [
          { workflow: "order", version: null },
          { workflow: "order", version: "1" },
        ];
        assert.deepEqual(
          [await store.nextWake([unversioned]), await store.nextWake([first]), await store.nextWake([])],
          [10, 8, null],
        );
        assert.equal(await store.nextWake([{ workflow: "order" }]), 6);
        assert.deepEqual(await store.waiting(8), [
          { workflow: "order", version: "1", runs: 1 },
          { workflow: "order", version: "2", runs: 1 },
        ]);
        const claim = async (...code: CodeKey[]): Promise<number[]> =>
          numbers(await store.claim(lease, { code, limit: 9, at: 30 }));
        assert.deepEqual(await claim({ workflow: "order", version: "3" }, { workflow: "x" }), []);
        assert.deepEqual(await claim(unversioned), [plain]);
        assert.deepEqual(await claim(first, unversioned), [one]);
        assert.deepEqual(await claim({ workflow: "order" }, first), [two]);
      }));

    it("counts what waits for an engine, by the code it needs", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        await scene.start();
        await scene.start({ owned: false, wakeAt: 31 });
        await scene.park(await scene.start(), 1, { status: "paused", wakeAt: 5 });
        assert.deepEqual(await store.waiting(30), []);
        for (let index = 0; index < 3; index++) await scene.start({ owned: false, wakeAt: 30 });
        await scene.start({ owned: false, wakeAt: 30, version: "2" });
        await due(scene, 1, "invoice");
        assert.deepEqual(await store.waiting(30), [
          { workflow: "invoice", version: null, runs: 1 },
          { workflow: "order", version: null, runs: 3 },
          { workflow: "order", version: "2", runs: 1 },
        ]);
      }));

    it("takes few of the runs that crashed engines, when asked to", () =>
      withScene(subject, async (scene) => {
        const { store, lease } = scene;
        const crashed = async (crashes: number, wakeAt: number): Promise<number> => {
          const run = await scene.start();
          await scene.park(run, 1, { crashes, wakeAt });
          return run;
        };
        const [late, worst, early] = [await crashed(2, 20), await crashed(4, 15), await crashed(3, 10)];
        const [once, never] = [await crashed(1, 25), await due(scene, 30)];
        const wanted = { code: [{ workflow: "order" }], limit: 9, at: 30 };
        const none = { from: 2, limit: 0 };
        assert.deepEqual(numbers(await store.claim(lease, { ...wanted, limit: 1, suspects: none })), [once]);
        const two = await store.claim(lease, { ...wanted, suspects: { from: 2, limit: 2 } });
        assert.deepEqual(numbers(two), [never, early, worst]);
        assert.deepEqual(await store.claim(lease, { ...wanted, suspects: none }), []);
        assert.deepEqual(numbers(await store.claim(lease, wanted)), [late]);
      }));

    it("leaves runs that wait for a message, a person or nothing", () =>
      withScene(subject, async (scene) => {
        const { store, lease } = scene;
        await due(scene, null);
        const still: readonly RunStatus[] = ["paused", "blocked"];
        for (const status of still) await scene.park(await scene.start(), 1, { status, wakeAt: 5 });
        await scene.finish(await scene.start(), 1, { wakeAt: 5 });
        assert.deepEqual(await store.claim(lease, { code: [{ workflow: "order" }], limit: 9, at: 30 }), []);
        assert.equal(await store.nextWake([{ workflow: "order" }]), null);
      }));

    it("takes named runs whenever they are due, if they are open and nobody owns them", () =>
      withScene(subject, async (scene) => {
        const { store, lease } = scene;
        const [future, never] = [await due(scene, 9000), await due(scene, null)];
        const owned = await scene.start();
        const paused = await scene.start();
        await scene.park(paused, 1, { status: "paused" });
        const closed = await scene.start();
        await scene.finish(closed, 1);
        const runs = [future, never, owned, paused, closed, closed + 100];
        const claimed = await store.claim(lease, { code: [], runs, limit: 9, at: 30 });
        assert.deepEqual(
          numbers(claimed).sort((a, b) => a - b),
          [future, never],
        );
      }));

    it("gives a run to one engine only", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const engines = [scene, await newScene(store), await newScene(store)];
        const runs = new Set<number>();
        for (let index = 0; index < 20; index++) runs.add(await due(scene, index));
        const wanted = { code: [{ workflow: "order" }], limit: 9, at: 30 };
        const shares = await Promise.all(engines.map(({ lease }) => store.claim(lease, wanted)));
        assert.deepEqual(
          numbers(shares.flat()).sort((a, b) => a - b),
          [...runs],
        );
        for (const [index, share] of shares.entries()) {
          assert.deepEqual(
            await store.owned(engines[index]!.lease),
            numbers(share).sort((a, b) => a - b),
          );
        }
      }));

    it("tells when the next run is due", () =>
      withScene(subject, async (scene) => {
        assert.equal(await scene.store.nextWake([{ workflow: "order" }]), null);
        await due(scene, 40);
        await due(scene, 20);
        await due(scene, null);
        assert.equal(await scene.store.nextWake([{ workflow: "order" }]), 20);
      }));

    it("forgets about runs that ended: an engine owns only open ones", () =>
      withScene(subject, async (scene) => {
        const [open, closed] = [await scene.start(), await scene.start()];
        await scene.finish(closed, 1);
        assert.deepEqual(await scene.store.owned(scene.lease), [open]);
      }));
  });
};
