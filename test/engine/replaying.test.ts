/** Replaying runs against code, without an engine: open ones, ended ones, recorded ones. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type FindCode, type ReplayFilter, type ReplayReport, replayRuns } from "../../src/client/replays.ts";
import { formatHistory, parseHistory } from "../../src/engine/recorded-history.ts";
import { recordRun } from "../../src/engine/recording.ts";
import { Registry } from "../../src/engine/registry.ts";
import { Replayer } from "../../src/engine/replayer.ts";
import { flow, task } from "../../src/flow/index.ts";
import type { Store } from "../../src/store/store.ts";
import { readFixture, writeFixture } from "../../src/testing/history-fixture.ts";
import { activity } from "../../src/workflow/activity.ts";
import type { WorkflowContext } from "../../src/workflow/context.ts";
import { signal, update } from "../../src/workflow/signal.ts";
import { type AnyWorkflow, workflow } from "../../src/workflow/workflow.ts";
import { bench } from "./fixture.ts";

const go = signal<number>("go");
const add = update<number, number>("add");
const work = activity("work", async (n: number) => n * 2);
const broken = activity("broken", { retry: { maxAttempts: 1 } }, async () => {
  throw new RangeError("no");
});

async function replayed(store: Store, workflows: AnyWorkflow[], filter: ReplayFilter = {}): Promise<ReplayReport[]> {
  const registry = new Registry(workflows, []);
  const find: FindCode = async (run) => {
    const definition = await registry.pinned(run.workflow, run.version, store);
    return definition === undefined ? undefined : { definition, registry };
  };
  const reports: ReplayReport[] = [];
  for await (const report of replayRuns(store, find, filter)) reports.push(report);
  return reports;
}

const differences = (reports: readonly ReplayReport[]): (string | undefined)[] =>
  reports.filter(({ result }) => result === "different").map(({ blockage }) => blockage?.message);

describe("a run that ended", () => {
  const child = workflow("child", async (wf, n: number) => wf.call(work, n));
  const bodies: Record<string, (wf: WorkflowContext) => Promise<unknown>> = {
    "a result": async (wf) => [await wf.call(work, 1), wf.random(), wf.uuid(), wf.now(), new Date(wf.now())],
    "a step that failed": async (wf) => wf.call(broken),
    "an error of its own": async () => {
      throw Object.assign(new TypeError("mine"), { code: 7 });
    },
    "a rejection nobody handles": async (wf) => {
      await wf.call(work, 1);
      void Promise.reject(new Error("loose"));
      await wf.waitFor("never");
    },
    "a result that cannot be kept": async () => () => {},
    "parallel steps": async (wf) => Promise.all([1, 2, 3].map((n) => wf.call(work, n))),
    "a lost race": async (wf) => Promise.race([wf.call(work, 1), wf.sleep("1h")]),
    "a scope that ran out of time": async (wf) =>
      wf.scope(() => wf.waitFor("never"), { timeout: "1s" }).catch((error: Error) => error.message),
    "a child": async (wf) => wf.child(child, 4),
    "a spawned child": async (wf) => (await wf.spawn(child, 4)).result(),
    "a map": async (wf) => wf.map([1, 2, 3], work, { concurrency: 2 }),
    "a compensated saga": async (wf) =>
      wf.saga(async (saga) => {
        await saga.call(work, 1, { undo: () => wf.call(work, -1) });
        await wf.call(broken);
      }),
    "an error that is a value": async (wf) => wf.call(broken).catch((error: Error) => ({ error })),
  };

  test.each(Object.entries(bodies))("with %s ends the same way again", async (_, body) => {
    const { engine, store, finish } = bench();
    const workflows = [workflow("w", body), child];
    await using host = await engine({ workflows });
    await finish(await host.start("w")).catch(() => {});
    const reports = await replayed(store, workflows, { status: "all" });
    expect(differences(reports)).toEqual([]);
    expect(reports.length).toBeGreaterThan(0);
  });

  test("with messages, waits, a cancellation or a new run behind it ends the same way again", async () => {
    const { engine, store, clock, finish } = bench();
    const talk = workflow("talk", async (wf, n: number): Promise<unknown> => {
      let sum = n;
      wf.on(add, async (m) => {
        sum += await wf.call(work, m);
        return sum;
      });
      await wf.until(() => sum > 10, { timeout: "1d" });
      const more = await wf.waitFor(go, { timeout: "1h" });
      return more === undefined ? sum : wf.continueAsNew(100 + more);
    });
    await using host = await engine({ workflows: [talk] });
    const a = await host.start(talk, 1, { id: "a" });
    const b = await host.start(talk, 1, { id: "b" });
    const c = await host.start(talk, 1, { id: "c" });
    const d = await host.start(talk, 1, { id: "d" });
    expect(await a.update(add, 10)).toBe(21);
    await a.signal(go, 5);
    await b.cancel("not needed");
    await c.terminate("at once");
    await clock.advance(60_000);
    expect(await finish(a, 10 * 3_600_000)).toBe(105);
    await d.signal(go, 1);
    const reports = await replayed(store, [talk], { status: "all" });
    expect(differences(reports)).toEqual([]);
    expect(reports.map(({ status }) => status).sort()).toEqual([
      "cancelled",
      "completed",
      "continued_as_new",
      "running",
      "terminated",
    ]);
  });

  test("after it was resumed ends the same way again", async () => {
    const { engine, store, finish } = bench();
    let works = false;
    const flaky = activity("flaky", { retry: { maxAttempts: 1 } }, async () => {
      if (!works) throw new Error("not yet");
      return "now";
    });
    const w = workflow("w", async (wf) => [await wf.call(work, 1), await wf.call(flaky)]);
    await using host = await engine({ workflows: [w] });
    const handle = await host.start(w);
    await finish(handle).catch(() => {});
    works = true;
    await handle.resume();
    expect(await finish(handle)).toEqual([2, "now"]);
    expect(differences(await replayed(store, [w], { status: "all" }))).toEqual([]);
  });

  test("is found out when a closure told it what nobody recorded", async () => {
    const { engine, store, finish } = bench();
    const w = workflow("w", async (wf) => {
      let found = 0;
      await wf.step("count", () => {
        found = 5;
      });
      return { found };
    });
    await using host = await engine({ workflows: [w] });
    await finish(await host.start(w));
    expect(differences(await replayed(store, [w], { status: "all" }))[0]).toContain(
      'history says the run returned {"found":5}, code returned {"found":0}. What decides the result must come from',
    );
  });

  test.each<[string, (wf: WorkflowContext) => Promise<unknown>, string]>([
    ["still waits", async (wf) => [await wf.call(work, 1), await wf.waitFor(go)], 'asked for wait "go" as well'],
    ["fails", async (wf) => Promise.reject(new Error(`${await wf.call(work, 1)} is odd`)), "code failed with 2 is odd"],
    [
      "returns something else",
      async (wf) => (await wf.call(work, 1)) + 1,
      "history says the run returned 2, code returned 3",
    ],
    [
      "does something before its end",
      async (wf) => [await wf.call(work, 1), void wf.call(work, 9)],
      'asked for activity "work" as well',
    ],
    ["does nothing", async () => 2, "asked for nothing and ended"],
  ])("disagrees with code that %s", async (_, body, message) => {
    const { engine, store, finish } = bench();
    await using host = await engine({ workflows: [workflow("w", async (wf) => wf.call(work, 1))] });
    await finish(await host.start("w"));
    expect(differences(await replayed(store, [workflow("w", body)], { status: "all" }))[0]).toContain(message);
  });
});

describe("runs of a store", () => {
  const order = (version?: string, step = work): AnyWorkflow =>
    workflow("order", version === undefined ? {} : { version }, async (wf, n: number) => {
      await wf.call(step, n);
      return wf.waitFor(go);
    });

  test("are replayed page by page, newest first, and those without code are told apart", async () => {
    const { engine, store, clock } = bench();
    await using host = await engine({ workflows: [order("1"), order("2")] });
    for (let n = 0; n < 250; n++) await host.start("order", n, { id: `o-${n}`, version: n % 5 === 0 ? "1" : "2" });
    await clock.advance(10_000);
    const reports = await replayed(store, [order("2")]);
    expect(reports.length).toBe(250);
    expect(reports.filter(({ result }) => result === "no_code").every(({ version }) => version === "1")).toBe(true);
    expect(reports.filter(({ result }) => result === "same").length).toBe(200);
    expect(reports[0]?.workflowId).toBe("o-249");
    expect((await replayed(store, [order("2")], { limit: 30 })).length).toBe(30);
  });

  test("are replayed whole when their histories are long", async () => {
    const { engine, store, finish } = bench();
    const long = workflow("long", async (wf) => {
      let sum = 0;
      for (let n = 0; n < 1200; n++) sum += await wf.call(work, n);
      return sum;
    });
    await using host = await engine({ workflows: [long] });
    await finish(await host.start(long));
    expect(await replayed(store, [long], { status: ["completed"] })).toMatchObject([{ result: "same", length: 1202 }]);
  });

  test("do not change by being replayed, and start nothing", async () => {
    const { engine, store, clock } = bench();
    let calls = 0;
    const counted = activity("work", async (n: number) => {
      calls++;
      return n;
    });
    const host = await engine({ workflows: [order(undefined, counted)] });
    const handle = await host.start("order", 1, { id: "r" });
    await clock.advance(10_000);
    await host.close();
    const before = await handle.history();
    await replayed(store, [order(undefined, counted)]);
    await replayed(store, [order(undefined, broken as never)]);
    expect(await handle.history()).toEqual(before);
    expect(calls).toBe(1);
  });

  test("that flows began are replayed with the definition they are pinned to", async () => {
    const { engine, store, clock } = bench();
    const before = flow("etl", { output: { z: 1, a: { y: 2, b: 3 } } }, [
      task("extract", "work", { input: { where: "there", from: { z: 1, a: 2 } } }),
      task("load", "work", { dependsOn: ["extract"] }),
    ]);
    const after = flow("etl", [task("extract", "work")]);
    const host = await engine({ workflows: [before], activities: { work: async () => 1 } });
    await host.start(before, {});
    await clock.advance(1000);
    await host.close();
    const registry = new Registry([after], { work: async () => 1 });
    const find: FindCode = async (run) => {
      const definition = await registry.pinned(run.workflow, run.version, store);
      return definition === undefined ? undefined : { definition, registry };
    };
    for await (const report of replayRuns(store, find, { status: "all" })) expect(report.result).toBe("same");
  });
});

describe("a recorded history", () => {
  const w = workflow("w", async (wf, input: { day: Date }) => {
    const n = await wf.call(work, 1);
    await wf.waitFor(go);
    return [n, input.day, wf.random(), wf.uuid()];
  });
  const folder = mkdtempSync(join(tmpdir(), "perdure-history-"));

  async function recorded(ended: boolean) {
    const { engine, store, clock, finish } = bench();
    await using host = await engine({ workflows: [w] });
    const handle = await host.start(
      w,
      { day: new Date(0) },
      { id: "r", tags: { kind: "x" }, secrets: { KEY: "hush-hush" } },
    );
    await clock.advance(10_000);
    if (ended) {
      await handle.signal(go, 1);
      await finish(handle);
    }
    const run = Number.parseInt(handle.runId.slice(store.id.length + 1), 36);
    return (await recordRun(store, run))!;
  }

  async function verdict(history: Awaited<ReturnType<typeof recorded>>, code: AnyWorkflow): Promise<string> {
    const replayer = new Replayer();
    const answer = await replayer.replayRecorded(history, code, new Registry([code], []));
    replayer.close();
    return answer.ok ? "same" : answer.blockage.message;
  }

  test.each([true, false])("goes through a file and is replayed without its store (ended: %s)", async (ended) => {
    const history = await recorded(ended);
    const file = join(folder, "deep/er/r.json");
    writeFixture(file, history);
    expect(readFixture(file)).toEqual(history);
    expect(readFileSync(file, "utf8")).not.toContain("hush");
    expect(await verdict(readFixture(file), w)).toBe("same");
    const other = workflow("w", async (wf) => [await wf.call(work, 1), await wf.waitFor("other")]);
    expect(await verdict(readFixture(file), other)).toContain("no longer agrees");
    rmSync(folder, { recursive: true, force: true });
  });

  test("has a format that does not change by accident", async () => {
    const text = formatHistory({ ...(await recorded(false)), runId: "abcdef-1" });
    const { events, ...head } = JSON.parse(text) as { events: object[] };
    expect(head).toEqual({
      format: "perdure-history/1",
      workflow: "w",
      version: null,
      workflowId: "r",
      runId: "abcdef-1",
      status: "running",
      startedAt: 1767225600000,
      parent: null,
      tags: { kind: "x" },
      definition: null,
      inFlight: [{ command: 2, kind: "wait", name: "go" }],
      check: [2, expect.any(String)],
    });
    expect(events.map((event) => Object.keys(event))).toEqual([
      ["type", "at", "data"],
      ["type", "at", "data"],
    ]);
  });

  test.each([
    ["{", "Expected property name"],
    ["[]", "it is not a JSON object"],
    ["{}", 'it has no "format": "perdure-history/1"'],
    ['{"format":"perdure-history/9"}', "this version of perdure reads perdure-history/1"],
    ['{"format":"perdure-history/1"}', '"events" must be a list'],
    ['{"format":"perdure-history/1","events":[{}]}', 'event 1 must have "type"'],
    ['{"format":"perdure-history/1","events":[]}', "its first event must be RunStarted"],
  ])("that is none is refused: %s", (text, message) => {
    expect(() => parseHistory(text, "x.json")).toThrow(`x.json is no recorded history`);
    expect(() => parseHistory(text, "x.json")).toThrow(message);
  });

  test("that is not there is not found", () => {
    expect(() => readFixture("/nowhere/x.json")).toThrow(/cannot be read/);
  });
});

describe("engine.replayRuns", () => {
  test("replays the runs of its store against its own code, open ones unless it is asked for more", async () => {
    const { engine, clock } = bench();
    const waits = workflow("waits", async (wf) => wf.waitFor(go));
    const before = await engine({ workflows: [waits, workflow("ends", async (wf) => wf.call(work, 1))] });
    await before.start(waits, undefined, { id: "open" });
    await before.start("ends", undefined, { id: "ended" });
    await clock.advance(10_000);
    await before.close();
    const changed = workflow("ends", async (wf) => wf.call(work, 2));
    await using after = await engine({ workflows: [waits, changed], claims: "own" });
    const found = async (options: Parameters<typeof after.replayRuns>[0]): Promise<string[]> => {
      const lines: string[] = [];
      for await (const { workflowId, result } of after.replayRuns(options)) lines.push(`${workflowId} ${result}`);
      return lines.sort();
    };
    expect(await found({})).toEqual(["open same"]);
    expect(await found({ status: "all" })).toEqual(["ended different", "open same"]);
    expect(await found({ status: "all", workflow: "ends", limit: 1 })).toEqual(["ended different"]);
  });
});
