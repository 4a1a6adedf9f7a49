/**
 * One active run: an inbox, a machine, and what is in flight.
 *
 * Owner: the engine that holds the run's lease; all methods are called on its main thread. The cycle: things arrive (outcomes,
 * messages, due timers) → `takeTransition` makes events of them → the committer makes them durable → `committed` hands them to
 * the turns, which apply them one by one → `turnsDone` starts the effects of the commands the function issued.
 *
 * Invariants kept here (numbers as in ARCHITECTURE.md):
 * - I1: effects start in `turnsDone` only, after the commit that holds their cause.
 * - I2, rule 12: at most one transition is in flight; the next is built only when the last is known.
 * - I4, rule 25: park and close are conditional on the inbox number seen; what came in between is taken first.
 * - I5, rule 5: a cancellation goes alone, with the outcome of everything it cuts off; late results are dropped.
 * - rule 23: after a replay the inbox is applied before any re-issued effect starts.
 */
import { CancelledError } from "../core/cancelled.ts";
import {
  type Check,
  type EventType,
  eventData,
  type NewEvent,
  type Note,
  newEvent,
  parseEventData,
} from "../core/events.ts";
import { type Failure, failureText, toFailure } from "../core/failure.ts";
import type { Blockage, Command, Machine } from "../core/machine.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { decodePayload, encodePayload, WARN_PAYLOAD } from "../core/payload.ts";
import type { ReplayRow } from "../core/resume.ts";
import { type ClosedStatus, isClosed } from "../core/status.ts";
import type { AttemptRow, EventRow, MessageRow, Refusal, RunImage, Transition } from "../store/store.ts";
import type { ActivityContext } from "../workflow/activity.ts";
import type { Logger } from "../workflow/context.ts";
import type { Alarm, AlarmEntry } from "./alarm.ts";
import type { Clock } from "./clock.ts";
import { type CommandSpec, isStep, type StepSpec, type WaitSpec } from "./command-spec.ts";
import type { Observers } from "./observers.ts";
import { assertNoSecret, redactFailure } from "./secrets.ts";
import { prepareStep } from "./step-context.ts";
import { type StepHost, StepRun } from "./step-run.ts";
import type { Turns, TurnTaker } from "./turns.ts";

/** Facts that never change while the actor lives. */
export interface RunFacts {
  readonly run: number;
  readonly runId: string;
  readonly workflowId: string;
  readonly workflow: string;
  readonly secrets: Readonly<Record<string, string>>;
  /** When the run as a whole times out, epoch milliseconds. */
  readonly deadline: number | undefined;
}

/** What a run needs from its engine. */
export interface RunHost {
  readonly clock: Clock;
  readonly alarm: Alarm;
  readonly turns: Turns;
  readonly observers: Observers;
  readonly log: Logger;
  readonly codec: PayloadCodec | undefined;
  readonly deps: unknown;
  readonly parkAfterMs: number;
  /** Asks for a place in the next batch: `takeTransition` is called then. */
  ready(actor: RunActor): void;
  /** False when the lease may be lost (rule 20); the step is begun again once it is proved. */
  mayStart(step: StepRun): boolean;
  /** Calls `linger` in the next pass of the event loop. */
  watch(step: StepRun): void;
  /** The run has ended, or is blocked (no last event). */
  closed(actor: RunActor, last: EventRow | undefined): void;
  parked(actor: RunActor, wakeAt: number | null): void;
  /** Fetches the inbox anew and calls `refetched`. */
  refetch(actor: RunActor): void;
  /** The memory of this run is wrong: forget it and load it again. */
  reload(actor: RunActor): void;
  /** The history has been replayed, the run goes on. */
  recovered(actor: RunActor): void;
  /** A run that had crashed engines made progress. */
  progressed(actor: RunActor): void;
}

/** A settled step or a due wait, on its way into the history. */
interface Arrival {
  readonly at: number;
  readonly command: Command<CommandSpec>;
  /** Undefined for a timer or a wait's timeout. */
  readonly event: NewEvent | undefined;
}

type Phase = "replaying" | "live" | "parked" | "gone";

/** How long nothing of ours may be pending before the run is said to await something foreign (rule 11). */
const QUIET_GRACE_MS = 5000;
/** Waits that last this long get a row, so that people see them. */
const JOURNAL_AFTER_MS = 1000;

export class RunActor implements TurnTaker, StepHost {
  readonly facts: RunFacts;
  readonly machine: Machine<CommandSpec>;
  readonly #engine: RunHost;
  phase: Phase = "live";
  /** Length of the durable history. */
  seq = 0;
  /** Highest inbox number seen. */
  inboxSeen = 0;
  crashes = 0;

  #pending: (EventRow & { readonly verify?: boolean })[] = [];
  #cursor = 0;
  #arrivals: Arrival[] = [];
  #messages: MessageRow[] = [];
  #inFlight: Transition | undefined;
  #applying = false;
  #queued = false;
  readonly #steps = new Map<number, StepRun>();
  readonly #due = new Map<number, number>();
  readonly #rows = new Set<number>();
  #dirty = new Map<number, AttemptRow>();
  #settled: number[] = [];
  #alarm: AlarmEntry | undefined;
  #notesInFlight: readonly Note[] = NONE;
  #lastAt = 0;
  #restored: readonly AttemptRow[] = [];
  #parkedCheck: Check | undefined;
  #quiet: (() => void) | undefined;
  #journal: (() => void) | undefined;
  #releasing = false;
  #closeWith: "terminated" | "timed_out" | undefined;

  constructor(engine: RunHost, facts: RunFacts, makeMachine: (actor: RunActor) => Machine<CommandSpec>) {
    this.#engine = engine;
    this.facts = facts;
    this.machine = makeMachine(this);
  }

  get clock(): Clock {
    return this.#engine.clock;
  }

  /** Nothing is running, waiting to be written or being applied. */
  get idle(): boolean {
    return (
      this.#inFlight === undefined && !this.#applying && this.#arrivals.length === 0 && this.#messages.length === 0
    );
  }

  // ---- beginning -------------------------------------------------------------------------------------------------------

  /** A run that was just started: its first event is durable. */
  begin(first: EventRow): void {
    this.seq = 1;
    this.#applyDurable([first]);
  }

  /** A run taken over: replays its history, then goes on where it stopped. */
  replay(
    rows: readonly ReplayRow[],
    from: {
      length: number;
      attempts: readonly AttemptRow[];
      messages: readonly MessageRow[];
      inbox: number;
      check: Check | undefined;
      crashes: number;
    },
  ): void {
    this.phase = "replaying";
    this.seq = from.length;
    this.crashes = from.crashes;
    this.#restored = from.attempts;
    this.#parkedCheck = from.check;
    for (const row of from.attempts) this.#rows.add(row.command);
    this.deliver(from.messages, from.inbox);
    this.machine.trace(true);
    this.#applyDurable(rows);
  }

  /** A parked run claimed again while it was still warm: goes on without a replay. */
  wake(messages: readonly MessageRow[], inbox: number): void {
    this.phase = "live";
    this.deliver(messages, inbox);
    this.#ring();
    if (this.#arrivals.length === 0 && this.#messages.length === 0) this.turnsDone();
  }

  // ---- arrivals --------------------------------------------------------------------------------------------------------

  /** New messages from the inbox, in order. */
  deliver(messages: readonly MessageRow[], inbox = 0): void {
    for (const message of messages) {
      if (message.number <= this.inboxSeen) continue;
      this.inboxSeen = message.number;
      this.#messages.push(message);
    }
    if (inbox > this.inboxSeen) this.inboxSeen = inbox;
    if (this.#messages.length > 0) this.#ready();
  }

  #arrive(arrival: Arrival): void {
    this.#arrivals.push(arrival);
    this.#ready();
  }

  /** Asks the committer for a place in the next batch. */
  #ready(): void {
    if (this.#queued || this.#inFlight !== undefined || this.#applying || this.phase !== "live") return;
    this.#queued = true;
    this.#engine.ready(this);
  }

  #ring(): void {
    this.#clearAlarm();
    if (this.phase !== "live") return;
    const now = this.clock.now();
    if (this.facts.deadline !== undefined && now >= this.facts.deadline && this.machine.ending === undefined) {
      this.#closeWith ??= "timed_out";
      this.#ready();
      return;
    }
    for (const [id, due] of this.#due) {
      if (due > now) continue;
      this.#due.delete(id);
      const step = this.#steps.get(id);
      const command = this.machine.open.get(id);
      if (step !== undefined) step.begin();
      else if (command !== undefined) this.#arrive({ at: due, command, event: undefined });
    }
    this.#setAlarm();
  }

  #setAlarm(): void {
    const nearest = this.#nearest();
    if (this.#alarm !== undefined) {
      if (this.#alarm.due <= nearest) return;
      this.#clearAlarm();
    }
    if (Number.isFinite(nearest)) this.#alarm = this.#engine.alarm.set(nearest, () => this.#ring());
  }

  #clearAlarm(): void {
    if (this.#alarm !== undefined) this.#engine.alarm.cancel(this.#alarm);
    this.#alarm = undefined;
  }

  /** When the clock alone gives this run something to do. */
  #nearest(): number {
    let nearest = this.facts.deadline ?? Number.POSITIVE_INFINITY;
    for (const due of this.#due.values()) if (due < nearest) nearest = due;
    return nearest;
  }

  // ---- transitions -----------------------------------------------------------------------------------------------------

  /** What is to be committed next, or undefined if nothing is after all. */
  takeTransition(): Transition | undefined {
    this.#queued = false;
    if (this.#inFlight !== undefined || this.#applying || this.phase !== "live") return undefined;
    const transition = this.#build();
    this.#inFlight = transition;
    return transition;
  }

  #build(): Transition | undefined {
    const terminate = this.#messages.find((message) => message.kind === "terminate");
    if (terminate !== undefined || this.#closeWith !== undefined) return this.#buildAbrupt(terminate);
    if (this.machine.blockage !== undefined) return this.#buildBlocked(this.machine.blockage);
    if (this.machine.ending !== undefined) return this.#buildEnding();
    const cancelAt = this.#messages.findIndex((message) => message.kind === "cancel");
    const messages = cancelAt < 0 ? this.#messages.splice(0) : this.#messages.splice(0, cancelAt);
    const arrivals = this.#arrivals;
    this.#arrivals = [];
    const events =
      arrivals.length === 1 && messages.length === 0
        ? this.#outcome(arrivals[0]!, messages)
        : this.#merge(arrivals, messages);
    if (events.length === 0) {
      if (cancelAt >= 0) return this.#buildCancel();
      if (this.#dirty.size === 0 && this.#settled.length === 0) return this.#releasing ? undefined : this.#buildPark();
    }
    return this.#transition(events, messages, this.#progress(events));
  }

  /** Items by time; a message from before a deadline precedes the timer (rule 4). */
  #merge(arrivals: Arrival[], messages: readonly MessageRow[]): NewEvent[] {
    const events: NewEvent[] = [];
    arrivals.sort((a, b) => a.at - b.at || a.command.id - b.command.id);
    let next = 0;
    for (const message of messages) {
      while (next < arrivals.length && arrivals[next]!.at < message.at)
        events.push(...this.#outcome(arrivals[next++]!, messages));
      events.push(newEvent.signalReceived(this.#stamp(this.clock.now()), message.name, message.data, message.number));
    }
    while (next < arrivals.length) events.push(...this.#outcome(arrivals[next++]!, messages));
    return events;
  }

  #outcome(arrival: Arrival, messages: readonly MessageRow[]): NewEvent[] {
    const { command, event } = arrival;
    if (!this.machine.open.has(command.id)) return [];
    if (event !== undefined) return [{ ...event, at: this.#stamp(event.at) }];
    if (command.kind === "timer") return [newEvent.timerFired(command, this.#stamp(this.clock.now()))];
    if (messages.some((message) => message.name === command.name)) {
      this.#arrivals.push(arrival);
      return [];
    }
    return [newEvent.waitTimedOut(command, this.#stamp(this.clock.now()))];
  }

  /** The time of the next event: never before the last one's (rule 4). */
  #stamp(at: number): number {
    this.#lastAt = Math.max(this.#lastAt, this.machine.now, at);
    return this.#lastAt;
  }

  #progress(events: readonly NewEvent[]): RunImage | null {
    if (this.crashes === 0 || events.length === 0) return null;
    this.crashes = 0;
    this.#engine.progressed(this);
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
    const check = withCheck ? this.machine.check : undefined;
    const notes = events.length === 0 ? NONE : this.machine.takeNotes();
    this.#notesInFlight = notes;
    const rows = events.map(({ type, at, body }, index) => ({
      type,
      at,
      data: index === 0 ? eventData(body, check, notes) : eventData(body, undefined, undefined),
    }));
    const attempts = this.#dirty.size === 0 ? NONE : [...this.#dirty.values()];
    for (const row of attempts) this.#rows.add(row.command);
    if (this.#dirty.size > 0) this.#dirty = new Map();
    const settled = this.#settled;
    if (settled.length > 0) this.#settled = [];
    return {
      run: this.facts.run,
      base: this.seq,
      events: rows,
      consumed: messages.map((message) => message.number),
      attempts,
      settled,
      image,
    };
  }

  /** The cancellation and the outcome of everything it cuts off, alone in its transition. */
  #buildCancel(): Transition {
    const message = this.#messages.shift()!;
    if (this.machine.cancelReason !== undefined) return this.#transition([], [message], null);
    const at = this.#stamp(this.clock.now());
    const reason = String(decodePayload(message.data) ?? "");
    const events = [newEvent.cancelRequested(at, reason, message.number)];
    for (const command of this.machine.open.values()) {
      events.push(newEvent.stepCancelled(command, at));
      this.#drop(command.id, new CancelledError(reason));
    }
    return this.#transition(events, [message], null);
  }

  /** Ends the run without asking its code. */
  #buildAbrupt(terminate: MessageRow | undefined): Transition {
    const status = terminate === undefined ? "timed_out" : "terminated";
    const now = this.clock.now();
    const messages = this.#messages.splice(0);
    const events = this.#leftovers(messages);
    const at = this.#stamp(now);
    if (terminate === undefined) events.push(newEvent.runTimedOut(at));
    else events.push(newEvent.runTerminated(at, String(decodePayload(terminate.data) ?? "")));
    this.#arrivals = [];
    return this.#close(events, messages, status, terminate !== undefined, this.machine.blockage === undefined);
  }

  #buildEnding(): Transition {
    const messages = this.#messages.splice(0);
    const events = this.#leftovers(messages);
    const at = this.#stamp(this.clock.now());
    const ended = this.#endingEvent(at);
    events.push(ended.event);
    this.#arrivals = [];
    return this.#close(events, messages, ended.status, ended.status === "completed", true);
  }

  #leftovers(messages: readonly MessageRow[]): NewEvent[] {
    return messages
      .filter((message) => message.kind === "signal")
      .map((message) =>
        newEvent.signalReceived(this.#stamp(this.clock.now()), message.name, message.data, message.number),
      );
  }

  #endingEvent(at: number): { event: NewEvent; status: ClosedStatus } {
    const ending = this.machine.ending!;
    if (!ending.ok) {
      const cancelled = this.machine.cancelReason;
      if (cancelled !== undefined && isCancellation(ending.error))
        return { event: newEvent.runCancelled(at, cancelled), status: "cancelled" };
      return { event: newEvent.runFailed(at, this.#clean(toFailure(ending.error))), status: "failed" };
    }
    try {
      return {
        event: newEvent.runCompleted(at, this.#encode(ending.value, "the workflow's result")),
        status: "completed",
      };
    } catch (error) {
      return { event: newEvent.runFailed(at, toFailure(error)), status: "failed" };
    }
  }

  #close(
    events: NewEvent[],
    messages: readonly MessageRow[],
    status: ClosedStatus,
    forget: boolean,
    withCheck: boolean,
  ): Transition {
    for (const id of [...this.#steps.keys()]) this.#drop(id, new CancelledError(`the run ${status}`));
    this.#dirty.clear();
    this.#settled.push(...this.#rows);
    const image = this.#image({
      status,
      owned: false,
      closedAt: events.at(-1)!.at,
      crashes: 0,
      ifInbox: this.inboxSeen,
      forget,
    });
    return this.#transition(events, messages, image, withCheck);
  }

  /** The code disagrees with the history: nothing is appended, the run stands still (I6). */
  #buildBlocked(blockage: Blockage): Transition {
    for (const id of [...this.#steps.keys()]) this.#drop(id, new CancelledError("the run is blocked"));
    this.#dirty.clear();
    this.#settled = [];
    this.machine.takeNotes();
    const detail = JSON.stringify({ blocked: blockage });
    return {
      run: this.facts.run,
      base: this.seq,
      events: [],
      consumed: [],
      attempts: [],
      settled: [],
      image: this.#image({ status: "blocked", owned: false, detail }),
    };
  }

  /** Gives the run up until something is due or a message comes; undefined when it must stay. */
  #buildPark(): Transition | undefined {
    if (!this.#canPark()) return undefined;
    const wakeAt = this.#nearest();
    if (wakeAt - this.clock.now() <= this.#engine.parkAfterMs) return undefined;
    const notes = this.machine.pendingNotes;
    const detail = JSON.stringify({
      check: this.machine.check,
      waits: this.#waits(),
      ...(notes.length > 0 && { notes }),
    });
    const image = this.#image({
      status: "running",
      owned: false,
      wakeAt: Number.isFinite(wakeAt) ? wakeAt : null,
      detail,
      ifInbox: this.inboxSeen,
    });
    return { run: this.facts.run, base: this.seq, events: [], consumed: [], attempts: [], settled: [], image };
  }

  #canPark(): boolean {
    if (this.machine.open.size === 0 || this.machine.ending !== undefined) return false;
    for (const step of this.#steps.values()) if (!this.#due.has(step.command.id)) return false;
    return true;
  }

  /** What the run waits for, for people. */
  #waits(): object[] {
    const waits: object[] = [];
    for (const command of this.machine.open.values()) {
      if (waits.length === MAX_WAITS_SHOWN) break;
      waits.push({
        command: command.id,
        kind: command.kind,
        name: command.name,
        label: command.label,
        since: command.issuedAt,
        due: this.#due.get(command.id),
      });
    }
    return waits;
  }

  // ---- after the commit ------------------------------------------------------------------------------------------------

  /** The transition is durable: its events are applied, then the next one is built. */
  committed(): void {
    const transition = this.#inFlight!;
    this.#inFlight = undefined;
    this.seq += transition.events.length;
    const image = transition.image;
    if (image !== null && !image.owned) {
      this.#left(image, transition.events.at(-1));
      return;
    }
    if (transition.events.length > 0) this.#applyDurable(transition.events);
    else this.turnsDone();
  }

  #left(image: RunImage, last: EventRow | undefined): void {
    if (isClosed(image.status)) {
      const ending = this.machine.ending;
      this.#tell({
        type: "run.closed",
        status: image.status,
        error: ending !== undefined && !ending.ok ? this.#clean(toFailure(ending.error)) : undefined,
      });
      this.#end();
      this.#engine.closed(this, last);
    } else if (image.status === "blocked") {
      const { reason, message } = this.machine.blockage!;
      this.#engine.log.error({ ...this.#runFields(), reason }, `run blocked: ${message}`);
      this.#tell({ type: "run.blocked", reason, message });
      this.#end();
      this.#engine.closed(this, undefined);
    } else {
      this.phase = "parked";
      this.#stopClocks();
      this.#tell({ type: "run.parked", wakeAt: image.wakeAt });
      this.#engine.parked(this, image.wakeAt);
    }
  }

  /** The commit went through without this transition. */
  refused(why: Refusal): void {
    const transition = this.#inFlight!;
    this.#inFlight = undefined;
    if (why === "history") {
      this.#engine.reload(this);
      return;
    }
    // Rule 25: a message came in between. What the transition took is built again, together with it.
    this.#settled = [...transition.settled];
    this.machine.returnNotes(this.#notesInFlight);
    this.#engine.refetch(this);
  }

  /** The inbox as it is now, after a refusal. */
  refetched(messages: readonly MessageRow[], inbox: number): void {
    this.#messages = [];
    this.inboxSeen = 0;
    this.deliver(messages, inbox);
    this.#ready();
  }

  #applyDurable(rows: readonly (EventRow & { readonly verify?: boolean })[]): void {
    this.#pending = rows as (EventRow & { readonly verify?: boolean })[];
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
    if (this.phase === "live") this.#announce(row);
  }

  endTurn(): boolean {
    this.machine.closeTurn();
    return this.#cursor < this.#pending.length && this.phase !== "gone" && this.machine.blockage === undefined;
  }

  turnsDone(): void {
    this.#applying = false;
    this.#pending = [];
    if (this.phase === "gone") return;
    if (this.phase === "replaying") this.#replayed();
    if (this.machine.blockage !== undefined || this.machine.ending !== undefined || this.#closeWith !== undefined) {
      this.#ready();
      return;
    }
    if (this.#messages.length > 0 || this.#arrivals.length > 0) {
      this.#takeCommands(false);
      this.#ready();
      return;
    }
    this.#takeCommands(true);
    if (this.#arrivals.length === 0 && this.phase === "live") this.#settleDown();
  }

  /** The history is applied. */
  #replayed(): void {
    this.phase = "live";
    this.#lastAt = this.machine.now;
    if (this.#parkedCheck !== undefined) this.machine.verifyCheck(this.#parkedCheck);
    for (const row of this.#restored) this.#verifyRow(row);
    this.machine.trace(false);
    this.#engine.recovered(this);
  }

  /** Rule 2: a row in flight that no re-issued command matches blocks the run before any effect starts. */
  #verifyRow(row: AttemptRow): void {
    if (this.machine.ending !== undefined) return;
    const command = this.machine.open.get(row.command);
    if (command !== undefined && command.kind === row.kind && (command.label ?? command.name) === row.name) return;
    const asked =
      command === undefined
        ? "did not ask for it"
        : `asked for ${command.kind} ${JSON.stringify(command.label ?? command.name)}`;
    this.machine.block({
      reason: "mismatch",
      message: `the code no longer agrees with the history: ${row.kind} ${JSON.stringify(row.name)} (command ${row.command}) was in flight when the run was last advanced, code ${asked}. Nothing was written. Deploy the code this run was started with (or fix it) and resume the run.`,
    });
  }

  // ---- effects ---------------------------------------------------------------------------------------------------------

  #held: Command<CommandSpec>[] = [];

  #takeCommands(start: boolean): void {
    const fresh = this.machine.takeCommands();
    if (fresh.length === 0 && this.#held.length === 0) return;
    const commands = this.#held.length === 0 ? fresh : [...this.#held, ...fresh];
    this.#held = [];
    for (const command of commands) {
      if (!this.machine.open.has(command.id)) continue;
      if (isStep(command.spec)) {
        if (start) this.#startStep(command as Command<StepSpec>);
        else this.#held.push(command);
      } else {
        this.#startWait(command, command.spec);
      }
    }
    this.#restored = start ? NONE : this.#restored;
  }

  #startWait(command: Command<CommandSpec>, { due }: WaitSpec): void {
    if (due !== undefined) this.#due.set(command.id, due);
    if (this.#engine.observers.any) this.#tell({ type: "step.waiting", ...this.#stepIdentity(command), due });
  }

  #startStep(command: Command<StepSpec>): void {
    const step = new StepRun(command, this);
    this.#steps.set(command.id, step);
    const row = this.#restored.find((restored) => restored.command === command.id);
    if (row !== undefined)
      step.restore(row, row.details === null ? undefined : decodePayload(row.details, this.#engine.codec));
    if (step.done) return;
    if (row === undefined && (command.spec.config.journalStart || this.crashes >= 2)) this.#journalFirst(step);
    else step.begin();
  }

  /** Writes the row of an attempt before the attempt starts. */
  #journalFirst(step: StepRun): void {
    const now = this.clock.now();
    step.firstAt = now;
    step.hasRow = true;
    this.#dirty.set(step.command.id, { ...step.row(), startedAt: now });
    this.#journalled.push(step);
    this.#ready();
  }

  #journalled: StepRun[] = [];

  /** Decides what an active run without anything to write does next: wait in memory, park, or be called quiet. */
  #settleDown(): void {
    if (this.#journalled.length > 0 && this.#dirty.size === 0) {
      const steps = this.#journalled;
      this.#journalled = [];
      for (const step of steps) step.begin();
      if (this.#arrivals.length > 0) return;
    }
    if (this.#dirty.size > 0 || this.#settled.length > 0) {
      this.#ready();
      return;
    }
    if (this.machine.open.size === 0) {
      this.#watchQuiet();
      return;
    }
    if (this.#due.size > 0 || this.#steps.size < this.machine.open.size || this.facts.deadline !== undefined)
      this.#setAlarmUnlessParking();
  }

  #setAlarmUnlessParking(): void {
    if (this.#canPark() && this.#nearest() - this.clock.now() > this.#engine.parkAfterMs) {
      this.#ready();
      return;
    }
    this.#setAlarm();
    this.#journal ??= this.clock.after(JOURNAL_AFTER_MS, () => this.#journalWaits());
  }

  /** Rows for timers and waits that have lasted while something else keeps the run active. */
  #journalWaits(): void {
    this.#journal = undefined;
    if (this.phase !== "live" || this.machine.ending !== undefined) return;
    for (const command of this.machine.open.values()) {
      if (isStep(command.spec) || this.#rows.has(command.id)) continue;
      this.#dirty.set(command.id, {
        command: command.id,
        kind: command.kind,
        name: command.label ?? command.name,
        attempt: 0,
        startedAt: null,
        firstAt: command.issuedAt,
        nextAt: command.spec.due ?? null,
        error: null,
        details: null,
      });
    }
    if (this.#dirty.size > 0) this.#ready();
  }

  #watchQuiet(): void {
    this.#quiet ??= this.clock.after(QUIET_GRACE_MS, () => {
      this.#quiet = undefined;
      if (this.phase !== "live" || !this.idle || this.machine.open.size > 0 || this.machine.ending !== undefined)
        return;
      this.machine.block({
        reason: "nondurable_await",
        message: `workflow ${JSON.stringify(this.facts.workflow)} waits for something that is not from wf (a fetch, a timer, a promise nobody settles): nothing of the engine's is pending and the function has not returned. Move that work into an activity or wf.step(…).`,
      });
    });
  }

  // ---- StepHost --------------------------------------------------------------------------------------------------------

  mayStart(step: StepRun): boolean {
    return this.phase === "live" && this.#engine.mayStart(step);
  }

  jitterSeed(step: StepRun): string {
    return `${this.facts.runId}:${step.command.id}`;
  }

  prepare(step: StepRun): { input: unknown; context: ActivityContext } {
    if (this.#engine.observers.any)
      this.#tell({ type: "step.started", ...this.#stepIdentity(step.command), attempt: step.attempt });
    return prepareStep(step, this.facts, this.#engine, (level, message) =>
      this.#tell({ type: "step.log", step: step.command.label ?? step.command.name, level, message }),
    );
  }

  watch(step: StepRun): void {
    this.#engine.watch(step);
  }

  onCompleted(step: StepRun, value: unknown): void {
    const { command } = step;
    this.#steps.delete(command.id);
    const ran = { at: this.clock.now(), startedAt: step.startedAt, attempts: step.attempt };
    let event: NewEvent;
    try {
      event = newEvent.stepCompleted(
        command,
        ran,
        this.#encode(value, `the result of ${command.label ?? command.name}`),
      );
    } catch (error) {
      event = newEvent.stepFailed(command, ran, toFailure(error));
    }
    this.#settleRow(command.id);
    this.#arrive({ at: ran.at, command, event });
  }

  onFailed(step: StepRun, failure: Failure): void {
    const { command } = step;
    this.#steps.delete(command.id);
    const clean = this.#clean(failure);
    const ran = { at: this.clock.now(), startedAt: step.startedAt, attempts: step.attempt };
    this.#engine.log.warn(
      { ...this.#logFields(step), error: failureText(clean) },
      `step ${command.label ?? command.name} failed after ${step.attempt} attempt(s): ${failureText(clean)}`,
    );
    this.#settleRow(command.id);
    this.#arrive({ at: ran.at, command, event: newEvent.stepFailed(command, ran, clean) });
  }

  onRow(step: StepRun, why: "journal" | "retry" | "heartbeat"): void {
    if (step.lastFailure !== undefined) step.lastFailure = this.#clean(step.lastFailure);
    step.hasRow = true;
    this.#dirty.set(step.command.id, step.row());
    if (why === "retry") {
      const error = step.lastFailure!;
      const nextAt = step.nextAt!;
      const failed = step.attempt - 1;
      const inMs = Math.max(0, nextAt - this.clock.now());
      this.#engine.log.warn(
        { ...this.#logFields(step), attempt: failed, nextAt, error: failureText(error) },
        `attempt ${failed} of ${step.command.label ?? step.command.name} failed, next in ${inMs} ms: ${failureText(error)}`,
      );
      this.#tell({ type: "step.retrying", ...this.#stepIdentity(step.command), attempt: failed, error, nextAt });
    }
    this.#ready();
  }

  onWaiting(step: StepRun, due: number): void {
    this.#due.set(step.command.id, due);
  }

  #settleRow(command: number): void {
    this.#due.delete(command);
    this.#dirty.delete(command);
    if (this.#rows.delete(command)) this.#settled.push(command);
  }

  #drop(command: number, reason: Error): void {
    this.#steps.get(command)?.stop(reason);
    this.#steps.delete(command);
    this.#settleRow(command);
  }

  // ---- values ----------------------------------------------------------------------------------------------------------

  #encode(value: unknown, what: string): string {
    const payload = encodePayload(value, this.#engine.codec);
    if (payload.length > WARN_PAYLOAD) {
      this.#engine.log.warn(
        { ...this.#runFields(), size: payload.length },
        `${what} takes ${payload.length} characters; consider keeping it outside and passing a reference`,
      );
    }
    assertNoSecret(this.facts.secrets, payload, what);
    return payload;
  }

  #clean(failure: Failure): Failure {
    return redactFailure(this.facts.secrets, failure);
  }

  // ---- ending ----------------------------------------------------------------------------------------------------------

  /** The engine shuts down: stops effects and frees rows of attempts that are given up, so that they do not count as lost. */
  release(): void {
    for (const step of this.#steps.values()) {
      const row = step.hasRow ? { ...step.row(), startedAt: null } : undefined;
      step.stop(new DOMException("the engine shuts down", "AbortError"));
      if (row !== undefined) this.#dirty.set(step.command.id, row);
    }
    this.#steps.clear();
    this.#releasing = true;
    if (this.#dirty.size > 0) this.#ready();
  }

  /** Forgets the run without a trace: it belongs to somebody else, or is parked and not worth keeping warm. */
  abandon(reason: string): void {
    for (const step of this.#steps.values()) step.stop(new DOMException(reason, "AbortError"));
    this.#end();
  }

  /** The store cannot write what this run wants to write: it stands still, with the reason. */
  choked(error: unknown): void {
    const wasBlocked = this.machine.blockage !== undefined;
    this.#inFlight = undefined;
    this.#arrivals = [];
    this.machine.block({
      reason: "data_error",
      message: `the store refused what this run wanted to write: ${String((error as Error)?.message ?? error)}`,
    });
    if (wasBlocked) this.abandon("the store refuses to write this run");
    else this.#ready();
  }

  #end(): void {
    this.phase = "gone";
    this.machine.kill();
    this.#steps.clear();
    this.#due.clear();
    this.#stopClocks();
  }

  #stopClocks(): void {
    this.#clearAlarm();
    this.#quiet?.();
    this.#journal?.();
    this.#quiet = undefined;
    this.#journal = undefined;
  }

  /** A note was made. */
  onNote(note: Note): void {
    if (this.phase === "live") this.#tell({ type: "note", kind: note.kind, data: note.data });
  }

  /** Something out of turn blocked the machine. */
  onBlocked(): void {
    if (this.phase === "live") this.#ready();
  }

  // ---- telling people --------------------------------------------------------------------------------------------------

  #announce(row: EventRow): void {
    if (!this.#engine.observers.any) return;
    const event = stepEvent(row);
    if (event !== undefined) this.#tell(event);
  }

  #tell(event: { readonly type: string } & Record<string, unknown>): void {
    if (!this.#engine.observers.any) return;
    const { workflow, workflowId, runId } = this.facts;
    this.#engine.observers.tell({ workflow, workflowId, runId, at: this.clock.now(), ...event } as never);
  }

  #stepIdentity({ id, kind, name, label }: Command): {
    command: number;
    kind: Command["kind"];
    step: string;
    name: string;
  } {
    return { command: id, kind, step: label ?? name, name };
  }

  #runFields(): object {
    const { workflow, workflowId, runId } = this.facts;
    return { workflow, workflowId, runId };
  }

  #logFields(step: StepRun): object {
    return { ...this.#runFields(), step: step.command.label ?? step.command.name };
  }
}

/** What observers are told of an event that was applied, if anything. */
function stepEvent(row: EventRow): ({ readonly type: string } & Record<string, unknown>) | undefined {
  const { c, k, n, l, a = 1, d = 0, e } = parseEventData(row.data);
  const step = { command: c, kind: k, step: l ?? n, name: n };
  switch (row.type as EventType) {
    case "RunStarted":
      return { type: "run.started" };
    case "StepCompleted":
      return { type: "step.completed", ...step, attempts: a, durationMs: d };
    case "TimerFired":
      return { type: "step.completed", ...step, attempts: 0, durationMs: 0 };
    case "StepFailed":
      return { type: "step.failed", ...step, attempts: a, durationMs: d, error: e };
    case "StepCancelled":
      return { type: "step.cancelled", ...step };
    case "WaitTimedOut":
      return { type: "step.timed_out", ...step };
    case "SignalReceived":
      return { type: "signal.received", signal: n };
    default:
      return undefined;
  }
}

const NONE: readonly never[] = [];
const MAX_WAITS_SHOWN = 100;

function isCancellation(error: unknown): boolean {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (current.name === "CancelledError") return true;
  }
  return false;
}
