/**
 * What one run wants to write: outcomes, messages, rows of what is in flight, notes. Makes the next transition of it.
 *
 * Owner: the run's actor. Invariants kept here (numbers as in ARCHITECTURE.md):
 * - I3, rule 4: items of a transition are ordered by time, a message before the timer it was in time for; `at` never decreases.
 * - I4, rule 25: park and close are conditional on the inbox number seen; what was taken is given back when they are refused.
 * - I5, rule 5: outcomes of commands that are no longer open are dropped; a cancellation goes alone, with the outcome of
 *   everything it cuts off.
 * - rule 6: an update that has a validator is the first of its transition, so that it is judged by what came before it.
 */
import { CancelledError } from "../core/cancelled.ts";
import type { Blockage } from "../core/ending.ts";
import { eventData, type NewEvent, type Note, newEvent } from "../core/events.ts";
import type { Failure } from "../core/failure.ts";
import type { Command, Machine } from "../core/machine.ts";
import { decodePayload, encodePayload, type Payload } from "../core/payload.ts";
import type { ClosedStatus } from "../core/status.ts";
import { isVouched } from "../core/vouched.ts";
import type { Also, MessageRow, NewMessage, RunImage, Transition } from "../store/store.ts";
import { Answers } from "./answers.ts";
import { type ForeignOutcome, tellsKin, updatesIn } from "./closing.ts";
import type { CommandSpec } from "./command-spec.ts";
import { Inbox, isForStep, NO_SIGNALS } from "./inbox.ts";
import { Intake } from "./intake.ts";
import type { OutboxHost } from "./outbox-host.ts";
import { RowsInFlight } from "./rows-in-flight.ts";
import { endOf, movesOn } from "./run-end.ts";
import type { RunFacts } from "./run-facts.ts";
import { redactFailure, redactFields } from "./secrets.ts";
import { validMessage } from "./valid-message.ts";

/** A settled step or a due wait, on its way into the history. */
export interface Arrival {
  readonly at: number;
  readonly command: Command<CommandSpec>;
  /** Undefined for a timer or a wait's timeout. */
  readonly event: NewEvent | undefined;
}

export class Outbox {
  readonly #run: number;
  readonly #about: RunFacts;
  readonly #machine: Machine<CommandSpec>;
  readonly #host: OutboxHost;
  #arrivals: Arrival[] = [];
  readonly #inbox = new Inbox();
  readonly #intake: Intake;
  /** Rows of what is in flight. */
  readonly rows: RowsInFlight = new RowsInFlight();
  #notesTaken: readonly Note[] = NONE;
  #messagesTaken: readonly MessageRow[] = NONE;
  /** Answers to updates. */
  #answersMade: Answers | undefined;
  #sends: NewMessage[] = [];
  /** Transactional steps whose kept outcome is in the history now. */
  #outcomes: number[] = [];
  #facts: { tags?: string; progress?: string } | undefined;
  /** What the code has left unhandled while there was something to undo. */
  #failure: Failure | undefined;
  #lastAt = 0;
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
    this.#intake = new Intake(machine, host.ahead);
  }

  /** Made with the first update: most runs have none. */
  get answers(): Answers {
    this.#answersMade ??= new Answers(this.#about, this.#host);
    return this.#answersMade;
  }

  /** Whether outcomes or messages are waiting. */
  get hasNews(): boolean {
    return this.#arrivals.length > 0 || this.#inbox.any || this.#machine.unmarked || this.#failing || this.#wantsLeft();
  }

  #wantsLeft(): boolean {
    const { lines } = this.#inbox;
    return lines !== undefined && this.#intake.wantsAny(lines);
  }

  /** Whether the failure is to be written. On a replay it may be in the history already. */
  get #failing(): boolean {
    return this.#failure !== undefined && !this.#machine.isDecided;
  }

  /** Whether rows of steps in flight, or anything else that needs no event, are waiting. */
  get hasRows(): boolean {
    return this.rows.any || this.#also();
  }

  #also(): boolean {
    return (
      this.#answersMade?.any === true ||
      this.#sends.length > 0 ||
      this.#outcomes.length > 0 ||
      this.#facts !== undefined
    );
  }

  /** Whether somebody wants the run to stand still. */
  get pausing(): boolean {
    return this.#inbox.pause !== undefined;
  }

  /** A message to another run, in the next transition. */
  send(message: NewMessage): void {
    this.#sends.push(message);
  }

  /** Written to the run's row with the next transition. */
  tell(facts: { tags?: string; progress?: string }): void {
    this.#facts = { ...this.#facts, ...facts };
  }

  arrive(arrival: Arrival): void {
    this.#arrivals.push(arrival);
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
    this.#arrivals = [];
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
    const { events, consumed } = this.#merge(this.#take(mayPark));
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
    const at = this.#stamp(this.#now());
    return this.#transition([newEvent.codeFailed(at, redactFailure(this.#about.secrets, failure))], NONE, null);
  }

  /**
   * Takes one portion. Leaves in the inbox what is not for this run, or not yet: it is being let go and its steps were given up, or another
   * run is to go on from it, which is the one to be cancelled and updated, or it has more than enough of it.
   */
  #take(mayPark: boolean): readonly MessageRow[] {
    const intake = this.#intake;
    intake.begin();
    this.#inbox.lookAgain((line) => (line === NO_SIGNALS ? Number.POSITIVE_INFINITY : intake.roomFor(line)));
    if (!this.#inbox.any) return NONE;
    const { continuing } = this.#machine;
    return this.#inbox.take(this.#host.ahead, (message) => {
      if (isForStep(message)) return !mayPark;
      return (continuing && this.#isForSuccessor(message)) || !intake.takes(message);
    });
  }

  #isForSuccessor({ kind, name }: MessageRow): boolean {
    return kind === "cancel" || (kind === "update" && !this.#machine.messages.handles(name));
  }

  #rest(mayPark: boolean): Transition | undefined {
    const { pause } = this.#inbox;
    if (pause !== undefined) return this.#paused(pause);
    return mayPark ? this.#park() : undefined;
  }

  /**
   * Items by time; a message from before a deadline precedes the timer (rule 4). What has to wait for the next transition is put back:
   * an update that is to be looked at, and what comes after the messages of this portion.
   */
  #merge(messages: readonly MessageRow[]): { events: NewEvent[]; consumed: readonly MessageRow[] } {
    const arrivals = this.#arrivals;
    const events: NewEvent[] = [];
    if (arrivals.length === 0 && messages.length === 0) return { events, consumed: NONE };
    this.#arrivals = [];
    if (arrivals.length > 1) arrivals.sort((a, b) => a.at - b.at || a.command.id - b.command.id);
    let next = 0;
    let taken = 0;
    const settled = new Set<number>();
    for (const message of messages) {
      while (next < arrivals.length && arrivals[next]!.at < message.at)
        this.#outcome(arrivals[next++]!, messages, events, settled);
      const alone = message.kind === "update" && this.#machine.messages.validates(message.name);
      if (alone && events.length > 0) {
        this.#inbox.giveBack(messages.slice(taken));
        this.#arrivals.push(...arrivals.slice(next));
        return { events, consumed: messages.slice(0, taken) };
      }
      this.#message(message, events, settled);
      taken++;
    }
    if (this.#inbox.hasMore) this.#arrivals.push(...arrivals.slice(next));
    else while (next < arrivals.length) this.#outcome(arrivals[next++]!, messages, events, settled);
    return { events, consumed: messages };
  }

  #message(message: MessageRow, events: NewEvent[], settled: Set<number>): void {
    switch (message.kind) {
      case "signal": {
        const event = this.#taken(message, settled);
        if (event === undefined) break;
        events.push(event);
        this.#answer(message.name, settled);
        break;
      }
      case "update":
        this.#update(message, events);
        break;
      case "outcome":
        this.#foreign(message, events, settled);
        break;
      case "retry":
        this.#host.effects.retryNow((JSON.parse(message.data) as { c: number }).c);
        break;
      default:
    }
  }

  #update({ name, data, number }: MessageRow, events: NewEvent[]): void {
    const valid = validMessage(this.#machine, this.#host.codec, "update", name, data);
    const rejected =
      "error" in valid ? valid : this.#machine.messages.validate(name, decodePayload(valid.payload, this.#host.codec));
    if ("error" in valid || rejected !== undefined) {
      this.answers.reject(number, rejected?.error);
      return;
    }
    const { payload } = valid;
    const at = this.#stamp(this.#now());
    events.push(newEvent.updateAccepted(at, name, payload, number));
    this.answers.accepted(number, at);
  }

  #foreign({ data }: MessageRow, events: NewEvent[], settled: Set<number>): void {
    const outcome = JSON.parse(data) as ForeignOutcome;
    if (outcome.u !== undefined && outcome.u !== this.#run) return;
    const command = this.#machine.open.get(outcome.c);
    if (command === undefined || settled.has(command.id)) return;
    if (outcome.g !== undefined && outcome.g !== command.generation) return;
    const made = this.#host.effects.foreign(command, outcome, this.#stamp(this.#now()));
    if (made.length === 0) return;
    events.push(...made);
    settled.add(command.id);
  }

  #outcome(arrival: Arrival, messages: readonly MessageRow[], events: NewEvent[], settled: ReadonlySet<number>): void {
    const { command, event } = arrival;
    if (!this.#machine.open.has(command.id) || (settled.size > 0 && settled.has(command.id))) return;
    if (event !== undefined) {
      events.push({ type: event.type, at: this.#stamp(event.at), body: event.body });
      if (event.type !== "ChildStarted") this.rows.settle(command.id);
      if (command.kind === "transaction") this.#outcomes.push(command.id);
    } else if (command.kind === "timer") {
      events.push(newEvent.timerFired(command, this.#stamp(Math.max(arrival.at, this.#now()))));
      this.rows.settle(command.id);
    } else if (this.#mayBeSettled(command, messages, events)) this.#arrivals.push(arrival);
    else {
      events.push(newEvent.waitTimedOut(command, this.#stamp(Math.max(arrival.at, this.#now()))));
      this.rows.settle(command.id);
    }
  }

  /** Whether what comes before a timeout may make it void: a signal answers its wait, anything makes a predicate true. */
  #mayBeSettled({ kind, name }: Command, messages: readonly MessageRow[], events: readonly NewEvent[]): boolean {
    if (kind !== "wait") return events.length > 0;
    return messages.some((message) => message.kind === "signal" && message.name === name) || this.#inbox.brings(name);
  }

  /** The row of the wait that takes this signal goes with it: a wait that gets its signal has no outcome of its own. */
  #answer(signal: string, settled: Set<number>): void {
    const command = this.#machine.waiting(signal).find((id) => !settled.has(id));
    if (command === undefined) return;
    settled.add(command);
    this.rows.settle(command);
  }

  /** The event of a signal; none when it does not fit the schema that the code has for it. */
  #taken({ name, data, number }: MessageRow, settled: ReadonlySet<number>): NewEvent | undefined {
    const machine = this.#machine;
    const valid = validMessage(machine, this.#host.codec, "signal", name, data);
    if ("error" in valid) {
      machine.refuseSignal(name, valid.error);
      return undefined;
    }
    const { payload } = valid;
    const asked = machine.messages.receives(name) || machine.waiting(name).some((id) => !settled.has(id));
    const raw = !isVouched(payload) && !asked;
    return newEvent.signalReceived(this.#stamp(this.#now()), name, payload, number, raw);
  }

  #signal({ name, data, number }: MessageRow): NewEvent {
    return newEvent.signalReceived(this.#stamp(this.#now()), name, data, number, !isVouched(data));
  }

  #now(): number {
    return this.#host.clock.now();
  }

  /** The time of the next event: never before the last one's (rule 4). */
  #stamp(at: number): number {
    this.#lastAt = Math.max(this.#lastAt, this.#machine.now, at);
    return this.#lastAt;
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
    return this.#also() ? { ...transition, also: this.#takeAlso() } : transition;
  }

  #takeAlso(): Also {
    const also: Also = {
      ...(this.#sends.length > 0 && { sends: this.#sends }),
      ...(this.#answersMade?.any === true && { answers: this.#answersMade.take() }),
      ...(this.#outcomes.length > 0 && { outcomes: this.#outcomes }),
      ...(this.#facts !== undefined && { facts: this.#facts }),
    };
    this.#sends = [];
    this.#outcomes = [];
    this.#facts = undefined;
    return also;
  }

  /** The cancellation and the outcome of everything it cuts off, alone in its transition. */
  #cancel(): Transition {
    const message = this.#inbox.takeNext();
    if (this.#machine.cancelReason !== undefined) return this.#transition(NONE, [message], null);
    const at = this.#stamp(this.#now());
    const reason = String(decodePayload(message.data) ?? "");
    const events = [newEvent.cancelRequested(at, reason, message.number)];
    for (const command of this.#machine.open.values()) {
      if (!this.#machine.isCancellable(command.id)) continue;
      events.push(newEvent.stepCancelled(command, at));
      this.#host.effects.drop(command.id, new CancelledError(reason));
    }
    return this.#transition(events, [message], null);
  }

  /** Ends the run without asking its code. */
  #abrupt(terminate: MessageRow | undefined): Transition {
    const status = terminate === undefined ? "timed_out" : "terminated";
    const messages = this.#inbox.takeAll();
    const events = this.#leftovers(messages);
    const at = this.#stamp(this.#now());
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
    const events = this.#leftovers(messages);
    const { event, status } = endOf(this.#machine, this.#about, this.#host, this.#stamp(this.#now()));
    events.push(event);
    return this.#close(events, messages, status, true);
  }

  #leftovers(messages: readonly MessageRow[]): NewEvent[] {
    const events: NewEvent[] = [];
    for (const message of messages) if (message.kind === "signal") events.push(this.#signal(message));
    return events;
  }

  /** Another run goes on with everything that was not taken, in the same commit, whatever comes meanwhile (rule 25). */
  #continued(next: Payload): Transition {
    const at = this.#stamp(this.#now());
    const input = encodePayload(decodePayload(next), this.#host.codec);
    this.answers.forget(this.#machine.messages.keptUpdates.map(({ message }) => message));
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
    this.#arrivals = [];
    this.rows.settleAll();
    const forget = status === "completed" || status === "terminated" || goesOn;
    const closedAt = events.at(-1)!.at;
    const ifInbox = goesOn || this.#endingsRefused >= PATIENCE ? null : this.#inbox.seen;
    const image = this.#image({ status, owned: false, closedAt, crashes: 0, ifInbox, forget });
    const left = goesOn ? NONE : updatesIn(messages);
    if (this.#answersMade !== undefined || left.length > 0) this.answers.close(left, status, closedAt);
    const transition = this.#transition(events, messages, image, withCheck);
    if (goesOn) return { ...transition, also: { ...transition.also, ...also } };
    return tellsKin(transition, this.#about, status, withChildren);
  }

  /** The code disagrees with the history: nothing is appended, the run stands still (I6). */
  #blocked(blockage: Blockage): Transition {
    const rows = this.#host.effects.giveUp(new CancelledError("the run is blocked"));
    const attempts = blockage.reason === "data_error" ? NONE : rows;
    // Other code is held against where it stood before, too.
    const stood = this.left?.seq === this.seq ? this.left.kept : {};
    const detail = JSON.stringify({ ...stood, blocked: redactFields(this.#about.secrets, blockage) });
    const image = this.#image({ status: "blocked", owned: false, detail });
    return { run: this.#run, base: this.seq, events: NONE, consumed: NONE, attempts, settled: NONE, image };
  }

  /** Stands still until somebody resumes it. Refused while something is in flight: it is asked again after that. */
  #paused(message: MessageRow): Transition | undefined {
    const attempts = this.#host.effects.standStill();
    if (attempts === undefined) return undefined;
    const reason = String(decodePayload(message.data) ?? "");
    const detail = JSON.stringify({ check: this.#machine.check, paused: reason, waits: this.#host.effects.waits() });
    const image = this.#image({ status: "paused", owned: false, detail });
    this.#notesTaken = NONE;
    this.#messagesTaken = NONE;
    const consumed = this.#inbox.takePauses().map(({ number }) => number);
    return { run: this.#run, base: this.seq, events: NONE, consumed, attempts, settled: NONE, image };
  }

  /** Gives the run up until something is due or a message comes. */
  #park(): Transition | undefined {
    const until = this.#host.effects.parkUntil();
    if (until === undefined) return undefined;
    const notes = this.#machine.pendingNotes;
    this.#notesTaken = NONE;
    this.#messagesTaken = NONE;
    const detail = JSON.stringify({
      check: this.#machine.check,
      waits: this.#host.effects.waits(),
      ...(notes.length > 0 && { notes }),
    });
    const wakeAt = Number.isFinite(until) ? until : null;
    const image = this.#image({ status: "running", owned: false, wakeAt, detail, ifInbox: this.#inbox.seen });
    return { run: this.#run, base: this.seq, events: NONE, consumed: NONE, attempts: NONE, settled: NONE, image };
  }

  /** A transition was not written: the messages, rows and notes it took are taken again later. */
  refused(transition: Transition): void {
    if (transition.image !== null && transition.image.closedAt !== null) this.#endingsRefused++;
    this.rows.giveBack(transition.settled);
    this.#inbox.giveBack(this.#messagesTaken);
    this.#machine.returnNotes(this.#notesTaken);
    const { sends = NONE, answers = NONE, outcomes = NONE, facts } = transition.also ?? {};
    // What the end of the run would have told its parent is made anew when it ends.
    this.#sends = [...sends.filter(({ kind }) => kind !== "outcome"), ...this.#sends];
    if (answers.length > 0) this.answers.giveBack(answers);
    this.#outcomes = [...outcomes, ...this.#outcomes];
    if (facts !== undefined) this.#facts = { ...facts, ...this.#facts };
  }
}

const NONE: readonly never[] = [];
/**
 * How often what comes in the last moment may keep a run from ending, so that it stands in its history. After that it stays in the inbox
 * of the closed run, or senders without a pause could keep it open for ever: callers learn that it has closed, a resume finds it there.
 */
export const PATIENCE = 50;
