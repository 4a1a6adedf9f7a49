/** A test environment: the real engine on a store in memory, with time, activities and crashes in the hands of the test. */
import { AssertionError } from "node:assert";
import { engineSettings, registryOf } from "../client/open-options.ts";
import { Perdure, type PerdureParts } from "../client/perdure.ts";
import type { RunDescription } from "../client/run-description.ts";
import { RunHandle } from "../client/run-handle.ts";
import { MAX_DURATION_MS } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import { parseRunId } from "../core/ids.ts";
import { OPEN_STATUSES } from "../core/status.ts";
import { Engine } from "../engine/engine.ts";
import { silentLogger } from "../engine/log.ts";
import type { RecordedHistory } from "../engine/recorded-history.ts";
import { recordRun } from "../engine/recording.ts";
import type { Registry } from "../engine/registry.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import { createSealer } from "../store/sealing.ts";
import type { Store } from "../store/store.ts";
import { type Activity, type ActivityContext, type AnyActivity, activity, isActivity } from "../workflow/activity.ts";
import { type AnyWorkflow, isWorkflow, type Workflow, workflowOf } from "../workflow/workflow.ts";
import { Attempts, type Call, type MockFunction, type Target } from "./attempts.ts";
import { type CrashPoint, CrashPoints, type PlannedCrash } from "./crash-points.ts";
import { EngineSlot } from "./engine-slot.ts";
import { readFixtures, writeFixture } from "./history-fixture.ts";
import { type HistoryStep, stepsOf } from "./history-steps.ts";
import { Incarnation } from "./incarnation.ts";
import { finite, Movement, runText } from "./movement.ts";
import { verifyRecorded, verifyRuns } from "./replay-check.ts";
import { checkTestEnv, engineOptions, type TestEnvOptions } from "./test-env-options.ts";
import { pointInTime, type TestClock, TestTime } from "./test-time.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** What a mock is put in the place of. */
type Mockable = string | AnyActivity | AnyWorkflow;

/** Version of the stand-ins of children. */
const MOCKED = "mocked";
/** An engine for one test. Everything {@link Perdure} has, and what tests need. Made by {@link createTestEnv}. */
export class TestEnv extends Perdure {
  /** Time: `now()`, `advance("3d")`, `advanceTo(date)`. */
  readonly clock: TestClock;
  readonly #time: TestTime;
  readonly #slot: EngineSlot;
  readonly #store: Store;
  readonly #registry: Registry;
  readonly #attempts: Attempts;
  readonly #points: CrashPoints;
  readonly #options: TestEnvOptions;
  /** Names mocked that nobody had. */
  readonly #strangers = new Set<string>();
  #over = false;

  /** @internal */
  constructor(parts: PerdureParts, own: TestParts) {
    super(parts);
    this.clock = own.time;
    this.#time = own.time;
    this.#slot = own.slot;
    this.#store = own.store;
    this.#registry = parts.registry;
    this.#attempts = own.attempts;
    this.#points = own.points;
    this.#options = own.options;
  }

  /** Whether time jumps to the next timer while somebody waits and nothing runs. */
  get skipTime(): boolean {
    return this.#time.skip;
  }

  set skipTime(on: boolean) {
    this.#time.skip = on;
  }

  /** Resolves when nothing happens any more without time passing; running activities are waited for. */
  settled(): Promise<void> {
    return this.#time.settled();
  }

  /**
   * Puts a function in the place of an activity, or of a child workflow. Retries, timeouts and the history stay real. A mock given later
   * replaces the earlier one.
   *
   * @example
   * env.mock(fetchName, async (id) => `User ${id}`);
   * env.mock(charge, inTurn(fails("503"), returns({ txn: "t-1" })));
   */
  mock<I, O>(target: Activity<I, O>, fn: (input: I, ctx: ActivityContext) => O | Promise<O>): void;
  mock<I, O>(target: Workflow<I, O>, fn: (input: I, ctx: ActivityContext) => O | Promise<O>): void;
  mock(target: string, fn: MockFunction): void;
  mock(target: Mockable, fn: MockFunction): void {
    checkMock(target, fn);
    if (isWorkflow(target)) {
      this.#mockChild(target.name, fn);
      return;
    }
    const name = typeof target === "string" ? target : target.activityName;
    if (typeof target === "string" && this.#registry.workflow(name) !== undefined) {
      this.#mockChild(name, fn);
      return;
    }
    this.#attempts.mock(`activity:${name}`, fn);
    if (typeof target === "string" && this.#registry.activity(name) === undefined) this.#strangers.add(name);
    this.#registry.provide(isActivity(target) ? target : activity(name, () => fn(undefined, undefined as never)));
  }

  /** Puts a function in the place of the body of `wf.step(name, …)` or `wf.transaction(name, …)`. */
  mockStep(name: string, fn: (ctx: ActivityContext) => unknown): void {
    this.#attempts.mock(`step:${name}`, (_input, ctx) => fn(ctx));
  }

  /** A mocked child is a real run of its own, with one step: the mock. Like any child it takes as long as it takes. */
  #mockChild(name: string, fn: MockFunction): void {
    const target: Target = `workflow:${name}`;
    this.#attempts.mock(target, fn);
    const attempts = this.#attempts;
    this.#registry.standIn(
      workflowOf({
        name,
        version: MOCKED,
        run: (wf, input: unknown) =>
          wf.step(`mock of ${name}`, (context) => attempts.stand(target, { input, context }), {
            retry: { maxAttempts: 1 },
            timeout: MAX_DURATION_MS,
          }),
      }),
    );
  }

  /**
   * The attempts of an activity, an inline step or a mocked child so far, in the order in which they began.
   *
   * @example
   * assert.deepEqual(env.calls(charge).map(({ input }) => input), [{ amount: 5 }]);
   */
  calls<I, O>(target: Activity<I, O>): readonly Call<I, O>[];
  calls<I, O>(target: Workflow<I, O>): readonly Call<I, O>[];
  calls(target: string): readonly Call[];
  calls(target: Mockable): readonly Call[] {
    if (isWorkflow(target)) return this.#attempts.calls(`workflow:${target.name}`);
    if (typeof target !== "string") return this.#attempts.calls(`activity:${target.activityName}`);
    const kinds: readonly Target[] = [`activity:${target}`, `step:${target}`, `workflow:${target}`];
    return kinds.flatMap((kind) => this.#attempts.calls(kind));
  }

  /** What happened in a run, step by step, readable and with decoded values. */
  async history(run: RunHandle<unknown> | string): Promise<HistoryStep[]> {
    const handle = run instanceof RunHandle ? run : await this.handle(run);
    return stepsOf(await handle.history(), this.#slot.codec);
  }

  /** Runs that have not ended. */
  unfinished(): Promise<RunDescription[]> {
    return this.runs.list({ status: OPEN_STATUSES, limit: 1000 });
  }

  /** Lets the engine die as a killed process does. Resolves when another one has taken over. */
  async crash(): Promise<void> {
    await this.#slot.crash();
  }

  /**
   * Lets the engine die at a place to come; another one takes over at once. `close` fails when the place was never reached.
   *
   * @example
   * env.crashAt({ unrecorded: charge }); // the money was taken, and nobody wrote it down
   */
  crashAt(point: CrashPoint): PlannedCrash {
    return this.#points.plan(point);
  }

  /** Takes a planned crash back. */
  forget(crash: PlannedCrash): void {
    this.#points.forget(crash);
  }

  /** Crashes so far. */
  get crashes(): number {
    return this.#slot.crashes;
  }

  /** Commits of the engine so far: the range of `crashAt({ beforeCommit })`. */
  get commits(): number {
    return this.#points.commits;
  }

  /**
   * Replays a history that was recorded elsewhere (`perdure runs export`), or every one of an archive, given or in a file.
   *
   * @throws AssertionError when the code asks for something else than the history says.
   */
  async replay(history: RecordedHistory | string): Promise<void> {
    if (typeof history !== "string" && (typeof history !== "object" || history === null))
      throw new PerdureError("INVALID_ARGUMENT", "replay takes a recorded history, or the file of one");
    const all = typeof history === "string" ? readFixtures(history) : [history];
    for (const recorded of all) await verifyRecorded(recorded, this.#registry, this.#store, this.#options);
  }

  /**
   * The history of a run as it is kept for later tests; written to a file when one is named.
   *
   * @example
   * await env.record(handle, "test/histories/order.json"); // later: await env.replay("test/histories/order.json")
   */
  async record(handle: RunHandle<unknown>, file?: string): Promise<RecordedHistory> {
    const run = parseRunId(this.#store.id, handle.runId);
    const recorded = run === undefined ? undefined : await recordRun(this.#store, run);
    if (recorded === undefined) throw new PerdureError("NOT_FOUND", `there is no run ${handle.runId} here`);
    if (file !== undefined) writeFixture(file, recorded);
    return recorded;
  }

  /** Replays every run that has ended. `close` does it, too. @throws AssertionError when one goes another way. */
  async verify(): Promise<void> {
    await this.#time.settled();
    await verifyRuns(this.#store, this.#registry, this.#options);
  }

  /**
   * Ends the environment.
   *
   * @throws AssertionError when a replay goes another way than its run did, when a place of `crashAt` was never reached, when a mock was given
   *   for a name nobody has and an activity of nearly that name ran, or when runs are open and `unfinished` is `fail`.
   */
  override async close(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    try {
      await this.#check();
    } finally {
      this.#time.close();
      await super.close();
    }
  }

  async #check(): Promise<void> {
    if (this.#options.replay ?? true) await this.verify();
    const { missed } = this.#points;
    if (missed.length > 0)
      throw new AssertionError({ message: `the engine was to crash at a place that never came: ${missed.join(", ")}` });
    for (const { mock, meant } of this.#attempts.mistaken(this.#strangers))
      throw new AssertionError({
        message: `env.mock(${JSON.stringify(mock)}, …) was never asked for: nobody has an activity of that name; did you mean ${meant}, which ran without a mock?`,
      });
    if (this.#options.unfinished !== "fail") return;
    const open = await this.unfinished();
    if (open.length > 0) throw new AssertionError({ message: `runs are still open: ${open.map(runText).join("; ")}` });
  }
}

/** What is mocked may be undefined where modules import each other in a circle. */
function checkMock(target: unknown, fn: unknown): void {
  if (typeof target !== "string" && !isActivity(target) && !isWorkflow(target))
    throw new PerdureError("INVALID_ARGUMENT", "env.mock takes an activity, a workflow or the name of one");
  if (typeof fn === "function") return;
  const name = typeof target === "string" ? target : isActivity(target) ? target.activityName : target.name;
  throw new PerdureError("INVALID_ARGUMENT", `env.mock ${JSON.stringify(name)} takes a function to run in its place`);
}

/** What is under a {@link TestEnv}. */
interface TestParts {
  readonly time: TestTime;
  readonly slot: EngineSlot;
  readonly store: Store;
  readonly attempts: Attempts;
  readonly points: CrashPoints;
  readonly options: TestEnvOptions;
}

/**
 * An engine for one test: on a store in memory, with a clock of its own that jumps over waits, with mocks, and with crashes on demand.
 *
 * @throws PerdureError `INVALID_ARGUMENT` for bad options.
 *
 * @example
 * await using env = await createTestEnv({ workflows: [welcome] });
 * env.mock(fetchName, async () => "Ada");
 * const handle = await env.start(welcome, "42");
 * assert.equal(await handle.result(), "Nobody approved Ada"); // 48 hours later, in no time
 */
export async function createTestEnv(options: TestEnvOptions = {}): Promise<TestEnv> {
  checkTestEnv(options);
  const { now, skipTime = true, patience = 1000, unmocked = "run" } = options;
  const openOptions = engineOptions(options);
  const registry = registryOf(openOptions);
  const store = createMemoryStore();
  const sealer = createSealer(store);
  const clock = new VirtualClock(now === undefined ? undefined : pointInTime(now, "now"));
  const attempts = new Attempts(() => clock.now(), unmocked === "fail");
  for (const [name, fn] of Object.entries(options.mocks ?? {})) attempts.mock(`activity:${name}`, fn);
  const points = new CrashPoints();
  const make = (): Incarnation =>
    new Incarnation(
      store,
      clock,
      options.logger ?? silentLogger,
      points,
      () => attempts.lost(),
      ({ life, logger, ...own }) => {
        const settings = engineSettings({ ...openOptions, clock: own.clock, logger }, { registry, sealer });
        return new Engine({ ...settings, store: own.store, around: attempts.around(life) });
      },
    );
  const slot = new EngineSlot({ store, clock, codec: options.codec, make });
  const movement = new Movement(slot, attempts, store, () => clock.now());
  const waits = new TestTime(clock, movement, { skip: skipTime, patienceMs: patience });
  await slot.ready();
  const callers = { store: movement.clientStore(), ownsStore: true, clock: finite(clock), waits };
  const own = { time: waits, slot, store, attempts, points, options };
  return new TestEnv({ engine: slot, registry, sealer, ...callers }, own);
}
