/**
 * One active run: its machine, its outbox and its effects.
 *
 * Owner: the engine that holds the run's lease; all methods are called on its main thread. The cycle: things arrive (outcomes,
 * messages, due timers) → `takeTransition` makes events of them → the committer makes them durable → `committed` hands them to
 * the turns, which apply them one by one → `turnsDone` starts the effects of the commands the function issued.
 *
 * Invariants kept here (numbers as in ARCHITECTURE.md):
 * - I1: effects start in `turnsDone` only, after the commit that holds their cause.
 * - I2, rule 12: at most one transition is in flight; the next is built only when the last is known.
 */
import { CancelledError } from "../core/cancelled.ts";
import type { Ending } from "../core/ending.ts";
import type { Note } from "../core/events.ts";
import { toFailure } from "../core/failure.ts";
import { isA } from "../core/foreign.ts";
import type { Machine } from "../core/machine.ts";
import { pastOf } from "../core/past.ts";
import type { Payload, PayloadCodec } from "../core/payload.ts";
import type { ReplayRow } from "../core/resume.ts";
import { isClosed } from "../core/status.ts";
import type { Also, EventRow, MessageRow, NewRun, Refusal, RunImage, Transition } from "../store/store.ts";
import { handsOut } from "../store/tasks.ts";
import type { Logger } from "../workflow/logger.ts";
import type { Around } from "./around.ts";
import type { Clock } from "./clock.ts";
import type { CommandSpec } from "./command-spec.ts";
import { DueTimes } from "./due-times.ts";
import { Effects, type EffectsHost } from "./effects.ts";
import { runLogger } from "./log.ts";
import type { MachineOwner } from "./machine-maker.ts";
import { Outbox } from "./outbox.ts";
import type { OutboxHost } from "./outbox-host.ts";
import { QuietWatch } from "./quiet-watch.ts";
import type { RunFacts } from "./run-facts.ts";
import type { RunHost, TakenOver } from "./run-host.ts";
import { RunReporter } from "./run-reporter.ts";
import { Told, tellsOfTheRun } from "./told-facts.ts";
import type { TurnTaker } from "./turns.ts";

/** `live` runs are advanced; a `parked` one is kept warm in memory but belongs to nobody; a `gone` one does nothing any more. */
type Phase = "replaying" | "live" | "parked" | "gone";

export class RunActor implements TurnTaker, EffectsHost, OutboxHost, MachineOwner {
  readonly facts: RunFacts;
  readonly machine: Machine<CommandSpec>;
  readonly effects: Effects;
  readonly #engine: RunHost<RunActor>;
  readonly #outbox: Outbox;
  readonly #reporter: RunReporter;
  phase: Phase = "live";

  #pending: readonly (EventRow & { readonly verify?: boolean })[] = NONE;
  #cursor = 0;
  #applying = false;
  #queued = false;
  #inFlight: Transition | undefined;
  readonly #due: DueTimes;
  #quiet: QuietWatch | undefined;
  #timedOut = false;
  #releasing = false;
  /** Made with the first thing the run tells of itself. */
  #toldFacts: Told | undefined;

  constructor(engine: RunHost<RunActor>, facts: RunFacts, makeMachine: (actor: RunActor) => Machine<CommandSpec>) {
    this.#engine = engine;
    this.facts = facts;
    this.#reporter = new RunReporter(engine, facts);
    this.#due = new DueTimes(engine.alarm, facts.deadline);
    this.machine = makeMachine(this);
    this.#outbox = new Outbox(facts, this.machine, this);
    const { machine } = this;
    const parts = { facts, machine, engine, outbox: this.#outbox, reporter: this.#reporter, due: this.#due };
    this.effects = new Effects(this, parts);
  }

  get clock(): Clock {
    return this.#engine.clock;
  }

  get log(): Logger {
    return this.#engine.log;
  }

  get around(): Around | undefined {
    return this.#engine.around;
  }

  get ahead(): number {
    return this.#engine.ahead;
  }

  /** Number up to which the inbox was read. */
  get seen(): number {
    return this.#outbox.seen;
  }

  /** Whether messages are known that wait in the store. */
  get holdsMessages(): boolean {
    return this.#outbox.holds;
  }

  get codec(): PayloadCodec | undefined {
    return this.#engine.codec;
  }

  /** Length of the durable history. */
  get seq(): number {
    return this.#outbox.seq;
  }

  get crashes(): number {
    return this.#outbox.crashes;
  }

  get #told(): Told {
    this.#toldFacts ??= new Told(this.facts, this.codec);
    return this.#toldFacts;
  }

  // ---- beginning -------------------------------------------------------------------------------------------------------

  /** A run that was just started: its first event is durable. */
  begin(first: EventRow, messages: readonly MessageRow[] = NONE): void {
    this.#outbox.seq = 1;
    this.#outbox.deliver(messages, messages.length);
    this.#apply([first]);
  }

  /** A run taken over: replays its history, then goes on where it stopped. */
  replay(rows: readonly ReplayRow[], from: TakenOver): void {
    this.phase = "replaying";
    this.#outbox.seq = from.length;
    this.#outbox.left = { seq: from.length, kept: from.kept };
    this.#outbox.crashes = from.crashes;
    this.#outbox.rows.restore(from.attempts);
    if (from.unanswered.length > 0) this.#outbox.enclosed.answers.restore(from.unanswered);
    this.effects.restore(from);
    this.#outbox.deliver(from.messages, from.inbox);
    this.machine.trace(rows);
    const issued = [...from.attempts, ...from.children].map(({ command }) => command);
    this.machine.recall(pastOf(rows, [...issued, from.check?.[0] ?? 0]));
    this.#apply(rows);
  }

  /** A parked run claimed again while it was still warm: goes on without a replay. */
  wake(messages: readonly MessageRow[], inbox: number): void {
    this.phase = "live";
    this.#outbox.refill(messages, inbox);
    this.#ring();
    if (this.#outbox.hasNews) this.ready();
    else this.turnsDone();
  }

  /** New messages from the inbox, in order. */
  deliver(messages: readonly MessageRow[]): void {
    this.#outbox.deliver(messages, 0);
    if (this.#outbox.hasNews || this.#outbox.pausing) this.ready();
  }

  // ---- the cycle -------------------------------------------------------------------------------------------------------

  /** Asks the committer for a place in the next batch. */
  ready(): void {
    if (this.#queued || this.#inFlight !== undefined || this.#applying || this.phase !== "live") return;
    this.#queued = true;
    this.#engine.ready(this);
  }

  takeTransition(): Transition | undefined {
    this.#queued = false;
    if (this.#inFlight !== undefined || this.#applying || this.phase !== "live") return undefined;
    this.#inFlight = this.#outbox.build(this.#timedOut, !this.#releasing);
    if (this.#inFlight === undefined) this.#nothingToWrite();
    return this.#inFlight;
  }

  /** What it was to be parked for has come near while the committer was busy; or the news came to nothing. */
  #nothingToWrite(): void {
    if (this.effects.holding) this.turnsDone();
    else if (!this.#releasing && !this.#outbox.hasNews) this.#settleDown();
    else this.effects.beginCareful();
    this.arm();
  }

  /** The transition is durable: its events are applied, then the next one is built. */
  committed(): void {
    if (this.phase === "gone") return;
    const { events, image, also, attempts } = this.#inFlight!;
    this.#inFlight = undefined;
    if (also !== undefined) this.#committedAlso(also);
    if (attempts.length > 0 && handsOut(attempts)) this.#engine.handedOut();
    this.#outbox.seq += events.length;
    if (image !== null && !image.owned) this.#left(image, events.at(-1));
    else if (events.length > 0) this.#apply(events);
    else this.turnsDone();
  }

  #committedAlso({ answers, sends, successor }: Also): void {
    if (answers !== undefined) this.#engine.answered(this);
    if (sends !== undefined || successor !== undefined) this.#engine.hint();
  }

  /** The commit went through without this transition. */
  refused(why: Refusal): void {
    if (this.phase === "gone") return;
    const transition = this.#inFlight!;
    this.#inFlight = undefined;
    if (why === "history") {
      this.#engine.reload(this);
      return;
    }
    this.#outbox.refused(transition);
    this.#engine.refetch(this);
  }

  /** The inbox as it is now, after a refusal. */
  refetched(messages: readonly MessageRow[], inbox: number): void {
    this.#outbox.deliver(messages, inbox);
    this.ready();
  }

  /** What the run wants to write cannot be made, or the store cannot write it: it stands still, with the reason. */
  choked(error: unknown): void {
    const blockedBefore = this.machine.blockage !== undefined;
    if (this.#inFlight !== undefined) this.#outbox.refused(this.#inFlight);
    this.#inFlight = undefined;
    this.#outbox.forgetArrivals();
    this.#timedOut = false;
    const message = `what this run came to cannot be written: ${toFailure(error).message}`;
    this.machine.blockAfterAll({ reason: "data_error", message });
    if (blockedBefore) this.abandon("this run cannot be written");
    else this.ready();
  }

  /** The commit happened, but what became of it is not known. */
  doubtful(): void {
    this.#engine.forget(this);
  }

  #apply(rows: readonly (EventRow & { readonly verify?: boolean })[]): void {
    this.#pending = rows;
    this.#cursor = 0;
    this.#applying = true;
    this.#engine.turns.add(this);
    this.#engine.turns.run();
  }

  takeTurn(): void {
    const row = this.#pending[this.#cursor++];
    if (row === undefined || this.phase === "gone") return;
    if (this.phase === "replaying") this.machine.takeNotes();
    this.machine.openTurn();
    this.machine.apply(row, row.verify ?? true);
    if (this.phase === "live") this.#reporter.event(row);
  }

  drained(): boolean {
    return this.phase !== "gone" && this.machine.drained();
  }

  endTurn(): boolean {
    this.machine.closeTurn();
    return this.#cursor < this.#pending.length && this.phase !== "gone" && this.machine.blockage === undefined;
  }

  /** A defect, ours or in the data: this run stands still, the others go on. */
  broke(error: unknown): void {
    this.#applying = false;
    this.#pending = NONE;
    if (this.phase === "gone") return;
    this.phase = "live";
    this.machine.block({
      reason: "defect",
      message: `advancing the run threw: ${whereFrom(error)}`,
    });
    this.ready();
  }

  turnsDone(): void {
    this.#applying = false;
    this.#pending = NONE;
    if (this.phase === "gone") return;
    if (this.phase === "replaying") this.#replayed();
    if (this.machine.blockage !== undefined || this.machine.ending !== undefined || this.#timedOut) {
      this.ready();
      return;
    }
    this.effects.carryOut();
    if (this.#outbox.hasNews) this.ready();
    else if (this.phase === "live") this.#settleDown();
  }

  /** The history is applied: what is in flight must match what the code asks for now. */
  #replayed(): void {
    this.phase = "live";
    this.effects.verify();
    this.machine.trace(undefined);
    this.effects.restoreOutcomes();
    const untold = this.#told.missing();
    if (untold !== undefined) this.#outbox.enclosed.tell(untold);
    this.#reporter.recovered(this.seq, this.crashes);
  }

  /** The run was let go: it has ended, is blocked, or is parked. */
  #left(image: RunImage, last: EventRow | undefined): void {
    if (image.status === "running") {
      this.phase = "parked";
      this.#stopClocks();
      this.#outbox.refill(NONE, 0);
      this.#reporter.parked(image.wakeAt);
      this.#engine.parked(this, image.wakeAt);
      return;
    }
    if (isClosed(image.status)) this.#reporter.closed(image.status, this.machine.ending);
    else if (image.status === "paused") this.#reporter.paused();
    else this.#reporter.blocked(this.machine.blockage!);
    this.#end();
    this.#engine.closed(this, last);
  }

  // ---- resting ---------------------------------------------------------------------------------------------------------

  /** Decides what an active run without news does next: write rows, wait in memory, park, or be called quiet. */
  #settleDown(): void {
    if (this.#outbox.hasRows || (this.#outbox.pausing && !this.effects.busy)) {
      this.ready();
      return;
    }
    if (this.effects.beginCareful() && this.#outbox.hasNews) return;
    if (this.machine.open.size === 0) this.#watchQuiet();
    else if (this.effects.waiting) this.#wait();
  }

  #watchQuiet(): void {
    this.#quiet ??= new QuietWatch(this.clock);
    this.#quiet.start(
      this.facts.workflow,
      () => this.#isQuiet(),
      (found) => this.machine.block(found),
    );
  }

  #wait(): void {
    if (this.effects.parkUntil() !== undefined) {
      this.ready();
      return;
    }
    this.arm();
    this.effects.journalLater();
  }

  #isQuiet(): boolean {
    const busy = this.#inFlight !== undefined || this.#applying || this.#outbox.hasNews;
    return this.phase === "live" && !busy && this.machine.open.size === 0 && this.machine.ending === undefined;
  }

  // ---- time ------------------------------------------------------------------------------------------------------------

  #ring(): void {
    this.#due.disarm();
    // While the run is being let go nothing may begin: whoever claims it next looks at what is due.
    if (this.phase !== "live" || this.#inFlight?.image?.owned === false || this.machine.ending !== undefined) return;
    const now = this.clock.now();
    if (this.#due.expired(now)) {
      this.#timedOut = true;
      this.ready();
      return;
    }
    for (const [id, due] of this.#due.take(now)) this.effects.ring(id, due);
    if (this.#outbox.hasNews) this.ready();
    else if (this.#inFlight === undefined && !this.#applying) this.#settleDown();
    this.arm();
  }

  arm(): void {
    this.#due.arm(() => this.#ring());
  }

  #stopClocks(): void {
    this.#due.disarm();
    this.#quiet?.stop();
    this.effects.stopClocks();
  }

  // ---- EffectsHost -----------------------------------------------------------------------------------------------------

  get live(): boolean {
    return this.phase === "live";
  }

  get gone(): boolean {
    return this.phase === "gone";
  }

  /** Something that kept the run from parking is over. */
  eased(): void {
    if (this.phase === "live" && !this.#applying && this.#inFlight === undefined) this.#settleDown();
  }

  // ---- OutboxHost ------------------------------------------------------------------------------------------------------

  successor(input: Payload, at: number): NewRun {
    return this.#engine.services.successor(this, input, at, this.#told.tags);
  }

  unfinished(handlers: readonly string[]): void {
    this.#reporter.unfinished(handlers);
  }

  progressed(): void {
    this.#engine.progressed(this);
  }

  // ---- ending ----------------------------------------------------------------------------------------------------------

  /** The engine shuts down: stops effects, and rewrites rows of attempts given up, so that they do not count as lost. */
  release(): void {
    this.#releasing = true;
    this.effects.release(new DOMException("the engine shuts down", "AbortError"));
    if (this.#outbox.hasRows) this.ready();
  }

  /** Forgets the run without a trace: it belongs to somebody else, or is parked and not worth keeping warm. */
  abandon(reason: string): void {
    this.effects.dropAll(() => new DOMException(reason, "AbortError"));
    this.#end();
  }

  #end(): void {
    this.phase = "gone";
    this.machine.kill();
    this.#due.clear();
    this.#stopClocks();
  }

  // ---- MachineOwner -----------------------------------------------------------------------------------------------------

  /** The logger of the run's code. */
  get codeLog(): Logger {
    return runLogger(this.log, this);
  }

  get replays(): boolean {
    return this.phase === "replaying";
  }

  // ---- what the machine tells ------------------------------------------------------------------------------------------

  /** Something out of turn blocked the machine. */
  onBlocked(): void {
    if (this.phase === "live") this.ready();
  }

  /** The workflow code left a rejected promise alone: that fails the run, not the process. Work that was cancelled may be left. */
  rejected(error: unknown): void {
    if (this.phase === "gone" || isA(error, CancelledError)) return;
    this.#reporter.rejection(error);
    if (!this.machine.fail(error)) this.#outbox.fail(toFailure(error));
    this.ready();
  }

  onSettled(command: number): void {
    this.effects.left(command);
  }

  /** The handler of an update has ended. */
  onAnswered(message: number, ending: Ending): void {
    this.#outbox.enclosed.answers.ended(message, ending);
  }

  /** A note was made. */
  onNote({ kind, data }: Note): void {
    const told = tellsOfTheRun(kind) ? this.#told.note(kind, data) : undefined;
    if (this.phase !== "live") return;
    if (told !== undefined) this.#outbox.enclosed.tell(told);
    this.#reporter.note(kind, data);
  }
}

/** An error with the places it came by. */
function whereFrom(error: unknown): string {
  const { stack, message } = toFailure(error);
  return stack ?? message;
}

const NONE: readonly never[] = [];
