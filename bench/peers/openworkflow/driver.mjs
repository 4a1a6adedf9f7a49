/**
 * openworkflow. Its handles look for a result once a second; here one query looks for all of them every few milliseconds, so that its
 * engine is measured and not that second.
 */
import { OpenWorkflow } from "openworkflow";
import { BackendPostgres } from "openworkflow/postgres";
import postgres from "postgres";
import { installedVersion, serve } from "../../dist/peers/serve.js";

const version = installedVersion(import.meta.url, "openworkflow");
const POOL = 20;
const MOST_AT_A_TIME = 100;
const LOOK_MS = 5;

await serve(async ({ address }) => {
  await (await BackendPostgres.connect(address)).stop();
  const sql = postgres(address, { max: POOL, onnotice: () => {}, transform: { column: { from: postgres.toCamel } } });
  const backend = BackendPostgres.fromPool(sql);
  const ow = new OpenWorkflow({ backend });
  const sequence = ow.defineWorkflow({ name: "sequence" }, async ({ input, step }) => {
    let sum = 0;
    for (let i = 0; i < input.steps; i++) {
      sum += (await step.run({ name: `noop-${i}` }, async () => ({ ok: true, i }))).i;
    }
    return sum;
  });
  const fanOut = ow.defineWorkflow({ name: "fan-out" }, async ({ input, step }) => {
    const all = Array.from({ length: input.steps }, (_, i) =>
      step.run({ name: `noop-${i}` }, async () => ({ ok: true, i })),
    );
    return (await Promise.all(all)).length;
  });
  const results = watchResults(sql);
  let worker;
  return {
    version,
    settings: `a worker for up to ${MOST_AT_A_TIME} runs at a time, pool of ${POOL}, results looked for every ${LOOK_MS} ms`,
    async prepare(concurrency) {
      await worker?.stop();
      worker = ow.newWorker({ concurrency: Math.min(concurrency, MOST_AT_A_TIME) });
      await worker.start();
    },
    runSequence: async (steps) => results.of((await sequence.run({ steps })).workflowRun.id),
    runFanOut: async (steps) => results.of((await fanOut.run({ steps })).workflowRun.id),
    async close() {
      results.stop();
      await worker?.stop();
      await sql.end();
    },
  };
});

function watchResults(sql) {
  const waiting = new Map();
  let over = false;
  const watch = async () => {
    while (!over) {
      if (waiting.size > 0) {
        const rows = await sql`
          select id, status from openworkflow.workflow_runs
          where namespace_id = 'default' and id = any (${[...waiting.keys()]}) and status in ('completed', 'failed')`;
        for (const { id, status } of rows) {
          const { resolve, reject } = waiting.get(id);
          waiting.delete(id);
          if (status === "completed") resolve();
          else reject(new Error(`run ${id} failed`));
        }
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  };
  void watch();
  return {
    of: (id) => new Promise((resolve, reject) => waiting.set(id, { resolve, reject })),
    stop: () => {
      over = true;
    },
  };
}
