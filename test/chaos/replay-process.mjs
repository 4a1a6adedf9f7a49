/** Replays every history of a store against the code that made it; a line for each that differs, and one for all. */

import { replayRuns } from "../../dist/client/replays.js";
import { Registry } from "../../dist/engine/registry.js";
import { openStore } from "../../dist/store/open.js";
import { SCHEDULE_WORKFLOW, scheduleWorkflow } from "../../dist/workflow/schedule.js";
import { catalogue } from "./catalogue.mjs";

const store = await openStore(process.argv[2], { durability: "full" });
/** Activities are not run. */
const registry = new Registry(catalogue({}).workflows, []);
const definitionOf = (workflow, version) =>
  workflow === SCHEDULE_WORKFLOW ? scheduleWorkflow(version) : registry.workflow(workflow, version);
const find = async ({ workflow, version }) => {
  const definition = definitionOf(workflow, version ?? undefined);
  return definition === undefined ? undefined : { definition, registry };
};

let replayed = 0;
for await (const report of replayRuns(store, find, { status: "all" })) {
  replayed++;
  if (report.result !== "same") console.log(JSON.stringify({ different: report }));
}
console.log(JSON.stringify({ replayed }));
await store.close();
