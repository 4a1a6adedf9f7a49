/**
 * What the commands of one run set going: steps, children, timers and waits, until they are settled or given up.
 *
 * Owner: the run's actor, which says when commands are carried out: never before their cause is durable (I1). Kept here (numbers as
 * in ARCHITECTURE.md):
 * - rule 2: after a replay, what is in flight and no command matches blocks the run before any effect starts.
 * - rule 23: after a replay the inbox is applied before any re-issued effect starts.
 */
import { CancelledError } from "../core/cancelled.ts";
import type { NewEvent } from "../core/events.ts";
import type { Command, Machine } from "../core/machine.ts";
import type { AttemptRow, NewMessage } from "../store/store.ts";
import { Children, type Parent } from "./children.ts";
import type { CancelTimer, Clock } from "./clock.ts";
import { type ChildSpec, type CommandSpec, dueOf, isChild, isEffect, isStep, type StepSpec } from "./command-spec.ts";
import { type DueTimes, waitsOf } from "./due-times.ts";
import type { ForeignOutcome } from "./foreign-outcome.ts";
import type { Outbox } from "./outbox.ts";
import type { OutboxEffects } from "./outbox-host.ts";
import type { RunFacts } from "./run-facts.ts";
import type { RunHost, TakenOver } from "./run-host.ts";
import type { RunReporter } from "./run-reporter.ts";
import { Steps, type StepsHost, type StepsParts } from "./steps.ts";

/** What the effects need from their run. */
export interface EffectsHost {
  /** Whether the run is being advanced. */
  readonly live: boolean;
  /** Whether the run is no longer advanced here: it has ended, or somebody else goes on with it. */
  readonly gone: boolean;
  /** Asks for a place in the next batch. */
  ready(): void;
  /** What kept the run from parking may be over. */
  eased(): void;
  /** Sets the run's alarm by what is due. */
  arm(): void;
}

/** Parts of the run that its effects work with. */
export interface EffectsParts extends StepsParts {
  readonly engine: StepsParts["engine"] & Pick<RunHost<never>, "parkAfterMs" | "mayGoOn">;
}

/** Waits that last this long get a row, so that people see them. */
const JOURNAL_AFTER_MS = 1000;
/** How long a run that was there when an engine crashed keeps waiting in memory. */
const CAREFUL_PARK_AFTER_MS = 250;

export class Effects implements OutboxEffects, StepsHost, Parent {
  readonly facts: RunFacts;
  readonly machine: Machine<CommandSpec>;
  readonly #host: EffectsHost;
  readonly #engine: EffectsParts["engine"];
  readonly #outbox: Outbox;
  readonly #reporter: RunReporter;
  /** When waiting commands are due: timers, waits with a timeout, steps between two attempts. */
  readonly #due: DueTimes;
  readonly #steps: Steps;
  /** Made with the first child: most runs have none. */
  #children: Children | undefined;
  /** What an earlier engine left, until it is taken up. */
  #takenOver: TakenOver | undefined;
  /** Commands that wait for the inbox to be applied first (rule 23). */
  #held: readonly Command<CommandSpec>[] = NONE;
  #journal: CancelTimer | undefined;
  inboxApplied = true;

  constructor(host: EffectsHost, parts: EffectsParts) {
    this.#host = host;
    this.facts = parts.facts;
    this.machine = parts.machine;
    this.#engine = parts.engine;
    this.#outbox = parts.outbox;
    this.#reporter = parts.reporter;
    this.#due = parts.due;
    this.#steps = new Steps(this, parts);
  }

  get #kin(): Children {
    this.#children ??= new Children(this, this.#engine.services);
    return this.#children;
  }

  /** Whether steps wait for their next attempt. */
  get betweenAttempts(): boolean {
    return this.#steps.size > 0;
  }

  /** Whether something is being done outside of the run. */
  get busy(): boolean {
    return this.#steps.running || this.#children?.starting === true;
  }

  /** Whether commands wait for the inbox to be applied first. */
  get holding(): boolean {
    return this.#held.length > 0;
  }

  /** Whether there is anything to wait for besides attempts that are running. */
  get waiting(): boolean {
    return this.#steps.size < this.machine.open.size || this.#due.any;
  }

  // ---- after a takeover ------------------------------------------------------------------------------------------------

  /** What an earlier engine left; it is taken up once the history is replayed. */
  restore(from: TakenOver): void {
    this.inboxApplied = false;
    this.#takenOver = from;
    if (from.children.length > 0) this.#kin.restore(from.children);
  }

  /** What is in flight must match what the code asks for now (rule 2). */
  verify(): void {
    const { check, attempts, open } = this.#takenOver!;
    for (const row of attempts) this.machine.verifyInFlight(row);
    this.#children?.verify();
    for (const left of open) this.machine.verifyInFlight(left);
    if (check !== undefined) this.machine.verifyCheck(check);
  }

  /** Takes up what transactions had come to. */
  restoreOutcomes(): void {
    this.#steps.restoreOutcomes(this.#takenOver!.outcomes);
  }

  takenRow(command: number): AttemptRow | undefined {
    return this.#takenOver?.attempts.find((left) => left.command === command);
  }

  // ---- beginning -------------------------------------------------------------------------------------------------------

  /** Starts what the function asked for; after a takeover only once the inbox has been applied. */
  carryOut(): void {
    const fresh = this.machine.takeCommands();
    const commands = this.#held.length === 0 ? fresh : [...this.#held, ...fresh];
    this.#held = NONE;
    if (commands.length === 0 && this.#takenOver === undefined) return;
    if ((this.#takenOver !== undefined && this.#outbox.hasNews) || this.#outbox.pausing || this.machine.unmarked) {
      const open = commands.filter(({ id }) => this.machine.open.has(id));
      for (const command of open) if (!isEffect(command)) this.#startWait(command);
      this.#held = open.filter(isEffect);
      return;
    }
    this.inboxApplied = true;
    for (const command of commands) {
      if (!this.machine.open.has(command.id)) continue;
      if (isStep(command.spec)) this.#steps.start(command as Command<StepSpec>);
      else if (isChild(command.spec)) this.#kin.start(command as Command<ChildSpec>);
      else this.#startWait(command);
    }
    this.#takenOver = undefined;
  }

  #startWait(command: Command<CommandSpec>): void {
    const due = dueOf(command.spec);
    if (due !== undefined) this.#due.set(command.id, due);
    this.#reporter.waiting(command, due);
  }

  /** Begins the steps whose rows are durable now. False: there were none. */
  beginCareful(): boolean {
    return this.#steps.beginCareful();
  }

  /** The clock says that a command is due: the next attempt of a step, or the end of a wait. */
  ring(id: number, due: number): void {
    const command = this.machine.open.get(id);
    if (this.#steps.due(id)) return;
    if (command !== undefined) this.#outbox.arrive({ at: due, command, event: undefined });
  }

  retryNow(command: number): void {
    const open = this.machine.open.get(command);
    if (open !== undefined && isStep(open.spec)) this.#steps.hurry(open as Command<StepSpec>);
  }

  // ---- lasting ---------------------------------------------------------------------------------------------------------

  /** Whether a transaction of the user's is under way: whatever it comes to is known soon. */
  get transacting(): boolean {
    return this.#steps.transacting;
  }

  get hasChildren(): boolean {
    return this.#children?.any === true;
  }

  parkUntil(): number | undefined {
    if (this.#children?.starting === true || this.#children?.held === true) return undefined;
    if (this.machine.open.size === 0 || this.machine.ending !== undefined || this.#held.length > 0) return undefined;
    if (!this.#steps.wait) return undefined;
    if (this.#steps.restFor(this.#engine.parkAfterMs)) return undefined;
    const nearest = this.#due.nearest();
    // A run that only waits did not crash anything: parked, it does not count the next crash.
    const least = this.#outbox.crashes > 0 ? CAREFUL_PARK_AFTER_MS : this.#engine.parkAfterMs;
    return nearest - this.clock.now() > least ? nearest : undefined;
  }

  waits(): readonly object[] {
    return waitsOf(this.machine.open.values(), this.#due);
  }

  /** Rows for what lasts, after a while. */
  journalLater(): void {
    this.#journal ??= this.clock.after(JOURNAL_AFTER_MS, () => this.#journalWaits());
  }

  /** Rows for timers and waits that have lasted while something else keeps the run active. */
  #journalWaits(): void {
    this.#journal = undefined;
    if (!this.live || this.machine.ending !== undefined) return;
    for (const command of this.machine.open.values()) {
      if (!isStep(command.spec)) this.#outbox.rows.keepWait(command, dueOf(command.spec));
    }
    this.#steps.keepHeldRows();
    if (this.#outbox.hasRows) this.ready();
  }

  // ---- settled or given up ---------------------------------------------------------------------------------------------

  foreign(command: Command<CommandSpec>, outcome: ForeignOutcome, at: number): NewEvent[] {
    if (isChild(command.spec)) {
      this.#outbox.rows.settle(command.id);
      return this.#kin.ended(command as Command<ChildSpec>, outcome, at);
    }
    return this.#steps.settledElsewhere(command, outcome, at);
  }

  drop(command: number, reason: Error): void {
    this.#steps.drop(command, reason);
    this.#children?.cancel(command, reason.message);
  }

  dropAll(reason: () => Error): void {
    if (this.#steps.size > 0) this.#steps.stop(reason());
    this.#due.clear();
  }

  /** A command ended without an event of its own: settled by a signal, or given up by its scope. */
  left(command: number): void {
    if (this.#steps.has(command)) this.drop(command, new CancelledError("its scope was left"));
    else this.#children?.cancel(command, "the scope it was started in was left");
    this.#due.delete(command);
    this.#outbox.rows.settle(command);
  }

  standStill(): readonly AttemptRow[] | undefined {
    return this.busy ? undefined : this.giveUp(new CancelledError("the run is paused"));
  }

  giveUp(reason: Error): readonly AttemptRow[] {
    const left = (this.#takenOver?.attempts ?? NONE)
      .filter(({ command }) => this.#outbox.rows.has(command))
      .map((row) => (row.external === true ? row : { ...row, startedAt: null }));
    const rows = [...left, ...this.#steps.stop(reason)];
    this.dropAll(() => reason);
    return rows;
  }

  /** Stops steps, and rewrites rows of attempts given up, so that they do not count as lost. */
  release(reason: Error): void {
    for (const row of this.#steps.stop(reason)) this.#outbox.rows.keep(row);
  }

  stopClocks(): void {
    this.#journal?.();
    this.#journal = undefined;
    this.#steps.restNoMore();
  }

  // ---- what steps and children need of the run -------------------------------------------------------------------------

  get clock(): Clock {
    return this.#engine.clock;
  }

  get live(): boolean {
    return this.#host.live;
  }

  get gone(): boolean {
    return this.#host.gone;
  }

  ready(): void {
    this.#host.ready();
  }

  eased(): void {
    this.#host.eased();
  }

  arm(): void {
    this.#host.arm();
  }

  mayStartChild(command: Command<ChildSpec>): boolean {
    return this.#engine.mayGoOn(this.facts.workflow, () => {
      if (this.live) this.#children?.admitted(command);
    });
  }

  /** Puts an event about a command on its way into the history. */
  arrive(command: Command<CommandSpec>, event: NewEvent): void {
    if (!this.live) return;
    this.#outbox.arrive({ at: event.at, command, event });
    this.ready();
  }

  /** Puts a message to another run on its way. */
  tell(message: NewMessage): void {
    this.#outbox.enclosed.send(message);
    if (this.live) this.ready();
  }
}

const NONE: readonly never[] = [];
