/** The moment between a run's parking in the store and its engine's hearing of it. */
import { describe, expect, it } from "vitest";
import { signal, workflow } from "../../src/index.ts";
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
