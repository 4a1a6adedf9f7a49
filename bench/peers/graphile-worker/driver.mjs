/** graphile-worker: a run of one step is a job. Jobs that are added in one turn go to the database together. */
import { EventEmitter } from "node:events";
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { installedVersion, serve } from "../../dist/peers/serve.js";

const version = installedVersion(import.meta.url, "graphile-worker");
const JOBS = 24;
const QUEUE = 500;

await serve(async ({ address }) => {
  const logger = new Logger(() => () => {});
  const events = new EventEmitter();
  const worker = { connectionString: address, concurrentJobs: JOBS, maxPoolSize: JOBS + 1 };
  const batches = { localQueue: { size: QUEUE }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
  const utils = await makeWorkerUtils({ connectionString: address, logger });
  await utils.migrate();
  const preset = { worker: { ...worker, ...batches } };
  const runner = await run({ preset, logger, events, noHandleSignals: true, taskList: { noop: async () => {} } });
  const waiting = new Map();
  events.on("job:complete", ({ job }) => {
    waiting.get(job.payload.key)?.();
    waiting.delete(job.payload.key);
  });
  const add = inOneTurn((payloads) => utils.addJobs(payloads.map((payload) => ({ identifier: "noop", payload }))));
  let key = 0;
  return {
    version,
    settings: `${JOBS} jobs at a time, local queue of ${QUEUE}, completions and additions in batches`,
    async runSequence(steps) {
      if (steps !== 1) throw new Error("a job has one step");
      const mine = ++key;
      const done = new Promise((resolve) => waiting.set(mine, resolve));
      await add({ key: mine });
      await done;
    },
    async close() {
      await runner.stop();
      await utils.release();
    },
  };
});

/** Calls `send` with everything that was given in one turn of the event loop. */
function inOneTurn(send) {
  let gathered;
  return (item) => {
    if (gathered === undefined) {
      const items = [];
      const sent = new Promise((resolve) => setImmediate(resolve)).then(() => {
        gathered = undefined;
        return send(items);
      });
      gathered = { items, sent };
    }
    gathered.items.push(item);
    return gathered.sent;
  };
}
