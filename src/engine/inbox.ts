/**
 * Messages of one run that its engine has seen and that are not in the history yet.
 *
 * Owner: the run's outbox. Kept here: I4, rule 25 (as in ARCHITECTURE.md): every message is taken once and in order, and what was
 * taken is given back when the transition is refused.
 */
import type { MessageRow } from "../store/store.ts";

export class Inbox {
  #messages: MessageRow[] = [];
  /** Somebody wants the run to stand still: it does once nothing of it is in flight. */
  #pauses: readonly MessageRow[] = NONE;
  /** Messages that are left in the store, unless the run ends after all: signals by name, each line in order, and what is no signal. */
  #left: Map<string, MessageRow[]> | undefined;
  #termination: MessageRow | undefined;
  /** What a fork kept of the original's messages has numbers below 0. */
  #seen = NOTHING_SEEN;

  /** Highest number seen. */
  get seen(): number {
    return this.#seen;
  }

  /** Whether there are messages to be taken. */
  get any(): boolean {
    return this.#messages.length > 0;
  }

  /** The last wish that the run stands still. */
  get pause(): MessageRow | undefined {
    return this.#pauses.at(-1);
  }

  get termination(): MessageRow | undefined {
    return this.#termination;
  }

  /** Whether the next message is a wish to cancel. */
  get cancelling(): boolean {
    return this.#messages[0]?.kind === "cancel";
  }

  /** New messages, in order; `inbox` is the number the run's row stands at. */
  deliver(messages: readonly MessageRow[], inbox: number): void {
    for (const message of messages) {
      if (message.number <= this.#seen) continue;
      this.#seen = message.number;
      if (message.kind === "pause") this.#pauses = [...this.#pauses, message];
      else this.#messages.push(message);
      if (message.kind === "terminate") this.#termination ??= message;
    }
    if (inbox > this.#seen) this.#seen = inbox;
  }

  /** What waits in the store as it is now, of a run that was let go and is claimed again: others may have had it meanwhile. */
  refill(messages: readonly MessageRow[], inbox: number): void {
    this.#messages = [];
    this.#pauses = NONE;
    this.#left = undefined;
    this.#termination = undefined;
    this.#seen = NOTHING_SEEN;
    this.deliver(messages, inbox);
  }

  /** What was left: names of signals, and `NO_SIGNALS`. Undefined: nothing. */
  get lines(): Iterable<string> | undefined {
    return this.#left?.keys();
  }

  /** Sees again what was left: of each line the oldest, as many as `count` says. */
  lookAgain(count: (line: string) => number): void {
    if (this.#left === undefined) return;
    for (const [line, left] of this.#left) {
      const wanted = count(line);
      if (wanted <= 0) continue;
      const again = wanted < left.length ? left.splice(0, wanted) : left;
      if (again === left) this.#left.delete(line);
      // What was put back may be older than what was left.
      this.#messages = [...again, ...this.#messages].sort((a, b) => a.number - b.number);
    }
    if (this.#left.size === 0) this.#left = undefined;
  }

  /** Whether messages are known that wait in the store. */
  get holds(): boolean {
    return this.any || this.#left !== undefined;
  }

  /**
   * Takes the next messages, up to a wish to cancel, which goes alone, and no more than one portion, in which news of steps do not count.
   * `isLeft`: what is left in the store on the way, asked of each once, in order.
   */
  take(portion: number, isLeft: (message: MessageRow) => boolean): MessageRow[] {
    const taken: MessageRow[] = [];
    let looked = 0;
    let counted = 0;
    for (const message of this.#messages) {
      if (isLeft(message)) this.#leave(message);
      else if (message.kind === "cancel" || (!isForStep(message) && ++counted > portion)) break;
      else taken.push(message);
      looked++;
    }
    this.#messages.splice(0, looked);
    return taken;
  }

  #leave(message: MessageRow): void {
    const line = message.kind === "signal" ? message.name : NO_SIGNALS;
    this.#left ??= new Map();
    const left = this.#left.get(line);
    if (left === undefined) this.#left.set(line, [message]);
    else if (left.at(-1)!.number < message.number) left.push(message);
    else {
      const place = left.findIndex(({ number }) => number > message.number);
      left.splice(place, 0, message);
    }
  }

  /** Whether more is to be taken before the next wish to cancel. */
  get hasMore(): boolean {
    return this.any && !this.cancelling;
  }

  /** Whether a signal of this name is to be taken before the next wish to cancel. */
  brings(name: string): boolean {
    for (const message of this.#messages) {
      if (message.kind === "cancel") return false;
      if (message.kind === "signal" && message.name === name) return true;
    }
    return false;
  }

  /** Takes the next message. There must be one. */
  takeNext(): MessageRow {
    return this.#messages.shift()!;
  }

  takePauses(): readonly MessageRow[] {
    const pauses = this.#pauses;
    this.#pauses = NONE;
    return pauses;
  }

  /** Takes whatever there is: the run ends. */
  takeAll(): readonly MessageRow[] {
    this.lookAgain(() => Number.POSITIVE_INFINITY);
    if (this.#messages.length === 0) return this.takePauses();
    return [...this.#messages.splice(0), ...this.takePauses()];
  }

  /** Messages that were taken and not written. */
  giveBack(messages: readonly MessageRow[]): void {
    if (messages.length > 0) this.#messages = [...messages, ...this.#messages];
  }
}

const NONE: readonly never[] = [];
const NOTHING_SEEN = Number.MIN_SAFE_INTEGER;

/** Where what is no signal is left. No name is empty. */
export const NO_SIGNALS = "";

/** Whether it is about a step of this very run. */
export function isForStep({ kind }: MessageRow): boolean {
  return kind === "outcome" || kind === "retry";
}
