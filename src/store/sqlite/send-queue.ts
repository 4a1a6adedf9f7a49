/**
 * Group commit for messages: what is sent while a transaction of messages is under way forms the next one. If the database
 * refuses one, the others are sent again one by one.
 */
import { isPerdureError } from "../../core/errors.ts";
import type { NewMessage, SendResult } from "../store.ts";
import { OP } from "./protocol.ts";
import type { Thread } from "./thread.ts";

interface Sending {
  readonly message: NewMessage;
  readonly resolve: (result: SendResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Sends messages in the order given. */
export class SendQueue {
  readonly #thread: Thread;
  #queue: Sending[] = [];
  #busy = false;

  constructor(thread: Thread) {
    this.#thread = thread;
  }

  send(message: NewMessage): Promise<SendResult> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ message, resolve, reject });
      if (!this.#busy) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    while (this.#queue.length > 0) {
      const group = this.#queue;
      this.#queue = [];
      await this.#deliver(group);
    }
    this.#busy = false;
  }

  async #deliver(group: readonly Sending[]): Promise<void> {
    try {
      const request = this.#thread.request(OP.send);
      for (const { message } of group) {
        request.push(message.run, message.kind, message.name, message.data, message.at, message.key);
      }
      const results = await this.#thread.ask(request);
      for (const [index, { resolve }] of group.entries()) resolve(sendResult(results[index]!));
    } catch (error) {
      if (group.length > 1 && isPerdureError(error, "INTERNAL")) {
        for (const sending of group) await this.#deliver([sending]);
      } else {
        for (const { reject } of group) reject(error);
      }
    }
  }
}

function sendResult(result: string | number): SendResult {
  return typeof result === "number" ? { number: result } : { refused: result as "closed" | "not_found" };
}
