// A process of its own with an engine that starts runs without a pause; see sqlite-processes.test.ts.
import { openSqliteStore } from "../../dist/store/index.js";

const store = await openSqliteStore({ path: process.argv[2] });
const lease = await store.register({ label: "other", at: 1 });
let stopped = false;
let commits = 0;
process.on("message", () => {
  stopped = true;
});

while (!stopped) {
  await store.commit(lease, { number: commits + 1, starts: [newRun(`other-${commits}`)], transitions: [] });
  commits++;
  if (commits === 1) process.send({ engine: lease.engine, commits });
}
await store.close();
process.send({ engine: lease.engine, commits }, () => process.disconnect());

function newRun(workflowId) {
  const first = { type: "RunStarted", at: 1, data: "{}" };
  const nothing = { version: null, wakeAt: null, meta: null, request: null, secrets: null, supersedes: null };
  return { ...nothing, workflowId, workflow: "order", createdAt: 1, owned: true, first };
}
