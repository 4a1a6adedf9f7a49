/** A run that kills its engine is stopped after a handful of restarts, and takes nobody with it (rule 18). */
import { afterEach, beforeEach, expect, it } from "vitest";
import { CrashSite } from "./crash-site.ts";
import { Lineage } from "./lineage.ts";

const MOST_RESTARTS = 8;
const INNOCENT = 6;

let site: CrashSite;
beforeEach(() => {
  site = new CrashSite();
});
afterEach(() => site.clear());

for (const poison of ["at once", "late"] as const) {
  it(`a run that kills its engine ${poison} is blocked, the others complete, and it can be resumed`, async () => {
    const lineage = new Lineage(site, { poison });
    const chains = Array.from({ length: INNOCENT }, (_, index) => `chain-${index}`);
    const slow = Array.from({ length: 3 }, (_, index) => `slow-${index}`);
    for (const id of chains) await start(lineage, "chain", { steps: 10, ms: 40 }, id);
    for (const id of slow) await start(lineage, "chain", { steps: 1, ms: 800 }, id);
    await start(lineage, "sleeper", { naps: [1000, 1000] }, "sleeper");
    await start(lineage, "poison", undefined, "poison");

    const client = await site.client();
    const handle = await client.handle("poison");
    await expect(handle.result({ timeout: "20s" })).rejects.toMatchObject({
      code: "RUN_BLOCKED",
      details: { reason: "crash_loop" },
    });
    const restarts = lineage.deaths;
    console.log(`blocked after ${restarts} restarts`);
    expect(restarts).toBeLessThanOrEqual(MOST_RESTARTS);
    const others = await Promise.allSettled(
      [...chains, ...slow, "sleeper"].map(async (id) => (await client.handle(id)).result({ timeout: "20s" })),
    );
    expect(others.filter(({ status }) => status === "rejected")).toEqual([]);
    await lineage.stop().leave();

    const fixed = await site.engine({ poison: "fixed" });
    await handle.resume();
    expect(await handle.result({ timeout: "10s" })).toBe("poison");
    await fixed.leave();
    expect((await site.audit()).problems).toEqual([]);
  });
}

async function start(lineage: Lineage, workflow: string, input: unknown, id: string): Promise<void> {
  await lineage.ask("start", workflow, input, { id, idempotencyKey: id });
}
