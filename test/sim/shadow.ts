/**
 * What the histories should be: a shadow of each, grown from the commits that reached the store, and the checks that hold for
 * every event that is appended. Shares no logic with the engine.
 */
import type { EventRow, NewRun, Transition } from "../../src/store/store.ts";

const TERMINAL: ReadonlySet<string> = new Set([
  "RunCompleted",
  "RunFailed",
  "RunCancelled",
  "RunTerminated",
  "RunTimedOut",
  "RunContinued",
]);

/** The few keys of an event's data that the checks need. */
export interface EventKeys {
  readonly c?: number;
  readonly k?: string;
  readonly m?: number;
  readonly n?: string;
  readonly s?: readonly number[];
  readonly f?: number;
  readonly p?: unknown;
  readonly e?: { readonly message: string; readonly command?: number };
}

/** Says that an invariant does not hold. */
export type Fail = (check: string, message: string) => void;

/** The shadow of one run. */
export class ShadowRun {
  readonly run: number;
  readonly workflowId: string;
  readonly events: EventRow[];
  /** Commands with an outcome that counts, and the event that is it. */
  readonly #outcomes = new Map<number, number>();
  /** Ends of the idempotency keys of all outcomes there ever were. */
  readonly #settled = new Map<string, number>();
  /** Transactional steps that came to an end, by the end of their key: whether they completed. */
  readonly transactions: Map<string, boolean> = new Map();
  readonly #cuts: number[] = [];
  readonly #bumped = new Map<number, number>();
  /** Messages in the history, and the line each stood in: signals of one name are in order, and all that are no signals. */
  readonly #messages = new Map<number, string>();
  readonly #consumed = new Set<number>();
  readonly #fail: Fail;
  #now = 0;
  /** How many of its events are those of the run it is a fork of, and the cut behind them. */
  readonly copied: number;
  /** When it last ended or was blocked: what was in flight then may begin again after a resume. */
  endedAt: number = Number.NEGATIVE_INFINITY;

  constructor(
    run: number,
    { workflowId, first, rest = [] }: Pick<NewRun, "workflowId" | "first" | "rest">,
    fail: Fail,
  ) {
    this.run = run;
    this.workflowId = workflowId;
    this.events = [first];
    this.#fail = fail;
    if (first.type !== "RunStarted") fail("I2 density", `run ${run} begins with ${first.type}`);
    this.copied = rest.length === 0 ? 0 : rest.length + 1;
    for (const event of rest) this.#append(event);
  }

  /** Whether the next event was copied from another run. */
  get #isCopy(): boolean {
    return this.events.length < this.copied;
  }

  /** A transition was accepted. */
  advance({ base, events, consumed, image }: Transition, now: number): void {
    this.#now = now;
    const { length } = this.events;
    if (base !== length)
      this.#fail("I2 density", `run ${this.run}: a transition built on ${base} events was accepted at ${length}`);
    for (const event of events) this.#append(event);
    for (const number of consumed) {
      if (this.#consumed.has(number)) this.#fail("I4 once", `run ${this.run}: message ${number} was consumed twice`);
      this.#consumed.add(number);
    }
    if (image?.status === "blocked" || events.some(({ type }) => TERMINAL.has(type))) this.endedAt = now;
  }

  #append(event: EventRow): void {
    const last = this.events.at(-1)!;
    const seq = this.events.length + 1;
    const where = `run ${this.run} (${this.workflowId}) event ${seq} ${event.type}`;
    const isFork = this.events.length + 1 === this.copied;
    if (isFork && event.type !== "Resumed") this.#fail("I2 density", `${where} ends the copy of another run`);
    if (event.at < last.at) this.#fail("I3 time", `${where}: at ${event.at} is before ${last.at} of ${last.type}`);
    if (!isFork && TERMINAL.has(last.type) !== (event.type === "Resumed"))
      this.#fail("I5 terminal", `${where} follows ${last.type}`);
    if (event.type === "RunStarted") this.#fail("I5 terminal", `${where}: started twice`);
    const data = JSON.parse(event.data) as EventKeys;
    if (event.type === "ChildStarted") this.#childTold(data.c!, where);
    if (data.m !== undefined)
      this.#message(data.m, event.type === "SignalReceived" ? `signal ${data.n}` : "others", where);
    if (event.type === "Resumed") this.#cut(data);
    else if (data.c !== undefined && event.type !== "ChildStarted") {
      if (data.k === "transaction" && !this.#isCopy && event.type !== "StepCancelled")
        this.transactions.set(this.keyOf(data.c), event.type === "StepCompleted");
      this.#outcome(data.c, seq, where);
    }
    this.events.push(event);
  }

  #childTold(command: number, where: string): void {
    if (this.#outcomes.has(command)) this.#fail("I5 child", `${where}: command ${command} has its outcome already`);
  }

  #message(number: number, line: string, where: string): void {
    if (this.#messages.has(number)) this.#fail("I4 once", `${where}: message ${number} is in the history twice`);
    for (const [earlier, its] of this.#messages)
      if (its === line && earlier > number) this.#fail("I4 order", `${where}: message ${number} after ${earlier}`);
    this.#messages.set(number, line);
  }

  #outcome(command: number, seq: number, where: string): void {
    const earlier = this.#outcomes.get(command);
    if (earlier !== undefined)
      this.#fail("I5 one outcome", `${where}: command ${command} has an outcome already, event ${earlier}`);
    this.#outcomes.set(command, seq);
    this.#settled.set(this.keyOf(command), this.#now);
  }

  #cut({ s = [], f = 0 }: EventKeys): void {
    const where = `run ${this.run}: resumed after ${this.events.length} events`;
    // Terminating a run that was about to be resumed sets its end aside and nothing else: its code does not go on.
    const terminated = f === Number.MAX_SAFE_INTEGER;
    const isFork = this.events.length + 1 === this.copied;
    const kept = terminated || isFork ? [] : this.#undone().filter((seq) => !s.includes(seq));
    if (kept.length > 0) this.#fail("I3 resume", `${where}: ${kept.join(", ")} were to be set aside and are not`);
    for (const [command, seq] of [...this.#outcomes]) {
      if (s.includes(seq)) this.#outcomes.delete(command);
      else if (command > f)
        this.#fail("I3 resume", `${where}: outcome ${seq} of command ${command}, issued after the cut, was kept`);
      if (s.includes(seq) && command <= f) this.#bumped.set(command, (this.#bumped.get(command) ?? 0) + 1);
    }
    this.#cuts.push(f);
  }

  /** Rule 29: what a resume has to set aside at least: the end, and the outcome or the cancellation that brought it about. */
  #undone(): number[] {
    const end = this.events.length;
    const { type, data } = this.events[end - 1]!;
    const failed = (JSON.parse(data) as EventKeys).e?.command;
    if (type === "RunFailed" && failed !== undefined) return [end, this.#outcomes.get(failed) ?? end];
    if (type !== "RunCancelled") return [end];
    const cancelled = this.events.findLastIndex((event) => event.type === "CancelRequested");
    const cut = this.events.flatMap(({ type }, index) =>
      type === "StepCancelled" && index > cancelled ? [index + 1] : [],
    );
    return [end, cancelled + 1, ...cut];
  }

  /** How the idempotency key of a command's effect ends now: `command`, or `command:generation` after it was set aside. */
  keyOf(command: number): string {
    const generation = this.#cuts.filter((commands) => command > commands).length + (this.#bumped.get(command) ?? 0);
    return generation === 0 ? `${command}` : `${command}:${generation}`;
  }

  /** Since when an effect under this key has an outcome, or has had one. */
  settledAt(key: string): number | undefined {
    return this.#settled.get(key);
  }
}
