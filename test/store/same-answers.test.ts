import { describe, expect, it } from "vitest";
import { isClosed, RUN_STATUSES } from "../../src/core/status.ts";
import {
  type CodeKey,
  createMemoryStore,
  type NewRun,
  openPostgresStore,
  openSqliteStore,
  type Store,
} from "../../src/store/index.ts";
import { attempt, event, image, message, newRun, transition } from "../../src/testing/store-conformance/scene.ts";
import { postgresForTests } from "../postgres/subject.ts";
import fc from "../properties.ts";

/** Does one thing to a store and returns what it answered. `engine` is its lease, `batch` the number of its next commit. */
type Operation = (actor: Actor) => Promise<unknown>;

interface Actor {
  readonly store: Store;
  engine: number;
  batch: number;
}

const run = fc.integer({ min: 1, max: 4 });
const time = fc.integer({ min: 1, max: 9 });
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null });

const tags = fc.constantFrom("{}", '{"k":"1"}', '{"k":"2","l":"1"}');
const key = maybe(fc.constantFrom("k", "l"));
const command = fc.integer({ min: 1, max: 3 });
const events = fc.array(
  fc.constantFrom("A", "B").map((type) => event(type)),
  { maxLength: 2 },
);
const version = maybe(fc.constantFrom("1", "2"));
const codes: fc.Arbitrary<CodeKey> = fc.oneof(
  fc.record({ workflow: fc.constantFrom("order", "invoice") }),
  fc.record({ workflow: fc.constantFrom("order", "invoice"), version }),
);
const messages = fc.array(
  fc.record({ run, at: time, key }).map(({ run: to, ...rest }) => message(to, rest)),
  { maxLength: 2 },
);
const returned = fc.uniqueArray(command, { maxLength: 2 }).map((list) =>
  list.map((number) => {
    const { key: _, ...row } = message(0);
    return { ...row, number };
  }),
);

/** What few starts have. */
const extras = fc.record(
  {
    rest: events,
    messages: messages.map((list) => list.map(({ run: _, ...rest }) => rest)),
    parent: fc.record({
      run,
      command,
      generation: fc.nat(1),
      onClose: fc.constantFrom("cancel", "terminate", "abandon"),
    }),
    tags,
  },
  { requiredKeys: [] },
);

const start: fc.Arbitrary<Partial<NewRun>> = fc
  .tuple(
    fc.record({
      workflowId: fc.constantFrom("a", "b", "c"),
      workflow: fc.constantFrom("order", "invoice"),
      version,
      owned: fc.boolean(),
      wakeAt: maybe(time),
      supersedes: maybe(run),
      secrets: maybe(fc.constant("sealed")),
    }),
    fc.oneof({ weight: 1, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: extras }),
  )
  .map(([plain, extra]) => ({ ...plain, ...extra }));

/** What few transitions do. A successor is only given to those that close their run. */
const alsos = fc.record(
  {
    sends: messages,
    stopsChildren: fc.record({ data: fc.constant('"why"'), at: time }),
    answers: fc.array(
      fc.record({
        number: command,
        status: fc.constantFrom("accepted", "completed", "rejected"),
        data: fc.constant("1"),
        at: time,
      }),
      { maxLength: 2 },
    ),
    facts: fc.record({ tags, progress: fc.constantFrom("1", "2") }, { requiredKeys: [] }),
    outcomes: fc.array(command, { maxLength: 1 }),
    returned,
    successor: fc.record({ start: start.map((one) => newRun(one)), messages: returned }),
  },
  { requiredKeys: [] },
);

const images = fc.record({
  status: fc.constantFrom(...RUN_STATUSES),
  owned: fc.boolean(),
  wakeAt: maybe(time),
  crashes: fc.nat(3),
  ifInbox: maybe(fc.nat(3)),
  forget: fc.boolean(),
});

const transitions = fc.record({
  run,
  base: fc.integer({ min: 1, max: 4 }),
  events,
  consumed: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
  // One row of a command in a transition, as engines write them.
  attempts: fc.uniqueArray(
    fc.tuple(fc.integer({ min: 1, max: 3 }), maybe(fc.constantFrom("x", "x/a", "x/b"))).map(([number, activity]) => {
      if (activity === null) return attempt(number);
      const payloads = { input: "1", body: "{}", lost: "{}", details: null };
      const task = { generation: 0, queue: "x", activity, workflow: "order", at: number, ...payloads };
      return attempt(number, { external: true, task });
    }),
    { maxLength: 2, selector: ({ command }) => command },
  ),
  settled: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
  image: maybe(images),
  also: fc.option(alsos, { nil: undefined }),
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
    arbitrary: fc.record({ run, at: time, key }).map(
      ({ run: to, ...rest }) =>
        ({ store }: Actor) =>
          store.send(message(to, rest)),
    ),
  },
  {
    weight: 3,
    arbitrary: fc.record({ code: fc.array(codes, { maxLength: 3 }), at: time }).map(
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
            store.claim({ engine }, { code: [], ...wanted }),
      ),
  },
  {
    arbitrary: fc
      .record({
        run,
        from: fc.subarray([...RUN_STATUSES]),
        status: fc.constantFrom(...RUN_STATUSES),
        wakeAt: maybe(time),
      })
      .map(({ run: number, from, status, wakeAt }) => ({ store }: Actor) => {
        const closedAt = isClosed(status) ? 9 : null;
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
  {
    weight: 1,
    arbitrary: fc.subarray(["a", "b/c"]).map(
      (names) =>
        ({ store, engine }: Actor) =>
          store.announce({ engine }, names),
    ),
  },
  {
    weight: 1,
    arbitrary: time.map(
      (at) =>
        ({ store }: Actor) =>
          store.forgetAnswers(at, 100),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ scope: fc.constantFrom("workflow", "queue"), name: fc.constantFrom("order", "x"), at: time })
      .map(
        (row) =>
          ({ store }: Actor) =>
            row.at > 3 ? store.pause({ ...row, reason: "why" }) : store.unpause(row.scope, row.name),
      ),
  },
);

async function commit(actor: Actor, starts: readonly Partial<NewRun>[], list: readonly Move[]): Promise<unknown> {
  const result = await actor.store.commit(
    { engine: actor.engine },
    {
      number: actor.batch++,
      starts: starts.map((one) => newRun(one)),
      transitions: list.map(({ run: number, base, image: to, also, ...rest }) => {
        const closed = to !== null && isClosed(to.status);
        const written =
          to === null ? null : image({ ...to, closedAt: closed ? 9 : null, ...(closed && { owned: false }) });
        const { successor, ...others } = also ?? {};
        const continued = closed && successor !== undefined ? { successor } : {};
        return transition(number, base, {
          ...rest,
          image: written,
          ...(also !== undefined && { also: { ...others, ...continued } }),
        });
      }),
    },
  );
  return { starts: result.starts, refused: [...result.refused] };
}

/** Which of several runs due at the same time comes first is left open, so all of them are taken. */
async function claimed(
  store: Store,
  engine: number,
  wanted: { readonly code: readonly CodeKey[]; readonly at: number },
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
    wake: await store.nextWake([{ workflow: "order" }, { workflow: "invoice", version: null }]),
    answers: await Promise.all(rows.flatMap((row) => [1, 2, 3].map((number) => store.answer(row.run, number)))),
    tagged: await Promise.all(
      [{ k: "1" }, { k: "2", l: "1" }].map((wanted) => store.list({ tags: wanted, limit: 100 })),
    ),
    children: await Promise.all([1, 2, 3, 4].map((parent) => store.list({ parent, closedBefore: 99, limit: 100 }))),
    waiting: await store.waiting(5),
    sizes: await store.sizes(),
    pauses: await store.pauses(),
    queues: await store.queues(),
    activities: await store.waitingActivities(),
    found: await Promise.all(["a", "b", "c"].map((workflowId) => store.find({ workflowId }))),
    engines: await store.engines(),
  };
}

/** Does the same to both stores. */
async function expectSameAnswers(operations: readonly Operation[], subject: Store): Promise<void> {
  const actors: Actor[] = [];
  for (const store of [createMemoryStore(), subject]) {
    actors.push({ store, engine: (await store.register({ label: "x", at: 1 })).engine, batch: 1 });
  }
  const [memory, other] = actors as [Actor, Actor];
  try {
    for (const step of operations) expect(await step(other)).toEqual(await step(memory));
    expect(await contents(other)).toEqual(await contents(memory));
  } finally {
    await subject.close();
  }
}

const sequences = fc.array(operation, { minLength: 5, maxLength: 40 });

describe("the SQLite store", () => {
  it("answers whatever is done to it as the memory store does", async () => {
    await fc.assert(
      fc.asyncProperty(sequences, async (operations) =>
        expectSameAnswers(operations, await openSqliteStore({ path: ":memory:" })),
      ),
      { numRuns: 60 },
    );
  });
});

describe("the PostgreSQL store", () => {
  const postgres = postgresForTests({ fsync: false });

  it("answers whatever is done to it as the memory store does", async () => {
    await fc.assert(
      fc.asyncProperty(sequences, async (operations) =>
        expectSameAnswers(operations, await openPostgresStore(postgres.freshAddress())),
      ),
      { numRuns: Number(process.env.PERDURE_RUNS ?? 30) },
    );
  }, 120_000);
});
