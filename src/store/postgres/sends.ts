/** Sending on PostgreSQL: a group of messages is one call of a function of the schema. */
import { SendQueue } from "../send-queue.ts";
import type { NewMessage, SendResult } from "../store.ts";
import type { Database } from "./database.ts";
import { int8s, texts } from "./values.ts";

const MOST_AT_ONCE = 500;
const CLOSED = -1;

/** Sends messages in the order given. Calls `sent` after every transaction. */
export function sendQueue(database: Database, sent: () => void): SendQueue {
  const sql = `select ${database.settings.schema}.send($1, $2, $3, $4, $5, $6)`;
  return new SendQueue(async (messages) => {
    const results = await sendGroup(database, sql, messages);
    sent();
    return results;
  }, MOST_AT_ONCE);
}

async function sendGroup(database: Database, sql: string, messages: readonly NewMessage[]): Promise<SendResult[]> {
  try {
    const [row] = await database.write(sql, columns(messages));
    const results = row![0] as unknown as readonly number[];
    return messages.map((_, index) => sendResult(results[index]!));
  } catch (error) {
    throw database.error(error);
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
