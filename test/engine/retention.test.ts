/** Runs that are deleted when their time is over, archived before: what is in the archive, and that nothing is lost on the way. */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Perdure } from "../../src/client/perdure.ts";
import type { ArchivedRun } from "../../src/engine/archived-run.ts";
import { Collector, type Pace } from "../../src/engine/collector.ts";
import { parseHistories } from "../../src/engine/recorded-history.ts";
import { flow, task } from "../../src/flow/index.ts";
import { createMemoryStore } from "../../src/store/memory/memory-store.ts";
import type { Store } from "../../src/store/store.ts";
import { readFixtures } from "../../src/testing/history-fixture.ts";
import { replayHistory } from "../../src/testing/replay-history.ts";
import type { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { activity } from "../../src/workflow/activity.ts";
import { signal, update } from "../../src/workflow/signal.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { intercept } from "../store/intercept.ts";
import { bench, vanishing } from "./fixture.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Engines that look rarely, as time flies here. */
const RARELY = { poll: "5m", leaseTtl: "1h" } as const;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "perdure-archive-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const work = activity("work", { retry: { maxAttempts: 1 } }, async (n: number) => {
  if (n < 0) throw new RangeError("below zero");
  return n + 1;
});
const quick = workflow("quick", async (wf, n: number) => wf.call(work, n));
const add = update<number, number>("add");
const stop = signal("stop");
const told = workflow("told", async (wf) => {
  let sum = 0;
  wf.on(add, (n) => {
    sum += n;
    return sum;
  });
  await wf.waitFor(stop);
  await wf.handlersFinished();
  return sum;
});

const pace: Pace = { rest: () => Promise.resolve(), monotonic: () => 0 };

/** Goes on until so many runs are left: files take real time, of which the clock of a test knows nothing. */
async function untilLeft(host: Perdure, clock: VirtualClock, count: number): Promise<void> {
  for (let tries = 0; (await host.runs.list()).length > count; tries++) {
    if (tries === 2000)
      throw new Error(
        `still there: ${JSON.stringify((await host.runs.list()).map(({ workflowId, status, closedAt }) => [workflowId, status, closedAt]))}`,
      );
    await clock.advance(MINUTE);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function archived(): ArchivedRun[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".jsonl"));
  const lines = files.flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n").filter(Boolean));
  return lines.map((line) => JSON.parse(line) as ArchivedRun);
}

/** A store on which some calls fail. */
function failing(store: Store, method: keyof Store, fails: () => boolean): Store {
  return new Proxy(store, {
    get(target, key) {
      const value = Reflect.get(target, key) as unknown;
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (key === method && fails()) return Promise.reject(new Error("the power went out"));
        return Reflect.apply(value, target, args) as unknown;
      };
    },
  });
}

describe("rules", () => {
  test("keep runs by the way they ended; what is not named stays for ever", async () => {
    const { engine, clock } = bench();
    const etl = workflow("etl", { retention: { completed: "2h", failed: "3d" } }, async (wf, n: number) =>
      wf.call(work, n),
    );
    await using host = await engine({
      ...RARELY,
      workflows: [etl, told, quick],
      retention: { told: { default: "1d", terminated: "1h" } },
    });
    for (const n of [1, -1]) await host.start(etl, n, { id: `etl ${n}` });
    await host.start(quick, 1, { id: "quick" });
    for (const id of ["done", "killed"]) await host.start(told, undefined, { id });
    await (await host.handle("done")).signal(stop);
    await (await host.handle("killed")).terminate();
    const left = async () => (await host.runs.list()).map(({ workflowId }) => workflowId).sort();
    await clock.advance(MINUTE);
    expect(await left()).toHaveLength(5);
    await clock.advance(90 * MINUTE);
    expect(await left()).toEqual(["done", "etl -1", "etl 1", "quick"]);
    await clock.advance(HOUR);
    expect(await left()).toEqual(["done", "etl -1", "quick"]);
    await clock.advance(DAY);
    expect(await left()).toEqual(["etl -1", "quick"]);
    await clock.advance(3 * DAY);
    expect(await left()).toEqual(["quick"]);
  });

  test("of flows are written in the file, and are no part of the version", async () => {
    const { engine, clock } = bench();
    const plain = flow("nightly", [task("a", work, { input: 1 })]);
    const brief = flow("nightly", { retention: { completed: "1h", default: "2d" } }, [task("a", work, { input: 1 })]);
    expect(brief.toJSON()).toMatchObject({ retention: { completed: "1h", default: "2d" } });
    expect(brief.version).toBe(plain.version);
    await using host = await engine({ ...RARELY, workflows: [brief] });
    await host.start(brief, undefined, { id: "n" });
    await clock.advance(MINUTE);
    expect((await host.runs.list())[0]?.status).toBe("completed");
    await clock.advance(2 * HOUR);
    expect(await host.runs.list()).toEqual([]);
  });

  test("name ways to end that there are", async () => {
    const { engine } = bench();
    expect(() => workflow("w", { retention: { done: "1d" } as never }, async () => 1)).toThrow(
      'retention of w: no run ends as "done"',
    );
    expect(() => flow("f", { retention: { failed: "soon" as never } })).toThrow("retention of the flow (failed)");
    await expect(engine({ retention: { etl: { failed: "soon" as never } } })).rejects.toThrow(
      "retention of etl (failed)",
    );
  });
});

describe("an archive in files", () => {
  test("has everything of a run on one line, by workflow and day, and no secrets", async () => {
    const { engine, clock } = bench();
    await using host = await engine({ ...RARELY, workflows: [told], retention: "1h", archive: folder });
    const run = await host.start(told, undefined, {
      id: "told-1",
      tags: { customer: 7 },
      meta: { from: "here" },
      secrets: { TOKEN: "hunter2" },
    });
    const answer = run.update(add, 5, { id: "u-1" });
    await clock.advance(100);
    expect(await answer).toBe(5);
    await run.signal(stop);
    await clock.advance(100);
    const history = await run.history();
    const day = new Date(clock.now()).toISOString().slice(0, 10);
    await clock.advance(2 * HOUR);
    await untilLeft(host, clock, 0);
    expect(readdirSync(join(folder, "told"))).toEqual([`${day}.jsonl`]);
    const [line, ...more] = archived();
    expect(more).toEqual([]);
    expect(line).toMatchObject({
      format: "perdure-history/1",
      workflow: "told",
      workflowId: "told-1",
      runId: run.runId,
      chain: run.runId,
      status: "completed",
      tags: { customer: "7" },
      parent: null,
      messages: [],
      answers: [{ number: 1, status: "completed", data: "5" }],
    });
    expect(line!.events).toHaveLength(history.length);
    expect(line!.closedAt).toBe(history.at(-1)!.at);
    expect(readFileSync(join(folder, "told", `${day}.jsonl`), "utf8")).not.toContain("hunter2");
  });

  test("is replayed as it stands: a history a line", async () => {
    const { engine, clock } = bench();
    await using host = await engine({ ...RARELY, workflows: [quick], retention: "1h", archive: folder });
    for (const n of [1, 2, -3]) await host.start(quick, n, { id: `q${n}` });
    const file = join(folder, "quick", `${new Date(clock.now()).toISOString().slice(0, 10)}.jsonl`);
    await clock.advance(2 * HOUR);
    await untilLeft(host, clock, 0);
    expect(readFixtures(file).map(({ workflowId }) => workflowId)).toEqual(["q1", "q2", "q-3"]);
    await replayHistory(quick, file);
    const other = workflow("quick", async (wf, n: number) => wf.step("other", () => n));
    await expect(replayHistory(other, file)).rejects.toThrow("quick");
  });

  test("keeps every run when deleting fails after it was written, and what a crash tore is left out", async () => {
    const { engine, clock, store } = bench();
    await using host = await engine({ ...RARELY, workflows: [quick] });
    for (let n = 0; n < 5; n++) await host.start(quick, n, { id: `q${n}` });
    await clock.advance(HOUR);
    const wanted = { closedBefore: clock.now() };
    let broken = true;
    const flaky = failing(store, "purge", () => broken);
    await expect(new Collector(flaky, folder).collect(wanted, pace)).rejects.toThrow("the power went out");
    expect(archived()).toHaveLength(5);
    expect(await host.runs.list()).toHaveLength(5);
    const [file = ""] = readdirSync(join(folder, "quick"));
    const path = join(folder, "quick", file);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.slice(0, -40));
    broken = false;
    expect(await new Collector(flaky, folder).collect(wanted, pace)).toMatchObject({ deleted: 5, archived: 5 });
    expect(await host.runs.list()).toEqual([]);
    const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
    expect(lines).toHaveLength(10);
    expect(readFixtures(path).map(({ workflowId }) => workflowId)).toEqual(["q0", "q1", "q2", "q3", "q4"]);
    appendFileSync(path, "something else\n");
    expect(() => readFixtures(path)).toThrow(`${path}:11 is no recorded history`);
    expect(parseHistories(text.slice(0, -2), "x")).toHaveLength(4);
  });

  test("leaves alone a run that went on after it was written", async () => {
    const { engine, clock, store } = bench();
    const box = { broken: true };
    const mended = activity("mended", { retry: { maxAttempts: 1 } }, async () => {
      if (box.broken) throw new Error("broken");
      return 1;
    });
    const late = workflow("late", async (wf) => wf.call(mended, undefined));
    await using host = await engine({ ...RARELY, workflows: [late] });
    const run = await host.start(late, undefined, { id: "late" });
    await clock.advance(HOUR);
    const meanwhile = new Proxy(store, {
      get(target, key) {
        const value = Reflect.get(target, key) as unknown;
        if (typeof value !== "function") return value;
        if (key !== "purge") return value.bind(target);
        return async (runs: Parameters<Store["purge"]>[0]) => {
          box.broken = false;
          await run.resume();
          await clock.advance(1000);
          return target.purge(runs);
        };
      },
    });
    const { deleted, archived: kept } = await new Collector(meanwhile, folder).collect(
      { closedBefore: clock.now() },
      pace,
    );
    expect([deleted, kept]).toEqual([0, 1]);
    expect(await run.status()).toBe("completed");
    expect(await new Collector(store, folder).collect({ closedBefore: clock.now() }, pace)).toMatchObject({
      deleted: 1,
    });
    expect(archived().map(({ status }) => status)).toEqual(["failed", "completed"]);
  });

  test("leaves alone a run that went on and ended again since it was found: it is not old any more", async () => {
    const { engine, clock, store } = bench();
    await using host = await engine({ ...RARELY, workflows: [quick] });
    const run = await host.start(quick, -1, { id: "again" });
    await clock.advance(HOUR);
    let resumed = false;
    const meanwhile = intercept(store, {
      load: async (...of) => {
        if (!resumed) {
          resumed = true;
          await run.resume();
          await clock.advance(1000);
        }
        return store.load(...of);
      },
    });
    const wanted = { closedBefore: clock.now() };
    expect(await new Collector(meanwhile, folder).collect(wanted, pace)).toMatchObject({ deleted: 0, archived: 0 });
    expect([resumed, await run.status()]).toEqual([true, "failed"]);
    const old = { closedBefore: clock.now() };
    expect(await new Collector(store, folder).collect(old, pace)).toMatchObject({ deleted: 1, archived: 1 });
  });

  test("that cannot be written deletes nothing", async () => {
    const { engine, clock } = bench();
    const warnings: string[] = [];
    const logger = {
      debug() {},
      info() {},
      error() {},
      warn: (_: object, text?: string) => void warnings.push(text ?? ""),
    };
    writeFileSync(join(folder, "file"), "");
    const options = { ...RARELY, workflows: [quick], retention: "1h", archive: join(folder, "file") } as const;
    await using host = await engine({ ...options, logger });
    await host.start(quick, 1);
    // The disk takes time of its own.
    for (let tries = 0; warnings.length === 0 && tries < 200; tries++) await clock.advance(HOUR);
    expect(warnings[0]).toContain("deleting old runs failed");
    expect(await host.runs.list()).toHaveLength(1);
  });

  test("holds runs of any length, parents with open children, and chains run by run", async () => {
    const { engine, clock } = bench();
    const long = workflow("long", async (wf) => {
      for (let n = 0; n < 700; n++) await wf.step("s", () => n);
    });
    const waits = workflow("waits", async (wf) => wf.waitFor("go"));
    const parent = workflow("parent", async (wf) => {
      await wf.spawn(waits, undefined, { id: "child", onParentClose: "abandon" });
    });
    const chained = workflow("chained", async (wf, n: number) => {
      if (n < 3) return wf.continueAsNew(n + 1);
      return wf.waitFor("go");
    });
    await using host = await engine({
      ...RARELY,
      workflows: [long, waits, parent, chained],
      retention: "1h",
      archive: folder,
    });
    await host.start(long, undefined, { id: "long" });
    await host.start(parent, undefined, { id: "parent" });
    await host.start(chained, 1, { id: "chain" });
    await clock.advance(3 * HOUR);
    await untilLeft(host, clock, 2);
    const left = (await host.runs.list()).map(({ workflowId, status }) => `${workflowId} ${status}`).sort();
    expect(left).toEqual(["chain running", "child running"]);
    const runs = archived();
    const of = (workflowId: string) => runs.filter((run) => run.workflowId === workflowId);
    expect(of("long")[0]?.events).toHaveLength(702);
    expect(of("parent")[0]?.inFlight).toMatchObject([{ kind: "child", name: "child" }]);
    expect(of("chain").map(({ status }) => status)).toEqual(["continued_as_new", "continued_as_new"]);
    expect(new Set(of("chain").map(({ chain }) => chain)).size).toBe(1);
    await (await host.handle("child")).signal("go");
    await (await host.handle("chain")).signal("go");
    await clock.advance(3 * HOUR);
    await untilLeft(host, clock, 0);
    const child = archived().find(({ workflowId }) => workflowId === "child");
    expect(child).toMatchObject({ parent: of("parent")[0]?.runId, parentCommand: { command: 1, onClose: "abandon" } });
    await host.start(chained, 3, { id: "chain", reuse: "reject" });
  });
});

describe("an archive that is a function", () => {
  test("gets each run and its line; a run it refuses stays and comes again", async () => {
    const { engine, clock } = bench();
    const got: string[] = [];
    let refuses = true;
    const archive = async (run: ArchivedRun, line: string): Promise<void> => {
      if (refuses && run.workflowId === "q1") throw new Error("the bucket is full");
      got.push(parseHistories(line, "line")[0]!.workflowId);
    };
    const warnings: string[] = [];
    const logger = {
      debug() {},
      info() {},
      error() {},
      warn: (_: object, text?: string) => void warnings.push(text ?? ""),
    };
    await using host = await engine({ ...RARELY, workflows: [quick], retention: "1h", archive, logger });
    for (let n = 0; n < 3; n++) await host.start(quick, n, { id: `q${n}` });
    await clock.advance(HOUR + 3 * MINUTE);
    expect([got, (await host.runs.list()).length]).toEqual([["q0", "q2"], 1]);
    expect(warnings).toEqual(["the archive refused runs, which therefore stay: the bucket is full"]);
    refuses = false;
    await clock.advance(10 * MINUTE);
    expect([got, await host.runs.list()]).toEqual([["q0", "q2", "q1"], []]);
  });

  test("that is broken is not asked for every run of a store", async () => {
    const { engine, clock, store } = bench();
    await using host = await engine({ ...RARELY, workflows: [quick] });
    for (let n = 0; n < 300; n++) await host.start(quick, n);
    await clock.advance(HOUR);
    let asked = 0;
    const archive = (): never => {
      asked++;
      throw new Error("away");
    };
    const { deleted, refused } = await new Collector(store, archive).collect({ closedBefore: clock.now() }, pace);
    expect([deleted, asked < 40, refused]).toEqual([0, true, asked]);
  });
});

describe("a fleet", () => {
  /** Counts sweeps of an engine. */
  function counted(store: Store, sweeps: number[], index: number): Store {
    return new Proxy(store, {
      get(target, key) {
        const value = Reflect.get(target, key) as unknown;
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          if (key === "forgetAnswers") sweeps[index] = (sweeps[index] ?? 0) + 1;
          return Reflect.apply(value, target, args) as unknown;
        };
      },
    });
  }

  test("with the same rules sweeps once in each interval, and another engine goes on when the one that did has gone", async () => {
    const { engine, clock, store } = bench();
    const sweeps = [0, 0, 0];
    const options = { ...RARELY, workflows: [quick], retention: "10h" } as const;
    const hosts = [];
    for (const index of sweeps.keys()) hosts.push(await engine({ ...options, store: counted(store, sweeps, index) }));
    await clock.advance(10 * HOUR);
    const first = sweeps.indexOf(Math.max(...sweeps));
    expect(sweeps.reduce((sum, count) => sum + count)).toBe(10);
    await hosts[first]!.close();
    await clock.advance(10 * HOUR);
    expect(sweeps.reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(19);
    expect(sweeps.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(21);
    for (const host of hosts) await host.close();
  });

  test("with different rules each engine sees to its own", async () => {
    const { engine, clock } = bench();
    const other = workflow("other", { retention: "10h" }, async () => 1);
    await using a = await engine({ ...RARELY, workflows: [quick], retention: { quick: "10h" } });
    await using b = await engine({ ...RARELY, workflows: [other] });
    await a.start(quick, 1);
    await b.start(other);
    await clock.advance(13 * HOUR);
    expect(await a.runs.list()).toEqual([]);
  });

  test("whose sweeping engine died goes on after its turn is over", async () => {
    const { engine, clock } = bench();
    const store = createMemoryStore();
    const { store: first, vanish } = vanishing(store);
    const options = { ...RARELY, workflows: [quick], retention: "10h" } as const;
    await engine({ ...options, store: first });
    await using host = await engine({ ...options, store });
    await host.start(quick, 1);
    await clock.advance(2 * MINUTE);
    vanish();
    await clock.advance(14 * HOUR);
    expect(await host.runs.list()).toEqual([]);
  });
});
