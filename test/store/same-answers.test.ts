import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RunStatus } from "../../src/core/status.ts";
import { createMemoryStore, openSqliteStore, type Store } from "../../src/store/index.ts";
import { attempt, event, image, message, newRun, transition } from "../../src/testing/store-conformance/scene.ts";

/** Does one thing to a store and returns what it answered. `engine` is its lease, `batch` the number of its next commit. */
type Operation = (actor: Actor) => Promise<unknown>;

interface Actor {
  readonly store: Store;
  engine: number;
  batch: number;
}

const STATUSES: readonly RunStatus[] = ["pending", "running", "paused", "blocked", "completed", "failed"];
const run = fc.integer({ min: 1, max: 4 });
const time = fc.integer({ min: 1, max: 9 });
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null });

const start = fc.record({
  workflowId: fc.constantFrom("a", "b", "c"),
  workflow: fc.constantFrom("order", "invoice"),
  owned: fc.boolean(),
  wakeAt: maybe(time),
  supersedes: maybe(run),
  secrets: maybe(fc.constant("sealed")),
});

const images = fc.record({
  status: fc.constantFrom(...STATUSES),
  owned: fc.boolean(),
  wakeAt: maybe(time),
  crashes: fc.nat(3),
  ifInbox: maybe(fc.nat(3)),
  forget: fc.boolean(),
});

const transitions = fc.record({
  run,
  base: fc.integer({ min: 1, max: 4 }),
  events: fc.array(
    fc.constantFrom("A", "B").map((type) => event(type)),
    { maxLength: 2 },
  ),
  consumed: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
  attempts: fc.array(
    fc.integer({ min: 1, max: 3 }).map((command) => attempt(command)),
    { maxLength: 2 },
  ),
  settled: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
  image: maybe(images),
});

type Move = typeof transitions extends fc.Arbitrary<infer Value> ? Value : never;

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .array(start, { minLength: 1, maxLength: 3 })
      .map((starts) => (actor: Actor) => commit(actor, starts, [])),
  },
  {
    weight: 8,
    arbitrary: fc
      .array(transitions, { minLength: 1, maxLength: 3 })
      .map((list) => (actor: Actor) => commit(actor, [], list)),
  },
  {
    weight: 4,
    arbitrary: fc.record({ run, at: time, key: maybe(fc.constantFrom("k", "l")) }).map(
      ({ run: to, ...rest }) =>
        ({ store }: Actor) =>
          store.send(message(to, rest)),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.record({ workflows: fc.subarray(["order", "invoice"]), at: time }).map(
      (wanted) =>
        ({ store, engine }: Actor) =>
          claimed(store, engine, wanted),
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ runs: fc.array(run, { maxLength: 3 }), limit: fc.integer({ min: 1, max: 3 }), at: time })
      .map(
        (wanted) =>
          ({ store, engine }: Actor) =>
            store.claim({ engine }, { workflows: [], ...wanted }),
      ),
  },
  {
    arbitrary: fc
      .record({ run, from: fc.subarray([...STATUSES]), status: fc.constantFrom(...STATUSES), wakeAt: maybe(time) })
      .map(({ run: number, from, status, wakeAt }) => ({ store }: Actor) => {
        const closedAt = status === "completed" || status === "failed" ? 9 : null;
        return store.amend(number, from, { status, wakeAt, closedAt, crashes: 0, detail: null });
      }),
    weight: 2,
  },
  {
    weight: 1,
    arbitrary: run.map(
      (number) =>
        ({ store }: Actor) =>
          store.remove(number),
    ),
  },
  { weight: 1, arbitrary: time.map((at) => (actor: Actor) => leave(actor, at)) },
);

async function commit(
  actor: Actor,
  starts: readonly Partial<Parameters<typeof newRun>[0]>[],
  list: readonly Move[],
): Promise<unknown> {
  const result = await actor.store.commit(
    { engine: actor.engine },
    {
      number: actor.batch++,
      starts: starts.map((one) => newRun(one)),
      transitions: list.map(({ run: number, base, image: to, ...rest }) => {
        const closed = to !== null && (to.status === "completed" || to.status === "failed");
        const written =
          to === null ? null : image({ ...to, closedAt: closed ? 9 : null, ...(closed && { owned: false }) });
        return transition(number, base, { ...rest, image: written });
      }),
    },
  );
  return { starts: result.starts, refused: [...result.refused] };
}

/** Which of several runs due at the same time comes first is left open, so all of them are taken. */
async function claimed(
  store: Store,
  engine: number,
  wanted: { readonly workflows: readonly string[]; readonly at: number },
): Promise<unknown> {
  const rows = await store.claim({ engine }, { ...wanted, limit: 100 });
  return rows.sort((a, b) => a.run - b.run);
}

async function leave(actor: Actor, at: number): Promise<void> {
  await actor.store.release({ engine: actor.engine }, at);
  actor.engine = (await actor.store.register({ label: "x", at })).engine;
  actor.batch = 1;
}

/** Everything there is to see. */
async function contents({ store, engine }: Actor): Promise<unknown> {
  const rows = await store.list({ limit: 100 });
  return {
    rows,
    loaded: await store.load(
      rows.map((row) => row.run),
      100,
    ),
    owned: await store.owned({ engine }),
    inbox: await store.inbox({ engine }),
    wake: await store.nextWake(["order", "invoice"]),
    found: await Promise.all(["a", "b", "c"].map((workflowId) => store.find({ workflowId }))),
    engines: await store.engines(),
  };
}

describe("the SQLite store", () => {
  it("answers whatever is done to it as the memory store does", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 40 }), async (operations) => {
        const actors: Actor[] = [];
        for (const store of [createMemoryStore(), await openSqliteStore({ path: ":memory:" })]) {
          actors.push({ store, engine: (await store.register({ label: "x", at: 1 })).engine, batch: 1 });
        }
        const [memory, sqlite] = actors as [Actor, Actor];
        try {
          for (const step of operations) expect(await step(sqlite)).toEqual(await step(memory));
          expect(await contents(sqlite)).toEqual(await contents(memory));
        } finally {
          await sqlite.store.close();
        }
      }),
      { numRuns: 60 },
    );
  });
});
