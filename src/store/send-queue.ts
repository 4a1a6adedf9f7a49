/**
 * Group commit for messages: what is sent while a transaction of messages is under way forms the next one. If the database refuses
 * one, the others are sent again one by one; if its answer is lost, all senders are told that nobody knows.
 */
import { isPerdureError } from "../core/errors.ts";
import type { NewMessage, SendResult } from "./store.ts";

/** Puts messages into their inboxes in one transaction. Rejects with a PerdureError, `INTERNAL` when the database refuses one. */
export type SendGroup = (messages: readonly NewMessage[]) => Promise<readonly SendResult[]>;

interface Sending {
  readonly message: NewMessage;
  readonly resolve: (result: SendResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Sends messages in the order given. */
export class SendQueue {
  readonly #sendGroup: SendGroup;
  readonly #mostAtOnce: number;
  #queue: Sending[] = [];
  #busy = false;

  constructor(sendGroup: SendGroup, mostAtOnce: number = Number.POSITIVE_INFINITY) {
    this.#sendGroup = sendGroup;
    this.#mostAtOnce = mostAtOnce;
  }

  send(message: NewMessage): Promise<SendResult> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ message, resolve, reject });
      if (!this.#busy) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    while (this.#queue.length > 0) await this.#deliver(this.#queue.splice(0, this.#mostAtOnce));
    this.#busy = false;
  }

  async #deliver(group: readonly Sending[]): Promise<void> {
    try {
      const results = await this.#sendGroup(group.map(({ message }) => message));
      for (const [index, { resolve }] of group.entries()) resolve(results[index]!);
    } catch (error) {
      if (group.length > 1 && isPerdureError(error, "INTERNAL")) {
        for (const sending of group) await this.#deliver([sending]);
      } else {
        for (const { reject } of group) reject(error);
      }
    }
  }
}
