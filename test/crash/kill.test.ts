/**
 * One engine process with runs of every kind, killed at random moments and restarted at once; afterwards the file and the effect
 * log are audited. `PERDURE_KILL_SEED` repeats a schedule as exactly as the machine allows, `PERDURE_KILLS` makes it longer.
 */
import { setTimeout as pass } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Perdure } from "../../src/index.ts";
import { CrashSite } from "./crash-site.ts";
import { Lineage } from "./lineage.ts";
import { type Draw, seededDraw } from "./seeded-random.ts";

const KILLS = Number(process.env.PERDURE_KILLS ?? 22);
const SEED = Number(process.env.PERDURE_KILL_SEED ?? Date.now() % 1_000_000);
const LEDGERS = 3;
const ITEMS = KILLS * 8;

/** A run and what must come of it. */
interface Planned {
  readonly workflow: string;
  readonly id: string;
  readonly input: unknown;
  readonly result: unknown;
}

let site: CrashSite;
beforeEach(() => {
  site = new CrashSite();
});
afterEach(() => site.clear());

it(`loses and repeats nothing over ${KILLS} kills (seed ${SEED})`, { timeout: 40_000 + KILLS * 2500 }, async () => {
  const draw = seededDraw(SEED);
  const client = await site.client();
  const lineage = new Lineage(site);
  const ledgers = Array.from({ length: LEDGERS }, (_, index) => ledger(index));
  const waves = Array.from({ length: KILLS }, (_, wave) => plan(draw, wave));
  const pauses = seededDraw(SEED + 1);
  const sending = ledgers.map(async (planned) => {
    await start(lineage, planned);
    for (const item of planned.result as number[]) {
      await (await client.handle(planned.id)).signal("item", item);
      await pass(pauses(0, 150));
    }
  });
  const submitting = [];
  for (const runs of waves) {
    submitting.push(submit(lineage, client, runs));
    await pass(draw(80, 1300));
    await lineage.child.kill();
  }
  const survivor = lineage.stop();
  await Promise.all([...sending, ...submitting]);
  const planned = [...ledgers, ...waves.flat()];
  const results = planned.map(async ({ id }) => [id, await (await client.handle(id)).result({ timeout: "20s" })]);
  const settled = await Promise.allSettled(results);
  const failed = settled.filter((result) => result.status === "rejected").map(({ reason }) => String(reason));
  expect(failed, `seed ${SEED}`).toEqual([]);
  await survivor.leave();

  const { runs, problems } = await site.audit();
  expect(problems, `seed ${SEED}`).toEqual([]);
  expect([...runs.keys()].sort()).toEqual(planned.map(({ id }) => id).sort());
  expect(await Promise.all(results)).toEqual(planned.map(({ id, result }) => [id, result]));
});

/** A run that takes numbered signals until it has all of them. */
function ledger(index: number): Planned {
  const items = Array.from({ length: ITEMS }, (_, n) => n + 1);
  return { workflow: "ledger", id: `ledger-${index}`, input: { count: ITEMS, every: 5 }, result: items };
}

/** The runs that are started in one life of the process. */
function plan(draw: Draw, wave: number): Planned[] {
  const steps = draw(5, 10);
  const width = draw(4, 12);
  const long = wave % 5 === 0 ? 5500 : draw(20, 900);
  const naps = [draw(20, 300), draw(500, 1500), long];
  const failures = [draw(0, 3), draw(0, 3)];
  const run = (workflow: string, input: unknown, result: unknown): Planned => ({
    workflow,
    id: `${workflow}-${wave}`,
    input,
    result,
  });
  return [
    run("chain", { steps, ms: draw(0, 60) }, names("s", steps)),
    run("fan", { width, ms: draw(0, 40) }, names("f", width)),
    run("sleeper", { naps }, naps.length),
    run("waiter", { shortMs: draw(20, 900), longMs: long }, ["timeout", `go-${wave}`, "timeout"]),
    run("retrier", { failures }, failures.length),
  ];
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}

/** Starts runs through whatever process lives, and tells those that wait for it to go. */
async function submit(lineage: Lineage, client: Perdure, runs: readonly Planned[]): Promise<void> {
  for (const planned of runs) {
    await start(lineage, planned);
    if (planned.workflow !== "waiter") continue;
    await (await client.handle(planned.id)).signal("go", (planned.result as string[])[1]);
  }
}

/** A start that was not acknowledged is asked for again, under the same key. */
async function start(lineage: Lineage, { workflow, id, input }: Planned): Promise<void> {
  await lineage.ask("start", workflow, input, { id, idempotencyKey: id });
}
