/** Sagas that are at work when their run ends, fails by itself or continues as new. */
import { describe, expect, it } from "vitest";
import { activity, query, signal, update, type Workflow, type WorkflowContext, workflow } from "../../src/index.ts";
import { bench, expectSameReplays, vanishing } from "./fixture.ts";
import { causeOf, failing, go, type Shop, shop, thrown } from "./saga-shop.ts";

describe("a saga that is still at work when the workflow's function ends", () => {
  const half = (wf: WorkflowContext, { act, undo }: Shop) =>
    wf.saga(async (saga) => {
      await saga.call(act, "charge", { undo: () => wf.call(undo, "charge") });
      await wf.waitFor(go);
    });

  it("is undone before the run fails", async () => {
    const at = bench();
    const goods = shop();
    const w = workflow("w", async (wf) => {
      await Promise.all([half(wf, goods), wf.sleep("1s").then(() => wf.call(goods.act, "bad"))]);
    });
    expect(causeOf(await failing(at, w))).toMatchObject({ message: "bad failed" });
    expect(goods.log).toEqual(["charge", "bad", "undo charge"]);
  });

  it("is undone when the run is cancelled and something beside it rejects first", async () => {
    const at = bench();
    const goods = shop();
    const w = workflow("w", async (wf) => {
      await Promise.all([wf.sleep("1d"), half(wf, goods)]);
    });
    const e = await at.engine({ workflows: [w] });
    const run = await e.start(w);
    await at.clock.advance(100);
    await run.cancel("enough");
    expect(await at.finish(run).catch(thrown)).toMatchObject({ code: "RUN_CANCELLED" });
    expect(goods.log).toEqual(["charge", "undo charge"]);
  });

  it("is undone before the run completes", async () => {
    const at = bench();
    const goods = shop();
    const w = workflow("w", async (wf) => {
      half(wf, goods).catch(() => {});
      await wf.sleep("1s");
      return "done";
    });
    expect(await failing(at, w)).toBe("done");
    expect(goods.log).toEqual(["charge", "undo charge"]);
  });

  it("does not let the run continue as new", async () => {
    const at = bench();
    const goods = shop();
    const w = workflow("w", async (wf) =>
      wf.saga(async (saga) => {
        await saga.call(goods.act, "charge", { undo: () => wf.call(goods.undo, "charge") });
        return wf.continueAsNew();
      }),
    );
    expect(causeOf(await failing(at, w))).toMatchObject({ code: "CONFLICT" });
    expect(goods.log).toEqual(["charge", "undo charge"]);
  });
});

describe("a saga whose run leaves a rejection unhandled", () => {
  /** Begins all of it, and awaits the one that does not come: what fails meanwhile is nobody's. */
  const careless = ({ act, undo }: Shop, log: string[]) =>
    workflow("careless", async (wf) =>
      wf.saga(async (saga) => {
        const charged = await saga.call(act, "charge", {
          undo: async (done) => {
            await wf.sleep("1m");
            await wf.call(undo, done);
            log.push("undone");
          },
        });
        const shipped = wf.waitFor(go);
        const packed = wf.call(act, "bad pack", { label: "pack" });
        return [charged, await shipped, await packed];
      }),
    );

  it("is undone before the run fails with it", async () => {
    const at = bench();
    const goods = shop();
    const e = await at.engine({ workflows: [careless(goods, [])] });
    const run = await e.start("careless");
    expect(causeOf(await at.finish(run).catch(thrown))).toMatchObject({ message: "bad pack failed", step: "pack" });
    expect(goods.log).toEqual(["charge", "bad pack", "undo charge done"]);
    expect((await run.history()).map(({ type }) => type).slice(-4)).toEqual([
      "CodeFailed",
      "TimerFired",
      "StepCompleted",
      "RunFailed",
    ]);
    await expect(run.resume()).rejects.toMatchObject({ code: "CONFLICT" });
    await expectSameReplays(e);
  });

  it("is undone once, also by another engine", async () => {
    const at = bench();
    const goods = shop();
    const undone: string[] = [];
    const { store, vanish } = vanishing(at.store);
    const w = careless(goods, undone);
    const first = await at.engine({ workflows: [w], store });
    const { workflowId } = await first.start(w);
    await at.clock.advance(30_000);
    vanish();
    const second = await at.engine({ workflows: [w] });
    await at.clock.advance(30_000);
    const run = await second.handle(workflowId);
    expect(causeOf(await at.finish(run).catch(thrown))).toMatchObject({ message: "bad pack failed", step: "pack" });
    expect(goods.log).toEqual(["charge", "bad pack", "undo charge done"]);
    expect((await run.history()).filter(({ type }) => type === "CodeFailed")).toHaveLength(1);
  });

  it("goes on when it is resumed and nothing was undone", async () => {
    const at = bench();
    let broken = true;
    const pack = activity("pack", { retry: { maxAttempts: 1 } }, () => {
      if (broken) throw new Error("no paper");
      return "packed";
    });
    const w = workflow("w", async (wf) =>
      wf.saga(async () => {
        const shipped = wf.waitFor(go);
        const packed = wf.call(pack, undefined);
        return [await shipped, await packed];
      }),
    );
    const e = await at.engine({ workflows: [w] });
    const run = await e.start(w);
    await at.finish(run).catch(thrown);
    expect((await run.describe()).status).toBe("failed");
    broken = false;
    await run.resume();
    await run.signal(go, "shipped");
    expect(await at.finish(run)).toEqual(["shipped", "packed"]);
  });
});

describe("what comes for a run that continues as new while a saga is being undone", () => {
  const poke = signal<string>("poke");
  const refund = signal<string>("refund");
  const bump = update<string, string>("bump");
  const seen = query<readonly string[]>("seen");

  /** Continues as new after a second, beside a saga whose undo lasts until somebody has said how to refund. */
  function continuing(undo: (wf: WorkflowContext) => Promise<unknown>) {
    const log: string[] = [];
    const w = workflow("w", async (wf, got: readonly string[] | undefined): Promise<string> => {
      let all = got ?? [];
      wf.on(seen, () => all);
      wf.on(poke, (what) => {
        all = [...all, what];
      });
      wf.on(
        bump,
        async (what) => {
          const found = await wf.step("look up", () => `${what} looked up`);
          all = [...all, found];
          return what;
        },
        {
          validate: () => {
            if (got === undefined) throw new Error("the first run bumps nothing");
          },
        },
      );
      if (got !== undefined) {
        await wf.until(() => all.length === 3);
        return all.join();
      }
      const saga = wf.saga(async (saga) => {
        await saga.step("charge", () => 7, {
          undo: async () => {
            log.push(`undone ${JSON.stringify(await undo(wf))}`);
          },
        });
        throw new Error("not today");
      });
      saga.catch(() => {});
      await wf.sleep("1s");
      return wf.continueAsNew(all);
    });
    return { w, log };
  }

  async function poked(w: Workflow<readonly string[] | undefined, string>) {
    const at = bench();
    const e = await at.engine({ workflows: [w] });
    const run = await e.start(w, undefined);
    await at.clock.advance(2_000);
    expect((await run.describe()).status).toBe("running");
    return { at, e, run };
  }

  it("is handled by the run that goes on, in its order, and a wait of the undo gets its own", async () => {
    const { w, log } = continuing((wf) => wf.waitFor(refund));
    const { at, run } = await poked(w);
    await run.signal(poke, "one");
    const bumped = run.update(bump, "two");
    await at.clock.advance(100);
    await run.signal(poke, "three");
    expect(await run.query(seen)).toEqual([]);
    expect(log).toEqual([]);
    await run.signal(refund, "in cash");
    expect(await at.finish(run)).toBe("one,three,two looked up");
    expect(await bumped).toBe("two");
    expect(log).toEqual(['undone "in cash"']);
  });

  it("is decided by an approval of the undo", async () => {
    const { w, log } = continuing(async (wf) => (await wf.approval("refund"))?.by);
    const { at, run } = await poked(w);
    for (const what of ["one", "two", "three"]) await run.signal(poke, what);
    await run.approve("refund", { by: "ada" });
    expect(await at.finish(run)).toBe("one,two,three");
    expect(log).toEqual(['undone "ada"']);
  });

  it("is decided by an approval that was given before the undo asks for it", async () => {
    const { w, log } = continuing(async (wf) => {
      await wf.sleep("10s");
      return (await wf.approval("refund"))?.by;
    });
    const { at, run } = await poked(w);
    const given = run.approve("refund", { by: "ada" });
    for (const what of ["one", "two", "three"]) await run.signal(poke, what);
    expect(await at.finish(run)).toBe("one,two,three");
    await given;
    expect(log).toEqual(['undone "ada"']);
  });

  it("reaches handlers of the undo", async () => {
    const { w, log } = continuing(async (wf) => {
      let how: string | undefined;
      wf.on(refund, (said) => {
        how = said;
      });
      await wf.until(() => how !== undefined);
      return how;
    });
    const { at, run } = await poked(w);
    for (const what of ["one", "two", "three"]) await run.signal(poke, what);
    await run.signal(refund, "in cash");
    expect(await at.finish(run)).toBe("one,two,three");
    expect(log).toEqual(['undone "in cash"']);
  });

  it("cancels the run that goes on", async () => {
    const { w, log } = continuing((wf) => wf.waitFor(refund));
    const { at, run } = await poked(w);
    await run.cancel("enough");
    await run.signal(refund, "in cash");
    expect(await at.finish(run).catch(thrown)).toMatchObject({ code: "RUN_CANCELLED" });
    expect(log).toEqual(['undone "in cash"']);
  });

  it("survives a crash meanwhile", async () => {
    const { w, log } = continuing((wf) => wf.waitFor(refund));
    const at = bench();
    const { store, vanish } = vanishing(at.store);
    const first = await at.engine({ workflows: [w], store });
    const { workflowId } = await first.start(w, undefined);
    await at.clock.advance(2_000);
    const early = await first.handle(workflowId);
    await early.signal(poke, "one");
    early.update(bump, "two").catch(() => {});
    await at.clock.advance(100);
    vanish();
    const second = await at.engine({ workflows: [w] });
    await at.clock.advance(60_000);
    const run = await second.handle(workflowId);
    await run.signal(poke, "three");
    await run.signal(refund, "in cash");
    expect(await at.finish(run)).toBe("one,three,two looked up");
    expect(log).toEqual(['undone "in cash"']);
  });
});
