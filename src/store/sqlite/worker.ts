/** The thread that owns the connection: takes requests in order and answers each. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { retryBusy } from "./busy.ts";
import { describeFailure } from "./failures.ts";
import { FAILED, HINT, OK, OP, type WorkerInput } from "./protocol.ts";
import type { Flat } from "./rows.ts";
import { Service } from "./service.ts";

const POLL_MS = 25;

serve(parentPort!, workerData as WorkerInput);

function serve(port: MessagePort, input: WorkerInput): void {
  let service: Service | undefined;
  let watching: NodeJS.Timeout | undefined;

  const answer = (args: Flat): Flat => {
    service ??= new Service(input);
    const opened = service;
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

  port.on("message", (args: Flat) => {
    const operation = args[1];
    try {
      if (operation === OP.close) {
        watch(false);
        service?.close();
        port.postMessage([args[0], OK]);
        port.close();
      } else if (operation === OP.watch) {
        watch(args[2] === 1);
        port.postMessage([args[0], OK]);
      } else {
        port.postMessage(answer(args));
      }
    } catch (error) {
      port.postMessage([args[0], FAILED, ...describeFailure(error)]);
    }
  });
}

/** The version, or -1 when the database cannot be asked right now: a hint too many does no harm. */
function versionOf(service: Service): number | null {
  try {
    return service.version();
  } catch {
    return -1;
  }
}
