/** What an engine finds that takes over from one that is gone: nothing twice, nothing lost, messages first. */
import { describe, expect, it } from "vitest";
import { activity, signal, workflow } from "../../src/index.ts";
import type { AnyWorkflow } from "../../src/workflow/workflow.ts";
import { type Bench, bench, vanishing } from "./fixture.ts";

const go = signal<string>("go");

/** Starts run "r" and leaves it to others: its engine vanishes after `ms`. */
async function orphan({ engine, store, clock }: Bench, of: AnyWorkflow, ms: number): Promise<void> {
  const doomed = vanishing(store);
  const one = await engine({ workflows: [of], store: doomed.store });
  await one.start(of, undefined, { id: "r" });
  await clock.advance(ms);
  doomed.vanish();
}

describe("recovery", () => {
  it("goes on after a crash with the first unfinished step", async () => {
    const { engine, finish, store, clock } = bench();
    const calls: string[] = [];
    const note = activity("note", async (what: string) => void calls.push(what));
    const w = workflow("w", async (wf) => {
      await wf.call(note, "a");
      await wf.call(note, "b");
      await wf.waitFor(go);
      await wf.call(note, "c");
      return calls.length;
    });
    const doomed = vanishing(store);
    const one = await engine({ workflows: [w], store: doomed.store });
    const run = await one.start(w, undefined, { id: "r" });
    while ((await run.history()).length < 3) await clock.advance(10);
    doomed.vanish();
    const two = await engine({ workflows: [w] });
    const handle = await two.handle("r");
    await handle.signal(go, "now");
    await finish(handle);
    expect(calls).toEqual(["a", "b", "c"]);
  });

  it("counts an attempt that died with its engine as lost", async () => {
    const made = bench();
    const { engine, finish } = made;
    let calls = 0;
    const once = activity("once", { retry: { maxAttempts: 1 } }, () => {
      calls++;
      return new Promise<never>(() => {});
    });
    const w = workflow("w", async (wf) => wf.call(once).catch((error: Error & { code?: string }) => error.code));
    await orphan(made, w, 2000);
    const two = await engine({ workflows: [w] });
    expect(await finish(await two.handle("r"))).toBe("ATTEMPT_LOST");
    expect(calls).toBe(1);
  });

  it("applies a waiting cancel before it repeats an effect", async () => {
    const made = bench();
    const { engine, finish } = made;
    let calls = 0;
    const pay = activity("pay", () => {
      calls++;
      return new Promise<never>(() => {});
    });
    const w = workflow("w", async (wf) => wf.call(pay));
    await orphan(made, w, 100);
    const idle = await engine();
    await (await idle.handle("r")).cancel("stop");
    const two = await engine({ workflows: [w] });
    await finish(await two.handle("r")).catch(() => {});
    expect(await (await two.handle("r")).status()).toBe("cancelled");
    expect(calls).toBe(1);
  });

  it("prefers a signal from before the deadline although the deadline passed while nobody was there", async () => {
    const made = bench();
    const { engine, finish, clock } = made;
    const w = workflow("w", async (wf) => wf.waitFor(go, { timeout: "1h" }));
    await orphan(made, w, 100);
    const idle = await engine();
    await (await idle.handle("r")).signal(go, "in time");
    await clock.advance(3 * 3_600_000);
    const two = await engine({ workflows: [w] });
    expect(await finish(await two.handle("r"))).toBe("in time");
  });
});

describe("rows of what is in flight", () => {
  it.each(["signal", "timeout", "timer"])(
    "go with a wait that ended by a %s, so that a takeover finds nothing that contradicts the code",
    async (how) => {
      const { engine, finish, store, clock } = bench();
      let hang = true;
      const long = activity("long", () => (hang ? new Promise<string>(() => {}) : Promise.resolve("long")));
      const w = workflow("w", async (wf) => {
        const other = how === "timer" ? wf.sleep("3s") : wf.waitFor(go, { timeout: "3s" });
        return [await other, await wf.call(long)];
      });
      const both = workflow("w", async (wf) =>
        Promise.all([how === "timer" ? wf.sleep("3s") : wf.waitFor(go, { timeout: "3s" }), wf.call(long)]),
      );
      for (const variant of [both, w]) {
        hang = true;
        const doomed = vanishing(store);
        const one = await engine({ workflows: [variant], store: doomed.store });
        const handle = await one.start(variant);
        await clock.advance(1500);
        if (variant === both)
          expect((await handle.describe()).open.map((step) => step.kind).sort()).toEqual([
            "activity",
            how === "timer" ? "timer" : "wait",
          ]);
        if (how === "signal") await handle.signal(go, "now");
        await clock.advance(4000);
        doomed.vanish();
        hang = false;
        const two = await engine({ workflows: [variant] });
        const again = await two.handle(handle.runId);
        expect(await finish(again)).toEqual([how === "signal" ? "now" : undefined, "long"]);
        expect(await store.attempts(1)).toEqual([]);
        await two.close();
      }
    },
  );
});
