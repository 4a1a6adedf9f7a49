/** An engine that is closed hands its runs over at once; nobody waits for its lease to end. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { CrashSite } from "./crash-site.ts";
import type { Effect } from "./effect-log.ts";
import { eventually } from "./eventually.ts";

const RUNS = 10;
const HANDOVER_MS = 1000;

let site: CrashSite;
beforeEach(() => {
  site = new CrashSite();
});
afterEach(() => site.clear());

const started =
  (workflowId: string) =>
  (effect: Effect): boolean =>
    effect.workflowId === workflowId && effect.phase === "start";

it("another engine goes on within a second of close()", async () => {
  const leaving = await site.engine({ leaseTtl: "10s" });
  const staying = await site.engine({ leaseTtl: "10s" });
  const ids = Array.from({ length: RUNS }, (_, index) => `chain-${index}`);
  for (const id of ids) await leaving.ask("start", "chain", { steps: 12, ms: 100 }, { id });
  await Promise.all(ids.map((id) => leaving.effect(started(id))));

  const closedAt = Date.now();
  const left = leaving.leave();
  const firsts = await Promise.all(ids.map((id) => staying.effect(started(id))));
  const delays = firsts.map(({ at }) => at - closedAt);
  console.log(`handed over ${RUNS} runs: first after ${Math.min(...delays)} ms, last after ${Math.max(...delays)} ms`);
  expect(Math.max(...delays)).toBeLessThan(HANDOVER_MS);
  await left;
  for (const id of ids) expect(await staying.ask("result", id)).toHaveLength(12);
  await staying.leave();
  expect((await site.audit()).problems).toEqual([]);
});

it("an attempt given up by close() is not a lost one", async () => {
  const leaving = await site.engine();
  await leaving.ask("start", "once", { endlessIn: "e1" }, { id: "only" });
  const handle = await (await site.client()).handle("only");
  await eventually(async () => (await handle.describe()).open[0]?.running, "the attempt's row");
  const staying = await site.engine();
  await leaving.leave();
  expect(await handle.result({ timeout: "10s" })).toBe("only");

  const starts = site.effects().filter(({ phase }) => phase === "start");
  expect(starts.map(({ incarnation, attempt }) => [incarnation, attempt])).toEqual([
    ["e1", 1],
    ["e2", 1],
  ]);
  expect((await handle.describe()).crashes).toBe(0);
  await staying.leave();
  expect((await site.audit()).problems).toEqual([]);
});
