/** Several engine processes on one file: what becomes of the runs of one that is killed, or frozen and continued. */
import { setTimeout as pass } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openConnection } from "../../src/store/sqlite/driver.ts";
import { CrashSite } from "./crash-site.ts";
import type { Effect } from "./effect-log.ts";
import type { EngineProcess } from "./engine-process.ts";
import { Lineage } from "./lineage.ts";
import { seededDraw } from "./seeded-random.ts";

const RUNS = 8;
const SEED = Number(process.env.PERDURE_KILL_SEED ?? Date.now() % 1_000_000);
/** A renewal and a poll of an engine that is alive, and time for machines with other things to do. */
const SLACK_MS = 1500;

let site: CrashSite;
beforeEach(() => {
  site = new CrashSite();
});
afterEach(() => site.clear());

const ids = (prefix: string, count = RUNS): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

const started =
  (workflowId: string) =>
  (effect: Effect): boolean =>
    effect.workflowId === workflowId && effect.phase === "start";

async function startAll(child: EngineProcess, runs: readonly string[], input: unknown): Promise<void> {
  for (const id of runs) await child.ask("start", "chain", input, { id });
  await Promise.all(runs.map((id) => child.effect(started(id))));
}

/** How long after `since` other engines went on with these runs. */
async function takeover(heirs: readonly EngineProcess[], runs: readonly string[], since: number): Promise<number> {
  const firsts = runs.map((id) => Promise.any(heirs.map((heir) => heir.effect(started(id)))));
  return Math.max(...(await Promise.all(firsts)).map(({ at }) => at - since));
}

it("goes on at once with the runs of an engine that was killed", async () => {
  const heirs = await Promise.all([site.engine(), site.engine()]);
  const victim = await site.engine();
  const runs = ids("chain");
  await startAll(victim, runs, { steps: 30, ms: 50 });
  await victim.kill();
  const ms = await takeover(heirs, runs, Date.now());
  console.log(`takeover of a killed engine (TTL 10 s): ${ms} ms`);
  expect(ms).toBeLessThan(SLACK_MS);
  for (const id of runs) expect(await heirs[0]!.ask("result", id)).toHaveLength(30);
  for (const heir of heirs) await heir.leave();
  expect((await site.audit()).problems).toEqual([]);
});

it(`works on while one of three engines is killed again and again (seed ${SEED})`, { timeout: 60_000 }, async () => {
  const draw = seededDraw(SEED);
  const steady = await Promise.all([site.engine(), site.engine()]);
  const lineage = new Lineage(site);
  const runs: string[] = [];
  for (let kill = 0; kill < 8; kill++) {
    const id = `chain-${kill}`;
    runs.push(id, `${id}-steady`);
    await lineage.ask("start", "chain", { steps: 8, ms: 30 }, { id, idempotencyKey: id });
    await steady[kill % 2]!.ask("start", "chain", { steps: 8, ms: 30 }, { id: `${id}-steady` });
    await pass(draw(0, 400));
    await lineage.child.kill();
  }
  const survivor = lineage.stop();
  const client = await site.client();
  for (const id of runs) expect(await (await client.handle(id)).result({ timeout: "20s" })).toHaveLength(8);
  await survivor.ready;
  for (const child of [survivor, ...steady]) await child.leave();
  expect((await site.audit()).problems, `seed ${SEED}`).toEqual([]);
});

it("an engine frozen for longer than its lease starts nothing any more for runs that were taken over", async () => {
  const ttlMs = 2000;
  const frozen = await site.engine({ leaseTtl: "2s" });
  const chains = ids("chain");
  await startAll(frozen, chains, { steps: 25, ms: 100 });
  await frozen.ask("start", "sleeper", { naps: [1500, 500, 3000] }, { id: "sleeper" });
  await frozen.ask("start", "retrier", { failures: [100] }, { id: "retrier" });
  await frozen.effect(({ workflowId, attempt }) => workflowId === "retrier" && attempt === 3);
  const heir = await site.engine({ leaseTtl: "2s" });
  const since = await freezeOutsideTransactions(frozen);

  const runs = [...chains, "sleeper", "retrier"];
  const ms = await takeover([heir], runs, since);
  console.log(`takeover of a frozen engine (TTL ${ttlMs} ms): ${ms} ms`);
  const asked = frozen.ask("start", "chain", { steps: 2, ms: 0 }, { id: "asked-while-frozen" });
  frozen.thaw();
  await frozen.logged("lost its lease");
  await asked;
  for (const id of runs) await heir.ask("result", id);
  expect(await heir.ask("result", "asked-while-frozen")).toHaveLength(2);

  expect(ms).toBeLessThan(ttlMs + ttlMs / 4 + SLACK_MS);
  const effects = site.effects();
  // The sleeper parks, so that either engine may claim it again.
  const late = effects.filter((effect, index) => {
    const earlier = effects.slice(0, index);
    const taken = earlier.some((other) => other.incarnation === "e2" && other.workflowId === effect.workflowId);
    const mine = effect.incarnation === "e1" && effect.phase === "start" && effect.workflowId !== "sleeper";
    return taken && mine;
  });
  expect(late).toEqual([]);
  for (const child of [frozen, heir]) await child.leave();
  expect((await site.audit()).problems).toEqual([]);
});

it("an engine frozen for less than its lease keeps its runs", async () => {
  const frozen = await site.engine({ leaseTtl: "4s" });
  const heir = await site.engine({ leaseTtl: "4s" });
  const runs = ids("chain");
  await startAll(frozen, runs, { steps: 15, ms: 100 });
  await freezeOutsideTransactions(frozen);
  await pass(1500);
  frozen.thaw();
  for (const id of runs) await frozen.ask("result", id);
  expect(heir.effects).toEqual([]);
  for (const child of [frozen, heir]) await child.leave();
  expect((await site.audit()).problems).toEqual([]);
});

/** Freezes a process at a moment when it does not hold the write lock: nobody could take that from it. Answers with the time. */
async function freezeOutsideTransactions(child: EngineProcess): Promise<number> {
  const db = openConnection(site.store);
  try {
    for (;;) {
      child.freeze();
      const since = Date.now();
      if (isFree(db)) return since;
      child.thaw();
      await pass(5);
    }
  } finally {
    db.close();
  }
}

function isFree(db: ReturnType<typeof openConnection>): boolean {
  db.exec("pragma busy_timeout = 200");
  try {
    db.exec("begin immediate");
    db.exec("rollback");
    return true;
  } catch {
    return false;
  }
}
