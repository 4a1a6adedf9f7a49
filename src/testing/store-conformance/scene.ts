/** Short words for the rows of the tests: an engine on a store that numbers its own batches. */
import assert from "node:assert/strict";
import type {
  Also,
  AttemptRow,
  BatchResult,
  EventRow,
  Lease,
  LoadedRun,
  NewMessage,
  NewRun,
  Refusal,
  RunImage,
  StartResult,
  Store,
  Transition,
} from "../../store/store.ts";
import type { StoreSubject } from "./subject.ts";

/** An engine of the test. */
export class Scene {
  readonly store: Store;
  lease: Lease;
  #batch = 0;

  constructor(store: Store, lease: Lease) {
    this.store = store;
    this.lease = lease;
  }

  async commit(starts: readonly NewRun[], transitions: readonly Transition[]): Promise<BatchResult> {
    const result = await this.store.commit(this.lease, { number: this.#batch + 1, starts, transitions });
    this.#batch++;
    return result;
  }

  async tryStart(start: Partial<NewRun> = {}): Promise<StartResult> {
    const { starts } = await this.commit([newRun(start)], []);
    return starts[0]!;
  }

  async start(start: Partial<NewRun> = {}): Promise<number> {
    const result = await this.tryStart(start);
    assert.ok("run" in result, `the workflow id ${start.workflowId} is taken`);
    return result.run;
  }

  /** Commits one transition and says whether it was refused. */
  async advance(run: number, base: number, rest: Partial<Transition> = {}): Promise<Refusal | undefined> {
    const { refused } = await this.commit([], [transition(run, base, rest)]);
    return refused.get(0);
  }

  /** Gives up a run with a history of `base` events. */
  async park(run: number, base: number, rest: Partial<RunImage> = {}): Promise<void> {
    assert.equal(await this.advance(run, base, { image: image({ owned: false, ...rest }) }), undefined);
  }

  /** Ends a run with a history of `base` events by one more. */
  async finish(run: number, base: number, rest: Partial<RunImage> = {}): Promise<void> {
    const closed = image({ status: "completed", owned: false, closedAt: 9, ...rest });
    assert.equal(await this.advance(run, base, { events: [event("RunCompleted")], image: closed }), undefined);
  }

  /** Takes a run over, whenever it is due. */
  async take(run: number): Promise<number> {
    const claimed = await this.store.claim(this.lease, { code: [], runs: [run], limit: 1, at: 0 });
    assert.deepEqual(numbers(claimed), [run]);
    return run;
  }

  async load(run: number): Promise<LoadedRun> {
    const [loaded] = await this.store.load([run], 1000);
    assert.ok(loaded !== undefined, `run ${run} is not there`);
    return loaded;
  }

  async eventTypes(run: number): Promise<string[]> {
    return (await this.store.history(run, 0, 1000)).map(({ type }) => type);
  }
}

/** Opens an empty store with one engine, and closes it after the test. */
export async function withScene(subject: StoreSubject, test: (scene: Scene) => Promise<void>): Promise<void> {
  const store = await subject.open();
  try {
    await test(await newScene(store));
  } finally {
    await store.close();
  }
}

/** Registers another engine. */
export async function newScene(store: Store): Promise<Scene> {
  return new Scene(store, await store.register({ label: "test", at: 1 }));
}

let ids = 0;

export function newRun(rest: Partial<NewRun> = {}): NewRun {
  return {
    workflowId: `id-${++ids}`,
    workflow: "order",
    version: null,
    createdAt: 1,
    owned: true,
    wakeAt: null,
    first: event("RunStarted"),
    meta: null,
    request: null,
    secrets: null,
    supersedes: null,
    ...rest,
  };
}

export function event(type: string, at = 2, data = `{"n":"${type}"}`): EventRow {
  return { type, at, data };
}

export function transition(run: number, base: number, rest: Partial<Transition> = {}): Transition {
  return { run, base, events: [], consumed: [], attempts: [], settled: [], image: null, ...rest };
}

export function image(rest: Partial<RunImage> = {}): RunImage {
  return {
    status: "running",
    owned: true,
    wakeAt: null,
    closedAt: null,
    crashes: 0,
    detail: null,
    ifInbox: null,
    forget: false,
    ...rest,
  };
}

type Successor = NonNullable<Also["successor"]>;

/** A transition that continues a run with a history of `base` events as new. */
export function continuing(run: number, base: number, successor: Partial<Successor> = {}): Transition {
  const closed = image({ status: "continued_as_new", owned: false, closedAt: 9, forget: true });
  const start = newRun({ owned: false, wakeAt: 9 });
  return transition(run, base, { image: closed, also: { successor: { start, messages: [], ...successor } } });
}

/** Continues a run as new and returns the number of the next. */
export async function continuedAsNew(
  scene: Scene,
  run: number,
  base: number,
  successor: Partial<Successor> = {},
  rest: Partial<Transition> = {},
  sends: readonly NewMessage[] = [],
): Promise<number> {
  const step = continuing(run, base, successor);
  const { refused } = await scene.commit([], [{ ...step, ...rest, also: { ...step.also, sends } }]);
  assert.equal(refused.size, 0);
  const { workflowId } = (await scene.load(run)).row;
  return (await scene.store.find({ workflowId }))!.run;
}

export function attempt(command: number, rest: Partial<AttemptRow> = {}): AttemptRow {
  return {
    command,
    kind: "activity",
    name: "charge",
    attempt: 1,
    startedAt: 5,
    firstAt: 5,
    nextAt: null,
    error: null,
    details: null,
    ...rest,
  };
}

export function message(run: number, rest: Partial<NewMessage> = {}): NewMessage {
  return { run, kind: "signal", name: "approved", data: "{}", at: 50, key: null, ...rest };
}

/** Numbers of rows of runs. */
export function numbers(rows: readonly { readonly run: number }[]): number[] {
  return rows.map(({ run }) => run);
}
