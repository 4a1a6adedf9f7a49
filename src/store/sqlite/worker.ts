/**
 * The thread that owns the connection: takes requests in order and answers each. While a transaction of the user's is open, only
 * its own requests are served, and the others wait in order.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { Flat } from "../rows.ts";
import { retryBusy } from "./busy.ts";
import { describeFailure } from "./failures.ts";
import { FAILED, HINT, OK, OP, REFUSED, type WorkerInput } from "./protocol.ts";
import { Service } from "./service.ts";
import { SqliteError } from "./sqlite-error.ts";

const POLL_MS = 25;
const OF_TRANSACTIONS: ReadonlySet<unknown> = new Set([OP.query, OP.settle, OP.abandon, OP.ending, OP.close]);

serve(parentPort!, workerData as WorkerInput);

function serve(port: MessagePort, input: WorkerInput): void {
  const waiting: Flat[] = [];
  let service: Service | undefined;
  let watching: NodeJS.Timeout | undefined;

  const open = (): Service => {
    service ??= new Service(input, drain);
    return service;
  };

  const answer = (args: Flat): unknown[] => {
    const opened = open();
    return retryBusy(() => {
      const reply: Flat = [args[0]!, OK];
      opened.handle(args, reply);
      return reply;
    });
  };

  const watch = (wanted: boolean): void => {
    clearInterval(watching);
    watching = undefined;
    const opened = service;
    if (!wanted || opened === undefined) return;
    let seen = versionOf(opened);
    if (seen === null) return;
    watching = setInterval(() => {
      const now = versionOf(opened);
      if (now !== seen) port.postMessage([HINT]);
      seen = now;
    }, POLL_MS);
  };

  const close = (): void => {
    watch(false);
    service?.transactions.close();
    drain();
    service?.close();
  };

  const perform = (args: Flat): unknown[] | undefined => {
    // Not taken apart: a commit is long.
    const id = args[0];
    const operation = args[1];
    if (operation === OP.query)
      return [id, OK, open().transactions.query(args[2] as number, args[3] as string, args.slice(4))];
    if (operation === OP.ending) {
      open().transactions.awaitEnd(args[2] as number, (reason) => port.postMessage(ended(id as number, reason)));
      return undefined;
    }
    if (operation === OP.close) close();
    else if (operation === OP.watch) watch(args[2] === 1);
    else return answer(args);
    return [id, OK];
  };

  const respond = (args: Flat): void => {
    try {
      const reply = perform(args);
      if (reply !== undefined) port.postMessage(reply);
    } catch (error) {
      port.postMessage(failed(args[0] as number, error));
    }
    if (args[1] === OP.close) port.close();
  };

  function drain(): void {
    while (waiting.length > 0 && service?.transactions.isOpen !== true) respond(waiting.shift()!);
  }

  port.on("message", (args: Flat) => {
    if (service?.transactions.isOpen === true && !OF_TRANSACTIONS.has(args[1])) {
      waiting.push(args);
      return;
    }
    respond(args);
    if (waiting.length > 0) drain();
  });
}

function ended(id: number, reason: Error | undefined): unknown[] {
  return reason === undefined ? [id, OK] : failed(id, reason);
}

function failed(id: number, error: unknown): unknown[] {
  if (error instanceof SqliteError) return [id, REFUSED, error.code, error.message];
  return [id, FAILED, ...describeFailure(error)];
}

/** The version, or -1 when the database cannot be asked right now: a hint too many does no harm. */
function versionOf(service: Service): number | null {
  try {
    return service.version();
  } catch {
    return -1;
  }
}
