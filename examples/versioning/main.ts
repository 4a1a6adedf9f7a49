/**
 * Code changes while runs are open. Two ways to keep them going: versions side by side, and patches.
 *
 *     node --import jiti/register examples/versioning/main.ts
 *
 * The program deploys the old code, starts a run of each workflow, and replaces the code by the new one while both wait. What was begun
 * goes on as it was begun; new runs take the new way. Stop it at any time and start it again.
 */
import { setTimeout as pause } from "node:timers/promises";
import { type AnyWorkflow, activity, isPerdureError, open, type Perdure, signal, workflow } from "perdure";

const say = activity("say", async (what: string) => {
  console.log(what);
  await pause(200);
  return what;
});
const goOn = signal("go-on");

// Versions side by side: a run keeps the one it was started with. Remove the old one when `perdure runs list` shows none of it.
const orderOne = workflow("order", { version: "1" }, async (wf, id: string) => {
  await wf.call(say, `${id} is packed by hand`);
  await wf.waitFor(goOn);
  return wf.call(say, `${id} is brought by bicycle`);
});
const orderTwo = workflow("order", { version: "2" }, async (wf, id: string) => {
  await wf.call(say, `${id} is packed by a robot`);
  await wf.waitFor(goOn);
  return wf.call(say, `${id} is brought by a drone`);
});

// A patch: one function for both. Runs that were past this place before the deployment skip what is new.
const letterBefore = workflow("letter", async (wf, id: string) => {
  await wf.call(say, `${id} is written`);
  await wf.waitFor(goOn);
  return wf.call(say, `${id} is sent`);
});
const letterNow = workflow("letter", async (wf, id: string) => {
  const spelling = wf.patched("check the spelling");
  await wf.call(say, `${id} is written`);
  if (spelling) await wf.call(say, `${id} is corrected`);
  await wf.waitFor(goOn);
  return wf.call(say, `${id} is sent${spelling ? " without mistakes" : ""}`);
});

const store = process.argv[2] ?? "sqlite:.perdure/store.db";
const deploy = (workflows: readonly AnyWorkflow[]): Promise<Perdure> => open({ store, workflows });

/** Starts the runs that will outlive their code, and waits until they wait. */
async function firstDeployment(): Promise<void> {
  console.log("--- the first deployment");
  await using engine = await deploy([orderOne, letterBefore]);
  for (const [of, id] of [
    [orderOne, "order-1"],
    [letterBefore, "letter-1"],
  ] as const) {
    const handle = await engine.start(of, id, { idempotencyKey: id });
    while ((await handle.describe()).open.every(({ step }) => step !== goOn.name)) await pause(50);
  }
}

/** Whether the first deployment has had its day: the last run it started got somewhere. */
async function isDeployed(): Promise<boolean> {
  await using engine = await deploy([]);
  try {
    return (await (await engine.runs.handle("letter-1")).history()).length > 1;
  } catch (error) {
    if (isPerdureError(error, "NOT_FOUND")) return false;
    throw error;
  }
}

if (!(await isDeployed())) await firstDeployment();
console.log("--- the second deployment");
await using engine = await deploy([orderOne, orderTwo, letterNow]);
await engine.start(orderTwo, "order-2", { idempotencyKey: "order-2" });
await engine.start(letterNow, "letter-2", { idempotencyKey: "letter-2" });
const results: unknown[] = [];
for (const id of ["order-1", "order-2", "letter-1", "letter-2"]) {
  const handle = await engine.handle(id);
  await handle.signal(goOn, undefined, { key: "once" }).catch(() => {});
  results.push(await handle.result());
}
console.log("result:");
for (const result of results) console.log(`  ${result}`);
