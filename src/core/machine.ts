/**
 * The deterministic heart: runs one workflow function against one history. It has no I/O, no clock and no timers; the engine
 * feeds it events one at a time and takes the commands the function issued.
 *
 * Owner: one run actor of the engine (or a throwaway replay). Invariants kept here (numbers as in ARCHITECTURE.md):
 *
 * - I3, rule 1: a command is legal only while an event is being applied (`openTurn` … `closeTurn`); anything else means the
 *   function awaited something that is not ours, and blocks the run.
 * - I3, rule 3: the function only ever sees values decoded from the bytes of the history, live as on replay.
 * - I3, rule 4: `now` is the time of the last applied event and never decreases.
 * - I5, rule 5: an outcome settles its command once; after the function returned, outcomes change nothing.
 * - I6, rule 2: every outcome names its command (kind, name, digest of the input), and each transition says how many commands
 *   had been issued before it and their rolling digest; a difference blocks the run, nothing is appended.
 */

import { Agreement, type CodePosition, type InFlight } from "./agreement.ts";
import { CancelledError } from "./cancelled.ts";
import { checkCommand, commandError } from "./command.ts";
import { digest } from "./digest.ts";
import type { Blockage, Ending } from "./ending.ts";
import { PerdureError } from "./errors.ts";
import { type Check, type CommandIdentity, type CommandKind, type EventData, type Note, parseEvent } from "./events.ts";
import { type ErrorClasses, type Failure, fromFailure } from "./failure.ts";
import { isA } from "./foreign.ts";
import { type Buffered, Handlers } from "./handlers.ts";
import type { MachineOptions } from "./machine-options.ts";
import { type Difference, describe, mismatchMessage } from "./mismatch.ts";
import { NO_MESSAGE, type Past } from "./past.ts";
import { type Payload, reviveParsed } from "./payload.ts";
import { unitInterval, uuidFrom } from "./random.ts";
import { Reading } from "./reading.ts";
import { Scope } from "./scope.ts";
import { Unfinished } from "./unfinished.ts";
import { VersionAnswers } from "./version-answers.ts";
import { Waits } from "./waits.ts";

/** Something the function asked for that is not settled yet. `spec` belongs to the engine. */
export interface Command<Spec = unknown> extends CommandIdentity {
  readonly generation: number;
  readonly issuedAt: number;
  readonly spec: Spec;
  readonly errors: ErrorClasses;
}

interface Open<Spec> extends Command<Spec> {
  readonly scope: Scope;
  promise: Promise<unknown> | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** What a child is, once it exists. */
export interface StartedChild {
  readonly workflowId: string;
  readonly runId: string;
}

interface Issue<Spec> {
  readonly kind: CommandKind;
  readonly name: string;
  readonly label?: string | undefined;
  readonly inputDigest: string;
  readonly spec: Spec;
  readonly errors?: ErrorClasses;
  /** Scope the code is in; the run's own by default. */
  readonly scope?: Scope | undefined;
}

/** Note of a signal that did not fit its schema. */
export const SIGNAL_REFUSED = "signal.refused";

/** Never settles. A new one each time: what awaits a shared one would be kept for ever. */
function never(): Promise<never> {
  return new Promise(() => {});
}

export class Machine<Spec = unknown> implements CodePosition {
  readonly #options: MachineOptions<Spec>;
  readonly #open = new Map<number, Open<Spec>>();
  /** What waits for signals, and until a predicate is true. */
  #waits: Waits<Open<Spec>> | undefined;
  readonly #reading = new Reading();
  /** Signals, updates and queries. */
  #messages: Handlers | undefined;
  /** Told when the child of a command exists. */
  #awaited: Map<number, (child: StartedChild) => void> | undefined;
  #versions: VersionAnswers | undefined;
  /** Commands that a scope gave up: late outcomes of theirs change nothing. */
  #abandoned: Set<number> | undefined;
  /** The scope of the whole run. */
  readonly scope: Scope = new Scope(undefined, true);
  readonly #agreement: Agreement;
  #fresh: Command<Spec>[] = [];
  #notes: Note[] = [];
  #rolling = "";
  #draws = 0;
  #drawnAs: string | undefined;
  #turn = false;
  #dead = false;
  /** What has to be over before the run ends. */
  #unfinished: Unfinished | undefined;

  /** Commands issued so far. */
  commands = 0;
  /** Events applied so far. */
  applied = 0;
  /** Number of the last message applied. */
  message: number = NO_MESSAGE;
  /** Time of the last applied event. */
  now = 0;
  ending: Ending | undefined;
  blockage: Blockage | undefined;
  cancelReason: string | undefined;

  constructor(options: MachineOptions<Spec>) {
    this.#options = options;
    this.#agreement = new Agreement(this);
  }

  // ---- turns -----------------------------------------------------------------------------------------------------------

  openTurn(): void {
    this.#turn = true;
  }

  closeTurn(): void {
    this.#turn = false;
  }

  /** Cuts the function off: whatever it still does has no effect (rule 1, old generation). */
  kill(): void {
    this.#dead = true;
    this.#turn = false;
    this.#fresh = [];
    this.#open.clear();
    this.#waits?.clear();
  }

  // ---- commands --------------------------------------------------------------------------------------------------------

  /**
   * Issues a command. Settled by a later event; rejects at once when the run is already cancelled.
   *
   * @throws PerdureError `INVALID_ARGUMENT` for a name or label that is none.
   */
  issue(command: Issue<Spec>): Promise<unknown> {
    checkCommand(command);
    const refused = this.#refuse(command);
    if (refused !== undefined) return refused;
    const { kind, name, label, inputDigest, spec, errors = [], scope = this.scope } = command;
    const id = ++this.commands;
    this.#rolling = digest(`${kind}\n${name}\n${label ?? ""}\n${inputDigest}`, this.#rolling);
    this.#agreement.issued({ id, kind, name, label, inputDigest });
    let issued: Open<Spec> | undefined;
    const promise = new Promise((resolve, reject) => {
      const open: Open<Spec> = {
        id,
        kind,
        name,
        label,
        inputDigest,
        spec,
        errors,
        resolve,
        reject,
        generation: this.#options.generation(id),
        issuedAt: this.now,
        scope,
        promise: undefined,
      };
      issued = open;
      this.#open.set(id, open);
      if (kind === "wait" && this.#takeSignal(open)) return;
      this.#fresh.push(open);
    });
    if (issued !== undefined) issued.promise = promise;
    return promise;
  }

  #refuse(command: Issue<Spec>): Promise<never> | undefined {
    if (this.#reading.on) return this.#reading.violated(`asked for ${describe(command)}`);
    if (this.#dead || this.ending !== undefined) return never();
    if (!this.#turn) {
      const what = describe(command);
      this.block({
        reason: "foreign_await",
        message: `${what} was asked for out of turn: the workflow awaited something that is not from wf (fetch, a timer, crypto.subtle, dynamic import …), or wf was used inside of a step's function, so the order of its steps cannot be replayed. Move such work into an activity or wf.step(…), and calls of wf out of it.`,
      });
      return Promise.reject(
        new PerdureError(
          "OUT_OF_TURN",
          `${what} was asked for outside of the workflow's turn; await only promises that come from wf`,
        ),
      );
    }
    const cancelled = (command.scope ?? this.scope).cancelled;
    return cancelled === undefined ? undefined : Promise.reject(new CancelledError(cancelled));
  }

  /** Digest of the commands issued so far. */
  get rolling(): string {
    return this.#rolling;
  }

  /** Commands issued and their digest, to be written with the next transition. */
  get check(): Check {
    return [this.commands, this.#rolling];
  }

  /** Commands without an outcome, oldest first. */
  get open(): ReadonlyMap<number, Command<Spec>> {
    return this.#open;
  }

  openCommand(command: number): CommandIdentity | undefined {
    return this.#open.get(command);
  }

  /** Commands issued since the last call. */
  takeCommands(): readonly Command<Spec>[] {
    if (this.#fresh.length === 0) return NONE;
    const taken = this.#fresh;
    this.#fresh = [];
    return taken;
  }

  /** Whether cancelling the run cuts this open command off. */
  isCancellable(command: number): boolean {
    return this.#open.get(command)?.scope.isReachedFrom(this.scope) ?? false;
  }

  /** Cancels a scope from within the code: what is open in it rejects now, and what comes rejects at once. */
  cancelScope(scope: Scope, reason: string): void {
    scope.reason ??= reason;
    for (const open of [...this.#open.values()]) {
      if (!open.scope.isReachedFrom(scope)) continue;
      this.#abandon(open);
      open.promise?.catch(() => {});
      open.reject(new CancelledError(reason));
    }
  }

  #abandon(open: Open<Spec>): void {
    this.#remove(open);
    this.#abandoned ??= new Set();
    this.#abandoned.add(open.id);
    this.#fresh = this.#fresh.filter((fresh) => fresh.id !== open.id);
    this.#options.onSettled(open.id);
    const step = open.label ?? open.name;
    this.note("step.cancelled", { command: open.id, step, reason: open.scope.cancelled ?? "its scope was left" });
  }

  isAbandoned(command: number): boolean {
    return this.#abandoned?.has(command) === true;
  }

  /** Removes the open command of an outcome; undefined when the function has ended meanwhile. */
  #settle(data: EventData): Open<Spec> | undefined {
    const open = this.#open.get(data.c as number);
    if (open === undefined || this.ending !== undefined) return undefined;
    this.#remove(open);
    return open;
  }

  #settleWait(wait: Open<Spec>, value: unknown, error?: Error): void {
    this.#open.delete(wait.id);
    this.#options.onSettled(wait.id);
    this.note("wait.completed", {
      command: wait.id,
      name: wait.name,
      ...(wait.label !== undefined && { label: wait.label }),
      at: this.now,
    });
    if (error === undefined) wait.resolve(value);
    else this.#reject(wait, error);
  }

  #reject(open: Open<Spec>, error: Error): void {
    this.#options.rejecting(() => open.reject(error));
  }

  #remove(open: Open<Spec>): void {
    this.#open.delete(open.id);
    this.#waits?.remove(open);
  }

  // ---- events ----------------------------------------------------------------------------------------------------------

  /**
   * Applies one event. Promises it settles run their reactions before the turn is closed. `verify` is false for the part of a
   * history that a resume has knowingly changed.
   */
  apply(
    row: { readonly type: string; readonly at: number; readonly data: string; readonly drawnAs?: string | undefined },
    verify: boolean,
  ): void {
    if (this.#dead || this.blockage !== undefined) return;
    this.#drawnAs = row.drawnAs;
    const { type, at, data } = parseEvent(row);
    if (verify && !this.#agreement.admits(type, data)) return;
    if (at > this.now) this.now = at;
    this.applied++;
    switch (type) {
      case "RunStarted":
        this.#start(data);
        break;
      case "StepCompleted":
        this.#settle(data)?.resolve(reviveParsed(data.p, this.#options.codec));
        break;
      case "StepFailed": {
        const open = this.#settle(data);
        if (open !== undefined)
          this.#reject(open, commandError(open, data.e as Failure, data.a ?? 1, this.#options.codec));
        break;
      }
      case "StepCancelled": {
        const open = this.#settle(data);
        if (open !== undefined) this.#reject(open, new CancelledError(this.cancelReason ?? "cancelled"));
        break;
      }
      case "TimerFired":
      case "WaitTimedOut":
        this.#settle(data)?.resolve(data.k === "until" ? false : undefined);
        break;
      case "SignalReceived":
        this.message = data.m ?? 0;
        this.#receive({ name: data.n as string, message: data.m ?? 0, at, data: data.p, raw: data.u === 1 });
        break;
      case "UpdateAccepted":
        this.message = data.m ?? 0;
        this.#accept(data);
        break;
      case "ChildStarted":
        this.#awaited?.get(data.c as number)?.({ workflowId: data.w as string, runId: data.h as string });
        this.#awaited?.delete(data.c as number);
        break;
      case "CancelRequested":
        this.cancelReason = data.r ?? "";
        this.scope.reason = this.cancelReason;
        this.#options.onCancelled(this.cancelReason);
        break;
      case "CodeFailed":
        this.#conclude({ ok: false, error: fromFailure(data.e as Failure, [], this.#options.codec) });
        break;
      case "Resumed":
      case "VersionMarked":
        break;
      default:
        this.ending ??= { ok: false, error: undefined };
    }
  }

  #start(data: EventData): void {
    const input = reviveParsed(data.p, this.#options.codec);
    let running: Promise<unknown>;
    try {
      running = this.#options.start(this, input);
    } catch (error) {
      running = Promise.reject(error);
    }
    Promise.resolve(running).then(
      (value) => this.#end({ ok: true, value }),
      (error: unknown) => this.#end({ ok: false, error }),
    );
  }

  // ---- ending ----------------------------------------------------------------------------------------------------------

  /** Whether it is known how the run ends, which may still have to undo its sagas. */
  get isDecided(): boolean {
    return this.ending !== undefined || this.#unfinished?.lastWord !== undefined;
  }

  /**
   * Whether another run is to go on from this one, which may still have to undo its sagas. The input of that run is made, so that
   * messages are kept for it, but for those that an undo waits for.
   */
  get continuing(): boolean {
    const word = this.ending ?? this.#unfinished?.lastWord;
    return word?.ok === true && word.next !== undefined;
  }

  #end(ending: Ending): void {
    if (this.#dead || this.ending !== undefined || this.blockage !== undefined) return;
    if (this.#turn) this.#conclude(ending);
    else this.#endedOutOfTurn("the workflow function");
  }

  /** Ends the run; another one goes on with this input. */
  continueAs(input: Payload): Promise<never> {
    if (this.#reading.on) return this.#reading.violated("wanted to continue as new");
    if (this.scope.cancelled !== undefined) return Promise.reject(new CancelledError(this.scope.cancelled));
    if (!this.#dead && this.blockage === undefined && this.ending === undefined) {
      if (this.#turn) this.#conclude({ ok: true, value: undefined, next: input });
      else this.#endedOutOfTurn("the workflow function");
    }
    return never();
  }

  /** The run ends like this; what is unfinished is cancelled and waited for first. */
  #conclude(ending: Ending): void {
    if (this.#unfinished?.lastWord !== undefined) return;
    if (this.#unfinished?.any !== true) {
      this.ending ??= ending;
      return;
    }
    this.#unfinished.lastWord = ending;
    this.cancelScope(this.scope, "the workflow's function has ended");
  }

  /** Does not let the run end before this has: it is cancelled when the function ends without it. */
  finishFirst(work: Promise<unknown>): void {
    this.#unfinished ??= new Unfinished();
    this.#unfinished.add(work, (lastWord) => {
      if (this.#mayEnd("a saga")) this.ending ??= lastWord;
    });
  }

  /**
   * Ends the function from outside of it. False when something is to be undone first, which takes an event (`CodeFailed`): the code alone
   * does not say when.
   */
  fail(error: unknown): boolean {
    if (this.#dead || this.blockage !== undefined || this.isDecided) return true;
    if (this.#unfinished?.any === true) return false;
    this.ending = { ok: false, error };
    return true;
  }

  #mayEnd(what: string): boolean {
    if (this.#dead || this.blockage !== undefined) return false;
    if (!this.#turn) this.#endedOutOfTurn(what);
    return this.#turn;
  }

  #endedOutOfTurn(what: string): void {
    this.block({
      reason: "foreign_await",
      message: `${what} ended out of turn: it awaited something that is not from wf, so what it returns cannot be replayed. Move that work into an activity or wf.step(…).`,
    });
  }

  /** Blocks the run; the first reason stays. */
  block(blockage: Blockage): void {
    if (this.blockage !== undefined || this.#dead || this.ending !== undefined) return;
    this.blockage = blockage;
    this.#options.onBlocked();
  }

  /** Blocks the run even when its code has ended: what it came to does not count. */
  blockAfterAll(blockage: Blockage): void {
    if (!this.#dead) this.ending = undefined;
    this.block(blockage);
  }

  // ---- notes -----------------------------------------------------------------------------------------------------------

  /** Makes a note; the history has it beside the next event, unless it is only to be `told`. */
  note(kind: string, data: Readonly<Record<string, unknown>>, { told = false }: { told?: boolean } = {}): void {
    if (this.#dead || this.ending !== undefined) return;
    const note = { kind, data };
    if (!told) this.#notes.push(note);
    this.#options.onNote(note);
  }

  /** Notes gathered since the last call. */
  takeNotes(): readonly Note[] {
    if (this.#notes.length === 0) return NONE;
    const taken = this.#notes;
    this.#notes = [];
    return taken;
  }

  /** Notes gathered and not taken yet. */
  get pendingNotes(): readonly Note[] {
    return this.#notes;
  }

  /** Whether code decided for a version that is not on its way into the history yet. Effects wait for that (I1). */
  get unmarked(): boolean {
    return this.#notes.length > 0 && this.ending === undefined && this.#notes.some(({ kind }) => kind === "version");
  }

  /** Gives back notes that could not be written after all. */
  returnNotes(notes: readonly Note[]): void {
    this.#notes = [...notes, ...this.#notes];
  }

  // ---- messages --------------------------------------------------------------------------------------------------------

  /** Signals, updates and queries. Made when it is first looked at: most runs have none. */
  get messages(): Handlers {
    this.#messages ??= new Handlers({
      reading: this.#reading,
      mayEnd: (what) => this.#mayEnd(what),
      reaches: (scope) => !(this.continuing && scope.isReachedFrom(this.scope)),
      signalFailed: (error) => {
        if (!(isA(error, CancelledError) && this.scope.cancelled !== undefined)) this.#conclude({ ok: false, error });
      },
      signalRefused: (name, error) => this.refuseSignal(name, error),
    });
    return this.#messages;
  }

  /** A signal does not fit the schema of the code and is dropped: that is in the history beside the next event. */
  refuseSignal(name: string, error: unknown): void {
    this.note(SIGNAL_REFUSED, { name, reason: (error as Error).message });
  }

  /** Names of handlers that have not ended. */
  get handling(): readonly string[] {
    return this.#messages?.running ?? NONE;
  }

  #receive(signal: Buffered): void {
    const given = { ...signal, value: reviveParsed(signal.data, this.#options.codec) };
    if (this.ending !== undefined) {
      this.messages.keep(given);
      return;
    }
    const taken = this.messages.taken(given, this.waiting(signal.name).length > 0);
    const wait = taken === undefined ? undefined : this.#waits?.take(signal.name);
    if (wait !== undefined) this.#settleWait(wait, taken?.value);
    else if (taken !== undefined) this.messages.receive(taken);
  }

  #accept({ n: name = "", m: message = 0, p }: EventData): void {
    if (this.ending !== undefined || (this.continuing && !this.messages.handles(name))) {
      this.messages.keepUpdate({ name, message, at: this.now, data: p });
      return;
    }
    const input = reviveParsed(p, this.#options.codec);
    if (this.messages.accept(name, input, (ending) => this.#options.onAnswered(message, ending))) return;
    this.#agreement.differs(this.commands, {
      history: `it accepted update ${JSON.stringify(name)}`,
      code: "has no handler for it",
    });
  }

  /** Commands that wait for this signal, in the order in which they will get it. */
  waiting(signal: string): readonly number[] {
    return this.#waits?.of(signal) ?? NONE;
  }

  #takeSignal(wait: Open<Spec>): boolean {
    const kept = this.#messages?.take(wait.name);
    if (kept !== undefined) {
      this.#settleWait(wait, kept.value);
      return true;
    }
    this.#waits ??= new Waits();
    this.#waits.forSignal(wait);
    return false;
  }

  // ---- conditions ------------------------------------------------------------------------------------------------------

  /** Waits until a predicate is true: at once when it is true already. Issued like any command otherwise. */
  until(command: Issue<Spec>, predicate: () => boolean): Promise<unknown> {
    const { kind, name } = command;
    if (this.#reading.run(`the predicate of ${describe({ kind, name })}`, predicate)) return Promise.resolve(true);
    const before = this.commands;
    const promise = this.issue(command);
    const open = this.commands > before ? this.#open.get(this.commands) : undefined;
    if (open !== undefined) {
      this.#waits ??= new Waits();
      this.#waits.until(open, predicate);
    }
    return promise;
  }

  /**
   * The reactions to an event have run: settles the waits whose predicates are true now. True when there were some: they have
   * reactions, too, after which it is to be asked again.
   */
  drained(): boolean {
    if (this.#waits === undefined || this.ending !== undefined || this.blockage !== undefined) return false;
    return this.#waits.ask((open, predicate) => this.#holds(open, predicate));
  }

  #holds(open: Open<Spec>, predicate: () => boolean): boolean {
    try {
      if (!this.#reading.run(`the predicate of ${describe(open)}`, predicate)) return false;
      this.#settleWait(open, true);
    } catch (error) {
      this.#settleWait(open, undefined, error as Error);
    }
    return true;
  }

  // ---- children --------------------------------------------------------------------------------------------------------

  /** Calls back when the child of the command that was issued last exists. */
  onChildStarted(listener: (child: StartedChild) => void): void {
    this.#awaited ??= new Map();
    this.#awaited.set(this.commands, listener);
  }

  /** Whether the code still has to hear that the child of a command exists. */
  awaitsChild(command: number): boolean {
    return this.#awaited?.has(command) ?? false;
  }

  // ---- versions and random numbers -------------------------------------------------------------------------------------

  /** What is known about the history that is going to be applied. */
  recall(past: Past): void {
    this.#versions ??= new VersionAnswers();
    this.#versions.recall(past);
  }

  /** The version of a change that this run goes by (rule 7). */
  version(id: string, { min, max }: { readonly min: number; readonly max: number }): number {
    const { commands, message } = this;
    const mark = (): void =>
      this.note("version", { id, version: max, commands, ...(message !== NO_MESSAGE && { message }) });
    this.#versions ??= new VersionAnswers();
    const version = this.#versions.at(id, this, max, this.#reading.on ? undefined : mark);
    if (version < min || version > max) {
      const supported = min === max ? String(min) : `${min} to ${max}`;
      const message = `the run goes by version ${version} of ${JSON.stringify(id)}, the code supports ${supported}. Deploy code that still supports version ${version} and resume the run.`;
      this.block({ reason: "version_range", message });
    }
    return version;
  }

  /** The run whose random numbers are drawn: a fork goes by those of the original until it is on its own. */
  get drawnAs(): string {
    return this.#drawnAs ?? this.#options.runId;
  }

  /** A number in [0, 1) from (run, commands issued, draw). */
  random(): number {
    return unitInterval(this.#seed());
  }

  uuid(): string {
    return uuidFrom(this.#seed());
  }

  #seed(): string {
    return `${this.drawnAs}:${this.commands}:${this.#draws++}`;
  }

  // ---- agreement with the history --------------------------------------------------------------------------------------

  /** Remembers what the code asks for and where, for the message of a mismatch with these rows. Meant for replays. */
  trace(rows: readonly { readonly data: string }[] | undefined): void {
    this.#agreement.trace(rows);
  }

  /** Checks a position recorded outside of the history (at park), or before an event that is not applied. `when` is said to people. */
  verifyCheck(check: Check, when = "when the run was last left"): void {
    this.#agreement.stands(check, when);
  }

  /** Checks a row of a command that was in flight when the run was last advanced. */
  verifyInFlight(row: InFlight): void {
    this.#agreement.inFlight(row);
  }

  /** Blocks the run because its code and its history say different things, also when the code has ended already (I6). */
  disagree(difference: Difference): void {
    this.blockAfterAll({ reason: "mismatch", message: mismatchMessage(difference), difference });
  }
}

const NONE: readonly never[] = [];
