/**
 * The steps one run has in flight: starting them, what they come to, giving them up.
 *
 * Owner: the run's actor. A step is here from the moment its effect may start until its outcome is on its way into the history.
 */
import { CancelledError } from "../core/cancelled.ts";
import { type NewEvent, newEvent, type StepTiming } from "../core/events.ts";
import { type Failure, toFailure } from "../core/failure.ts";
import type { Command, Machine } from "../core/machine.ts";
import { reviveParsed } from "../core/payload.ts";
import { invalidOutput, type StandardSchemaV1, validatedNow } from "../core/schema.ts";
import type { AttemptRow, OutcomeRow } from "../store/store.ts";
import { outputOf } from "../workflow/activity.ts";
import type { Around } from "./around.ts";
import type { CancelTimer, Clock } from "./clock.ts";
import { type CommandSpec, isStep, type StepSpec } from "./command-spec.ts";
import type { DueTimes } from "./due-times.ts";
import type { ForeignOutcome } from "./foreign-outcome.ts";
import type { Outbox } from "./outbox.ts";
import { encodeResult, type RunFacts } from "./run-facts.ts";
import type { RunHost } from "./run-host.ts";
import type { RunReporter } from "./run-reporter.ts";
import { type Prepared, prepareStep } from "./step-context.ts";
import { named, type StepHost, StepRun } from "./step-run.ts";
import { taskOf } from "./task-spec.ts";

/** What the steps need from their run. */
export interface StepsHost {
  /** Whether the run is being advanced. */
  readonly live: boolean;
  /** False while the inbox that was there at a takeover is being applied: nothing begins before that (rule 23). */
  readonly inboxApplied: boolean;
  /** Asks for a place in the next batch. */
  ready(): void;
  /** What kept the run from parking may be over. */
  eased(): void;
  /** Sets the run's alarm by what is due. */
  arm(): void;
  /** Writes rows of what lasts, after a while. */
  journalLater(): void;
  /** What an earlier engine left of a command. */
  takenRow(command: number): AttemptRow | undefined;
}

/** Parts of the run that its steps work with. */
export interface StepsParts {
  readonly facts: RunFacts;
  readonly machine: Machine<CommandSpec>;
  readonly engine: Pick<
    RunHost<never>,
    "clock" | "log" | "codec" | "deps" | "around" | "mayStart" | "watch" | "services"
  >;
  readonly outbox: Outbox;
  readonly reporter: RunReporter;
  readonly due: DueTimes;
}

/** From this many crashes on, attempts are written down before they start (rule 18). */
const CAREFUL_CRASHES = 2;
/** Steps held back that people are shown, and after how long. */
const MAX_HELD_SHOWN = 100;
const HELD_SHOWN_AFTER_MS = 1000;

export class Steps implements StepHost {
  readonly #host: StepsHost;
  readonly #facts: RunFacts;
  readonly #machine: Machine<CommandSpec>;
  readonly #engine: StepsParts["engine"];
  readonly #outbox: Outbox;
  readonly #reporter: RunReporter;
  readonly #due: DueTimes;
  readonly #steps = new Map<number, StepRun>();
  #rest: CancelTimer | undefined;
  /** Ends of steps that an outcome message brings about, while it is being taken. */
  #ends: NewEvent[] | undefined;
  /** Steps that start once their row is durable. */
  #careful: StepRun[] = [];

  constructor(host: StepsHost, { facts, machine, engine, outbox, reporter, due }: StepsParts) {
    this.#host = host;
    this.#facts = facts;
    this.#machine = machine;
    this.#engine = engine;
    this.#outbox = outbox;
    this.#reporter = reporter;
    this.#due = due;
  }

  get clock(): Clock {
    return this.#engine.clock;
  }

  get around(): Around | undefined {
    return this.#engine.around;
  }

  get size(): number {
    return this.#steps.size;
  }

  has(command: number): boolean {
    return this.#steps.has(command);
  }

  /** Whether an attempt of any of them is running. */
  get running(): boolean {
    for (const step of this.#steps.values()) if (step.running) return true;
    return false;
  }

  /**
   * Whether the run had better stay in memory, as attempts were handed out within the last `ms`: most of them are settled soon. The run looks
   * again after that.
   */
  restFor(ms: number): boolean {
    let last = Number.NEGATIVE_INFINITY;
    for (const step of this.#steps.values()) if (step.handedOut && step.startedAt > last) last = step.startedAt;
    const left = last + ms - this.clock.now();
    if (left <= 0) return false;
    this.#rest ??= this.clock.after(left, () => {
      this.#rest = undefined;
      this.#host.eased();
    });
    return true;
  }

  restNoMore(): void {
    this.#rest?.();
    this.#rest = undefined;
  }

  /** Whether a transaction of the user's is under way. */
  get transacting(): boolean {
    for (const step of this.#steps.values()) if (step.running && step.command.kind === "transaction") return true;
    return false;
  }

  /** Transactions that an earlier engine committed need no attempt any more (rule 32). */
  restoreOutcomes(outcomes: readonly OutcomeRow[]): void {
    for (const { command: id, generation, data, at } of outcomes) {
      const command = this.#machine.open.get(id);
      if (command === undefined || command.kind !== "transaction" || command.generation !== generation) continue;
      const attempts = this.#host.takenRow(id)?.attempt ?? 1;
      const event = newEvent.stepCompleted(command, { at, startedAt: at, attempts }, data);
      this.#outbox.rows.settle(id);
      this.#outbox.arrive({ at, command, event });
    }
  }

  /** Whether all of them wait for a time that is known. */
  get wait(): boolean {
    for (const id of this.#steps.keys()) if (this.#due.get(id) === undefined) return false;
    return true;
  }

  /** The step of a command, with what an earlier engine left of it. */
  of(command: Command<StepSpec>): StepRun {
    const known = this.#steps.get(command.id);
    if (known !== undefined) return known;
    const step = new StepRun(command, this);
    this.#steps.set(command.id, step);
    const row = this.#host.takenRow(command.id);
    if (row !== undefined) step.restore(row);
    return step;
  }

  /** Starts a step; when its run has crashed engines before, once its row is durable. */
  start(command: Command<StepSpec>): void {
    const step = this.of(command);
    if (step.done) return;
    const here = command.spec.queue === undefined;
    if (here && step.fresh && (command.spec.config.journalStart || this.#outbox.crashes >= CAREFUL_CRASHES)) {
      if (!this.mayStart(step)) return;
      this.#outbox.rows.keep(step.planned());
      this.#careful.push(step);
      this.#host.ready();
    } else {
      step.begin();
    }
  }

  /** Begins the steps whose rows are durable now. False: there were none. */
  beginCareful(): boolean {
    if (this.#careful.length === 0) return false;
    const steps = this.#careful;
    this.#careful = [];
    for (const step of steps) step.begin();
    return true;
  }

  /** A step that waits for its next attempt is due. False: there is no such step. */
  due(command: number): boolean {
    const step = this.#steps.get(command);
    step?.begin();
    return step !== undefined;
  }

  /** Starts the next attempt now, whatever the back-off says. */
  hurry(command: Command<StepSpec>): void {
    this.#due.delete(command.id);
    this.of(command).hurry();
  }

  // ---- giving up -------------------------------------------------------------------------------------------------------

  /** Stops a step that must not go on. */
  drop(command: number, reason: Error): void {
    this.#steps.get(command)?.stop(reason);
    this.#forget(command);
  }

  #forget(command: number): void {
    this.#steps.delete(command);
    this.#due.delete(command);
    this.#outbox.rows.settle(command);
  }

  /** Stops all of them; answers with rows by which the attempts given up do not count as lost. */
  stop(reason: Error): AttemptRow[] {
    const rows: AttemptRow[] = [];
    for (const step of this.#steps.values()) {
      const row = step.row();
      if (step.hasRow) rows.push(row.external === true ? this.#outbox.rows.waiting(row) : { ...row, startedAt: null });
      step.stop(reason);
    }
    this.#steps.clear();
    return rows;
  }

  // ---- settled from outside --------------------------------------------------------------------------------------------

  /** The event by which somebody else settles a command; none when what it says is out of date, or not the end of the step. */
  settledElsewhere(command: Command<CommandSpec>, outcome: ForeignOutcome, at: number): NewEvent[] {
    if (outcome.a === undefined) return this.#forced(command, outcome, at);
    if (!isStep(command.spec)) return [];
    const step = this.of(command as Command<StepSpec>);
    const { d: details } = outcome;
    if (details !== undefined && outcome.a === step.attempt) step.takeDetails(JSON.stringify(details));
    // Whatever comes of it, the end of that attempt is not waited for any more.
    if (step.elsewhere && outcome.a === step.attempt) this.#due.delete(command.id);
    const ends: NewEvent[] = [];
    this.#ends = ends;
    const mine = step.settledElsewhere(outcome);
    this.#ends = undefined;
    // An attempt that was the last ends the step in the transition that takes the message (I4).
    return mine ? this.#forced(command, outcome, at) : ends.map((event) => ({ ...event, at }));
  }

  #forced(command: Command<CommandSpec>, outcome: ForeignOutcome, at: number): NewEvent[] {
    const step = this.#steps.get(command.id);
    const startedAt = Math.min(outcome.s ?? (step?.firstAt || at), at);
    const ran = { at, startedAt, attempts: step?.attempt ?? 1 };
    step?.stop(new CancelledError(outcome.r ?? "settled from outside"));
    this.#forget(command.id);
    if (outcome.r !== undefined)
      this.#machine.note("step.forced", {
        step: command.label ?? command.name,
        command: command.id,
        reason: outcome.r,
      });
    if (outcome.e !== undefined) return [newEvent.stepFailed(command, ran, outcome.e)];
    const schema = isStep(command.spec) && outcome.a !== undefined ? command.spec.config.output : undefined;
    if (schema !== undefined && outcome.q === undefined) return [this.#completed(command, ran, schema, outcome.p)];
    return [newEvent.stepCompleted(command, ran, JSON.stringify(outcome.p ?? null))];
  }

  /** The result of an attempt that was completed where its activity's schema was not at hand. */
  #completed(command: Command<CommandSpec>, ran: StepTiming, schema: StandardSchemaV1, parsed: unknown): NewEvent {
    try {
      const given = reviveParsed(parsed, this.#engine.codec);
      const value = validatedNow(schema, given, outputOf(command.name), invalidOutput);
      const what = `the result of ${command.label ?? command.name}`;
      return newEvent.stepCompleted(command, ran, encodeResult(this.#engine, this.#facts, value, what));
    } catch (error) {
      return newEvent.stepFailed(command, ran, this.#reporter.clean(toFailure(error)));
    }
  }

  // ---- held back -------------------------------------------------------------------------------------------------------

  /** Rows for the first of the steps that have been held back for a while. */
  keepHeldRows(): void {
    const now = this.clock.now();
    let shown = 0;
    for (const step of this.#steps.values()) {
      if (step.heldAt === 0) continue;
      if (++shown > MAX_HELD_SHOWN) return;
      if (now - step.heldAt >= HELD_SHOWN_AFTER_MS) this.#keepHeldRow(step);
      else this.#host.journalLater();
    }
  }

  #keepHeldRow(step: StepRun): void {
    if (step.hasRow && step.fresh) return;
    step.hasRow = true;
    this.#outbox.rows.keep(step.row());
  }

  // ---- StepHost --------------------------------------------------------------------------------------------------------

  mayStart(step: StepRun): boolean {
    if (!this.#host.live || !this.#host.inboxApplied || this.#outbox.pausing) return false;
    if (this.#engine.mayStart(step, this.#facts)) return true;
    this.#host.journalLater();
    return false;
  }

  admitted(step: StepRun): void {
    // What is over or about to be given up is not begun; a step whose row is being written begins with it.
    if (this.#machine.ending !== undefined || this.#machine.blockage !== undefined || this.#careful.includes(step))
      return;
    if (this.#steps.get(step.command.id) === step) this.start(step.command);
    if (this.#outbox.hasNews) this.#host.ready();
  }

  jitterSeed(step: StepRun): string {
    return `${this.#facts.runId}:${step.command.id}`;
  }

  prepare(step: StepRun): Prepared {
    this.#reporter.started(step.command, step.attempt);
    return prepareStep(step, this.#facts, this.#engine, (level, message) =>
      this.#reporter.line(step.command, level, message),
    );
  }

  watch(step: StepRun): void {
    this.#engine.watch(step);
  }

  transact(step: StepRun): Promise<unknown> {
    return this.#engine.services.transact({ facts: this.#facts }, step);
  }

  completionToken(step: StepRun): string {
    const { id: c, generation: g } = step.command;
    return this.#engine.services.completionToken(this.#facts.runId, { c, g, a: step.attempt }, named(step));
  }

  onCompleted(step: StepRun, value: unknown): void {
    const ran = { at: this.clock.now(), startedAt: step.startedAt, attempts: step.attempt };
    const { command } = step;
    let event: NewEvent;
    try {
      const result = encodeResult(this.#engine, this.#facts, value, `the result of ${command.label ?? command.name}`);
      event = newEvent.stepCompleted(command, ran, result);
    } catch (error) {
      event = newEvent.stepFailed(command, ran, toFailure(error));
    }
    this.#settle(step, event);
  }

  onFailed(step: StepRun, thrown: Failure): void {
    const failure = this.#reporter.clean(thrown);
    const ran = { at: this.clock.now(), startedAt: step.startedAt, attempts: step.attempt };
    this.#reporter.gaveUp(step.command, step.attempt, failure);
    this.#settle(step, newEvent.stepFailed(step.command, ran, failure));
  }

  #settle({ command }: StepRun, event: NewEvent): void {
    this.#forget(command.id);
    if (this.#ends !== undefined) {
      this.#ends.push(event);
      return;
    }
    this.#outbox.arrive({ at: event.at, command, event });
    this.#host.ready();
  }

  onHandOut(step: StepRun): void {
    const queue = step.command.spec.queue!;
    step.hasRow = true;
    this.#outbox.rows.keep({ ...step.row(), task: taskOf(step, queue, this.#facts, this.clock.now()) });
    this.#reporter.queued(step.command, step.attempt, queue);
    this.#host.ready();
  }

  onRow(step: StepRun, why: "journal" | "retry" | "heartbeat"): void {
    if (step.lastFailure !== undefined) step.lastFailure = this.#reporter.clean(step.lastFailure);
    step.hasRow = true;
    this.#outbox.rows.keep(step.row());
    if (why === "retry") this.#reporter.retrying(step.command, step.attempt - 1, step.lastFailure!, step.nextAt!);
    this.#host.ready();
  }

  onWaiting(step: StepRun, due: number): void {
    this.#due.set(step.command.id, due);
    this.#host.arm();
  }
}
