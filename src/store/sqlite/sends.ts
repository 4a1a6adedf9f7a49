/** Sending on SQLite: the thread that holds the database takes messages in groups. */
import { SendQueue } from "../send-queue.ts";
import type { NewMessage, SendResult } from "../store.ts";
import { OP } from "./protocol.ts";
import type { Thread } from "./thread.ts";

/** Sends messages in the order given. */
export function sendQueue(thread: Thread): SendQueue {
  return new SendQueue((messages) => sendGroup(thread, messages));
}

async function sendGroup(thread: Thread, messages: readonly NewMessage[]): Promise<SendResult[]> {
  const request = thread.request(OP.send);
  for (const { run, kind, name, data, at, key } of messages) request.push(run, kind, name, data, at, key);
  const results = await thread.ask(request);
  return messages.map((_, index) => sendResult(results[index]!));
}

function sendResult(result: string | number): SendResult {
  return typeof result === "number" ? { number: result } : { refused: result as "closed" | "not_found" };
}
