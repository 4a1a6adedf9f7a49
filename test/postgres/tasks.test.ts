/** Activities handed out between processes: on one PostgreSQL, and on one SQLite file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Effect, readEffects } from "../crash/effect-log.ts";
import { EngineProcess, killAll } from "../crash/engine-process.ts";
import { audit } from "./audit.ts";
import { postgresForTests } from "./subject.ts";

const postgres = postgresForTests();
const SCRIPT = fileURLToPath(new URL("./task-process.mjs", import.meta.url));
const TTL_MS = 2000;
/** A look for dead engines, a poll, and time for machines with other things to do. */
const SLACK_MS = 3500;

let folder: string;
let effects: string;
let spawned: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "perdure-tasks-"));
  effects = join(folder, "effects.log");
  spawned = 0;
});
afterEach(async () => {
  await killAll();
  rmSync(folder, { recursive: true, force: true });
});

interface Role {
  /** Has the workflows. */
  readonly runs?: true;
  /** Has the activity. */
  readonly works?: true;
  readonly serves?: readonly string[];
  readonly queues?: object;
}

const HANDS_OUT: Role = { runs: true, serves: [] };
const WORKS: Role = { works: true, serves: ["etl"] };

async function start(store: string, engine: Role): Promise<EngineProcess> {
  const options = { store, effects, incarnation: `e${++spawned}`, leaseTtl: `${TTL_MS}ms`, script: SCRIPT, engine };
  const child = new EngineProcess(options);
  await child.ready;
  return child;
}

function of(phase: Effect["phase"], step?: string): (effect: Effect) => boolean {
  return (effect) => effect.phase === phase && (step === undefined || effect.step === step);
}

/** How many executions there were at a time, at most. */
function mostAtOnce(log: readonly Effect[]): number {
  let running = 0;
  let most = 0;
  for (const { phase } of log) {
    running += phase === "start" ? 1 : -1;
    most = Math.max(most, running);
  }
  return most;
}

async function problems(store: string, ...engines: EngineProcess[]): Promise<string[]> {
  for (const child of engines) await child.leave();
  return audit(postgres.server.url, new URL(store).searchParams.get("schema")!);
}

describe("on PostgreSQL, an attempt", () => {
  it("runs in another process than its run, which people can see", { timeout: 60_000 }, async () => {
    const store = postgres.freshAddress();
    const [runs, worker] = [await start(store, HANDS_OUT), await start(store, WORKS)];
    const id = await runs.ask<string>("start", "one", { ms: 1500, name: "a" });
    await worker.effect(of("start"));
    const { open } = await runs.ask<{ open: object[] }>("describe", id);
    expect(open).toMatchObject([
      { step: "etl/work", queue: "etl", running: true, engine: expect.stringMatching(/:\d+\)$/) },
    ]);
    expect(await runs.ask("result", id)).toEqual({ token: "e2/1", step: "a" });
    expect(runs.effects).toEqual([]);
    expect(await problems(store, runs, worker)).toEqual([]);
  });

  it("is lost with a process that was killed, and the next one runs elsewhere", { timeout: 60_000 }, async () => {
    const store = postgres.freshAddress();
    const [runs, victim] = [await start(store, HANDS_OUT), await start(store, WORKS)];
    const id = await runs.ask<string>("start", "one", { endlessIn: "e2", name: "a" });
    await victim.effect(of("start"));
    await victim.kill();
    const since = Date.now();
    const heir = await start(store, WORKS);
    const { at, attempt } = await heir.effect(of("start"));
    console.log(`a task of a killed engine ran again after ${at - since} ms (TTL ${TTL_MS} ms)`);
    expect(attempt).toBe(2);
    expect(at - since).toBeLessThan(TTL_MS + SLACK_MS);
    expect(await runs.ask("result", id)).toEqual({ token: "e3/1", step: "a" });
    expect(await problems(store, runs, heir)).toEqual([]);
  });

  it("is not settled by a process that was frozen past its lease", { timeout: 60_000 }, async () => {
    const store = postgres.freshAddress();
    const [runs, frozen] = [await start(store, HANDS_OUT), await start(store, WORKS)];
    const id = await runs.ask<string>("start", "one", { ms: 800, name: "a" });
    await frozen.effect(of("start"));
    frozen.freeze();
    const heir = await start(store, WORKS);
    await heir.effect(of("start"));
    // Its timer has run out long ago: what it did comes to its end at once.
    frozen.thaw();
    await frozen.logged("lost its lease");
    expect(await runs.ask("result", id)).toEqual({ token: "e3/1", step: "a" });
    const history = await runs.ask<{ type: string }[]>("history", id);
    expect(history.filter(({ type }) => type === "StepCompleted")).toHaveLength(1);
    const again = readEffects(effects).filter(({ incarnation, phase }) => incarnation === "e2" && phase === "start");
    expect(again).toHaveLength(1);
    expect(await problems(store, frozen, runs, heir)).toEqual([]);
  });

  it("goes on when the process of its run is killed, and is not run again", { timeout: 60_000 }, async () => {
    const store = postgres.freshAddress();
    const [runs, worker] = [await start(store, HANDS_OUT), await start(store, WORKS)];
    const id = await runs.ask<string>("start", "one", { ms: 1000, name: "a" });
    await worker.effect(of("start"));
    await runs.kill();
    const heir = await start(store, HANDS_OUT);
    expect(await heir.ask("result", id)).toEqual({ token: "e2/1", step: "a" });
    expect(worker.effects.filter(of("start"))).toHaveLength(1);
    expect(await problems(store, heir, worker)).toEqual([]);
  });

  it("is aborted soon after its run was cancelled", { timeout: 60_000 }, async () => {
    const store = postgres.freshAddress();
    const [runs, worker] = [await start(store, HANDS_OUT), await start(store, WORKS)];
    const id = await runs.ask<string>("start", "one", { endlessIn: "e2", name: "a" });
    await worker.effect(of("start"));
    const since = Date.now();
    await runs.ask("cancel", id);
    const { at } = await worker.effect(of("abort"));
    console.log(`a task was aborted ${at - since} ms after its run was cancelled`);
    expect(at - since).toBeLessThan(TTL_MS / 4 + SLACK_MS);
    await expect(runs.ask("result", id)).rejects.toMatchObject({ code: "RUN_CANCELLED" });
  });

  it("is left to others by a process that closes, without being counted", { timeout: 60_000 }, async () => {
    const store = postgres.freshAddress();
    const [runs, leaving] = [await start(store, HANDS_OUT), await start(store, WORKS)];
    const id = await runs.ask<string>("start", "one", { endlessIn: "e2", name: "a" });
    await leaving.effect(of("start"));
    const heir = await start(store, WORKS);
    await leaving.leave();
    expect(await runs.ask("result", id)).toEqual({ token: "e3/1", step: "a" });
    expect(heir.effects[0]!.attempt).toBe(1);
    expect(await problems(store, runs, heir)).toEqual([]);
  });

  it("is one of no more than the queue may have everywhere, over three processes", { timeout: 90_000 }, async () => {
    const store = postgres.freshAddress();
    const both: Role = { runs: true, works: true };
    const first = await start(store, { ...both, queues: { etl: { everywhere: 4 } } });
    const engines = [first, await start(store, both), await start(store, both)];
    const ids = await Promise.all(engines.map((child) => child.ask<string>("start", "many", { count: 15, ms: 60 })));
    for (const [at, id] of ids.entries()) expect(await engines[at]!.ask("result", id)).toHaveLength(15);
    const log = readEffects(effects);
    expect(log.filter(of("start"))).toHaveLength(45);
    expect(mostAtOnce(log)).toBeLessThanOrEqual(4);
    expect(mostAtOnce(log)).toBeGreaterThan(1);
    expect(new Set(log.map(({ incarnation }) => incarnation)).size).toBeGreaterThan(1);
    expect(await problems(store, ...engines)).toEqual([]);
  });
});

describe("on a SQLite file, an attempt", () => {
  it("runs in another process, and again elsewhere when that is killed", { timeout: 60_000 }, async () => {
    const store = `sqlite:${join(folder, "store.db")}`;
    const [runs, victim] = [await start(store, HANDS_OUT), await start(store, WORKS)];
    const first = await runs.ask<string>("start", "one", { ms: 10, name: "a" });
    expect(await runs.ask("result", first)).toEqual({ token: "e2/1", step: "a" });
    const second = await runs.ask<string>("start", "one", { endlessIn: "e2", name: "b" });
    await victim.effect(of("start", "b"));
    await victim.kill();
    const heir = await start(store, WORKS);
    expect(await runs.ask("result", second)).toEqual({ token: "e3/1", step: "b" });
    expect(heir.effects[0]!.attempt).toBe(2);
    expect(runs.effects).toEqual([]);
  });
});
