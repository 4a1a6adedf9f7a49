/**
 * The engine: composes lease, committer, turns, claimer and the runs in memory. It decides nothing about a run's progress
 * (core does) and nothing about rows (the store does).
 */

import { isPerdureError, PerdureError } from "../core/errors.ts";
import type { PayloadCodec } from "../core/payload.ts";
import type { ReplayPlan, ReplayRow } from "../core/resume.ts";
import type { CodeKey, EventRow, Lease, LoadedRun, NewRun, RunRow, StartResult, Store } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import { Admitter } from "./admitter.ts";
import { Alarm } from "./alarm.ts";
import { Claimer, type ClaimHost } from "./claimer.ts";
import type { Clock } from "./clock.ts";
import { Committer, type CommitterHost, type Committing } from "./committer.ts";
import type { EngineConfig } from "./engine-config.ts";
import { Guard } from "./guard/guard.ts";
import { installGuard } from "./guard/installation.ts";
import { type LeaseHost, LeaseKeeper } from "./lease-keeper.ts";
import { MachineMaker } from "./machine-maker.ts";
import { warnOfMissingCode } from "./missing-code.ts";
import { deadlineOf, newRun, type StartSpec } from "./new-run.ts";
import { Observers } from "./observers.ts";
import { Pauses } from "./pauses.ts";
import { Queries } from "./queries.ts";
import type { Registry } from "./registry.ts";
import type { ReplicaParts } from "./replica.ts";
import { resetRequest } from "./reset.ts";
import { type Standing, standingAfter } from "./rewind.ts";
import { RunActor } from "./run-actor.ts";
import { type FactsRow, factsOf, type RunFacts } from "./run-facts.ts";
import type { RunHost } from "./run-host.ts";
import { attributeRejections } from "./run-scope.ts";
import { RunServices } from "./run-services.ts";
import type { Secrets } from "./secrets.ts";
import { Slots } from "./slots.ts";
import type { StepRun } from "./step-run.ts";
import { clockFor } from "./store-clock.ts";
import { HISTORY_PAGE, Takeover, type TakeoverHost } from "./takeover.ts";
import { TaskDesk, type TaskDeskHost } from "./task-desk.ts";
import { Turns } from "./turns.ts";

/** How a run ended or got stuck, told to those who wait for it. */
export type Closing = { readonly run: number; readonly last: EventRow | undefined };

export class Engine implements RunHost<RunActor>, CommitterHost, LeaseHost, ClaimHost, TakeoverHost, TaskDeskHost {
  readonly #config: EngineConfig;
  readonly store: Store;
  /** The store's, if it has one: what everything but the lease goes by. */
  readonly clock: Clock;
  readonly machine: Clock;
  readonly log: Logger;
  readonly guard: Guard | undefined;
  readonly label: string;
  readonly alarm: Alarm;
  readonly turns: Turns;
  readonly observers: Observers;
  readonly committer: Committer;
  readonly #keeper: LeaseKeeper;
  readonly #claimer: Claimer;
  readonly #admitter: Admitter;
  readonly #actors = new Map<number, RunActor>();
  readonly #warm = new Map<number, RunActor>();
  readonly #listeners = new Set<(closing: Closing) => void>();
  #fresh: StepRun[] = [];
  #held: StepRun[] = [];
  readonly pauses: Pauses = new Pauses();
  readonly #slots: Slots;
  readonly #desk: TaskDesk;
  readonly #takeover: Takeover;
  /** Runs on their way from the store into memory, and the lease under which. */
  readonly #coming = new Map<number, Lease>();
  /** Runs the store says are ours that were not in memory at the last audit. */
  #missing = new Set<number>();
  #definitions = new Set<string>();
  readonly #context: MachineMaker;
  readonly #queries: Queries;
  readonly services: RunServices;
  #unattribute = (): void => {};
  #unguard = (): void => {};
  /** Runs claimed while their actors had not heard yet that they had parked. */
  readonly #reclaimed = new Map<number, RunRow>();
  readonly ownRuns: Set<number> | undefined;
  #closed = false;

  constructor(config: EngineConfig) {
    this.#config = config;
    this.store = config.store;
    this.machine = config.clock;
    this.clock = clockFor(config.store, config.clock);
    this.log = config.log;
    this.guard = Guard.of(config.guard, config.log);
    this.label = config.label;
    this.alarm = new Alarm(this.clock);
    this.turns = new Turns(() => {});
    this.observers = new Observers(config.observers, config.log);
    this.ownRuns = config.claims === "own" ? new Set() : undefined;
    this.committer = new Committer(this);
    this.#keeper = new LeaseKeeper(this, config.ttlMs, config.pollMs);
    this.#keeper.onLost = (): void => this.leaseLost();
    this.#claimer = new Claimer(this, config.pollMs);
    this.#admitter = new Admitter(this, config.pollMs);
    this.#slots = new Slots(this.clock, this.pauses, config.queues ?? new Map());
    this.#takeover = new Takeover(this);
    this.services = new RunServices(this);
    this.#context = new MachineMaker(this);
    this.#queries = new Queries(this, this.#context);
    this.#desk = new TaskDesk(this, this.#slots);
  }

  get codec(): PayloadCodec | undefined {
    return this.#config.codec;
  }

  get deps(): unknown {
    return this.#config.deps;
  }

  get around(): EngineConfig["around"] {
    return this.#config.around;
  }

  /** Whether nothing is on its way through this engine; attempts that run are not asked. */
  get idle(): boolean {
    const moving = this.turns.busy || this.committer.busy || this.#claimer.looking;
    return !moving && !this.#slots.busy && !this.#desk.busy && this.#coming.size === 0 && this.#fresh.length === 0;
  }

  get parkAfterMs(): number {
    return this.#config.parkAfterMs;
  }

  get code(): readonly CodeKey[] {
    const { code, schedules } = this.#config.registry;
    return this.pauses.running([...code, ...schedules]);
  }

  /** Runs in memory, active ones and warm ones. */
  get inMemory(): { active: number; warm: number } {
    return { active: this.#actors.size, warm: this.#warm.size };
  }

  /** Whether this engine advances the run now. */
  advances(run: number): boolean {
    return this.#actors.has(run);
  }

  /** Begins. What had begun when it fails is ended again. */
  async open(): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      await this.close().catch(() => {});
      throw error;
    }
  }

  async #open(): Promise<void> {
    this.#unattribute = attributeRejections();
    await this.#keeper.start();
    if (this.guard !== undefined) this.#unguard = installGuard();
    await this.#lookAtPauses();
    void warnOfMissingCode(this);
    // What was asked for while no engine was there is older than what is due now.
    await this.#admitter.start();
    for (const [queue, everywhere] of this.#config.everywhere ?? []) await this.store.limitQueue(queue, everywhere);
    await this.#lookAtLimits();
    this.#claimer.start();
    this.#desk.start();
  }

  /** Calls back whenever a run of this engine has ended or is blocked. */
  onClosed(listener: (closing: Closing) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Something was put into an inbox or became due: look at once. `run`: this engine is to advance it. */
  hint(run?: number): void {
    if (run !== undefined) this.ownRuns?.add(run);
    this.#claimer.hint();
  }

  /** People may have stopped something, or let it go on: looks at once. */
  async pausesChanged(): Promise<void> {
    await this.#lookAtPauses();
    this.#claimer.hint();
  }

  async #lookAtPauses(): Promise<void> {
    if (!this.pauses.update(await this.store.pauses())) return;
    this.#slots.pausesChanged();
    this.#desk.hint();
  }

  async #lookAtLimits(): Promise<void> {
    this.registry.limit((await this.store.queueLimits()).map(({ queue }) => queue));
  }

  /** Whether it runs activities for others. */
  get executes(): boolean {
    return this.#desk.serves;
  }

  get serves(): readonly string[] | undefined {
    return this.registry.serves;
  }

  // ---- starting --------------------------------------------------------------------------------------------------------

  /** Creates a run; it begins at once unless it is delayed. */
  async start(spec: StartSpec): Promise<StartResult> {
    if (this.#closed) throw new PerdureError("UNAVAILABLE", "this engine is closed");
    const { workflow } = spec;
    await this.#keepDefinition(workflow);
    const stopped = this.pauses.stopsWorkflow(workflow.name);
    const run = newRun(spec, this.clock.now(), this.codec, this.#config.seal, stopped);
    const { result, fresh } = await this.committer.start(run, spec.parent !== undefined);
    if ("run" in result) this.ownRuns?.add(result.run);
    if ("run" in result && run.owned) {
      if (fresh) this.#begin(result.run, spec, run);
      else await this.#loadOwned([result.run]).catch(() => {});
    }
    return result;
  }

  async #keepDefinition({ name, version, definition }: AnyWorkflow): Promise<void> {
    if (definition === undefined || version === undefined || this.#definitions.has(version)) return;
    await this.store.putDefinition({ hash: version, name, body: definition, createdAt: this.clock.now() });
    this.#definitions.add(version);
  }

  #begin(run: number, spec: StartSpec, row: NewRun): void {
    if (this.#knows(run)) return;
    const { workflowId, workflow, version, createdAt, meta, request, tags = null, parent = null } = row;
    const about = { run, workflowId, workflow, version, createdAt, meta, request, tags, parent, progress: null };
    const facts = this.facts(about, spec.secrets, deadlineOf(spec, createdAt));
    const actor = this.actor(facts, spec.workflow, NO_GENERATION);
    this.#actors.set(run, actor);
    actor.begin(
      row.first,
      row.messages?.map((message, index) => ({ ...message, run, number: index + 1 })),
    );
  }

  facts(row: FactsRow, secrets: Secrets, deadline: number | undefined): RunFacts {
    return factsOf(row, this.store.id, secrets, deadline);
  }

  actor(facts: RunFacts, definition: AnyWorkflow, generation: (command: number) => number): RunActor {
    return new RunActor(this, facts, (actor) => this.#context.machine(facts, definition, generation, actor));
  }

  // ---- taking over -----------------------------------------------------------------------------------------------------

  lease(): Lease | undefined {
    return this.#keeper.lease;
  }

  async adopt(rows: readonly RunRow[]): Promise<void> {
    const warm = new Set<number>();
    for (const row of rows) {
      if (this.#actors.has(row.run)) this.#reclaimed.set(row.run, row);
      const actor = this.#warm.get(row.run);
      if (actor !== undefined && actor.seq === row.length && row.crashes === 0 && resetRequest(row) === undefined)
        warm.add(row.run);
      else if (actor !== undefined) this.#cool(actor);
    }
    const cold = rows.filter((row) => !warm.has(row.run)).map((row) => row.run);
    await Promise.all([
      this.#bring([...warm], 0, (loaded) => this.#wake(loaded)),
      this.#bring(cold, HISTORY_PAGE, (loaded) => this.#takeover.take(loaded)),
    ]);
  }

  /**
   * Loads runs and makes something of them. A run is on its way into memory once at a time, so that what was read is never out
   * of date when it is used: until then nobody here advances the run.
   */
  async #bring(
    asked: readonly number[],
    maxEvents: number,
    use: (loaded: LoadedRun) => void | Promise<void>,
  ): Promise<void> {
    const lease = this.lease();
    const runs = asked.filter((run) => !this.#knows(run));
    if (lease === undefined || runs.length === 0) return;
    for (const run of runs) this.#coming.set(run, lease);
    const arrived = (run: number): void => {
      if (this.#coming.get(run) === lease) this.#coming.delete(run);
    };
    let loaded: readonly LoadedRun[] = [];
    try {
      loaded = await this.store.load(runs, maxEvents);
    } finally {
      for (const run of runs) if (!loaded.some(({ row }) => row.run === run)) arrived(run);
    }
    for (const one of loaded) {
      const { run } = one.row;
      const take = async (): Promise<void> => (lease === this.lease() ? use(one) : undefined);
      take()
        .catch((error: unknown) =>
          this.log.warn({ run, error: String(error) }, "taking a run over failed; trying again"),
        )
        .finally(() => arrived(run));
    }
    this.turns.run();
  }

  /** Whether a run is in memory or on its way there. */
  #knows(run: number): boolean {
    return this.#actors.has(run) || this.#coming.has(run) || this.#takeover.waits(run);
  }

  #wake({ row, messages }: LoadedRun): void {
    const actor = this.#warm.get(row.run);
    // Without it the audit finds the run and takes it over from its history.
    if (actor === undefined || row.owner !== this.lease()?.engine) return;
    this.#warm.delete(row.run);
    this.#actors.set(row.run, actor);
    actor.wake(messages, row.inbox);
  }

  activate(actor: RunActor): void {
    const { run } = actor.facts;
    const warm = this.#warm.get(run);
    if (warm !== undefined) this.#cool(warm);
    this.#actors.set(run, actor);
  }

  seal(text: string): string {
    return this.#config.seal(text);
  }

  unseal(text: string): string {
    return this.#config.unseal(text);
  }

  get replicas(): ReplicaParts {
    return { maker: this.#context, turns: this.turns };
  }

  get registry(): Registry {
    return this.#config.registry;
  }

  get suspects(): { readonly from: number; readonly limit: number } {
    return this.#takeover.suspects;
  }

  /** Runs that are ours in the store but not in memory, twice in a row, were lost on the way: they are loaded again. */
  async audit(lease: Lease): Promise<void> {
    const owned = await this.store.owned(lease);
    if (lease !== this.lease()) return;
    const missing = owned.filter((run) => !this.#knows(run));
    const lost = missing.filter((run) => this.#missing.has(run));
    this.#missing = new Set(missing);
    if (lost.length > 0) await this.#loadOwned(lost);
    await this.#desk.renewed();
    await this.#lookAtLimits();
  }

  // ---- RunHost ---------------------------------------------------------------------------------------------------------

  ready(actor: RunActor): void {
    this.committer.ready(actor);
  }

  mayStart(step: StepRun, facts: RunFacts): boolean {
    return this.mayStartTask(step) && (this.#slots.free(step) || this.#slots.admit(step, facts));
  }

  mayStartTask(step: StepRun): boolean {
    if (this.#keeper.valid && !this.#closed) return true;
    this.#held.push(step);
    return false;
  }

  handedOut(): void {
    this.#desk.hint();
  }

  mayGoOn(workflow: string, then: () => void): boolean {
    return this.#slots.mayGoOn(workflow, then);
  }

  watch(step: StepRun): void {
    this.#fresh.push(step);
    if (this.#fresh.length > 1) return;
    setImmediate(() => {
      const steps = this.#fresh;
      this.#fresh = [];
      for (const one of steps) one.linger();
    });
  }

  closed(actor: RunActor, last: EventRow | undefined): void {
    this.#actors.delete(actor.facts.run);
    this.#readopt(actor.facts.run);
    this.#takeover.done(actor.facts.run);
    for (const listener of this.#listeners) listener({ run: actor.facts.run, last });
  }

  parked(actor: RunActor, wakeAt: number | null): void {
    const { run } = actor.facts;
    this.#actors.delete(run);
    this.#takeover.done(actor.facts.run);
    this.#warm.set(run, actor);
    // Attempts leave no event: whether another engine made one meanwhile could not be seen from the length of the history.
    if (actor.betweenAttempts) this.#cool(actor);
    if (this.#warm.size > this.#config.warmRuns) {
      const [oldest] = this.#warm.values();
      if (oldest !== undefined) this.#cool(oldest);
    }
    if (wakeAt !== null) this.#claimer.dueAt(wakeAt);
    this.#readopt(run);
  }

  /** A run that was claimed again before its actor heard that it had parked goes on. */
  #readopt(run: number): void {
    const row = this.#reclaimed.get(run);
    if (row === undefined) return;
    this.#reclaimed.delete(run);
    this.adopt([row]).catch((error: unknown) =>
      this.log.warn({ run, error: String(error) }, "taking a run over failed; trying again"),
    );
  }

  #cool(actor: RunActor): void {
    this.#warm.delete(actor.facts.run);
    actor.abandon("parked");
  }

  refetch(actor: RunActor): void {
    this.store.load([actor.facts.run], 0).then(
      ([loaded]) => {
        if (this.#actors.get(actor.facts.run) !== actor) return;
        if (loaded === undefined) this.reload(actor);
        else actor.refetched(loaded.messages, loaded.row.inbox);
      },
      () => this.clock.after(100, () => this.refetch(actor)),
    );
  }

  reload(actor: RunActor): void {
    const { run } = actor.facts;
    this.forget(actor);
    this.#loadOwned([run]).catch((error: unknown) =>
      this.log.warn({ run, error: String(error) }, "reading a run again failed; trying again"),
    );
  }

  #loadOwned(runs: readonly number[]): Promise<void> {
    return this.#bring(runs, HISTORY_PAGE, (loaded) => {
      const { run, closedAt, status } = loaded.row;
      if (closedAt === null && status !== "blocked") return this.#takeover.take(loaded);
      for (const listener of this.#listeners) listener({ run, last: undefined });
    });
  }

  /** The answer to a commit was lost: this actor no longer knows where its run stands. */
  forget(actor: RunActor): void {
    if (this.#actors.get(actor.facts.run) === actor) this.#actors.delete(actor.facts.run);
    this.#reclaimed.delete(actor.facts.run);
    actor.abandon("read again from the store");
  }

  answered({ facts }: RunActor): void {
    for (const listener of this.#listeners) listener({ run: facts.run, last: undefined });
  }

  progressed(actor: RunActor): void {
    this.#takeover.done(actor.facts.run);
  }

  /** Answers a query with what the run's code says after everything durable (rule 38). */
  query(run: number, name: string, input: unknown): Promise<unknown> {
    return this.#queries.ask(run, name, input);
  }

  /** Where the code of a run stands after some of its events. */
  standing(row: RunRow, plan: ReplayPlan, rows: readonly ReplayRow[]): Promise<Standing> {
    return standingAfter(this, row, plan, rows);
  }

  /** Creates a run that begins in the middle; whoever has its code takes it over. */
  async create(run: NewRun): Promise<StartResult> {
    if (this.#closed) throw new PerdureError("UNAVAILABLE", "this engine is closed");
    const { result } = await this.committer.start(run);
    if ("run" in result) this.hint(result.run);
    return result;
  }

  // ---- CommitterHost ---------------------------------------------------------------------------------------------------

  leaseProved(sentMonotonicMs: number, sentAt: number): void {
    this.#keeper.proved(sentMonotonicMs, sentAt);
    if (this.#held.length > 0) this.#beginHeld();
  }

  #beginHeld(): void {
    const held = this.#held;
    this.#held = [];
    for (const step of held) step.admitted();
  }

  leaseLost(): void {
    if (this.#keeper.lease === undefined) return;
    this.log.warn({}, "this engine lost its lease; its runs go on elsewhere");
    this.committer.shut();
    this.#desk.leaseLost("the engine lost its lease");
    for (const actor of this.#actors.values()) actor.abandon("the engine lost its lease");
    for (const actor of this.#warm.values()) actor.abandon("the engine lost its lease");
    this.#actors.clear();
    this.#warm.clear();
    this.#held = [];
    this.#coming.clear();
    this.#reclaimed.clear();
    this.#takeover.clear();
    this.#keeper.lost();
  }

  async reconcile(runs: readonly Committing[]): Promise<void> {
    const numbers: number[] = [];
    for (const run of runs) {
      run.doubtful();
      if (run instanceof RunActor) numbers.push(run.facts.run);
    }
    await this.#loadOwned(numbers);
  }

  runTurns(): void {
    this.turns.run();
  }

  // ---- LeaseHost and ClaimHost -----------------------------------------------------------------------------------------

  leaseGained(lease: Lease): void {
    this.committer.open(lease);
    this.#claimer.hint();
    this.#desk.hint();
  }

  freed(runs: number): void {
    this.log.info({ runs }, `${runs} run(s) of dead engines are free to go on`);
    this.#claimer.hint();
  }

  admitted(): void {
    this.#claimer.hint();
    for (const listener of this.#listeners) listener({ run: 0, last: undefined });
  }

  async fetchInbox(lease: Lease): Promise<void> {
    await this.#lookAtPauses();
    this.#desk.poll(this.#config.pollMs);
    if (this.#actors.size === 0) return;
    const messages = await this.store.inbox(lease);
    if (lease !== this.lease()) return;
    for (const message of messages) this.#actors.get(message.run)?.deliver([message]);
  }

  // ---- ending ----------------------------------------------------------------------------------------------------------

  /** Ends as a killed process does: nothing is written any more, and its lease is left behind. */
  vanish(): void {
    this.#closed = true;
    void this.#claimer.stop();
    void this.#admitter.stop();
    this.leaseLost();
    void this.#desk.close();
    this.committer.close();
    this.alarm.clear();
    this.#slots.close();
    this.#unattribute();
    this.#unguard();
  }

  /** Stops: effects are aborted, runs are handed over at once, nothing is lost. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#atMost(this.#claimer.stop());
    await this.#atMost(this.#admitter.stop());
    await this.#atMost(this.#desk.close());
    for (const actor of this.#actors.values()) actor.release();
    await this.#atMost(this.committer.drained());
    this.committer.close();
    for (const actor of [...this.#actors.values(), ...this.#warm.values()]) actor.abandon("the engine closed");
    this.#actors.clear();
    this.#warm.clear();
    this.alarm.clear();
    this.#slots.close();
    this.#takeover.clear();
    try {
      await this.#atMost(this.#keeper.stop());
    } catch (error) {
      if (!isPerdureError(error)) throw error;
      this.log.warn({ error: error.message }, "leaving the store failed; its runs are freed when the lease ends");
    }
    this.observers.flush();
    this.#unattribute();
    this.#unguard();
  }

  /** Waits for the store, but not longer than the lease could live anyway. */
  async #atMost(work: Promise<void>): Promise<void> {
    let cancel = (): void => {};
    const late = new Promise<void>((resolve) => {
      cancel = this.clock.after(this.#config.ttlMs, resolve);
    });
    await Promise.race([work, late]).finally(() => cancel());
  }
}

const NO_GENERATION = (): number => 0;
