/** DBOS Transact. A run is a workflow started by its own process, its handle answers without polling. */
import { DBOS } from "@dbos-inc/dbos-sdk";
import { installedVersion, serve } from "../../dist/peers/serve.js";

const version = installedVersion(import.meta.url, "@dbos-inc/dbos-sdk");
const POOL = 20;

const noop = async (i) => ({ ok: true, i });

const sequence = DBOS.registerWorkflow(
  async (steps) => {
    let sum = 0;
    for (let i = 0; i < steps; i++) sum += (await DBOS.runStep(() => noop(i), { name: "noop" })).i;
    return sum;
  },
  { name: "sequence" },
);

const fanOut = DBOS.registerWorkflow(
  async (steps) => {
    const all = Array.from({ length: steps }, (_, i) => DBOS.runStep(() => noop(i), { name: "noop" }));
    return (await Promise.all(all)).length;
  },
  { name: "fan-out" },
);

await serve(async ({ address }) => {
  DBOS.setConfig({ name: "bench", systemDatabaseUrl: address, systemDatabasePoolSize: POOL, logLevel: "error" });
  await DBOS.launch();
  return {
    version,
    settings: `pool of ${POOL}, LISTEN/NOTIFY, no tracing`,
    runSequence: async (steps) => (await DBOS.startWorkflow(sequence)(steps)).getResult(),
    runFanOut: async (steps) => (await DBOS.startWorkflow(fanOut)(steps)).getResult(),
    close: () => DBOS.shutdown(),
  };
});
