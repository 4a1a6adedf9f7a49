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
  /** Messages that are left in the store, unless the run ends after all. */
  #left: readonly MessageRow[] = NONE;
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
    return this.#messages.find((message) => message.kind === "terminate");
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
    }
    if (inbox > this.#seen) this.#seen = inbox;
  }

  /** What waits in the store as it is now, of a run that was let go and is claimed again: others may have had it meanwhile. */
  refill(messages: readonly MessageRow[], inbox: number): void {
    this.#messages = [];
    this.#pauses = NONE;
    this.#left = NONE;
    this.#seen = NOTHING_SEEN;
    this.deliver(messages, inbox);
  }

  /** Leaves those messages in the store that are not to be taken now. Asks of each once, in order. */
  leave(isLeft: (message: MessageRow) => boolean): void {
    const left = this.#messages.map(isLeft);
    if (!left.includes(true)) return;
    this.#left = this.#messages.filter((_, index) => left[index]);
    this.#messages = this.#messages.filter((_, index) => !left[index]);
  }

  /** Sees what was left once more. */
  lookAgain(): void {
    if (this.#left.length === 0) return;
    // What was put back may be older than what was left.
    this.#messages = [...this.#left, ...this.#messages].sort((a, b) => a.number - b.number);
    this.#left = NONE;
  }

  /** Whether messages are known that wait in the store. */
  get holds(): boolean {
    return this.any || this.#left.length > 0;
  }

  /** Takes the messages before a wish to cancel, which goes alone. */
  take(): readonly MessageRow[] {
    if (this.#messages.length === 0) return NONE;
    const cancelAt = this.#messages.findIndex((message) => message.kind === "cancel");
    return cancelAt < 0 ? this.#messages.splice(0) : this.#messages.splice(0, cancelAt);
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
    this.lookAgain();
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
