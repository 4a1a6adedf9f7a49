/** Steps that write to tables of their user's in the store's own database. Stores without such tables pass by having none. */
import assert from "node:assert/strict";
import { isPerdureError } from "../../core/errors.ts";
import type { StoreTransaction } from "../../core/sql-transaction.ts";
import type { OutcomeRow, Store } from "../../store/store.ts";
import { event, newScene, type Scene, withScene } from "./scene.ts";
import type { StoreSubject, Topic } from "./subject.ts";

type Work = (tx: StoreTransaction) => Promise<string>;

interface Actions {
  /** A transaction of step `command` with a limit of 5 s. */
  transact(run: number, command: number, work: Work): Promise<OutcomeRow>;
  /** What is in the user's table. */
  accounts(): Promise<unknown[]>;
}

async function withTable(
  subject: StoreSubject,
  test: (scene: Scene, actions: Actions) => Promise<void>,
): Promise<void> {
  await withScene(subject, async (scene) => {
    const { store, lease } = scene;
    if (store.transact === undefined) return;
    const own = await scene.start();
    const transact: Actions["transact"] = (run, command, work) =>
      store.transact!(lease, { run, command, generation: 0, at: 9 }, 5000, work);
    let looks = 1000;
    const accounts: Actions["accounts"] = async () => {
      let rows: unknown[] = [];
      await transact(own, looks++, async (tx) => {
        rows = await tx.query("select name, amount from accounts order by name");
        return "null";
      });
      return rows;
    };
    await transact(own, 1, async (tx) => {
      await tx.query("create table accounts (name text primary key, amount integer not null)");
      return "null";
    });
    await test(scene, { transact, accounts });
  });
}

function add(store: Store, name: string, amount: number): Work {
  const sql = store.kind === "postgres" ? "values ($1, $2)" : "values (?, ?)";
  return async (tx) => {
    await tx.query(`insert into accounts (name, amount) ${sql}`, [name, amount]);
    return JSON.stringify({ name });
  };
}

/** A promise that others wait for until it is let pass. */
function gate<T>(): { readonly passed: Promise<T>; pass(value: T): void } {
  let pass: (value: T) => void = () => {};
  const passed = new Promise<T>((resolve) => {
    pass = resolve;
  });
  return { passed, pass };
}

export const transactions: Topic = (subject, { describe, it }) => {
  describe("transactions of steps", () => {
    it("keep what the step returned together with what it wrote (rule 32)", () =>
      withTable(subject, async (scene, { transact, accounts }) => {
        const run = await scene.start();
        const outcome = { command: 3, generation: 0, data: '{"name":"ada"}', at: 9 };
        assert.deepEqual(await transact(run, 3, add(scene.store, "ada", 5)), outcome);
        assert.deepEqual((await scene.load(run)).outcomes, [outcome]);
        assert.deepEqual(await accounts(), [{ name: "ada", amount: 5 }]);
      }));

    it("do not work again when an outcome is kept", () =>
      withTable(subject, async (scene, { transact, accounts }) => {
        const run = await scene.start();
        const first = await transact(run, 3, add(scene.store, "ada", 5));
        assert.deepEqual(await transact(run, 3, add(scene.store, "eve", 1)), first);
        assert.deepEqual(await accounts(), [{ name: "ada", amount: 5 }]);
        await transact(run, 4, add(scene.store, "bob", 2));
        assert.equal((await accounts()).length, 2);
      }));

    it("lose their kept outcome to the history", () =>
      withTable(subject, async (scene, { transact }) => {
        const run = await scene.start();
        for (const command of [3, 4]) await transact(run, command, add(scene.store, `a${command}`, 5));
        const step = { events: [event("StepCompleted")], also: { outcomes: [3] } };
        assert.equal(await scene.advance(run, 9, step), "history");
        assert.equal((await scene.load(run)).outcomes.length, 2);
        assert.equal(await scene.advance(run, 1, step), undefined);
        assert.deepEqual(
          (await scene.load(run)).outcomes.map(({ command }) => command),
          [4],
        );
        await scene.park(run, 2);
        assert.equal(await scene.store.remove(run), true);
      }));

    it("cannot be done once more by a late attempt, when the history has taken their outcome (rule 32)", () =>
      withTable(subject, async (scene, { transact, accounts }) => {
        const run = await scene.start();
        await transact(run, 3, add(scene.store, "ada", 5));
        await scene.advance(run, 1, { events: [event("StepCompleted")], also: { outcomes: [3] } });
        await assert.rejects(transact(run, 3, add(scene.store, "bob", 2)), { code: "CONFLICT" });
        assert.deepEqual(await accounts(), [{ name: "ada", amount: 5 }]);
      }));

    it("write nothing when the step throws, and reject with what it threw", () =>
      withTable(subject, async (scene, { transact, accounts }) => {
        const run = await scene.start();
        const broken = new Error("no money");
        const failing = transact(run, 3, async (tx) => {
          await add(scene.store, "ada", 5)(tx);
          throw broken;
        });
        await assert.rejects(failing, (error) => error === broken);
        assert.deepEqual([await accounts(), (await scene.load(run)).outcomes], [[], []]);
        await transact(run, 3, add(scene.store, "ada", 6));
        assert.deepEqual(await accounts(), [{ name: "ada", amount: 6 }]);
      }));

    it("are refused before they work when the engine does not own the run", () =>
      withTable(subject, async (scene, { transact }) => {
        const { store, lease } = scene;
        const other = await newScene(store);
        const [theirs, parked] = [await other.start(), await scene.start()];
        await scene.park(parked, 1);
        let worked = false;
        const work: Work = async () => {
          worked = true;
          return "1";
        };
        const leaseLost = (error: unknown): boolean => isPerdureError(error, "LEASE_LOST");
        for (const run of [theirs, parked, 9999]) await assert.rejects(transact(run, 3, work), leaseLost);
        const mine = await scene.start();
        await store.release(lease, 5);
        await assert.rejects(transact(mine, 3, work), leaseLost);
        assert.equal(worked, false);
      }));

    it("are rolled back when they take too long, and told so at every later statement", () =>
      withTable(subject, async (scene, { accounts }) => {
        const { store, lease } = scene;
        const run = await scene.start();
        const [slept, late] = [gate<void>(), gate<unknown>()];
        const slow = store.transact!(lease, { run, command: 3, generation: 0, at: 9 }, 100, async (tx) => {
          await add(store, "ada", 5)(tx);
          await slept.passed;
          await tx.query("select 1 as one").then(late.pass, late.pass);
          return "1";
        });
        const timedOut = (error: unknown): boolean => isPerdureError(error, "WAIT_TIMED_OUT");
        await assert.rejects(slow, timedOut);
        assert.deepEqual([await accounts(), (await scene.load(run)).outcomes], [[], []]);
        slept.pass();
        assert.ok(timedOut(await late.passed));
        assert.equal(await scene.advance(run, 1, { events: [event("A")] }), undefined);
      }));
  });
};
