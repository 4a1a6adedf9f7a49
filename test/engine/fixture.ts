/** An engine on a memory store with a clock that tests move. */
import { expect, onTestFinished, TestRunner } from "vitest";
import { open } from "../../src/client/open.ts";
import type { OpenOptions } from "../../src/client/open-options.ts";
import type { Perdure } from "../../src/client/perdure.ts";
import type { RunHandle } from "../../src/client/run-handle.ts";
import { silentLogger } from "../../src/engine/log.ts";
import type { RunEvent } from "../../src/engine/observers.ts";
import { createMemoryStore } from "../../src/store/memory/memory-store.ts";
import type { Store } from "../../src/store/store.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { AttentiveClock } from "../model/attentive-clock.ts";

export interface Bench {
  readonly clock: VirtualClock;
  readonly store: Store;
  readonly events: RunEvent[];
  /** Opens one more engine on the same store. */
  engine(options?: OpenOptions): Promise<Perdure>;
  /** The result, moving time as far as it takes. */
  finish<O>(handle: RunHandle<O>, withinMs?: number): Promise<O>;
}

interface Ground {
  readonly clock: VirtualClock;
  readonly store: Store;
  /** Resolves when the store can be used. */
  readonly ready: Promise<unknown>;
}

let ground = (): Ground => ({ clock: new VirtualClock(), store: createMemoryStore(), ready: Promise.resolve() });

/**
 * From now on benches in this process stand on such stores; time waits for their answers. Tests of these names are left out, each for a
 * reason.
 */
export function benchesOn(opened: () => Promise<Store>, leftOut: Readonly<Record<string, string>>): void {
  ground = () => {
    const test = TestRunner.getCurrentTest();
    const why = leftOut[test?.name ?? ""];
    if (why !== undefined) test?.context.skip(why);
    const clock = new AttentiveClock();
    let store: Store | undefined;
    const ready = opened().then((one) => {
      store = clock.watched(one);
    });
    const later = new Proxy({} as Store, {
      get: (_, key: keyof Store) => {
        if (store !== undefined) return store[key];
        return (...values: unknown[]) => ready.then(() => Reflect.apply(store![key] as () => unknown, store, values));
      },
    });
    onTestFinished(() => ready.then(() => store!.close()));
    return { clock, store: later, ready };
  };
}

export function bench(): Bench {
  const { clock, store, ready } = ground();
  const events: RunEvent[] = [];
  return {
    clock,
    store,
    events,
    engine: async (options = {}) => {
      await ready;
      const observers = [{ onEvent: (event: RunEvent) => events.push(event) }];
      return open({ store, clock, logger: silentLogger, observers, ...options });
    },
    finish: async (handle, withinMs = 3_600_000) => {
      let settled = false;
      const result = handle.result().finally(() => {
        settled = true;
      });
      result.catch(() => {});
      const until = clock.now() + withinMs;
      for (let step = 100; !settled && clock.now() < until; step = Math.min(step * 2, 60_000))
        await clock.advance(step);
      if (!settled)
        throw new Error(
          `the run did not end within ${withinMs} ms of virtual time: ${JSON.stringify(await handle.describe())}`,
        );
      return result;
    },
  };
}

/** Every run of the host's store comes to the same when it is replayed. */
export async function expectSameReplays(host: Perdure): Promise<void> {
  for await (const { result } of host.replayRuns({ status: "all" })) expect(result).toBe("same");
}

/** Types of the events of a run. */
export async function typesOf(handle: RunHandle): Promise<string[]> {
  return (await handle.history()).map(({ type }) => type);
}

/** An engine that vanishes without a word: its lease ends by itself. */
export function vanishing(store: Store): { store: Store; vanish(): void } {
  let gone = false;
  const never = new Promise<never>(() => {});
  const proxy = new Proxy(store, {
    get(target, key) {
      const value = Reflect.get(target, key) as unknown;
      if (typeof value !== "function") return value;
      if (key === "watch") return (listener: () => void) => target.watch(() => !gone && listener());
      return (...args: unknown[]) =>
        gone ? never : Promise.resolve(Reflect.apply(value, target, args)).then((result) => (gone ? never : result));
    },
  });
  return {
    store: proxy,
    vanish: () => {
      gone = true;
    },
  };
}
