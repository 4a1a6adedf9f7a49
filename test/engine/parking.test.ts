/** The moment between a run's parking in the store and its engine's hearing of it. */
import { describe, expect, it } from "vitest";
import { activity, signal, workflow } from "../../src/index.ts";
import type { Store } from "../../src/store/store.ts";
import { bench } from "./fixture.ts";

const go = signal<string>("go");

/** Holds back the answer of the commit by which a run parks, until it is let go. */
function slowToTell(store: Store): { readonly store: Store; readonly parked: Promise<void>; tell(): void } {
  let tell = (): void => {};
  const told = new Promise<void>((resolve) => {
    tell = resolve;
  });
  let parked = (): void => {};
  const hasParked = new Promise<void>((resolve) => {
    parked = resolve;
  });
  const commit: Store["commit"] = async (lease, batch) => {
    const result = await store.commit(lease, batch);
    if (batch.transitions.some(({ image }) => image?.owned === false && image.closedAt === null)) {
      parked();
      await told;
    }
    return result;
  };
  const slow = new Proxy(store, {
    get(target, key) {
      if (key === "commit") return commit;
      const value = Reflect.get(target, key) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { store: slow, parked: hasParked, tell };
}

describe("a run that is woken before its engine hears that it has parked", () => {
  it("goes on at once", async () => {
    const at = bench();
    const { store, parked, tell } = slowToTell(at.store);
    const w = workflow("w", async (wf) => wf.waitFor(go));
    const e = await at.engine({ workflows: [w], store });
    const run = await e.start(w);
    await parked;
    await run.signal(go, "now");
    await at.clock.settle();
    tell();
    const before = at.clock.now();
    expect(await at.finish(run)).toBe("now");
    expect(at.clock.now() - before).toBeLessThan(200);
  });
});

describe("a run whose step is due before its engine hears that it has parked", () => {
  it("begins the next attempt once, when it is claimed again", async () => {
    const at = bench();
    const { store, parked, tell } = slowToTell(at.store);
    const begun: number[] = [];
    const retry = { maxAttempts: 2, initial: "20s", jitter: 0 } as const;
    const flaky = activity("flaky", { retry }, async (_: undefined, ctx) => {
      begun.push(ctx.attempt);
      if (ctx.attempt === 1) throw new Error("not yet");
      return "done";
    });
    const w = workflow("w", (wf) => wf.call(flaky, undefined));
    const e = await at.engine({ workflows: [w], store, poll: "1h", leaseTtl: "1d" });
    const run = await e.start(w);
    await parked;
    await at.clock.advance(30_000);
    expect(begun).toEqual([1]);
    tell();
    expect(await at.finish(run, 2 * 3_600_000)).toBe("done");
    expect(begun).toEqual([1, 2]);
  });
});
