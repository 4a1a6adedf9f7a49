/** What was acknowledged is there, even if the process that said so dies in the same instant. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { CrashSite } from "./crash-site.ts";

/** Fewer deaths in a row than make a crash loop. */
const ROUNDS = 4;

let site: CrashSite;
beforeEach(() => {
  site = new CrashSite();
});
afterEach(() => site.clear());

it("keeps a run whose start was acknowledged right before the process died", async () => {
  const acknowledged: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const child = await site.engine();
    child.ask("startAndDie", "chain", { steps: 2, ms: 0 }, { id: `run-${round}` }).catch(() => {});
    await child.exited;
    acknowledged.push(child.output);
  }
  const client = await site.client();
  const found = await Promise.all(acknowledged.map((runId) => client.handle(runId)));
  expect(found.map(({ workflowId }) => workflowId)).toEqual(acknowledged.map((_, round) => `run-${round}`));

  const survivor = await site.engine();
  const results = await Promise.all(found.map((handle) => handle.result({ timeout: "10s" })));
  expect(results).toEqual(acknowledged.map(() => ["s0", "s1"]));
  await survivor.leave();
  expect((await site.audit()).problems).toEqual([]);
});

it("keeps a signal that was acknowledged right before the process died", async () => {
  const first = await site.engine();
  await first.ask("start", "ledger", { count: ROUNDS, every: 2 }, { id: "ledger" });
  for (let round = 1; round <= ROUNDS; round++) {
    const child = await site.engine();
    child.ask("signalAndDie", "ledger", "item", round).catch(() => {});
    await child.exited;
    expect(child.output).toBe("sent");
    if (round === 2) await first.kill();
  }
  const survivor = await site.engine();
  expect(await survivor.ask("result", "ledger")).toEqual([1, 2, 3, 4]);
  await survivor.leave();
  expect((await site.audit()).problems).toEqual([]);
});
