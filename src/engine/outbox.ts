/**
 * What one run wants to write: events, rows of what is in flight, notes, and what goes with them. Makes the next transition of it: the run
 * goes on, is let go, or ends.
 *
 * Owner: the run's actor. Invariants kept here (numbers as in ARCHITECTURE.md):
 * - I4, rule 25: park and close are conditional on the inbox number seen; what was taken is given back when they are refused.
 * - I5, rule 5: a cancellation goes alone, with the outcome of everything it cuts off; nothing follows the event that ends the run.
 */
import { CancelledError } from "../core/cancelled.ts";
import type { Blockage } from "../core/ending.ts";
import { eventData, type NewEvent, type Note, newEvent } from "../core/events.ts";
import type { Failure } from "../core/failure.ts";
import type { Machine } from "../core/machine.ts";
import { decodePayload, encodePayload, type Payload } from "../core/payload.ts";
import type { ClosedStatus } from "../core/status.ts";
import type { Also, AttemptRow, MessageRow, RunImage, Transition } from "../store/store.ts";
import type { CommandSpec } from "./command-spec.ts";
import { Enclosures } from "./enclosures.ts";
import { tellsKin } from "./end-notices.ts";
import { Inbox } from "./inbox.ts";
import type { OutboxHost } from "./outbox-host.ts";
import { RowsInFlight } from "./rows-in-flight.ts";
import { endOf, movesOn } from "./run-end.ts";
import type { RunFacts } from "./run-facts.ts";
import { redactFailure, redactFields } from "./secrets.ts";
import { type Arrival, Sequencer } from "./sequencer.ts";

export class Outbox {
  readonly #run: number;
  readonly #about: RunFacts;
  readonly #machine: Machine<CommandSpec>;
  readonly #host: OutboxHost;
  readonly #inbox = new Inbox();
  /** Rows of what is in flight. */
  readonly rows: RowsInFlight = new RowsInFlight();
  /** What goes with the next transition beside its events. */
  readonly enclosed: Enclosures;
  readonly #sequencer: Sequencer;
  #notesTaken: readonly Note[] = NONE;
  #messagesTaken: readonly MessageRow[] = NONE;
  /** What the code has left unhandled while there was something to undo. */
  #failure: Failure | undefined;
  /** How often the run could not end because something came meanwhile. */
  #endingsRefused = 0;
  /** Length of the durable history. */
  seq = 0;
  crashes = 0;
  /** Where the run stood when it was left, and what its row says of that. */
  left: { readonly seq: number; readonly kept: object } | undefined;

  constructor(facts: RunFacts, machine: Machine<CommandSpec>, host: OutboxHost) {
    this.#run = facts.run;
    this.#about = facts;
    this.#machine = machine;
    this.#host = host;
    this.enclosed = new Enclosures(facts, host);
    const { rows, enclosed } = this;
    this.#sequencer = new Sequencer({ run: facts.run, machine, host, inbox: this.#inbox, rows, enclosed });
  }

  /** Whether outcomes or messages are waiting. */
  get hasNews(): boolean {
    return this.#sequencer.any || this.#machine.unmarked || this.#failing;
  }

  /** Whether the failure is to be written. On a replay it may be in the history already. */
  get #failing(): boolean {
    return this.#failure !== undefined && !this.#machine.isDecided;
  }

  /** Whether rows of steps in flight, or anything else that needs no event, are waiting. */
  get hasRows(): boolean {
    return this.rows.any || this.enclosed.any;
  }

  /** Whether somebody wants the run to stand still. */
  get pausing(): boolean {
    return this.#inbox.pause !== undefined;
  }

  arrive(arrival: Arrival): void {
    this.#sequencer.arrive(arrival);
  }

  /** New messages from the inbox, in order; `inbox` is the number the run's row stands at. */
  deliver(messages: readonly MessageRow[], inbox: number): void {
    this.#inbox.deliver(messages, inbox);
  }

  /** The inbox of a run that was let go: nothing, until it is claimed again. */
  refill(messages: readonly MessageRow[], inbox: number): void {
    this.#inbox.refill(messages, inbox);
  }

  /** Number up to which the inbox was read. */
  get seen(): number {
    return this.#inbox.seen;
  }

  /** Whether messages are known that wait in the store. */
  get holds(): boolean {
    return this.#inbox.holds;
  }

  /** The run is to fail with this once everything is undone. */
  fail(failure: Failure): void {
    this.#failure ??= failure;
  }

  forgetArrivals(): void {
    this.#sequencer.forgetArrivals();
  }

  // ---- building --------------------------------------------------------------------------------------------------------

  /** The next transition, or undefined when there is nothing to write. `timedOut` ends the run without asking its code. */
  build(timedOut: boolean, mayPark: boolean): Transition | undefined {
    const machine = this.#machine;
    const { termination } = this.#inbox;
    if (termination !== undefined || timedOut) return this.#abrupt(termination);
    if (machine.blockage !== undefined) return this.#blocked(machine.blockage);
    if (machine.ending !== undefined) return this.#ending();
    if (this.#failing) return this.#failed(this.#failure!);
    const { events, consumed } = this.#sequencer.next(mayPark);
    if (events.length === 0 && consumed.length === 0) {
      if (machine.unmarked) return this.#transition([newEvent.versionMarked(machine.now)], NONE, null);
      // A transaction is not cut off in the middle: it has happened, or it has not.
      if (this.#inbox.cancelling) return this.#host.effects.transacting ? undefined : this.#cancel();
      if (!this.hasRows) return this.#rest(mayPark);
    }
    // An event of its own, because others may be set aside by a resume.
    if (machine.unmarked) events.unshift(newEvent.versionMarked(machine.now));
    return this.#transition(events, consumed, this.#progress(events));
  }

  #failed(failure: Failure): Transition {
    const at = this.#sequencer.stamp();
    return this.#transition([newEvent.codeFailed(at, redactFailure(this.#about.secrets, failure))], NONE, null);
  }

  #rest(mayPark: boolean): Transition | undefined {
    const { pause } = this.#inbox;
    if (pause !== undefined) return this.#paused(pause);
    return mayPark ? this.#park() : undefined;
  }

  #progress(events: readonly NewEvent[]): RunImage | null {
    if (this.crashes === 0 || events.length === 0) return null;
    this.crashes = 0;
    this.#host.progressed();
    return this.#image({ status: "running", owned: true });
  }

  #image({
    status,
    owned,
    wakeAt = null,
    closedAt = null,
    crashes = this.crashes,
    detail = null,
    ifInbox = null,
    forget = false,
  }: Pick<RunImage, "status" | "owned"> & Partial<RunImage>): RunImage {
    return { status, owned, wakeAt, closedAt, crashes, detail, ifInbox, forget };
  }

  #transition(
    events: readonly NewEvent[],
    messages: readonly MessageRow[],
    image: RunImage | null,
    withCheck = true,
  ): Transition {
    const check = withCheck ? this.#machine.check : undefined;
    const notes = events.length === 0 ? NONE : this.#machine.takeNotes();
    this.#notesTaken = notes;
    this.#messagesTaken = messages;
    const rows = events.map(({ type, at, body }, index) => ({
      type,
      at,
      data: index === 0 ? eventData(body, check, notes) : eventData(body, undefined, undefined),
    }));
    const transition: Transition = {
      run: this.#run,
      base: this.seq,
      events: rows,
      consumed: messages.length === 0 ? NONE : messages.map((message) => message.number),
      attempts: this.rows.takeChanged(this.#machine.open),
      settled: this.rows.takeSettled(),
      image,
    };
    return this.enclosed.any ? { ...transition, also: this.enclosed.take() } : transition;
  }

  /** The cancellation and the outcome of everything it cuts off, alone in its transition. */
  #cancel(): Transition {
    const message = this.#inbox.takeNext();
    if (this.#machine.cancelReason !== undefined) return this.#transition(NONE, [message], null);
    const at = this.#sequencer.stamp();
    const reason = String(decodePayload(message.data) ?? "");
    const events = [newEvent.cancelRequested(at, reason, message.number)];
    for (const command of this.#machine.open.values()) {
      if (!this.#machine.isCancellable(command.id)) continue;
      events.push(newEvent.stepCancelled(command, at));
      this.#host.effects.drop(command.id, new CancelledError(reason));
    }
    return this.#transition(events, [message], null);
  }

  // ---- ending ----------------------------------------------------------------------------------------------------------

  /** Ends the run without asking its code. */
  #abrupt(terminate: MessageRow | undefined): Transition {
    const status = terminate === undefined ? "timed_out" : "terminated";
    const messages = this.#inbox.takeAll();
    const events = this.#sequencer.leftovers(messages);
    const at = this.#sequencer.stamp();
    if (terminate === undefined) events.push(newEvent.runTimedOut(at));
    else events.push(newEvent.runTerminated(at, String(decodePayload(terminate.data) ?? "")));
    return this.#close(events, messages, status, this.#machine.blockage === undefined);
  }

  /** The function has ended: what it returned, and the messages nobody asked for. */
  #ending(): Transition {
    const ending = this.#machine.ending!;
    const { handling } = this.#machine;
    if (handling.length > 0) this.#host.unfinished(handling);
    if (ending.ok && ending.next !== undefined) return this.#continued(ending.next);
    const messages = this.#inbox.takeAll();
    const events = this.#sequencer.leftovers(messages);
    const { event, status } = endOf(this.#machine, this.#about, this.#host, this.#sequencer.stamp());
    events.push(event);
    return this.#close(events, messages, status, true);
  }

  /** Another run goes on with everything that was not taken, in the same commit, whatever comes meanwhile (rule 25). */
  #continued(next: Payload): Transition {
    const at = this.#sequencer.stamp();
    const input = encodePayload(decodePayload(next), this.#host.codec);
    this.enclosed.answers.forget(this.#machine.messages.keptUpdates.map(({ message }) => message));
    const successor = { start: this.#host.successor(input, at), messages: movesOn(this.#machine, this.#run) };
    const events = [newEvent.runContinued(at, input)];
    return this.#close(events, NONE, "continued_as_new", true, { successor });
  }

  #close(
    events: NewEvent[],
    messages: readonly MessageRow[],
    status: ClosedStatus,
    withCheck: boolean,
    also: Also = {},
  ): Transition {
    const goesOn = status === "continued_as_new";
    const withChildren = !goesOn && this.#host.effects.hasChildren;
    this.#host.effects.dropAll(() => new CancelledError(`the run ${status}`));
    this.#sequencer.forgetArrivals();
    this.rows.settleAll();
    const forget = status === "completed" || status === "terminated" || goesOn;
    const closedAt = events.at(-1)!.at;
    const ifInbox = goesOn || this.#endingsRefused >= PATIENCE ? null : this.#inbox.seen;
    const image = this.#image({ status, owned: false, closedAt, crashes: 0, ifInbox, forget });
    this.enclosed.close(goesOn ? NONE : messages, status, closedAt);
    const transition = this.#transition(events, messages, image, withCheck);
    if (goesOn) return { ...transition, also: { ...transition.also, ...also } };
    return tellsKin(transition, this.#about, status, withChildren);
  }

  // ---- letting go ------------------------------------------------------------------------------------------------------

  /** The code disagrees with the history: nothing is appended, the run stands still (I6). */
  #blocked(blockage: Blockage): Transition {
    const rows = this.#host.effects.giveUp(new CancelledError("the run is blocked"));
    const attempts = blockage.reason === "data_error" ? NONE : rows;
    // Other code is held against where it stood before, too.
    const stood = this.left?.seq === this.seq ? this.left.kept : {};
    const detail = JSON.stringify({ ...stood, blocked: redactFields(this.#about.secrets, blockage) });
    const image = this.#image({ status: "blocked", owned: false, detail });
    return this.#letGo(image, attempts);
  }

  /** Stands still until somebody resumes it. Refused while something is in flight: it is asked again after that. */
  #paused(message: MessageRow): Transition | undefined {
    const attempts = this.#host.effects.standStill();
    if (attempts === undefined) return undefined;
    const reason = String(decodePayload(message.data) ?? "");
    const detail = JSON.stringify({ check: this.#machine.check, paused: reason, waits: this.#host.effects.waits() });
    const image = this.#image({ status: "paused", owned: false, detail });
    const consumed = this.#inbox.takePauses().map(({ number }) => number);
    return this.#letGo(image, attempts, consumed);
  }

  /** Gives the run up until something is due or a message comes. */
  #park(): Transition | undefined {
    const until = this.#host.effects.parkUntil();
    if (until === undefined) return undefined;
    const notes = this.#machine.pendingNotes;
    const detail = JSON.stringify({
      check: this.#machine.check,
      waits: this.#host.effects.waits(),
      ...(notes.length > 0 && { notes }),
    });
    const wakeAt = Number.isFinite(until) ? until : null;
    const image = this.#image({ status: "running", owned: false, wakeAt, detail, ifInbox: this.#inbox.seen });
    return this.#letGo(image);
  }

  /** A transition without events, which takes nothing that would be given back. */
  #letGo(image: RunImage, attempts: readonly AttemptRow[] = NONE, consumed: readonly number[] = NONE): Transition {
    this.#notesTaken = NONE;
    this.#messagesTaken = NONE;
    return { run: this.#run, base: this.seq, events: NONE, consumed, attempts, settled: NONE, image };
  }

  // ---- giving back -----------------------------------------------------------------------------------------------------

  /** A transition was not written: the messages, rows and notes it took are taken again later. */
  refused(transition: Transition): void {
    if (transition.image !== null && transition.image.closedAt !== null) this.#endingsRefused++;
    this.rows.giveBack(transition.settled);
    this.#inbox.giveBack(this.#messagesTaken);
    this.#machine.returnNotes(this.#notesTaken);
    if (transition.also !== undefined) this.enclosed.giveBack(transition.also);
  }
}

const NONE: readonly never[] = [];
/**
 * How often what comes in the last moment may keep a run from ending, so that it stands in its history. After that it stays in the inbox
 * of the closed run, or senders without a pause could keep it open for ever: callers learn that it has closed, a resume finds it there.
 */
export const PATIENCE = 50;
