/** Whether the database thread of a store waits for a lock that somebody else holds: it says so nowhere, but its stack shows it. */
import { eventually } from "../crash/eventually.ts";

interface Report {
  readonly workers: readonly { readonly javascriptStack: { readonly stack: readonly string[] } }[];
}

/** Where src/store/sqlite/busy.ts stands when SQLite has refused the lock, and not before. */
const REFUSED = /^at (isBusy|pause) \(.*\/sqlite\/busy\.js:/;

/** Resolves with "waiting" once a database thread of this process has asked for the lock in vain, and asks again. */
export async function lockRefused(): Promise<"waiting"> {
  await eventually(() => {
    const { workers } = process.report.getReport() as Report;
    return workers.some(({ javascriptStack }) => javascriptStack.stack.some((frame) => REFUSED.test(frame)));
  }, "a database thread that waits for the lock");
  return "waiting";
}
