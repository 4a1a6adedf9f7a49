/** Engine processes on one PostgreSQL: killed, frozen and continued. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readEffects } from "../crash/effect-log.ts";
import { EngineProcess, killAll } from "../crash/engine-process.ts";
import { audit } from "./audit.ts";
import { ask, postgresForTests } from "./subject.ts";

const postgres = postgresForTests();
const RUNS = 8;
const TTL_MS = 2000;
/** A look for dead engines (at most a quarter of the time to live), a poll, and time for machines with other things to do. */
const SLACK_MS = 2500;

let folder: string;
let store: string;
let spawned: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "perdure-processes-"));
  store = postgres.freshAddress();
  spawned = 0;
});
afterEach(async () => {
  await killAll();
  rmSync(folder, { recursive: true, force: true });
});

async function engine(): Promise<EngineProcess> {
  const effects = join(folder, "effects.log");
  const child = new EngineProcess({ store, effects, incarnation: `e${++spawned}`, leaseTtl: `${TTL_MS}ms` });
  await child.ready;
  return child;
}

const ids = Array.from({ length: RUNS }, (_, at) => `chain-${at}`);

async function startAll(child: EngineProcess, input: unknown): Promise<void> {
  for (const id of ids) await child.ask("start", "chain", input, { id });
  await Promise.all(ids.map((id) => child.effect(({ workflowId }) => workflowId === id)));
}

/** How long after `since` another engine went on with all runs. */
async function takeover(heir: EngineProcess, since: number): Promise<number> {
  const firsts = await Promise.all(ids.map((id) => heir.effect(({ workflowId }) => workflowId === id)));
  return Math.max(...firsts.map(({ at }) => at - since));
}

async function problems(...engines: EngineProcess[]): Promise<string[]> {
  for (const child of engines) await child.leave();
  return audit(postgres.server.url, new URL(store).searchParams.get("schema")!);
}

it("go on with the runs of one that was killed when its lease has ended", { timeout: 60_000 }, async () => {
  const [victim, heir] = [await engine(), await engine()];
  await startAll(victim, { steps: 20, ms: 100 });
  await victim.kill();
  const ms = await takeover(heir, Date.now());
  console.log(`takeover of a killed engine (TTL ${TTL_MS} ms): ${ms} ms`);
  expect(ms).toBeLessThan(TTL_MS + SLACK_MS);
  for (const id of ids) expect(await heir.ask("result", id)).toHaveLength(20);
  expect(await problems(heir)).toEqual([]);
});

it("take over from one that was frozen, which does nothing more when it wakes up", { timeout: 60_000 }, async () => {
  const frozen = await engine();
  await startAll(frozen, { steps: 25, ms: 100 });
  const heir = await engine();
  frozen.freeze();
  const ms = await takeover(heir, Date.now());
  console.log(`takeover of a frozen engine (TTL ${TTL_MS} ms): ${ms} ms`);
  frozen.thaw();
  await frozen.logged("lost its lease");
  for (const id of ids) expect(await heir.ask("result", id)).toHaveLength(25);
  const effects = readEffects(join(folder, "effects.log"));
  const taken = effects.findIndex(({ incarnation }) => incarnation === "e2");
  expect(effects.slice(taken).filter(({ incarnation, phase }) => incarnation === "e1" && phase === "start")).toEqual(
    [],
  );
  expect(await problems(frozen, heir)).toEqual([]);
});

it("take over from all that were killed at once, as a restart does", { timeout: 60_000 }, async () => {
  const first = await engine();
  await startAll(first, { steps: 10, ms: 50 });
  await first.kill();
  const second = await engine();
  for (const id of ids) expect(await second.ask("result", id)).toHaveLength(10);
  const [left] = await ask(
    postgres.server.url,
    `select count(*)::int as n from ${new URL(store).searchParams.get("schema")}.engines`,
  );
  expect(left).toEqual({ n: 1 });
  expect(await problems(second)).toEqual([]);
});
