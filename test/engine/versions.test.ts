/** Code that changes while runs are open: `patched` and `version` inside a workflow, and several versions of it side by side. */
import { describe, expect, test } from "vitest";
import type { Perdure } from "../../src/client/perdure.ts";
import type { RunHandle } from "../../src/client/run-handle.ts";
import { silentLogger } from "../../src/engine/log.ts";
import { activity } from "../../src/workflow/activity.ts";
import type { WorkflowContext } from "../../src/workflow/context.ts";
import { query, signal, update } from "../../src/workflow/signal.ts";
import { type AnyWorkflow, workflow } from "../../src/workflow/workflow.ts";
import { type Bench, bench, vanishing } from "./fixture.ts";

const go = signal("go");
const add = update<number, string>("add");
const old = activity("old", async (n: number) => `old ${n}`);
const fresh = activity("fresh", async (n: number) => `fresh ${n}`);

type Body = (wf: WorkflowContext, input: number) => Promise<unknown>;

/** A run of `before` that is left where it waits, and goes on with `after`. */
async function redeployed(before: Body, after: Body): Promise<unknown> {
  const { engine, clock, finish } = bench();
  const one = await engine({ workflows: [workflow("w", before)] });
  await one.start("w", 1, { id: "r" });
  await clock.advance(10_000);
  await one.close();
  await using two = await engine({ workflows: [workflow("w", after)] });
  const handle = await two.handle("r");
  await handle.signal(go);
  return await finish(handle);
}

describe("patched", () => {
  const plain: Body = async (wf) => {
    const first = await wf.call(old, 1);
    await wf.waitFor(go);
    return [first, await wf.call(old, 2)];
  };

  test("is true in new runs, and stays true for them when they are replayed", async () => {
    const body: Body = async (wf) => {
      const first = wf.patched("p") ? await wf.call(fresh, 1) : await wf.call(old, 1);
      await wf.waitFor(go);
      return [first, wf.patched("p")];
    };
    expect(await redeployed(body, body)).toEqual(["fresh 1", true]);
  });

  test("is false in old runs that passed the place", async () => {
    const after: Body = async (wf) => {
      const first = wf.patched("p") ? await wf.call(fresh, 1) : await wf.call(old, 1);
      await wf.waitFor(go);
      return [first, await wf.call(old, 2)];
    };
    expect(await redeployed(plain, after)).toEqual(["old 1", "old 2"]);
  });

  test("is false at a place that an old run is waiting behind", async () => {
    const before: Body = async (wf) => {
      await wf.waitFor(go);
      return wf.call(old, 1);
    };
    const after: Body = async (wf) => {
      if (wf.patched("p")) await wf.call(fresh, 0);
      await wf.waitFor(go);
      return wf.call(old, 1);
    };
    expect(await redeployed(before, after)).toBe("old 1");
  });

  test("is false there, too, after the run was paused for the deploy, or blocked by a wrong one", async () => {
    const body =
      (patched: (wf: WorkflowContext) => boolean): Body =>
      async (wf) => {
        if (patched(wf)) return wf.call(fresh, 1);
        await wf.waitFor(go);
        return wf.call(old, 1);
      };
    const before = workflow(
      "w",
      body(() => false),
    );
    const wrong = workflow(
      "w",
      body(() => true),
    );
    const after = workflow(
      "w",
      body((wf) => wf.patched("p")),
    );
    for (const stop of ["paused", "paused while nobody advances it", "blocked"]) {
      const { engine, clock, finish } = bench();
      const one = await engine({ workflows: [before] });
      const handle = await one.start("w", 1);
      if (stop === "paused") await handle.pause("a deploy");
      await clock.advance(10_000);
      await one.close();
      const two = await engine({ workflows: stop === "blocked" ? [wrong] : [] });
      const seen = await two.handle(handle.workflowId);
      if (stop === "paused while nobody advances it") await seen.pause("a deploy");
      await seen.signal(go);
      for (let tries = 1; tries <= 2; tries++) {
        await clock.advance(10_000);
        expect(stop).toContain(await seen.status());
        if (stop === "blocked") await seen.resume();
      }
      await clock.advance(10_000);
      await two.close();
      await using three = await engine({ workflows: [after] });
      const last = await three.handle(handle.workflowId);
      await last.resume();
      expect(await finish(last)).toBe("old 1");
    }
  });

  test("is true in old runs that had not reached the place", async () => {
    const after: Body = async (wf) => {
      const first = await wf.call(old, 1);
      await wf.waitFor(go);
      return [first, wf.patched("p") ? await wf.call(fresh, 2) : await wf.call(old, 2)];
    };
    expect(await redeployed(plain, after)).toEqual(["old 1", "fresh 2"]);
  });

  test("changes within a loop once the old rounds are over, and stays so", async () => {
    const round = (wf: WorkflowContext, i: number, patched: boolean): Promise<string> =>
      wf.call(patched ? fresh : old, i);
    const before: Body = async (wf) => {
      const seen: string[] = [];
      for (let i = 0; i < 5; i++) {
        seen.push(await round(wf, i, false));
        await wf.waitFor(go);
      }
      return seen;
    };
    const after: Body = async (wf) => {
      const seen: string[] = [];
      for (let i = 0; i < 5; i++) {
        seen.push(await round(wf, i, wf.patched("p")));
        await wf.waitFor(go);
      }
      return seen;
    };
    const { engine, clock, finish } = bench();
    const one = await engine({ workflows: [workflow("w", before)] });
    const first = await one.start("w", 1, { id: "r" });
    for (let i = 0; i < 2; i++) await first.signal(go);
    await clock.advance(10_000);
    await one.close();
    let host = await engine({ workflows: [workflow("w", after)] });
    for (let i = 2; i < 5; i++) {
      await (await host.handle("r")).signal(go);
      await clock.advance(10_000);
      if (i === 4) break;
      await host.close();
      host = await engine({ workflows: [workflow("w", after)] });
    }
    expect(await finish(await host.handle("r"))).toEqual(["old 0", "old 1", "old 2", "fresh 3", "fresh 4"]);
    await host.close();
  });

  test("is decided for each id by itself", async () => {
    const after: Body = async (wf) => {
      const first = [wf.patched("a"), await wf.call(old, 1)];
      await wf.waitFor(go);
      return [...first, wf.patched("b"), wf.patched("a"), await wf.call(old, 2)];
    };
    expect(await redeployed(plain, after)).toEqual([false, "old 1", true, true, "old 2"]);
  });

  test("is false in a handler for messages of before, and true for those of after", async () => {
    const handling =
      (patch: boolean): Body =>
      async (wf) => {
        let finished = false;
        const seen: string[] = [];
        wf.on(add, async (n) => {
          const said = await wf.call(patch && wf.patched("p") ? fresh : old, n);
          seen.push(said);
          return said;
        });
        wf.on(go, () => {
          finished = true;
        });
        await wf.until(() => finished && seen.length === 2);
        return seen;
      };
    const { engine, finish } = bench();
    const one = await engine({ workflows: [workflow("w", handling(false))] });
    expect(await (await one.start("w", 1, { id: "r" })).update(add, 1)).toBe("old 1");
    await one.close();
    await using two = await engine({ workflows: [workflow("w", handling(true))] });
    const handle = await two.handle("r");
    expect(await handle.update(add, 2)).toBe("fresh 2");
    await handle.signal(go);
    expect(await finish(handle)).toEqual(["old 1", "fresh 2"]);
  });

  test("is decided alike in branches that run at the same time", async () => {
    const branch = async (wf: WorkflowContext, n: number, patch: boolean): Promise<string> => {
      await wf.call(old, n);
      await wf.waitFor(`go-${n}`);
      return wf.call(patch && wf.patched(`p-${n}`) ? fresh : old, n);
    };
    const body =
      (patch: boolean): Body =>
      (wf) =>
        Promise.all([1, 2].map((n) => branch(wf, n, patch)));
    const { engine, clock, finish } = bench();
    const one = await engine({ workflows: [workflow("w", body(false))] });
    const first = await one.start("w", 1, { id: "r" });
    await first.signal("go-1");
    await clock.advance(10_000);
    await one.close();
    await using two = await engine({ workflows: [workflow("w", body(true))] });
    const handle = await two.handle("r");
    await handle.signal("go-2");
    expect(await finish(handle)).toEqual(["old 1", "fresh 2"]);
  });

  test("is told by queries as the run itself goes by it", async () => {
    const asked = query<boolean>("asked");
    const before: Body = async (wf) => wf.waitFor(go);
    const after: Body = async (wf) => {
      const patched = wf.patched("p");
      wf.on(asked, () => patched);
      if (patched) await wf.call(fresh, 1);
      return wf.waitFor(go);
    };
    const { engine, clock } = bench();
    const one = await engine({ workflows: [workflow("w", before)] });
    await one.start("w", 1, { id: "r" });
    await clock.advance(10_000);
    await one.close();
    await using two = await engine({ workflows: [workflow("w", after)] });
    const handle = await two.handle("r");
    expect(await handle.query(asked)).toBe(false);
    expect(await (await two.start("w", 1)).query(asked)).toBe(true);
  });

  test("decides nothing where code only reads", async () => {
    const body: Body = async (wf) => {
      wf.on(query<boolean>("asked"), () => wf.patched("p"));
      wf.on(add, async () => "fine", { validate: () => void wf.patched("q") });
      await wf.waitFor(go);
      return [wf.patched("p"), wf.patched("q")];
    };
    const { engine, finish } = bench();
    await using host = await engine({ workflows: [workflow("w", body)] });
    const handle = await host.start("w", 1);
    expect(await handle.query("asked")).toBe(true);
    expect(await handle.update(add, 1)).toBe("fine");
    expect((await handle.history()).flatMap(({ data }) => data.o ?? [])).toEqual([]);
    await handle.signal(go);
    expect(await finish(handle)).toEqual([true, true]);
  });
});

describe("a version that was decided", () => {
  /** Starts a run with the code, lets it run for a while, kills its engine, and opens another one. */
  async function crashed(body: Body, ms: number): Promise<Bench & { host: Perdure; handle: RunHandle }> {
    const made = bench();
    const doomed = vanishing(made.store);
    const one = await made.engine({ store: doomed.store, workflows: [workflow("w", body)] });
    await one.start("w", 1, { id: "r" });
    await made.clock.advance(ms);
    doomed.vanish();
    const host = await made.engine({ workflows: [workflow("w", body)] });
    await made.clock.advance(20_000);
    return { ...made, host, handle: await host.handle("r") };
  }

  test("is durable before anything that follows from it starts", async () => {
    const { engine } = bench();
    let types: string[] = [];
    const look = activity("look", async () => {
      types = (await (await host.handle("r")).history()).map(({ type }) => type);
    });
    const host = await engine({
      workflows: [workflow("w", async (wf) => (wf.patched("p") ? wf.call(look) : undefined))],
    });
    await (await host.start("w", 1, { id: "r" })).result();
    expect(types).toEqual(["RunStarted", "VersionMarked"]);
    await host.close();
  });

  test("holds when the engine dies while the step behind it is in flight", async () => {
    let calls = 0;
    const slow = activity("slow", async (_: number, ctx) => {
      calls++;
      if (ctx.attempt === 1) await new Promise(() => {});
      return "slow";
    });
    const body: Body = async (wf) => (wf.patched("p") ? wf.call(slow, 1, { timeout: "1m" }) : wf.call(old, 1));
    const { host, handle, finish } = await crashed(body, 3000);
    expect(await finish(handle)).toBe("slow");
    expect(calls).toBe(2);
    await host.close();
  });

  test("holds when the run was parked without an event behind it", async () => {
    const body: Body = async (wf) => {
      const patched = wf.patched("p");
      if (patched) await wf.waitFor(go);
      else await wf.waitFor("other");
      return patched;
    };
    const { host, handle, finish } = await crashed(body, 30_000);
    await handle.signal(go);
    expect(await finish(handle)).toBe(true);
    await host.close();
  });

  const child = workflow("child", async (wf) => {
    await wf.waitFor(go);
    return "child";
  });

  /** What a run of `before` comes to that has started its child and loses its engine; another one goes on with `after`. */
  async function crashedParent(before: Body, after: Body): Promise<unknown> {
    const { engine, store, clock, finish } = bench();
    const doomed = vanishing(store);
    const one = await engine({ store: doomed.store, workflows: [workflow("w", before), child] });
    const { runId } = await one.start("w", 1, { id: "r" });
    await clock.advance(100);
    doomed.vanish();
    await using two = await engine({ workflows: [workflow("w", after), child] });
    await clock.advance(20_000);
    await (await two.handle(`${runId}/1`)).signal(go);
    return await finish(await two.handle("r"));
  }

  test("holds when a child was started behind it", async () => {
    const body: Body = async (wf) => (wf.patched("p") ? wf.child(child) : wf.call(old, 1));
    expect(await crashedParent(body, body)).toBe("child");
  });

  test("is not made up for a run whose child was started by the code before", async () => {
    const before: Body = async (wf) => wf.child(child);
    const after: Body = async (wf) => (wf.patched("p") ? wf.call(fresh, 1) : wf.child(child));
    expect(await crashedParent(before, after)).toBe("child");
  });

  test("holds through several crashes, a pause and later versions of the code", async () => {
    const body =
      (max: number): Body =>
      async (wf) => {
        const versions: number[] = [];
        for (let i = 0; i < 4; i++) {
          versions.push(wf.version("v", { min: 1, max }));
          await wf.sleep("1h");
        }
        return versions;
      };
    const { engine, store, clock, finish } = bench();
    let doomed = vanishing(store);
    const one = await engine({ store: doomed.store, workflows: [workflow("w", body(1))] });
    await one.start("w", 1, { id: "r" });
    for (let crash = 0; crash < 3; crash++) {
      await clock.advance(600_000);
      doomed.vanish();
      doomed = vanishing(store);
      await engine({ store: doomed.store, workflows: [workflow("w", body(2 + crash))] });
      await clock.advance(60_000);
    }
    doomed.vanish();
    await using last = await engine({ workflows: [workflow("w", body(9))] });
    await clock.advance(30_000);
    const handle = await last.handle("r");
    await handle.pause("a moment");
    await clock.advance(5000);
    await handle.resume();
    expect(await finish(handle, 5 * 3_600_000)).toEqual([1, 1, 1, 1]);
  });
});

describe("an answer of before a cut", () => {
  test("holds when the code that went by it failed, was mended and resumed", async () => {
    const { engine, finish } = bench();
    const state = { broken: true };
    const body: Body = async (wf) => {
      const first = await wf.call(old, 1);
      if (!wf.patched("p")) return [first, "as it was before"];
      if (state.broken) throw new Error("not thought through");
      return [first, "patched"];
    };
    await using host = await engine({ workflows: [workflow("w", body)] });
    const handle = await host.start("w", 1);
    await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_FAILED" });
    state.broken = false;
    await handle.resume();
    expect(await finish(handle)).toEqual(["old 1", "patched"]);
  });

  test("holds in what goes back to the end of a run, or to where it was written down", async () => {
    const { engine, finish } = bench();
    const body: Body = async (wf) => {
      const begun = [await wf.call(old, 1), wf.patched("p")];
      return [...begun, await wf.call(old, 2), wf.patched("q")];
    };
    await using host = await engine({ workflows: [workflow("w", body)] });
    const handle = await host.start("w", 1);
    const result = await finish(handle);
    expect(result).toEqual(["old 1", true, "old 2", true]);
    const history = await handle.history();
    for (const { seq } of history.filter(({ data }) => data.o !== undefined)) {
      const fork = await handle.fork({ from: { event: seq } });
      expect(await finish(fork)).toEqual(result);
      expect(await finish(await fork.fork({ from: { event: seq } }))).toEqual(result);
    }
    await handle.reset({ to: { event: history.length } });
    expect(await finish(handle)).toEqual(result);
    await handle.reset({ to: { event: 3 } });
    expect(await finish(handle)).toEqual(result);
  });

  test("holds in forks for the messages that they begin with", async () => {
    const { engine, clock, finish } = bench();
    const body: Body = async (wf) => {
      const answers = [wf.patched("p")];
      wf.on(go, () => void answers.push(wf.patched("p"), wf.patched("q")));
      await wf.until(() => answers.length > 4);
      return [...answers, await wf.call(old, 1, { label: "last" })];
    };
    await using host = await engine({ workflows: [workflow("w", body)] });
    const handle = await host.start("w", 1);
    await handle.signal(go);
    await clock.advance(10);
    await handle.signal(go);
    const result = await finish(handle);
    expect(result).toEqual([true, true, true, true, true, "old 1"]);
    const fork = await handle.fork({ from: "last" });
    expect(await finish(fork)).toEqual(result);
    expect(await finish(await fork.fork({ from: "last" }))).toEqual(result);
  });
});

describe("version", () => {
  const body =
    (min: number, max: number): Body =>
    async (wf) => {
      const version = wf.version("v", { min, max });
      await wf.waitFor(go);
      return version;
    };

  test("gives new runs the newest, and old ones what they began with", async () => {
    expect(await redeployed(body(0, 3), body(0, 5))).toBe(3);
  });

  test("blocks a run whose version the code does not support any more, until code that does is deployed", async () => {
    const { engine, clock, finish } = bench();
    const one = await engine({ workflows: [workflow("w", body(1, 1))] });
    await one.start("w", 1, { id: "r" });
    await clock.advance(10_000);
    await one.close();
    const two = await engine({ workflows: [workflow("w", body(2, 3))] });
    const stuck = await two.handle("r");
    await stuck.signal(go);
    await clock.advance(2000);
    expect((await stuck.describe()).blocked).toEqual({
      reason: "version_range",
      message:
        'the run goes by version 1 of "v", the code supports 2 to 3. Deploy code that still supports version 1 and resume the run.',
    });
    await two.close();
    await using three = await engine({ workflows: [workflow("w", body(1, 3))] });
    const handle = await three.handle("r");
    await handle.resume();
    expect(await finish(handle)).toBe(1);
  });
});

describe("several versions side by side", () => {
  const make = (version: string | undefined, name = "order"): AnyWorkflow =>
    workflow(name, version === undefined ? {} : { version }, async (wf) => {
      await wf.waitFor(go);
      return version ?? "none";
    });

  test("new starts get the last one given, the routed one, or the one that is asked for", async () => {
    const { engine, finish } = bench();
    const workflows = [make("1"), make("2"), make("3")];
    const end = async (handle: RunHandle): Promise<unknown> => {
      await handle.signal(go);
      return finish(handle);
    };
    await using plain = await engine({ workflows });
    expect(await end(await plain.start("order"))).toBe("3");
    expect(await end(await plain.start(workflows[0]!))).toBe("1");
    expect(await end(await plain.start("order", undefined, { version: "2" }))).toBe("2");
    await plain.close();
    await using routed = await engine({ workflows, routes: { order: "2" } });
    expect(await end(await routed.start("order"))).toBe("2");
    await expect(routed.start("order", undefined, { version: "9" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  test("a run keeps its version through every takeover", async () => {
    const { engine, clock, finish } = bench();
    const one = await engine({ workflows: [make("1")] });
    await one.start("order", undefined, { id: "a" });
    await clock.advance(10_000);
    await one.close();
    await using two = await engine({ workflows: [make("1"), make("2")] });
    await two.start("order", undefined, { id: "b" });
    for (const id of ["a", "b"]) await (await two.handle(id)).signal(go);
    expect(await finish(await two.handle("a"))).toBe("1");
    expect(await finish(await two.handle("b"))).toBe("2");
  });

  test.each([
    ["another version", "1", "2"],
    ["no version", "1", undefined],
    ["a version", undefined, "1"],
  ])("an engine that has %s leaves the run alone, and one that has its version takes it", async (_, mine, other) => {
    const { engine, clock, finish } = bench();
    const one = await engine({ workflows: [make(mine)] });
    await one.start("order", undefined, { id: "r" });
    await clock.advance(10_000);
    await one.close();
    await using wrong = await engine({ workflows: [make(other)] });
    const waiting = await wrong.handle("r");
    await waiting.signal(go);
    const since = clock.now();
    await clock.advance(60_000);
    expect(await waiting.status()).toBe("running");
    expect((await waiting.describe()).waitingFor).toEqual({ workflow: "order", version: mine, since });
    const late = waiting.result({ timeout: "1s" }).catch((error: Error) => error.message);
    await clock.advance(2000);
    expect(await late).toContain(
      `it waits for an engine that has order${mine === undefined ? " (without a version)" : "@1"}`,
    );
    expect((await waiting.history()).length).toBe(1);
    const warnings: string[] = [];
    const logger = { ...silentLogger, warn: (_: object, message?: string) => void warnings.push(message ?? "") };
    await using third = await engine({ workflows: [make(other), make("3")], logger });
    await clock.advance(10);
    expect(third.inMemory.active).toBe(0);
    expect(warnings).toEqual([
      `1 run waits for order${mine === undefined ? " without a version" : "@1"}, which this engine does not have: keep it in workflows: […] beside the newer one, until its runs have ended`,
    ]);
    await using right = await engine({ workflows: [make(mine)] });
    const handle = await right.handle("r");
    expect(await finish(handle)).toBe(mine ?? "none");
    expect((await handle.describe()).waitingFor).toBeUndefined();
  });
});
