/**
 * What one run wants to write: outcomes, messages, rows of what is in flight, notes. Makes the next transition of it.
 *
 * Owner: the run's actor. Invariants kept here (numbers as in ARCHITECTURE.md):
 * - I3, rule 4: items of a transition are ordered by time, a message before the timer it was in time for; `at` never decreases.
 * - I4, rule 25: park and close are conditional on the inbox number seen; what was taken is given back when they are refused.
 * - I5, rule 5: outcomes of commands that are no longer open are dropped; a cancellation goes alone, with the outcome of
 *   everything it cuts off.
 */
import { CancelledError } from "../core/cancelled.ts";
import { eventData, type NewEvent, type Note, newEvent } from "../core/events.ts";
import { toFailure } from "../core/failure.ts";
import type { Blockage, Command, Machine } from "../core/machine.ts";
import { decodePayload } from "../core/payload.ts";
import type { ClosedStatus } from "../core/status.ts";
import type { AttemptRow, MessageRow, RunImage, Transition } from "../store/store.ts";
import type { Clock } from "./clock.ts";
import type { CommandSpec } from "./command-spec.ts";
import { encodeResult, type ResultHost, type RunFacts } from "./run-facts.ts";
import { redactFailure } from "./secrets.ts";

/** A settled step or a due wait, on its way into the history. */
export interface Arrival {
  readonly at: number;
  readonly command: Command<CommandSpec>;
  /** Undefined for a timer or a wait's timeout. */
  readonly event: NewEvent | undefined;
}

/** What the outbox needs from its run. */
export interface OutboxHost extends ResultHost {
  readonly clock: Clock;
  /** Stops a step that must not go on; its outcome is being written or it has none. */
  drop(command: number, reason: Error): void;
  /** Stops all of them. */
  dropAll(reason: () => Error): void;
  /** Stops all of them; answers with the rows by which the attempts given up do not count as lost. */
  giveUp(reason: Error): readonly AttemptRow[];
  /** When the run has to be woken if it parks now (infinite: by a message only), or undefined when it must stay. */
  parkUntil(): number | undefined;
  /** What it waits for, for people. */
  waits(): readonly object[];
  /** A run that had crashed engines got further. */
  progressed(): void;
}

export class Outbox {
  readonly #run: number;
  readonly #facts: RunFacts;
  readonly #machine: Machine<CommandSpec>;
  readonly #host: OutboxHost;
  #arrivals: Arrival[] = [];
  #messages: MessageRow[] = [];
  #dirty = new Map<number, AttemptRow>();
  #settled: number[] = [];
  #notesTaken: readonly Note[] = NONE;
  #messagesTaken: readonly MessageRow[] = NONE;
  /** Commands that have a row in the store. */
  readonly #rows = new Set<number>();
  #lastAt = 0;
  /** Highest inbox number seen. */
  #inboxSeen = 0;
  /** Length of the durable history. */
  seq = 0;
  crashes = 0;

  constructor(facts: RunFacts, machine: Machine<CommandSpec>, host: OutboxHost) {
    this.#run = facts.run;
    this.#facts = facts;
    this.#machine = machine;
    this.#host = host;
  }

  /** Whether outcomes or messages are waiting. */
  get hasNews(): boolean {
    return this.#arrivals.length > 0 || this.#messages.length > 0;
  }

  /** Whether rows of steps in flight are waiting. */
  get hasRows(): boolean {
    return this.#dirty.size > 0 || this.#settled.length > 0;
  }

  arrive(arrival: Arrival): void {
    this.#arrivals.push(arrival);
  }

  /** New messages from the inbox, in order; `inbox` is the number the run's row stands at. */
  deliver(messages: readonly MessageRow[], inbox: number): void {
    for (const message of messages) {
      if (message.number <= this.#inboxSeen) continue;
      this.#inboxSeen = message.number;
      this.#messages.push(message);
    }
    if (inbox > this.#inboxSeen) this.#inboxSeen = inbox;
  }

  /** The store has rows of these commands from before. */
  restoreRows(rows: readonly AttemptRow[]): void {
    for (const row of rows) this.#rows.add(row.command);
  }

  /** Keeps the row of a command in flight. */
  keepRow(row: AttemptRow): void {
    this.#dirty.set(row.command, row);
  }

  /** Keeps the row of a timer or wait that lasts, unless it is kept already. */
  keepWaitRow({ id, kind, name, label, issuedAt }: Command, due: number | undefined): void {
    if (this.#rows.has(id)) return;
    const row = { command: id, kind, name: label ?? name, firstAt: issuedAt, nextAt: due ?? null };
    this.keepRow({ ...row, attempt: 0, startedAt: null, error: null, details: null });
  }

  /** The command is settled: its row goes. */
  settleRow(command: number): void {
    this.#dirty.delete(command);
    if (this.#rows.delete(command)) this.#settled.push(command);
  }

  forgetArrivals(): void {
    this.#arrivals = [];
  }

  // ---- building --------------------------------------------------------------------------------------------------------

  /** The next transition, or undefined when there is nothing to write. `timedOut` ends the run without asking its code. */
  build(timedOut: boolean, mayPark: boolean): Transition | undefined {
    const machine = this.#machine;
    const terminate = this.#messages.find((message) => message.kind === "terminate");
    if (terminate !== undefined || timedOut) return this.#abrupt(terminate);
    if (machine.blockage !== undefined) return this.#blocked(machine.blockage);
    if (machine.ending !== undefined) return this.#ending();
    const cancelAt = this.#messages.findIndex((message) => message.kind === "cancel");
    const messages = cancelAt < 0 ? this.#messages.splice(0) : this.#messages.splice(0, cancelAt);
    const events = this.#merge(messages);
    if (events.length === 0) {
      if (cancelAt >= 0) return this.#cancel();
      if (!this.hasRows) return mayPark ? this.#park() : undefined;
    }
    return this.#transition(events, messages, this.#progress(events));
  }

  /** Items by time; a message from before a deadline precedes the timer (rule 4). */
  #merge(messages: readonly MessageRow[]): NewEvent[] {
    const arrivals = this.#arrivals;
    const events: NewEvent[] = [];
    if (arrivals.length === 0 && messages.length === 0) return events;
    this.#arrivals = [];
    if (arrivals.length > 1) arrivals.sort((a, b) => a.at - b.at || a.command.id - b.command.id);
    let next = 0;
    const answered = new Set<number>();
    for (const message of messages) {
      while (next < arrivals.length && arrivals[next]!.at < message.at)
        this.#outcome(arrivals[next++]!, messages, events);
      events.push(this.#signal(message));
      this.#answer(message.name, answered);
    }
    while (next < arrivals.length) this.#outcome(arrivals[next++]!, messages, events);
    return events;
  }

  #outcome(arrival: Arrival, messages: readonly MessageRow[], events: NewEvent[]): void {
    const { command, event } = arrival;
    if (!this.#machine.open.has(command.id)) return;
    if (event !== undefined) events.push({ type: event.type, at: this.#stamp(event.at), body: event.body });
    else if (command.kind === "timer") {
      events.push(newEvent.timerFired(command, this.#stamp(Math.max(arrival.at, this.#now()))));
      this.settleRow(command.id);
    } else if (messages.some((message) => message.name === command.name)) this.#arrivals.push(arrival);
    else {
      events.push(newEvent.waitTimedOut(command, this.#stamp(Math.max(arrival.at, this.#now()))));
      this.settleRow(command.id);
    }
  }

  /** The row of the wait that takes this signal goes with it: a wait that gets its signal has no outcome of its own. */
  #answer(signal: string, answered: Set<number>): void {
    const command = this.#machine.waiting(signal).find((id) => !answered.has(id));
    if (command === undefined) return;
    answered.add(command);
    this.settleRow(command);
  }

  #signal({ name, data, number }: MessageRow): NewEvent {
    return newEvent.signalReceived(this.#stamp(this.#now()), name, data, number);
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

  #image(image: Pick<RunImage, "status" | "owned"> & Partial<RunImage>): RunImage {
    return {
      wakeAt: null,
      closedAt: null,
      crashes: this.crashes,
      detail: null,
      ifInbox: null,
      forget: false,
      ...image,
    };
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
    return {
      run: this.#run,
      base: this.seq,
      events: rows,
      consumed: messages.length === 0 ? NONE : messages.map((message) => message.number),
      attempts: this.#takeDirty(),
      settled: this.#takeSettled(),
      image,
    };
  }

  #takeDirty(): readonly AttemptRow[] {
    if (this.#dirty.size === 0) return NONE;
    const rows = [...this.#dirty.values()].filter(({ command }) => this.#machine.open.has(command));
    for (const row of rows) this.#rows.add(row.command);
    this.#dirty = new Map();
    return rows;
  }

  #takeSettled(): readonly number[] {
    if (this.#settled.length === 0) return NONE;
    const settled = this.#settled;
    this.#settled = [];
    return settled;
  }

  /** The cancellation and the outcome of everything it cuts off, alone in its transition. */
  #cancel(): Transition {
    const message = this.#messages.shift()!;
    if (this.#machine.cancelReason !== undefined) return this.#transition(NONE, [message], null);
    const at = this.#stamp(this.#now());
    const reason = String(decodePayload(message.data) ?? "");
    const events = [newEvent.cancelRequested(at, reason, message.number)];
    for (const command of this.#machine.open.values()) {
      if (!this.#machine.isCancellable(command.id)) continue;
      events.push(newEvent.stepCancelled(command, at));
      this.#host.drop(command.id, new CancelledError(reason));
    }
    return this.#transition(events, [message], null);
  }

  /** Ends the run without asking its code. */
  #abrupt(terminate: MessageRow | undefined): Transition {
    const status = terminate === undefined ? "timed_out" : "terminated";
    const messages = this.#messages.splice(0);
    const events = this.#leftovers(messages);
    const at = this.#stamp(this.#now());
    if (terminate === undefined) events.push(newEvent.runTimedOut(at));
    else events.push(newEvent.runTerminated(at, String(decodePayload(terminate.data) ?? "")));
    return this.#close(events, messages, status, this.#machine.blockage === undefined);
  }

  /** The function has ended: what it returned, and the messages nobody asked for. */
  #ending(): Transition {
    const messages = this.#messages.splice(0);
    const events = this.#leftovers(messages);
    const { event, status } = this.#endingEvent(this.#stamp(this.#now()));
    events.push(event);
    return this.#close(events, messages, status, true);
  }

  #leftovers(messages: readonly MessageRow[]): NewEvent[] {
    const events: NewEvent[] = [];
    for (const message of messages) if (message.kind === "signal") events.push(this.#signal(message));
    return events;
  }

  #endingEvent(at: number): { event: NewEvent; status: ClosedStatus } {
    const ending = this.#machine.ending!;
    const cancelled = this.#machine.cancelReason;
    if (!ending.ok) {
      if (cancelled !== undefined && isCancellation(ending.error))
        return { event: newEvent.runCancelled(at, cancelled), status: "cancelled" };
      const failure = redactFailure(this.#facts.secrets, toFailure(ending.error));
      return { event: newEvent.runFailed(at, failure), status: "failed" };
    }
    try {
      const result = encodeResult(this.#host, this.#facts, ending.value, "the workflow's result");
      return { event: newEvent.runCompleted(at, result), status: "completed" };
    } catch (error) {
      return { event: newEvent.runFailed(at, toFailure(error)), status: "failed" };
    }
  }

  #close(events: NewEvent[], messages: readonly MessageRow[], status: ClosedStatus, withCheck: boolean): Transition {
    this.#host.dropAll(() => new CancelledError(`the run ${status}`));
    this.#arrivals = [];
    this.#dirty.clear();
    for (const command of this.#rows) this.#settled.push(command);
    const forget = status === "completed" || status === "terminated";
    const closedAt = events.at(-1)!.at;
    const image = this.#image({ status, owned: false, closedAt, crashes: 0, ifInbox: this.#inboxSeen, forget });
    return this.#transition(events, messages, image, withCheck);
  }

  /** The code disagrees with the history: nothing is appended, the run stands still (I6). */
  #blocked(blockage: Blockage): Transition {
    const rows = this.#host.giveUp(new CancelledError("the run is blocked"));
    const attempts = blockage.reason === "data_error" ? NONE : rows;
    const image = this.#image({ status: "blocked", owned: false, detail: JSON.stringify({ blocked: blockage }) });
    return { run: this.#run, base: this.seq, events: NONE, consumed: NONE, attempts, settled: NONE, image };
  }

  /** Gives the run up until something is due or a message comes. */
  #park(): Transition | undefined {
    const until = this.#host.parkUntil();
    if (until === undefined) return undefined;
    const notes = this.#machine.pendingNotes;
    this.#notesTaken = NONE;
    this.#messagesTaken = NONE;
    const detail = JSON.stringify({
      check: this.#machine.check,
      waits: this.#host.waits(),
      ...(notes.length > 0 && { notes }),
    });
    const wakeAt = Number.isFinite(until) ? until : null;
    const image = this.#image({ status: "running", owned: false, wakeAt, detail, ifInbox: this.#inboxSeen });
    return { run: this.#run, base: this.seq, events: NONE, consumed: NONE, attempts: NONE, settled: NONE, image };
  }

  /** A transition was not written: the messages, rows and notes it took are taken again later. */
  refused(transition: Transition): void {
    this.#settled = [...transition.settled, ...this.#settled];
    this.#messages = [...this.#messagesTaken, ...this.#messages];
    this.#machine.returnNotes(this.#notesTaken);
  }
}

const NONE: readonly never[] = [];

function isCancellation(error: unknown): boolean {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (current.name === "CancelledError") return true;
  }
  return false;
}
