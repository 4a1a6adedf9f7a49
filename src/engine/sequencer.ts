/**
 * Puts what has come to one run in order: makes the next events of its history from outcomes, due timers and messages.
 *
 * Owner: the run's outbox. Invariants kept here (numbers as in ARCHITECTURE.md):
 * - I3, rule 4: events are in the order of time, a message before the timer it was in time for; `at` never decreases.
 * - I5, rule 5: outcomes of commands that are no longer open, or that are settled in this transition already, are dropped.
 * - rule 6: an update that has a validator is the first of its transition, so that it is judged by what came before it.
 * - I4, rule 25: what has to wait stays in the inbox: what is for another run, or not yet, and what exceeds one portion.
 */
import { type NewEvent, newEvent } from "../core/events.ts";
import type { Command, Machine } from "../core/machine.ts";
import { decodePayload } from "../core/payload.ts";
import { isVouched } from "../core/vouched.ts";
import type { MessageRow } from "../store/store.ts";
import type { CommandSpec } from "./command-spec.ts";
import type { Enclosures } from "./enclosures.ts";
import type { ForeignOutcome } from "./foreign-outcome.ts";
import { type Inbox, isForStep, NO_SIGNALS } from "./inbox.ts";
import { Intake } from "./intake.ts";
import type { OutboxHost } from "./outbox-host.ts";
import type { RowsInFlight } from "./rows-in-flight.ts";
import { validMessage } from "./valid-message.ts";

/** A settled step or a due wait, on its way into the history. */
export interface Arrival {
  readonly at: number;
  readonly command: Command<CommandSpec>;
  /** Undefined for a timer or a wait's timeout. */
  readonly event: NewEvent | undefined;
}

/** What the sequencer takes from, and what goes with the events it makes. */
export interface SequencerParts {
  readonly run: number;
  readonly machine: Machine<CommandSpec>;
  readonly host: OutboxHost;
  readonly inbox: Inbox;
  readonly rows: RowsInFlight;
  readonly enclosed: Enclosures;
}

export class Sequencer {
  readonly #run: number;
  readonly #machine: Machine<CommandSpec>;
  readonly #host: OutboxHost;
  readonly #inbox: Inbox;
  readonly #rows: RowsInFlight;
  readonly #enclosed: Enclosures;
  /** Made with the first message: most runs have none. */
  #intakeMade: Intake | undefined;
  #arrivals: Arrival[] = [];
  #lastAt = 0;

  constructor({ run, machine, host, inbox, rows, enclosed }: SequencerParts) {
    this.#run = run;
    this.#machine = machine;
    this.#host = host;
    this.#inbox = inbox;
    this.#rows = rows;
    this.#enclosed = enclosed;
  }

  /** Whether there is something that an event may be made of. */
  get any(): boolean {
    return this.#arrivals.length > 0 || this.#inbox.any || this.#wantsLeft();
  }

  #wantsLeft(): boolean {
    const { lines } = this.#inbox;
    return lines !== undefined && this.#intake.wantsAny(lines);
  }

  get #intake(): Intake {
    this.#intakeMade ??= new Intake(this.#machine, this.#host.ahead);
    return this.#intakeMade;
  }

  arrive(arrival: Arrival): void {
    this.#arrivals.push(arrival);
  }

  forgetArrivals(): void {
    this.#arrivals = [];
  }

  /** The time of the next event: never before the last one's (rule 4). */
  stamp(at: number = this.#now()): number {
    this.#lastAt = Math.max(this.#lastAt, this.#machine.now, at);
    return this.#lastAt;
  }

  #now(): number {
    return this.#host.clock.now();
  }

  /** The events of the next transition, and the messages it consumes. `mayPark` is false when the run's steps have been given up. */
  next(mayPark: boolean): { events: NewEvent[]; consumed: readonly MessageRow[] } {
    return this.#merge(this.#take(mayPark));
  }

  /** The events of signals that are left when the run ends. */
  leftovers(messages: readonly MessageRow[]): NewEvent[] {
    const events: NewEvent[] = [];
    for (const message of messages) if (message.kind === "signal") events.push(this.#leftover(message));
    return events;
  }

  #leftover({ name, data, number }: MessageRow): NewEvent {
    return newEvent.signalReceived(this.stamp(), name, data, number, !isVouched(data));
  }

  /**
   * Takes one portion. Leaves in the inbox what is not for this run, or not yet: it is being let go and its steps were given up, or another
   * run is to go on from it, which is the one to be cancelled and updated, or it has more than enough of it.
   */
  #take(mayPark: boolean): readonly MessageRow[] {
    if (!this.#inbox.holds) return NONE;
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
      this.#enclosed.answers.reject(number, rejected?.error);
      return;
    }
    const { payload } = valid;
    const at = this.stamp();
    events.push(newEvent.updateAccepted(at, name, payload, number));
    this.#enclosed.answers.accepted(number, at);
  }

  #foreign({ data }: MessageRow, events: NewEvent[], settled: Set<number>): void {
    const outcome = JSON.parse(data) as ForeignOutcome;
    if (outcome.u !== undefined && outcome.u !== this.#run) return;
    const command = this.#machine.open.get(outcome.c);
    if (command === undefined || settled.has(command.id)) return;
    if (outcome.g !== undefined && outcome.g !== command.generation) return;
    const made = this.#host.effects.foreign(command, outcome, this.stamp());
    if (made.length === 0) return;
    events.push(...made);
    settled.add(command.id);
  }

  #outcome(arrival: Arrival, messages: readonly MessageRow[], events: NewEvent[], settled: ReadonlySet<number>): void {
    const { command, event } = arrival;
    if (!this.#machine.open.has(command.id) || (settled.size > 0 && settled.has(command.id))) return;
    if (event !== undefined) {
      events.push({ type: event.type, at: this.stamp(event.at), body: event.body });
      if (event.type !== "ChildStarted") this.#rows.settle(command.id);
      if (command.kind === "transaction") this.#enclosed.useUp(command.id);
    } else if (command.kind === "timer") {
      events.push(newEvent.timerFired(command, this.stamp(Math.max(arrival.at, this.#now()))));
      this.#rows.settle(command.id);
    } else if (this.#mayBeSettled(command, messages, events)) this.#arrivals.push(arrival);
    else {
      events.push(newEvent.waitTimedOut(command, this.stamp(Math.max(arrival.at, this.#now()))));
      this.#rows.settle(command.id);
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
    this.#rows.settle(command);
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
    return newEvent.signalReceived(this.stamp(), name, payload, number, raw);
  }
}

const NONE: readonly never[] = [];
