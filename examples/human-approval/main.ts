/**
 * A purchase that people decide on. The manager has two seconds; when nothing comes, the director is asked.
 *
 *     node --import jiti/register examples/human-approval/main.ts
 *
 * In real life the limit is days, and people decide with `perdure approvals` or a button that calls `handle.approve`. Stop it at any
 * time and start it again: nobody is asked twice, and the time that has passed meanwhile counts.
 */
import { setTimeout as pause } from "node:timers/promises";
import { activity, open, type RunHandle, workflow } from "perdure";

const ask = activity("ask", async ({ who, what }: { who: string; what: string }) => console.log(`to ${who}: ${what}?`));
const order = activity("order", async (what: string) => {
  console.log(`ordering ${what}`);
  await pause(300);
  return "order 4711";
});

const purchase = workflow("purchase", async (wf, what: string) => {
  await wf.call(ask, { who: "mo, the manager", what });
  let decision = await wf.approval("manager", { approvers: ["mo"], timeout: "2s" });
  if (decision === undefined) {
    await wf.call(ask, { who: "dora, the director", what });
    decision = await wf.approval("director", { approvers: ["dora"], timeout: "7d" });
  }
  if (decision === undefined) return "nobody has decided";
  if (!decision.approved) return `${decision.by} said no: ${decision.comment ?? "no reason given"}`;
  return `${await wf.call(order, what)}, approved by ${decision.by}`;
});

await using engine = await open({ store: process.argv[2] ?? "sqlite:.perdure/store.db", workflows: [purchase] });
const handle = await engine.start(purchase, "a new teapot", { id: "purchase-1", conflict: "attach" });
await decide(handle);
console.log("result:", await handle.result());

/** Plays the people: Mo is on holiday, Eve tries what she may not, Dora decides. */
async function decide(run: RunHandle<string>): Promise<void> {
  for (;;) {
    const { open: waits, status } = await run.describe();
    if (status === "completed" || waits.some(({ step }) => step === "order")) return;
    if (waits.some(({ step }) => step === "director")) break;
    await pause(100);
  }
  const refused = (error: Error): void => console.log((error.cause as Error).message);
  await run.approve("director", { by: "eve" }).catch(refused);
  await run.approve("director", { by: "dora", comment: "the old one leaks" }).catch(refused);
}
