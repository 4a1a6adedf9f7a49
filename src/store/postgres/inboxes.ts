/**
 * Sending: what is sent while a transaction of messages is under way forms the next one. If the database refuses one, the others
 * are sent again one by one; if its answer is lost, all senders are told that nobody knows.
 */
import { isPerdureError } from "../../core/errors.ts";
import type { NewMessage, SendResult } from "../store.ts";
import type { Database } from "./database.ts";
import { int8s, texts } from "./values.ts";

interface Sending {
  readonly message: NewMessage;
  readonly resolve: (result: SendResult) => void;
  readonly reject: (error: unknown) => void;
}

const MOST_AT_ONCE = 500;
const CLOSED = -1;

export class Inboxes {
  readonly #database: Database;
  readonly #sql: string;
  readonly #sent: () => void;
  #queue: Sending[] = [];
  #busy = false;

  /** Calls `sent` after every transaction. */
  constructor(database: Database, sent: () => void) {
    this.#database = database;
    this.#sql = `select ${database.settings.schema}.send($1, $2, $3, $4, $5, $6)`;
    this.#sent = sent;
  }

  send(message: NewMessage): Promise<SendResult> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ message, resolve, reject });
      if (!this.#busy) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    while (this.#queue.length > 0) await this.#deliver(this.#queue.splice(0, MOST_AT_ONCE));
    this.#busy = false;
  }

  async #deliver(group: readonly Sending[]): Promise<void> {
    try {
      const [row] = await this.#database.write(this.#sql, columns(group.map(({ message }) => message)));
      const results = row![0] as unknown as readonly number[];
      for (const [index, { resolve }] of group.entries()) resolve(sendResult(results[index]!));
      this.#sent();
    } catch (error) {
      const failure = this.#database.error(error);
      if (group.length > 1 && isPerdureError(failure, "INTERNAL")) {
        for (const sending of group) await this.#deliver([sending]);
      } else {
        for (const { reject } of group) reject(failure);
      }
    }
  }
}

function columns(messages: readonly NewMessage[]): unknown[] {
  return [
    int8s(messages.map(({ run }) => run)),
    texts(messages.map(({ kind }) => kind)),
    texts(messages.map(({ name }) => name)),
    texts(messages.map(({ data }) => data)),
    int8s(messages.map(({ at }) => at)),
    texts(messages.map(({ key }) => key)),
  ];
}

function sendResult(result: number): SendResult {
  if (result > 0) return { number: result };
  return { refused: result === CLOSED ? "closed" : "not_found" };
}
