/** What simulated fleets once got wrong, each told in as few moves as possible. */
import { describe, expect, it } from "vitest";
import { PerdureError } from "../../src/core/errors.ts";
import { Alarm } from "../../src/engine/alarm.ts";
import type { Clock } from "../../src/engine/clock.ts";
import { Committer, type CommitterHost, type Committing } from "../../src/engine/committer.ts";
import { Engine } from "../../src/engine/engine.ts";
import type { EngineConfig } from "../../src/engine/engine-config.ts";
import { silentLogger } from "../../src/engine/log.ts";
import type { StartSpec } from "../../src/engine/new-run.ts";
import { Registry } from "../../src/engine/registry.ts";
import { terminateUnowned } from "../../src/engine/terminate.ts";
import { createMemoryStore } from "../../src/store/memory/memory-store.ts";
import type { Batch, BatchResult, EventRow, Lease, NewRun, RunRow, Store, Transition } from "../../src/store/store.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { intercept } from "../store/intercept.ts";

const event = (type: string, at: number): EventRow => ({ type, at, data: "{}" });

const newRun = (first: EventRow, owned: boolean): NewRun => ({
  workflowId: "w",
  workflow: "any",
  version: null,
  createdAt: first.at,
  owned,
  wakeAt: owned ? null : first.at,
  first,
  meta: null,
  request: null,
  secrets: null,
  supersedes: null,
});

async function runOf(store: Store, first: EventRow, transition?: Partial<Transition>): Promise<RunRow> {
  const lease = await store.register({ label: "test", at: 0 });
  await store.commit(lease, { number: 1, starts: [newRun(first, transition !== undefined)], transitions: [] });
  const { run } = (await store.find({ workflowId: "w" }))!;
  const full = { run, base: 1, events: [], consumed: [], attempts: [], settled: [], image: null, ...transition };
  if (transition !== undefined) await store.commit(lease, { number: 2, starts: [], transitions: [full] });
  return (await store.find({ run }))!;
}

async function types(store: Store, { run }: RunRow): Promise<string[]> {
  return (await store.history(run, 0, 100)).map(({ type }) => type);
}

describe("terminating a run that nobody advances", () => {
  it("keeps the signals that were waiting for it (invariant 4)", async () => {
    const store = createMemoryStore();
    const row = await runOf(store, event("RunStarted", 10));
    await store.send({ run: row.run, kind: "signal", name: "go", data: "1", at: 11, key: null });
    expect(await terminateUnowned(store, row, "enough", 12)).toBe(true);
    expect(await types(store, row)).toEqual(["RunStarted", "SignalReceived", "RunTerminated"]);
    expect((await store.load([row.run], 0))[0]!.messages).toEqual([]);
  });

  it("tries again when another signal comes in between", async () => {
    const store = createMemoryStore();
    const row = await runOf(store, event("RunStarted", 10));
    let late = true;
    const racing = intercept(store, {
      lastEvent: async (run) => {
        if (late) await store.send({ run, kind: "signal", name: "go", data: "1", at: 11, key: null });
        late = false;
        return store.lastEvent(run);
      },
    });
    expect(await terminateUnowned(racing, row, "enough", 12)).toBe(true);
    expect(await types(store, row)).toEqual(["RunStarted", "SignalReceived", "RunTerminated"]);
  });

  it("does not go back in time when the caller's clock is behind (rule 4)", async () => {
    const store = createMemoryStore();
    const row = await runOf(store, event("RunStarted", 1000));
    await terminateUnowned(store, row, "enough", 400);
    expect((await store.lastEvent(row.run))!.at).toBe(1000);
  });

  it("sets the end of a run aside that was about to be resumed", async () => {
    const store = createMemoryStore();
    const image = { status: "failed", owned: false, wakeAt: null, closedAt: 20, crashes: 0, detail: null } as const;
    const row = await runOf(store, event("RunStarted", 10), {
      events: [event("RunFailed", 20)],
      image: { ...image, ifInbox: null, forget: false },
    });
    await store.amend(row.run, ["failed"], { ...image, status: "pending", wakeAt: 30, closedAt: null });
    await terminateUnowned(store, (await store.find({ run: row.run }))!, "enough", 40);
    expect(await types(store, row)).toEqual(["RunStarted", "RunFailed", "Resumed", "RunTerminated"]);
  });
});

describe("a batch that the store cannot keep", () => {
  it("is written member by member, also when an answer is lost on the way (rule 16)", async () => {
    const sent: number[][] = [];
    const commit = async (_: unknown, { number, transitions }: Batch): Promise<BatchResult> => {
      const runs = transitions.map(({ run }) => run);
      sent.push([number, ...runs]);
      if (runs.includes(2)) throw new PerdureError("INTERNAL", "cannot be kept");
      if (runs[0] === 1 && sent.length === 2) throw new PerdureError("UNAVAILABLE", "no answer");
      return { starts: [], refused: new Map() };
    };
    const told: string[] = [];
    const committer = new Committer(
      committerHost(intercept(createMemoryStore(), { commit, lastBatch: async () => 0 })),
    );
    committer.open({ engine: 1 });
    for (const run of [1, 2, 3]) committer.ready(member(run, told));
    await committer.drained();
    expect(sent).toEqual([
      [1, 1, 2, 3],
      [1, 1],
      [1, 1],
      [2, 2],
      [2, 3],
    ]);
    expect(told).toEqual(["1 committed", "2 choked", "3 committed"]);
  });
});

describe("the start of a child", () => {
  it("that was there already begins nothing: whoever holds it goes on with it (invariants 2, 5)", async () => {
    const commit = async (): Promise<BatchResult> => ({ starts: [{ run: 7, existing: true }], refused: new Map() });
    const committer = new Committer(committerHost(intercept(createMemoryStore(), { commit })));
    committer.open({ engine: 1 });
    const started = await committer.start(newRun(event("RunStarted", 1), true));
    expect(started).toEqual({ result: { run: 7, existing: true }, fresh: false });
  });
});

function member(run: number, told: string[]): Committing {
  let asked = false;
  return {
    takeTransition: () => {
      if (asked) return undefined;
      asked = true;
      return { run, base: 1, events: [], consumed: [], attempts: [], settled: [], image: null };
    },
    committed: () => void told.push(`${run} committed`),
    refused: () => void told.push(`${run} refused`),
    choked: () => void told.push(`${run} choked`),
    doubtful: () => void told.push(`${run} doubtful`),
  };
}

function committerHost(store: Store): CommitterHost {
  const nothing = (): void => {};
  const clock = new VirtualClock();
  return {
    store,
    clock,
    machine: clock,
    log: silentLogger,
    leaseProved: nothing,
    leaseLost: nothing,
    reconcile: async () => {},
    runTurns: nothing,
  };
}

describe("an alarm", () => {
  it("lets others in between when what rings sets it again for a time that is past", () => {
    const timers: (() => void)[] = [];
    const after = (_: number, callback: () => void): (() => void) => {
      timers.push(callback);
      return () => {};
    };
    const alarm = new Alarm({ now: () => 1000, monotonic: () => 0, after });
    let rings = 0;
    const again = (): void => {
      rings++;
      alarm.set(500, again);
    };
    alarm.set(500, again);
    timers.shift()!();
    expect([rings, timers.length]).toEqual([1, 1]);
  });

  it("rings within seconds when the wall clock is set past its time", async () => {
    const ticks = new VirtualClock();
    let ahead = 0;
    const clock: Clock = {
      now: () => ticks.now() + ahead,
      monotonic: () => ticks.monotonic(),
      after: (ms, callback) => ticks.after(ms, callback),
    };
    let rang = false;
    new Alarm(clock).set(clock.now() + 86_400_000, () => {
      rang = true;
    });
    await ticks.advance(1000);
    ahead = 86_400_000;
    await ticks.advance(10_000);
    expect(rang).toBe(true);
  });
});

describe("a run that is about to park", () => {
  it("stays and wakes in time when its turn to write comes too late for that", async () => {
    const clock = new VirtualClock();
    const base = createMemoryStore();
    const commit = async (lease: Lease, batch: Batch): Promise<BatchResult> => {
      const result = await base.commit(lease, batch);
      const ms = batch.starts.some(({ workflowId }) => workflowId === "slow") ? 5000 : 10;
      await new Promise<void>((resolve) => clock.after(ms, resolve));
      return result;
    };
    const engine = new Engine(engineConfig(intercept(base, { commit }), clock));
    await engine.open();
    const first = engine.start(startSpec("sleeper"));
    await clock.advance(5);
    // Leaves before what the first commit brings is worked on, and comes back when three of eight seconds are left.
    const second = engine.start(startSpec("slow"));
    await clock.advance(20_000);
    await Promise.all([first, second]);
    expect((await base.find({ workflowId: "sleeper" }))!.status).toBe("completed");
  });
});

const sleeper = workflow("sleeper", (wf) => wf.sleep("8s"));

function startSpec(workflowId: string): StartSpec {
  return {
    workflow: sleeper,
    workflowId,
    input: undefined,
    delayMs: 0,
    timeoutMs: undefined,
    secrets: {},
    meta: null,
    request: null,
    tags: {},
  };
}

function engineConfig(store: Store, clock: Clock): EngineConfig {
  return {
    store,
    clock,
    registry: new Registry([sleeper], []),
    log: silentLogger,
    label: "test",
    codec: undefined,
    deps: undefined,
    observers: [],
    ttlMs: 10_000,
    pollMs: 1000,
    parkAfterMs: 5000,
    warmRuns: 10,
    claims: "all",
    guard: "error",
    seal: (text) => text,
    unseal: (text) => text,
  };
}
