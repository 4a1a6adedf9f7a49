/**
 * The engine: composes lease, committer, turns, claimer and the runs in memory. It decides nothing about a run's progress
 * (core does) and nothing about rows (the store does).
 */

import { isPerdureError, PerdureError } from "../core/errors.ts";
import type { PayloadCodec } from "../core/payload.ts";
import type { ReplayPlan, ReplayRow } from "../core/resume.ts";
import type { CodeKey, EventRow, Lease, NewRun, RunRow, StartResult, Store } from "../store/store.ts";
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
import { AHEAD } from "./intake.ts";
import { type LeaseHost, LeaseKeeper } from "./lease-keeper.ts";
import { MachineMaker } from "./machine-maker.ts";
import { warnOfMissingCode } from "./missing-code.ts";
import { deadlineOf, newRun, type StartSpec } from "./new-run.ts";
import { Observers } from "./observers.ts";
import { Pauses } from "./pauses.ts";
import { Queries } from "./queries.ts";
import type { Registry } from "./registry.ts";
import type { ReplicaParts } from "./replica.ts";
import { Residents, type ResidentsHost } from "./residents.ts";
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
import { Takeover, type TakeoverHost } from "./takeover.ts";
import { TaskDesk, type TaskDeskHost } from "./task-desk.ts";
import { Turns } from "./turns.ts";
import { UnknownActivities } from "./unknown-activities.ts";

/** How a run ended or got stuck, told to those who wait for it. */
export type Closing = { readonly run: number; readonly last: EventRow | undefined };

export class Engine
  implements RunHost<RunActor>, CommitterHost, LeaseHost, ClaimHost, TakeoverHost, ResidentsHost, TaskDeskHost
{
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
  readonly #runs: Residents;
  readonly #listeners = new Set<(closing: Closing) => void>();
  #fresh: StepRun[] = [];
  #held: StepRun[] = [];
  readonly pauses: Pauses = new Pauses();
  readonly #slots: Slots;
  readonly #desk: TaskDesk;
  readonly #takeover: Takeover;
  readonly #unknownActivities: UnknownActivities = new UnknownActivities(this);
  #definitions = new Set<string>();
  readonly #context: MachineMaker;
  readonly #queries: Queries;
  readonly services: RunServices;
  #unattribute = (): void => {};
  #unguard = (): void => {};
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
    this.registry.onProvided = (): void => this.#keeper.announce();
    this.#claimer = new Claimer(this, config.pollMs);
    this.#admitter = new Admitter(this, config.pollMs);
    this.#slots = new Slots(this.clock, this.pauses, config.queues ?? new Map());
    this.#takeover = new Takeover(this);
    this.#runs = new Residents(this, this.#takeover);
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
    return !moving && !this.#slots.busy && !this.#desk.busy && !this.#runs.moving && this.#fresh.length === 0;
  }

  get ahead(): number {
    return this.#config.ahead ?? AHEAD;
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
    return this.#runs.counts;
  }

  /** Whether this engine advances the run now. */
  advances(run: number): boolean {
    return this.#runs.advances(run);
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

  // ---- starting --------------------------------------------------------------------------------------------------------

  /** Creates a run; it begins at once unless it is delayed. `supersedes`: the closed run whose workflow id it takes. */
  async start(spec: StartSpec, supersedes: number | null = null): Promise<StartResult> {
    if (this.#closed) throw new PerdureError("UNAVAILABLE", "this engine is closed");
    const { workflow } = spec;
    if (workflow.definition !== undefined) await this.#keepDefinition(workflow);
    const stopped = this.pauses.stopsWorkflow(workflow.name);
    const run = newRun(spec, this.clock.now(), this.codec, this.#config.seal, supersedes, stopped);
    const { result, fresh } = await this.committer.start(run, spec.parent !== undefined);
    if ("run" in result) this.ownRuns?.add(result.run);
    if ("run" in result && run.owned) {
      if (fresh) this.#begin(result.run, spec, run);
      else await this.#runs.load([result.run]).catch(() => {});
    }
    return result;
  }

  async #keepDefinition({ name, version, definition }: AnyWorkflow): Promise<void> {
    if (definition === undefined || version === undefined || this.#definitions.has(version)) return;
    await this.store.putDefinition({ hash: version, name, body: definition, createdAt: this.clock.now() });
    this.#definitions.add(version);
  }

  #begin(run: number, spec: StartSpec, row: NewRun): void {
    if (this.#runs.knows(run)) return;
    const { workflowId, workflow, version, createdAt, meta, request, tags = null, parent = null } = row;
    const about = { run, workflowId, workflow, version, createdAt, meta, request, tags, parent, progress: null };
    const facts = this.facts(about, spec.secrets, deadlineOf(spec, createdAt));
    const actor = this.actor(facts, spec.workflow, NO_GENERATION);
    this.#runs.activate(actor);
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

  adopt(rows: readonly RunRow[]): Promise<void> {
    return this.#runs.adopt(rows);
  }

  activate(actor: RunActor): void {
    this.#runs.activate(actor);
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

  get sealed(): boolean {
    return this.#takeover.sealed;
  }

  async audit(lease: Lease): Promise<void> {
    const owned = await this.store.owned(lease);
    if (lease !== this.lease()) return;
    await this.#runs.audit(owned);
    await this.#unknownActivities.look();
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
    this.#runs.closed(actor);
    this.over(actor.facts.run, last);
  }

  over(run: number, last: EventRow | undefined): void {
    for (const listener of this.#listeners) listener({ run, last });
  }

  parked(actor: RunActor, wakeAt: number | null): void {
    if (wakeAt !== null) this.#claimer.dueAt(wakeAt);
    this.#runs.parked(actor);
  }

  get warmRuns(): number {
    return this.#config.warmRuns;
  }

  refetch(actor: RunActor): void {
    this.#runs.refetch(actor);
  }

  reload(actor: RunActor): void {
    this.#runs.reload(actor);
  }

  forget(actor: RunActor): void {
    this.#runs.forget(actor);
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
    this.#runs.clear("the engine lost its lease");
    this.#held = [];
    this.#keeper.lost();
  }

  async reconcile(runs: readonly Committing[]): Promise<void> {
    const numbers: number[] = [];
    for (const run of runs) {
      run.doubtful();
      if (run instanceof RunActor) numbers.push(run.facts.run);
    }
    await this.#runs.load(numbers);
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
    this.over(0, undefined);
  }

  async fetchInbox(lease: Lease): Promise<void> {
    await this.#lookAtPauses();
    this.#desk.poll(this.#config.pollMs);
    if (this.#runs.counts.active === 0) return;
    const messages = await this.store.inbox(lease, this.#runs.read());
    if (lease === this.lease()) this.#runs.deliver(messages);
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
    this.#runs.release();
    await this.#atMost(this.committer.drained());
    this.committer.close();
    this.#runs.clear("the engine closed");
    this.alarm.clear();
    this.#slots.close();
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
