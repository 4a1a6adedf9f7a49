/** What simulated fleets once got wrong about children, conditions, pauses and messages between runs. */
import { describe, expect, it } from "vitest";
import { silentLogger } from "../../src/engine/log.ts";
import { RunServices } from "../../src/engine/run-services.ts";
import { createMemoryStore } from "../../src/store/memory/memory-store.ts";
import type { Batch, BatchResult, Lease, NewMessage } from "../../src/store/store.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { activity, FatalError } from "../../src/workflow/activity.ts";
import { update } from "../../src/workflow/signal.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench, vanishing } from "../engine/fixture.ts";
import { intercept } from "../store/intercept.ts";

describe("a child that is being started", () => {
  it("is told when its parent ends meanwhile (invariant 9)", async () => {
    const { engine, clock, store } = bench();
    const child = workflow("child", (wf) => wf.waitFor("never"));
    const parent = workflow("parent", (wf) => wf.child(child, undefined, { id: "c" }));
    const slow = intercept(store, {
      commit: async (lease: Lease, batch: Batch): Promise<BatchResult> => {
        const result = await store.commit(lease, batch);
        const starts = batch.starts.some(({ parent: of }) => of !== undefined);
        if (starts) await new Promise<void>((resolve) => clock.after(300, resolve));
        return result;
      },
    });
    await using host = await engine({ store: slow, workflows: [parent, child] });
    const handle = await host.start(parent, undefined, { timeout: "200ms" });
    await clock.advance(5000);
    expect(await handle.status()).toBe("timed_out");
    expect(await (await host.handle("c")).status()).toBe("cancelled");
  });
});

describe("a child that has ended before its parent asks for it again", () => {
  it("leaves no row behind, though it took long to find out", async () => {
    const { engine, clock, store, finish } = bench();
    let broken = true;
    const flaky = activity("flaky", async () => {
      if (broken) throw new FatalError("not yet");
    });
    const child = workflow("child", (wf) => wf.waitFor("over"));
    const parent = workflow("parent", async (wf) => {
      const asked = wf.child(child, undefined, { id: "c", onParentClose: "abandon" });
      await wf.call(flaky);
      const outcome = await asked;
      await wf.waitFor("go");
      return outcome;
    });
    const slow = intercept(store, {
      commit: async (lease: Lease, batch: Batch): Promise<BatchResult> => {
        const result = await store.commit(lease, batch);
        const again = !broken && batch.starts.some(({ parent: of }) => of !== undefined);
        if (again) await new Promise<void>((resolve) => clock.after(2000, resolve));
        return result;
      },
    });
    const one = await engine({ store: slow, workflows: [parent, child], activities: [flaky] });
    const handle = await one.start(parent, undefined, { id: "p" });
    await clock.advance(5000);
    expect(await handle.status()).toBe("failed");
    await (await one.handle("c")).signal("over", "ended");
    await clock.advance(5000);
    broken = false;
    await handle.resume();
    await clock.advance(30_000);
    await one.close();
    await using two = await engine({ workflows: [parent, child], activities: [flaky] });
    const found = await two.handle("p");
    await found.signal("go");
    expect(await finish(found)).toBe("ended");
  });
});

describe("a run that is resumed", () => {
  it("is not held to children that were started after what is set aside (rules 27, 29)", async () => {
    const { engine, finish } = bench();
    let broken = true;
    const stubborn = workflow("stubborn", (wf) => wf.uncancellable(() => wf.sleep("1h")));
    const parent = workflow("parent", async (wf) => {
      try {
        return await wf.step("work", () => {
          if (broken) throw new Error("broken");
          return "fine";
        });
      } catch (error) {
        await wf.spawn(stubborn);
        throw error;
      }
    });
    await using host = await engine({ workflows: [parent, stubborn] });
    const handle = await host.start(parent);
    await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_FAILED" });
    broken = false;
    await handle.resume();
    expect(await finish(handle)).toBe("fine");
  });

  it("was paused right after a takeover that brought an outcome: what is settled is not in flight", async () => {
    const { engine, finish, clock, store } = bench();
    const first = vanishing(store);
    const slow = activity("slow", { timeout: "1h" }, async (_: undefined, ctx) => {
      if (ctx.attempt === 1) await new Promise(() => {});
      return "slow";
    });
    const child = workflow("child", (wf) => wf.waitFor<string>("go"));
    const parent = workflow("parent", (wf) => Promise.all([wf.child(child, undefined, { id: "c" }), wf.call(slow)]));
    const one = await engine({ store: first.store, workflows: [parent, child] });
    await one.start(parent, undefined, { id: "p" });
    await clock.advance(8000);
    first.vanish();
    await using two = await engine({ workflows: [parent, child] });
    await (await two.handle("c")).signal("go", "went");
    await clock.settle();
    const handle = await two.handle("p");
    await handle.pause();
    await clock.advance(60_000);
    expect(await handle.status()).toBe("paused");
    await handle.resume();
    expect(await finish(handle)).toEqual(["went", "slow"]);
  });
});

describe("a condition whose time passes", () => {
  it("goes by what came before, also when both are written at once (rule 4)", async () => {
    const { engine, finish, clock, store } = bench();
    const bump = update<undefined, string>("bump");
    const flow = workflow("flow", async (wf) => {
      let bumped = false;
      wf.on(bump, () => {
        bumped = true;
        return "bumped";
      });
      const inTime = await wf.until(() => bumped, { timeout: "3s" });
      await wf.sleep("1s");
      return inTime;
    });
    const slow = intercept(store, {
      commit: async (lease: Lease, batch: Batch): Promise<BatchResult> => {
        const result = await store.commit(lease, batch);
        await new Promise<void>((resolve) => clock.after(50, resolve));
        return result;
      },
    });
    const opening = engine({ store: slow, workflows: [flow] });
    await clock.advance(100);
    await using host = await opening;
    const starting = host.start(flow);
    await clock.advance(2960);
    const handle = await starting;
    // The first message keeps the run busy until the deadline has passed; the second comes before it.
    await handle.signal("other");
    await clock.advance(20);
    const answer = handle.update(bump);
    expect(await finish(handle, 20_000)).toBe(true);
    expect(await answer).toBe("bumped");
  });
});

describe("what a run tells another", () => {
  it("follows it when it continues as new between two looks (rule 24)", async () => {
    const store = createMemoryStore();
    const clock = new VirtualClock();
    const sent: number[] = [];
    let looks = 0;
    const moving = intercept(store, {
      find: async () => ({ run: ++looks, status: "running" }) as never,
      send: async ({ run }: NewMessage) => {
        sent.push(run);
        return run === 1 ? { refused: "closed" as const } : { number: 1 };
      },
    });
    const services = new RunServices({
      store: moving,
      clock,
      log: silentLogger,
      codec: undefined,
      lease: () => undefined,
      seal: (text) => text,
      start: () => Promise.reject(new Error("nothing is started here")),
      hint: () => {},
    });
    await services.send("w", "signal", "go", 1, "key");
    expect(sent).toEqual([1, 2]);
  });
});
