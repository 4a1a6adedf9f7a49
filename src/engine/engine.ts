/**
 * The engine: composes lease, committer, turns, claimer and the runs in memory. It decides nothing about a run's progress
 * (core does) and nothing about rows (the store does).
 */
import { isPerdureError, PerdureError } from "../core/errors.ts";
import { type Check, newEvent } from "../core/events.ts";
import { formatRunId } from "../core/ids.ts";
import { Machine } from "../core/machine.ts";
import { encodePayload, type PayloadCodec } from "../core/payload.ts";
import { endsClosed, pivotOf, planReplay, type ReplayPlan, setAside } from "../core/resume.ts";
import type { EventRow, Lease, LoadedRun, NewRun, RunRow, StartResult, Store } from "../store/store.ts";
import type { Logger } from "../workflow/context.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import { Alarm } from "./alarm.ts";
import { Claimer, type ClaimHost } from "./claimer.ts";
import type { Clock } from "./clock.ts";
import type { CommandSpec } from "./command-spec.ts";
import { Committer, type CommitterHost, type Committing } from "./committer.ts";
import { type LeaseHost, LeaseKeeper } from "./lease-keeper.ts";
import { type Observer, Observers } from "./observers.ts";
import type { Registry } from "./registry.ts";
import { RunActor, type RunHost } from "./run-actor.ts";
import type { RunFacts } from "./run-facts.ts";
import { assertNoSecret, type Secrets } from "./secrets.ts";
import type { StepRun } from "./step-run.ts";
import { Turns } from "./turns.ts";
import { RunContext } from "./workflow-context.ts";

/** Everything an engine is made of, complete. */
export interface EngineConfig {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Logger;
  readonly label: string;
  readonly codec: PayloadCodec | undefined;
  readonly deps: unknown;
  readonly observers: readonly Observer[];
  readonly ttlMs: number;
  readonly pollMs: number;
  readonly parkAfterMs: number;
  /** How many parked runs stay in memory, ready to go on without a replay. */
  readonly warmRuns: number;
  readonly seal: (text: string) => string;
  readonly unseal: (text: string) => string;
}

/** What a run is started with, complete. */
export interface StartSpec {
  readonly workflow: AnyWorkflow;
  readonly workflowId: string;
  readonly input: unknown;
  readonly delayMs: number;
  readonly timeoutMs: number | undefined;
  readonly secrets: Secrets;
  readonly meta: string | null;
  readonly request: string | null;
  readonly supersedes: number | null;
}

/** How a run ended or got stuck, told to those who wait for it. */
export type Closing = { readonly run: number; readonly last: EventRow | undefined };

/** Events loaded at once for one run; longer histories are read page by page. */
const PAGE = 10_000;
/** Crashes after which a run is not started any more, and from which it starts alone (rule 18). */
const CRASH_LOOP = 5;
const SUSPECT = 2;

export class Engine implements RunHost, CommitterHost, LeaseHost, ClaimHost {
  readonly #config: EngineConfig;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly label: string;
  readonly alarm: Alarm;
  readonly turns: Turns;
  readonly observers: Observers;
  readonly committer: Committer;
  readonly #keeper: LeaseKeeper;
  readonly #claimer: Claimer;
  readonly #actors = new Map<number, RunActor>();
  readonly #warm = new Map<number, RunActor>();
  readonly #listeners = new Set<(closing: Closing) => void>();
  #fresh: StepRun[] = [];
  #held: StepRun[] = [];
  #suspects: LoadedRun[] = [];
  #suspect: number | undefined;
  #definitions = new Set<string>();
  #closed = false;

  constructor(config: EngineConfig) {
    this.#config = config;
    this.store = config.store;
    this.clock = config.clock;
    this.log = config.log;
    this.label = config.label;
    this.alarm = new Alarm(config.clock);
    this.turns = new Turns(() => {});
    this.observers = new Observers(config.observers, config.log);
    this.committer = new Committer(this);
    this.#keeper = new LeaseKeeper(this, config.ttlMs);
    this.#keeper.onLost = (): void => this.leaseLost();
    this.#claimer = new Claimer(this, config.pollMs);
  }

  get codec(): PayloadCodec | undefined {
    return this.#config.codec;
  }

  get deps(): unknown {
    return this.#config.deps;
  }

  get parkAfterMs(): number {
    return this.#config.parkAfterMs;
  }

  get workflowNames(): readonly string[] {
    return this.#config.registry.workflowNames;
  }

  /** Runs in memory, active ones and warm ones. */
  get inMemory(): { active: number; warm: number } {
    return { active: this.#actors.size, warm: this.#warm.size };
  }

  /** Whether this engine advances the run now. */
  advances(run: number): boolean {
    return this.#actors.has(run);
  }

  async open(): Promise<void> {
    await this.#keeper.start();
    this.#claimer.start();
  }

  /** Calls back whenever a run of this engine has ended or is blocked. */
  onClosed(listener: (closing: Closing) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Something was put into an inbox or became due: look at once. */
  hint(): void {
    this.#claimer.hint();
  }

  // ---- starting --------------------------------------------------------------------------------------------------------

  /** Creates a run; it begins at once unless it is delayed. */
  async start(spec: StartSpec): Promise<StartResult> {
    if (this.#closed) throw new PerdureError("UNAVAILABLE", "this engine is closed");
    const { workflow } = spec;
    await this.#keepDefinition(workflow);
    const run = this.#newRun(spec);
    const result = await this.committer.start(run);
    if ("run" in result && run.owned) this.#begin(result.run, spec, run);
    return result;
  }

  #newRun(spec: StartSpec): NewRun {
    const { workflow, workflowId, secrets } = spec;
    const createdAt = this.clock.now();
    const owned = spec.delayMs === 0;
    const input = encodePayload(spec.input, this.codec);
    assertNoSecret(secrets, input, "the input");
    const deadline = deadlineOf(spec, createdAt);
    const { type, at, body } = newEvent.runStarted(createdAt + spec.delayMs, {
      workflow: workflow.name,
      version: workflow.version,
      workflowId,
      input,
      deadline,
    });
    return {
      workflowId,
      workflow: workflow.name,
      version: workflow.version ?? null,
      createdAt,
      owned,
      wakeAt: owned ? null : createdAt + spec.delayMs,
      first: { type, at, data: `{${body}}` },
      meta: spec.meta,
      request: spec.request,
      secrets: hasAny(secrets) ? this.#config.seal(JSON.stringify(secrets)) : null,
      supersedes: spec.supersedes,
    };
  }

  async #keepDefinition({ name, version, definition }: AnyWorkflow): Promise<void> {
    if (definition === undefined || version === undefined || this.#definitions.has(version)) return;
    await this.store.putDefinition({ hash: version, name, body: definition, createdAt: this.clock.now() });
    this.#definitions.add(version);
  }

  #begin(run: number, spec: StartSpec, row: NewRun): void {
    if (this.#actors.has(run)) return;
    const facts = this.#facts(run, spec.workflowId, spec.workflow.name, spec.secrets, deadlineOf(spec, row.createdAt));
    const actor = this.#actor(facts, spec.workflow, row.createdAt, NO_GENERATION);
    this.#actors.set(run, actor);
    actor.begin(row.first);
  }

  #facts(run: number, workflowId: string, workflow: string, secrets: Secrets, deadline: number | undefined): RunFacts {
    return { run, runId: formatRunId(this.store.id, run), workflowId, workflow, secrets, deadline };
  }

  #actor(
    facts: RunFacts,
    definition: AnyWorkflow,
    startedAt: number,
    generation: (command: number) => number,
  ): RunActor {
    return new RunActor(this, facts, (actor) => {
      const log = this.#runLog(actor);
      const info = {
        workflow: facts.workflow,
        version: definition.version,
        workflowId: facts.workflowId,
        runId: facts.runId,
        startedAt,
      };
      let context: RunContext | undefined;
      const machine: Machine<CommandSpec> = new Machine<CommandSpec>({
        runId: facts.runId,
        codec: this.codec,
        generation,
        start: (self, input) => {
          context = new RunContext(self, { activity: (name) => this.#config.registry.activity(name), log }, info);
          return definition.run(context, input);
        },
        onBlocked: () => actor.onBlocked(),
        onCancelled: (reason) => context?.cancelled(reason),
        onNote: (note) => actor.onNote(note),
      });
      return machine;
    });
  }

  /** The run's logger: silent while history is replayed. */
  #runLog(actor: RunActor): Logger {
    const write =
      (level: keyof Logger) =>
      (fields: object, message?: string): void => {
        if (actor.phase === "replaying") return;
        const { workflow, workflowId, runId } = actor.facts;
        this.log[level]({ workflow, workflowId, runId, ...fields }, message);
      };
    return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
  }

  // ---- taking over -----------------------------------------------------------------------------------------------------

  lease(): Lease | undefined {
    return this.#keeper.lease;
  }

  async adopt(rows: readonly RunRow[]): Promise<void> {
    const warm = new Set<number>();
    for (const row of rows) {
      const actor = this.#warm.get(row.run);
      if (actor !== undefined && actor.seq === row.length && row.crashes === 0) warm.add(row.run);
      else if (actor !== undefined) this.#cool(actor);
    }
    const cold = rows.filter((row) => !warm.has(row.run)).map((row) => row.run);
    const lease = this.lease();
    const [warmRuns, coldRuns] = await Promise.all([
      warm.size === 0 ? [] : this.store.load([...warm], 0),
      cold.length === 0 ? [] : this.store.load(cold, PAGE),
    ]);
    if (lease === undefined || lease !== this.lease()) return;
    for (const loaded of warmRuns) this.#wake(loaded);
    for (const loaded of coldRuns) await this.#takeOver(loaded);
    this.turns.run();
  }

  #wake(loaded: LoadedRun): void {
    const actor = this.#warm.get(loaded.row.run);
    if (actor === undefined) return;
    this.#warm.delete(loaded.row.run);
    this.#actors.set(loaded.row.run, actor);
    actor.wake(loaded.messages, loaded.row.inbox);
  }

  async #takeOver(loaded: LoadedRun): Promise<void> {
    const { row } = loaded;
    if (this.#actors.has(row.run) || row.owner !== this.lease()?.engine) return;
    if (row.crashes < SUSPECT) return this.#replay(loaded);
    if (this.#suspect === undefined) {
      this.#suspect = row.run;
      return this.#replay(loaded);
    }
    this.#suspects.push(loaded);
  }

  async #replay(loaded: LoadedRun): Promise<void> {
    const { row } = loaded;
    const history = await this.#wholeHistory(loaded);
    const lease = this.lease();
    let definition: AnyWorkflow | undefined;
    try {
      definition = await this.#config.registry.pinned(row.workflow, row.version, this.store);
    } catch (error) {
      this.log.error({ workflow: row.workflow, error: String(error) }, "a stored definition cannot be used any more");
    }
    if (lease === undefined || lease !== this.lease() || this.#actors.has(row.run)) return;
    const secrets = loaded.secrets === null ? {} : (JSON.parse(this.#config.unseal(loaded.secrets)) as Secrets);
    const plan = await this.#resumed(row, history, definition, secrets);
    if (plan === undefined || lease !== this.lease()) return;
    const facts = this.#facts(row.run, row.workflowId, row.workflow, secrets, deadlineIn(history, plan));
    const actor = this.#actor(facts, definition ?? UNKNOWN, row.createdAt, plan.generation);
    this.#actors.set(row.run, actor);
    if (definition === undefined) actor.machine.block({ reason: "unknown_workflow", message: unknownVersion(row) });
    if (row.crashes >= CRASH_LOOP) actor.machine.block({ reason: "crash_loop", message: crashLoop(row) });
    const check = checkOf(row, history.length);
    actor.replay(plan.rows, {
      length: history.length,
      attempts: loaded.attempts,
      messages: loaded.messages,
      inbox: row.inbox,
      check,
      crashes: row.crashes,
    });
  }

  async #wholeHistory(loaded: LoadedRun): Promise<EventRow[]> {
    const history = [...loaded.events];
    if (history.length < PAGE) return history;
    for (;;) {
      const page = await this.store.history(loaded.row.run, history.length, PAGE);
      for (const event of page) history.push(event);
      if (page.length < PAGE) return history;
    }
  }

  /** A history that ends closed but was claimed is to be resumed: appends `Resumed` first (rule 29). */
  async #resumed(
    row: RunRow,
    history: EventRow[],
    definition: AnyWorkflow | undefined,
    secrets: Secrets,
  ): Promise<ReplayPlan | undefined> {
    const plan = planReplay(history);
    if (!endsClosed(history) || definition === undefined) return plan;
    const pivot = pivotOf(plan.rows);
    const commands = await this.#commandsBefore(plan, pivot, row, definition, secrets);
    const at = Math.max(this.clock.now(), history.at(-1)!.at);
    const { type, body } = newEvent.resumed(at, setAside(plan.rows, pivot, commands), commands);
    const event: EventRow = { type, at, data: `{${body}}` };
    const lease = this.lease();
    if (lease === undefined) return undefined;
    const appended = await this.#append(row.run, history.length, event);
    if (!appended) return undefined;
    history.push(event);
    return planReplay(history);
  }

  /** How many commands the code had issued when the pivot was applied: found by replaying up to it, without effects. */
  #commandsBefore(
    plan: ReplayPlan,
    pivot: number | undefined,
    row: RunRow,
    definition: AnyWorkflow,
    secrets: Secrets,
  ): Promise<number> {
    const rows = pivot === undefined ? plan.rows.slice(0, -1) : plan.rows.filter((event) => event.seq < pivot);
    const facts = this.#facts(row.run, row.workflowId, row.workflow, secrets, undefined);
    return new Promise((resolve) => {
      const machine = this.#actor(facts, definition, row.createdAt, plan.generation).machine;
      let next = 0;
      this.turns.add({
        takeTurn: () => {
          machine.openTurn();
          const event = rows[next++];
          if (event !== undefined) machine.apply(event, event.verify);
        },
        endTurn: () => {
          machine.closeTurn();
          machine.takeCommands();
          return next < rows.length;
        },
        turnsDone: () => {
          const { commands } = machine;
          machine.kill();
          resolve(commands);
        },
      });
      this.turns.run();
    });
  }

  #append(run: number, base: number, event: EventRow): Promise<boolean> {
    return new Promise((resolve, reject) => {
      let taken = false;
      this.committer.ready({
        takeTransition: () => {
          if (taken) return undefined;
          taken = true;
          return { run, base, events: [event], consumed: [], attempts: [], settled: [], image: null };
        },
        committed: () => resolve(true),
        refused: () => resolve(false),
        choked: reject,
      });
    });
  }

  // ---- RunHost ---------------------------------------------------------------------------------------------------------

  ready(actor: RunActor): void {
    this.committer.ready(actor);
  }

  mayStart(step: StepRun): boolean {
    if (this.#keeper.valid && !this.#closed) return true;
    this.#held.push(step);
    return false;
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
    this.#suspectDone(actor);
    for (const listener of this.#listeners) listener({ run: actor.facts.run, last });
  }

  parked(actor: RunActor, _wakeAt: number | null): void {
    const { run } = actor.facts;
    this.#actors.delete(run);
    this.#suspectDone(actor);
    this.#warm.set(run, actor);
    if (this.#warm.size > this.#config.warmRuns) {
      const [oldest] = this.#warm.values();
      if (oldest !== undefined) this.#cool(oldest);
    }
    if (_wakeAt !== null) this.#claimer.dueAt(_wakeAt);
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
    if (this.#actors.get(run) === actor) this.#actors.delete(run);
    actor.abandon("read again from the store");
    this.#loadOwned([run]).catch(() => this.clock.after(100, () => this.reload(actor)));
  }

  async #loadOwned(runs: readonly number[]): Promise<void> {
    for (const loaded of await this.store.load(runs, PAGE)) {
      const closed = loaded.row.closedAt !== null || loaded.row.status === "blocked";
      if (closed) for (const listener of this.#listeners) listener({ run: loaded.row.run, last: undefined });
      else await this.#takeOver(loaded);
    }
    this.turns.run();
  }

  recovered(actor: RunActor): void {
    const { workflow, workflowId, runId } = actor.facts;
    const { seq, crashes } = actor;
    this.log.debug({ workflow, workflowId, runId, events: seq, crashes }, "run taken over");
    this.observers.tell({
      type: "run.recovered",
      workflow,
      workflowId,
      runId,
      at: this.clock.now(),
      events: seq,
      crashes,
    });
  }

  /** Rule 18: the next suspect starts when this one has made progress, parked or ended. */
  progressed(actor: RunActor): void {
    this.#suspectDone(actor);
  }

  #suspectDone(actor: RunActor): void {
    if (this.#suspect !== actor.facts.run) return;
    this.#suspect = undefined;
    const next = this.#suspects.shift();
    if (next === undefined) return;
    this.#takeOver(next).catch((error: unknown) =>
      this.log.error({ error: String(error) }, "taking over a suspect run failed"),
    );
  }

  // ---- CommitterHost ---------------------------------------------------------------------------------------------------

  leaseProved(sentMonotonicMs: number, sentAt: number): void {
    this.#keeper.proved(sentMonotonicMs, sentAt);
    if (this.#held.length > 0) this.#beginHeld();
  }

  #beginHeld(): void {
    const held = this.#held;
    this.#held = [];
    for (const step of held) step.begin();
  }

  leaseLost(): void {
    if (this.#keeper.lease === undefined) return;
    this.log.warn({}, "this engine lost its lease; its runs go on elsewhere");
    this.committer.shut();
    for (const actor of this.#actors.values()) actor.abandon("the engine lost its lease");
    for (const actor of this.#warm.values()) actor.abandon("the engine lost its lease");
    this.#actors.clear();
    this.#warm.clear();
    this.#held = [];
    this.#suspects = [];
    this.#suspect = undefined;
    this.#keeper.lost();
  }

  async reconcile(runs: readonly Committing[]): Promise<void> {
    const numbers: number[] = [];
    for (const run of runs) {
      if (!(run instanceof RunActor)) continue;
      numbers.push(run.facts.run);
      if (this.#actors.get(run.facts.run) === run) this.#actors.delete(run.facts.run);
      run.abandon("the answer to a commit was lost");
    }
    const lease = this.lease();
    if (lease === undefined) return;
    const owned = (await this.store.owned(lease)).filter((run) => !this.#actors.has(run));
    await this.#loadOwned([...new Set([...numbers, ...owned])]);
  }

  runTurns(): void {
    this.turns.run();
  }

  // ---- LeaseHost and ClaimHost -----------------------------------------------------------------------------------------

  leaseGained(lease: Lease): void {
    this.committer.open(lease);
    this.#claimer.hint();
  }

  freed(runs: number): void {
    this.log.info({ runs }, `${runs} run(s) of dead engines are free to go on`);
    this.#claimer.hint();
  }

  async fetchInbox(lease: Lease): Promise<void> {
    if (this.#actors.size === 0) return;
    const messages = await this.store.inbox(lease);
    if (lease !== this.lease()) return;
    for (const message of messages) this.#actors.get(message.run)?.deliver([message]);
  }

  // ---- ending ----------------------------------------------------------------------------------------------------------

  /** Stops: effects are aborted, runs are handed over at once, nothing is lost. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#claimer.stop();
    for (const actor of this.#actors.values()) actor.release();
    await this.committer.drained();
    this.committer.shut();
    for (const actor of [...this.#actors.values(), ...this.#warm.values()]) actor.abandon("the engine closed");
    this.#actors.clear();
    this.#warm.clear();
    this.alarm.clear();
    try {
      await this.#keeper.stop();
    } catch (error) {
      if (!isPerdureError(error)) throw error;
      this.log.warn({ error: error.message }, "leaving the store failed; its runs are freed when the lease ends");
    }
    this.observers.flush();
  }
}

const NO_GENERATION = (): number => 0;

const UNKNOWN = { name: "", version: undefined, run: async () => undefined } as unknown as AnyWorkflow;

function unknownVersion(row: RunRow): string {
  return `the run needs ${row.workflow}@${row.version ?? "unversioned"}, and this engine has another version; deploy that version again and resume the run`;
}

function crashLoop(row: RunRow): string {
  return `engines died ${row.crashes} times while they advanced this run, without progress in between; find the cause (out of memory, native crash, process.exit) and resume the run`;
}

function hasAny(record: Readonly<Record<string, unknown>>): boolean {
  for (const _ in record) return true;
  return false;
}

function deadlineOf(spec: StartSpec, createdAt: number): number | undefined {
  return spec.timeoutMs === undefined ? undefined : createdAt + spec.delayMs + spec.timeoutMs;
}

/** The deadline in force: a resume gives the run its whole time again. */
function deadlineIn(history: readonly EventRow[], plan: ReplayPlan): number | undefined {
  const first = history[0];
  if (first === undefined) return undefined;
  const { t } = JSON.parse(first.data) as { t?: number };
  if (t === undefined) return undefined;
  const resumed = plan.rows.findLast((row) => row.type === "Resumed");
  return resumed === undefined ? t : resumed.at + (t - first.at);
}

/** The check written when the run was parked, if nothing was appended since. */
function checkOf(row: RunRow, length: number): Check | undefined {
  if (row.detail === null || row.length !== length) return undefined;
  return (JSON.parse(row.detail) as { check?: Check }).check;
}
