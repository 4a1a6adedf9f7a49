/** What simulated fleets once got wrong about leases, transactions and claims, each told in as few moves as possible. */
import { describe, expect, it, onTestFinished } from "vitest";
import { PerdureError } from "../../src/core/errors.ts";
import { openSqliteStore } from "../../src/store/index.ts";
import type { OutcomeRow, RunRow, Store } from "../../src/store/store.ts";
import { activity } from "../../src/workflow/activity.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench, vanishing } from "../engine/fixture.ts";
import { intercept } from "../store/intercept.ts";
import { scratchFile } from "../store/scratch.ts";

async function sqlite(): Promise<Store> {
  const store = await openSqliteStore({ path: scratchFile() });
  onTestFinished(() => store.close());
  return store;
}

const never = new Promise<never>(() => {});

describe("a transactional step whose engine vanished", () => {
  it("rule 32: completes with what its transaction came to, also when that was its last attempt", async () => {
    const { clock, engine, finish, store } = bench();
    let worked = 0;
    let outcome: OutcomeRow | undefined;
    const transact: Store["transact"] = async (_lease, { command, generation, at }, _limitMs, work) => {
      outcome ??= { command, generation, at, data: await work({ query: async () => [] }) };
      return outcome;
    };
    const book = workflow("book", (wf) =>
      wf.transaction(
        "book",
        async () => {
          worked++;
          return "booked";
        },
        { retry: { maxAttempts: 1 } },
      ),
    );
    const { store: way, vanish } = vanishing(store);
    const answerless = intercept(way, { transact: (...values) => transact(...values).then(() => never) });
    const first = await engine({ store: answerless, workflows: [book] });
    await first.start(book, undefined, { id: "b" });
    // Long enough for the row that says that an attempt runs.
    while ((await store.attempts(1)).length === 0) await clock.advance(500);
    expect(worked).toBe(1);
    vanish();
    const whole = intercept(store, {
      transact,
      load: async (...values) =>
        (await store.load(...values)).map((loaded) => ({
          ...loaded,
          outcomes: outcome === undefined ? [] : [outcome],
        })),
    });
    await using heir = await engine({ store: whole, workflows: [book] });
    expect(await finish(await heir.handle("b"))).toBe("booked");
    expect(worked).toBe(1);
  });

  it("rule 32: an attempt that comes after the outcome is in the history books nothing", async () => {
    const store = await sqlite();
    const lease = await store.register({ label: "one", at: 1 });
    const first = { type: "RunStarted", at: 1, data: "{}" };
    const start = { workflowId: "w", workflow: "any", version: null, createdAt: 1, owned: true, wakeAt: null, first };
    const nothing = { meta: null, request: null, secrets: null, supersedes: null };
    await store.commit(lease, { number: 1, starts: [{ ...start, ...nothing }], transitions: [] });
    let worked = 0;
    const attempt = (): Promise<unknown> =>
      store.transact!(lease, { run: 1, command: 1, generation: 0, at: 2 }, 5000, async () => {
        worked++;
        return '"done"';
      });
    await attempt();
    const event = { type: "StepCompleted", at: 2, data: '{"c":1}' };
    const also = { outcomes: [1] };
    const rest = { consumed: [], attempts: [], settled: [], image: null, also };
    await store.commit(lease, { number: 2, starts: [], transitions: [{ run: 1, base: 1, events: [event], ...rest }] });
    await expect(attempt()).rejects.toMatchObject({ code: "CONFLICT" });
    expect(worked).toBe(1);
  });
});

describe("an engine that could not be opened", () => {
  it("leaves nothing behind that goes on", async () => {
    const { clock, engine, store } = bench();
    const calls: string[] = [];
    let broken = true;
    const failing = intercept(store, {
      pauses: () => {
        if (broken) throw new PerdureError("UNAVAILABLE", "the store is away");
        return store.pauses();
      },
      renew: (lease) => {
        calls.push("renew");
        return store.renew(lease);
      },
    });
    await expect(engine({ store: failing, workflows: [] })).rejects.toMatchObject({ code: "UNAVAILABLE" });
    broken = false;
    await clock.advance(60_000);
    expect(calls).toEqual([]);
    expect(await store.engines()).toEqual([]);
  });
});

describe("runs that are taken over", () => {
  it("rule 19: have their histories read after the claim has committed", async () => {
    const { clock, engine, finish, store } = bench();
    const double = activity("double", async (n: number) => n * 2);
    const work = workflow("work", async (wf) => {
      await wf.sleep("1m");
      return wf.call(double, 21);
    });
    const claimed = new Set<number>();
    const slow = intercept(store, {
      claim: async (...values): Promise<RunRow[]> => {
        const rows = await store.claim(...values);
        await new Promise<void>((resolve) => clock.after(500, resolve));
        for (const { run } of rows) claimed.add(run);
        return rows;
      },
      load: (runs, maxEvents) => {
        for (const run of runs) expect(claimed).toContain(run);
        return store.load(runs, maxEvents);
      },
    });
    const leaving = await engine({ workflows: [work] });
    await leaving.start(work, undefined, { id: "w" });
    await clock.advance(10_000);
    await leaving.close();
    await using heir = await engine({ store: slow, workflows: [work] });
    expect(await finish(await heir.handle("w"))).toBe(42);
    expect(claimed.size).toBe(1);
  });
});
