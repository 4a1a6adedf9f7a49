/** Sending on memory tables. */
import type { NewMessage, SendResult } from "../store.ts";
import type { MemoryRun, Tables } from "./tables.ts";

/** Puts a message into the inbox of its run, or of the open run that continues it, and makes that one due. */
export function deliver(tables: Tables, message: NewMessage): SendResult {
  const addressee = tables.runs.get(message.run);
  if (addressee === undefined) return { refused: "not_found" };
  const earlier = tables.chains.numberOf(addressee.row.chain, message.key);
  if (earlier !== undefined) return { number: earlier };
  const run = openRunOf(tables, addressee);
  if (run === undefined) return { refused: "closed" };
  const number = tables.chains.put(run, message);
  tables.wake(run, message.at);
  return { number };
}

function openRunOf(tables: Tables, run: MemoryRun): MemoryRun | undefined {
  if (run.row.closedAt === null) return run;
  if (run.row.status !== "continued_as_new") return undefined;
  const current = tables.current(run.row.workflowId);
  const continues = current?.row.chain === run.row.chain && current.row.closedAt === null;
  return continues ? current : undefined;
}

/** What told a run to do something is not for the run that goes on after its end. */
export function dropOrders({ messages }: MemoryRun): void {
  for (const { number, kind } of messages.values()) if (kind !== "signal" && kind !== "update") messages.delete(number);
}
