/** Tasks: written with attempts, claimed by one engine each, settled once, and never lost with an engine. */
import assert from "node:assert/strict";
import type { ClaimedTask, NewTask, Store, TaskClaim, TaskEnd, TaskKey } from "../../store/store.ts";
import { attempt, event, image, newScene, type Scene, withScene } from "./scene.ts";
import type { Topic } from "./subject.ts";

const LOST = '{"c":1,"lost":true}';

function task(rest: Partial<NewTask> = {}): NewTask {
  const what = { generation: 0, queue: "etl", activity: "etl/extract", workflow: "order" };
  return { ...what, input: "[1]", body: "{}", lost: LOST, details: null, at: 5, ...rest };
}

/** Writes the task of a command of a run with a history of one event. */
async function handOut(
  scene: Scene,
  run: number,
  command: number,
  rest: Partial<NewTask> = {},
  tried = 1,
): Promise<void> {
  const row = attempt(command, { external: true, attempt: tried, task: task(rest) });
  assert.equal(await scene.advance(run, 1, { attempts: [row] }), undefined);
}

function claim(scene: Scene, limit = 10, rest: Partial<TaskClaim> = {}): Promise<ClaimedTask[]> {
  const wants = [{ queue: "etl", activities: ["etl/extract"], limit }];
  return scene.store.claimTasks(scene.lease, { wants, at: 7, notOf: [], ...rest });
}

function commands(tasks: readonly TaskKey[]): number[] {
  return tasks.map(({ command }) => command);
}

function keyOf({ run, command, generation, attempt: tried }: TaskKey): TaskKey {
  return { run, command, generation, attempt: tried };
}

function end(key: TaskKey, data = '{"c":1,"p":2}'): TaskEnd {
  return { ...keyOf(key), data, at: 9 };
}

async function outcomes(store: Store, run: number): Promise<string[]> {
  const [loaded] = await store.load([run], 0);
  return loaded!.messages.map(({ kind, data }) => `${kind} ${data}`);
}

export const tasks: Topic = (subject, { describe, it }) => {
  describe("tasks", () => {
    it("are written with their attempts, and given to whoever claims them with what is needed of the run", () =>
      withScene(subject, async (scene) => {
        const { store, lease } = scene;
        const run = await scene.start({ secrets: "sealed" });
        await handOut(scene, run, 3, { details: '{"at":4}', body: '{"l":"load"}' });
        const { attempts, row } = await scene.load(run);
        assert.deepEqual(attempts, [attempt(3, { external: true, task: true })]);
        const waiting = {
          run,
          command: 3,
          generation: 0,
          attempt: 1,
          queue: "etl",
          activity: "etl/extract",
          createdAt: 5,
        };
        assert.deepEqual(await store.tasksOf(run), [{ ...waiting, engine: null, startedAt: null, beatAt: null }]);
        assert.deepEqual(await claim(scene), [
          {
            ...waiting,
            workflow: "order",
            workflowId: row.workflowId,
            input: "[1]",
            body: '{"l":"load"}',
            details: '{"at":4}',
            secrets: "sealed",
          },
        ]);
        assert.deepEqual(await store.tasksOf(run), [{ ...waiting, engine: lease.engine, startedAt: 7, beatAt: 7 }]);
        assert.deepEqual(await claim(scene), []);
      }));

    it("are claimed in the order of writing, as many as wanted, of the activities and queues that are wanted", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        for (const command of [4, 2, 9]) await handOut(scene, run, command);
        await handOut(scene, run, 5, { activity: "etl/load" });
        await handOut(scene, run, 6, { queue: "mail", activity: "mail/send" });
        assert.deepEqual(commands(await claim(scene, 2)), [4, 2]);
        const other = await newScene(scene.store);
        const wants = [
          { queue: "etl", activities: ["etl/extract"], limit: 5 },
          { queue: "mail", activities: ["mail/send", "mail/read"], limit: 5 },
        ];
        assert.deepEqual(commands(await claim(other, 0, { wants })), [9, 6]);
        assert.deepEqual(commands(await claim(other, 5)), []);
      }));

    it("are left alone when they are of other runs or of workflows that stand still, or their run does", () =>
      withScene(subject, async (scene) => {
        const [a, b, c] = [await scene.start(), await scene.start({ workflow: "invoice" }), await scene.start()];
        await handOut(scene, a, 1);
        await handOut(scene, b, 1, { workflow: "invoice" });
        await handOut(scene, c, 1);
        await scene.advance(c, 1, { image: image({ status: "paused", owned: false }) });
        const runs = (found: readonly TaskKey[]): number[] => found.map(({ run }) => run);
        assert.deepEqual(runs(await claim(scene, 10, { notOf: ["order"], runs: [a] })), []);
        assert.deepEqual(runs(await claim(scene, 10, { runs: [a, c] })), [a]);
        assert.deepEqual(runs(await claim(scene, 10, { notOf: ["invoice"] })), []);
        assert.deepEqual(runs(await claim(scene)), [b]);
        const to = { status: "pending", wakeAt: 5, closedAt: null, crashes: 0, detail: null } as const;
        assert.equal(await scene.store.amend(c, ["paused"], to), true);
        assert.deepEqual(runs(await claim(scene)), [c]);
      }));

    it("end once: the run gets the outcome, and whoever comes later nothing", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const run = await scene.start();
        await handOut(scene, run, 1);
        const [mine] = await claim(scene);
        const other = await newScene(store);
        assert.deepEqual(await store.settleTasks(other.lease, [end(mine!)]), [false]);
        assert.deepEqual(
          await store.settleTasks(scene.lease, [end({ ...mine!, attempt: 2 }), end(mine!), end(mine!)]),
          [false, true, false],
        );
        assert.deepEqual(await outcomes(store, run), ['outcome {"c":1,"p":2}']);
        assert.deepEqual(await store.tasksOf(run), []);
        assert.deepEqual((await scene.load(run)).attempts, [attempt(1, { external: true, task: true })]);
      }));

    it("wake their run when it is parked", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        await handOut(scene, run, 1);
        await scene.park(run, 1);
        const [mine] = await claim(scene);
        assert.deepEqual(await scene.store.settleTasks(scene.lease, [end(mine!)]), [true]);
        assert.equal((await scene.load(run)).row.wakeAt, 9);
      }));

    it("go with their attempts: settled, tried again otherwise, or gone with their run", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const run = await scene.start();
        for (const command of [1, 2, 3, 4]) await handOut(scene, run, command);
        const claimed = await claim(scene);
        await scene.advance(run, 1, {
          settled: [1],
          attempts: [attempt(2), attempt(3, { external: true, task: true }), attempt(4, { external: true })],
        });
        assert.deepEqual(commands(await store.tasksOf(run)), [3]);
        assert.deepEqual(
          await store.settleTasks(
            scene.lease,
            claimed.map((one) => end(one)),
          ),
          [false, false, true, false],
        );
        await handOut(scene, run, 5);
        await scene.finish(run, 1);
        assert.equal(await store.remove(run), true);
        assert.deepEqual(await store.queues(), []);
      }));

    it("are replaced by the next attempt, which is another one to those who had them", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const run = await scene.start();
        await handOut(scene, run, 1);
        const [first] = await claim(scene);
        await handOut(scene, run, 1, { details: "7" }, 2);
        assert.deepEqual(await store.settleTasks(scene.lease, [end(first!)]), [false]);
        const [second] = await claim(scene);
        assert.deepEqual([second!.attempt, second!.details], [2, "7"]);
      }));

    it("keep signs of life and details; an engine is told which tasks it has", () =>
      withScene(subject, async (scene) => {
        const { store, lease } = scene;
        const run = await scene.start();
        for (const command of [1, 2]) await handOut(scene, run, command);
        const [one, two] = (await claim(scene)).map(keyOf);
        const beats = [
          { ...one!, details: '{"row":8}' },
          { ...two!, details: null },
        ];
        assert.deepEqual(await store.beatTasks(lease, beats, 8), [one, two]);
        assert.deepEqual(
          (await store.tasksOf(run)).map(({ beatAt }) => beatAt),
          [8, 8],
        );
        await scene.advance(run, 1, { settled: [1] });
        assert.deepEqual(await store.beatTasks(lease, beats, 9), [two]);
        assert.deepEqual(await store.beatTasks((await newScene(store)).lease, beats, 10), []);
        assert.deepEqual(
          (await store.tasksOf(run)).map(({ beatAt }) => beatAt),
          [9],
        );
      }));

    it("wait again when they are given back or their engine leaves", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const run = await scene.start();
        for (const command of [1, 2]) await handOut(scene, run, command);
        const worker = await newScene(store);
        const [one] = await claim(worker);
        await store.returnTasks(worker.lease, [keyOf(one!)]);
        assert.deepEqual(commands(await claim(scene, 5)), [1]);
        await store.release(worker.lease, 9);
        assert.deepEqual(commands(await claim(scene, 5)), [2]);
        assert.deepEqual(await outcomes(store, run), []);
      }));

    it("of an engine that died are lost: their runs are told so, with the last details", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const run = await scene.start();
        for (const command of [1, 2]) await handOut(scene, run, command);
        const dead = await newScene(store);
        const [one, two] = (await claim(dead)).map(keyOf);
        await store.beatTasks(dead.lease, [{ ...two!, details: '{"row":8}' }], 8);
        await store.sweep({ ttlMs: 10_000, monotonicMs: 0, at: 70 });
        await store.renew(scene.lease);
        await store.sweep({ ttlMs: 10_000, monotonicMs: 20_000, at: 70 });
        assert.deepEqual(await outcomes(store, run), [`outcome ${LOST}`, 'outcome {"c":1,"lost":true,"d":{"row":8}}']);
        await assert.rejects(store.settleTasks(dead.lease, [end(one!)]), { code: "LEASE_LOST" });
        assert.deepEqual(await store.tasksOf(run), []);
        await handOut(scene, run, 3);
        await assert.rejects(claim(dead), { code: "LEASE_LOST" });
      }));

    it("of a queue with a limit are claimed no further than that, by all engines together", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const run = await scene.start();
        await store.limitQueue("etl", 3);
        for (const command of [1, 2, 3, 4, 5]) await handOut(scene, run, command);
        await handOut(scene, run, 6, { queue: "mail", activity: "mail/send" });
        const other = await newScene(store);
        const first = await claim(scene, 2);
        assert.equal(first.length, 2);
        const wants = [
          { queue: "etl", activities: ["etl/extract"], limit: 9 },
          { queue: "mail", activities: ["mail/send"], limit: 9 },
        ];
        assert.deepEqual(commands(await claim(other, 0, { wants })), [3, 6]);
        assert.deepEqual(await claim(scene), []);
        await store.settleTasks(scene.lease, [end(first[0]!)]);
        assert.deepEqual(commands(await claim(other)), [4]);
        await store.limitQueue("etl", 4);
        assert.deepEqual(await store.queueLimits(), [{ queue: "etl", everywhere: 4 }]);
        assert.deepEqual(commands(await claim(other)), [5]);
        await store.limitQueue("etl", null);
        assert.deepEqual(await store.queueLimits(), []);
      }));

    it("are never claimed twice, nor beyond the limit, by engines that ask at once", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const run = await scene.start();
        const rows = Array.from({ length: 40 }, (_, at) => attempt(at + 1, { external: true, task: task() }));
        await scene.advance(run, 1, { attempts: rows });
        await store.limitQueue("etl", 25);
        const engines = await Promise.all(Array.from({ length: 5 }, () => newScene(store)));
        const rounds = await Promise.all([...engines, ...engines].map((engine) => claim(engine, 4)));
        const taken = commands(rounds.flat());
        assert.ok(taken.length <= 25, `${taken.length} were claimed`);
        assert.equal(new Set(taken).size, taken.length);
        await store.limitQueue("etl", null);
        const rest = await claim(scene, 100);
        assert.deepEqual(
          [...taken, ...commands(rest)].sort((a, b) => a - b),
          rows.map(({ command }) => command),
        );
      }));

    it("are counted by queue", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        const run = await scene.start();
        await handOut(scene, run, 1, { at: 30 });
        await handOut(scene, run, 2, { at: 20 });
        await handOut(scene, run, 3, { queue: "mail", activity: "mail/send", at: 10 });
        await claim(scene, 1);
        await store.limitQueue("gpu", 2);
        assert.deepEqual(await store.queues(), [
          { queue: "etl", waiting: 1, running: 1, oldestAt: 20, everywhere: null },
          { queue: "gpu", waiting: 0, running: 0, oldestAt: null, everywhere: 2 },
          { queue: "mail", waiting: 1, running: 0, oldestAt: 10, everywhere: null },
        ]);
      }));

    it("are not written by transitions that are refused", () =>
      withScene(subject, async (scene) => {
        const run = await scene.start();
        const row = attempt(1, { external: true, task: task() });
        assert.equal(await scene.advance(run, 7, { attempts: [row], events: [event("A")] }), "history");
        assert.deepEqual(await scene.store.tasksOf(run), []);
      }));

    it("say which activities wait for an engine, by queue and name", () =>
      withScene(subject, async (scene) => {
        const { store } = scene;
        assert.deepEqual(await store.waitingActivities(), []);
        const run = await scene.start();
        await handOut(scene, run, 1, { queue: "mail", activity: "mail/send" });
        const later = await scene.start();
        for (const [owner, command] of [[later, 2] as const, [run, 3] as const])
          await handOut(scene, owner, command, { activity: "etl/load" });
        for (const command of [4, 5]) await handOut(scene, run, command, { activity: "etl/Load" });
        await handOut(scene, run, 6);
        assert.deepEqual(commands(await claim(scene)), [6]);
        assert.deepEqual(await store.waitingActivities(), [
          { queue: "etl", activity: "etl/Load", run },
          { queue: "etl", activity: "etl/load", run: later },
          { queue: "mail", activity: "mail/send", run },
        ]);
      }));

    it("say which queues an engine serves, and which activities it has", () =>
      withScene(subject, async ({ store }) => {
        const worker = await store.register({ label: "worker", at: 2, serves: ["etl", "gpu"], activities: ["gpu/a"] });
        await store.register({ label: "none", at: 3, serves: [] });
        const engines = async (): Promise<unknown[]> =>
          (await store.engines()).map(({ serves, activities }) => [serves, activities]);
        assert.deepEqual(await engines(), [
          [null, []],
          [["etl", "gpu"], ["gpu/a"]],
          [[], []],
        ]);
        await store.announce(worker, ["gpu/a", 'etl/"b"']);
        assert.deepEqual((await engines())[1], [
          ["etl", "gpu"],
          ["gpu/a", 'etl/"b"'],
        ]);
        await store.release(worker, 4);
        await store.announce(worker, ["gpu/a"]);
        assert.equal((await engines()).length, 2);
      }));
  });
};
