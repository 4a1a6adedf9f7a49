/** Children: results, failures, cancelling both ways, what the end of a parent means, crashes. On a clock that tests move. */
import { describe, expect, test } from "vitest";
import type { Store } from "../../src/store/store.ts";
import { activity } from "../../src/workflow/activity.ts";
import { signal } from "../../src/workflow/signal.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { gate } from "../gate.ts";
import { bench, vanishing } from "./fixture.ts";

const go = signal<string>("go");
const work = activity("work", async (n: number) => n + 1);
const leaf = workflow("leaf", async (wf, n: number) => (await wf.call(work, n)) + (await wf.call(work, n)));
const waiting = workflow("waiting", async (wf, tag: string) => `${tag}:${await wf.waitFor(go)}`);
const failing = workflow("failing", async () => {
  throw Object.assign(new RangeError("too much"), { limit: 3 });
});
const ALL = [leaf, waiting, failing];

describe("a child that is waited for", () => {
  test("gives its result, with its own history and its parent's name", async () => {
    const { engine, finish } = bench();
    const parent = workflow("parent", async (wf) => [await wf.child(leaf, 1), await wf.child("leaf", 2)]);
    await using host = await engine({ workflows: [...ALL, parent] });
    const handle = await host.start(parent, undefined, { id: "p" });
    expect(await finish(handle)).toEqual([4, 6]);
    expect((await handle.history()).map(({ type }) => type)).toEqual([
      "RunStarted",
      "StepCompleted",
      "StepCompleted",
      "RunCompleted",
    ]);
    const children = (await host.runs.list({ workflow: "leaf" })).map(({ parent: of, status }) => [of, status]);
    expect(children).toEqual([
      [handle.runId, "completed"],
      [handle.runId, "completed"],
    ]);
  });

  test("fails its parent with the whole chain of causes", async () => {
    const { engine, finish } = bench();
    const middle = workflow("middle", (wf) => wf.child(failing));
    const parent = workflow("parent", (wf) => wf.child(middle, undefined, { id: "m" }));
    await using host = await engine({ workflows: [...ALL, middle, parent] });
    const error = await finish(await host.start(parent, undefined, { id: "p" })).catch((caught: Error) => caught);
    expect(error).toMatchObject({
      code: "RUN_FAILED",
      cause: {
        code: "RUN_FAILED",
        message: expect.stringContaining("child workflow m failed"),
        cause: { code: "RUN_FAILED", cause: { name: "RangeError", message: "too much", limit: 3 } },
      },
    });
  });

  test("is started by the next engine when this one is being closed", async () => {
    const { engine, finish, store } = bench();
    const gates = { p: gate(), other: gate() };
    const slow = activity("slow", (_: undefined, { workflowId }) => gates[workflowId as "p" | "other"].passed);
    const parent = workflow("parent", async (wf, goesOn: boolean) => {
      await wf.call(slow);
      return goesOn ? wf.child(leaf, 1) : 0;
    });
    const commits = heldCommits(store);
    const first = await engine({ workflows: [...ALL, parent], store: commits.store });
    await first.start(parent, true, { id: "p" });
    await first.start(parent, false, { id: "other" });
    commits.hold();
    gates.p.open();
    const landP = await commits.next();
    gates.other.open();
    await new Promise(setImmediate);
    const closed = first.close();
    landP();
    // The engine still has something to write while the parent asks for its child.
    const landOther = await commits.next();
    await new Promise(setImmediate);
    commits.free();
    landOther();
    await closed;
    await using second = await engine({ workflows: [...ALL, parent] });
    expect(await finish(await second.handle("p"))).toBe(4);
  });

  test("whose id is taken by another open run is refused to the parent", async () => {
    const { engine, finish } = bench();
    const parent = workflow("parent", async (wf) => {
      try {
        await wf.child(waiting, "b", { id: "taken" });
        return "started";
      } catch (error) {
        return (error as { code: string }).code;
      }
    });
    await using host = await engine({ workflows: [...ALL, parent] });
    await host.start(waiting, "a", { id: "taken" });
    expect(await finish(await host.start(parent))).toBe("ALREADY_EXISTS");
  });

  test("is one that the engine has the code of, else the parent is blocked and says what to do", async () => {
    const { engine } = bench();
    const parent = workflow("parent", (wf) => wf.child(leaf, 1));
    await using host = await engine({ workflows: [parent] });
    await expect((await host.start(parent)).result()).rejects.toMatchObject({
      code: "RUN_BLOCKED",
      message: expect.stringContaining("add it to the workflows given to open()"),
    });
  });
});

describe("a spawned child", () => {
  test("is told things and gives its result later", async () => {
    const { engine, finish } = bench();
    const parent = workflow("parent", async (wf) => {
      const child = await wf.spawn(waiting, "x", { id: "c", tags: { of: "parent" } });
      await child.signal(go, "now");
      return [child.workflowId, child.runId, await child.result()];
    });
    await using host = await engine({ workflows: [...ALL, parent] });
    const result = await finish(await host.start(parent));
    const child = await host.handle("c");
    expect(result).toEqual(["c", child.runId, "x:now"]);
    expect((await child.describe()).tags).toEqual({ of: "parent" });
  });

  test("whose failure nobody asks for fails nobody", async () => {
    const { engine, finish } = bench();
    const parent = workflow("parent", async (wf) => {
      await wf.spawn(failing);
      await wf.sleep("1m");
      return "fine";
    });
    await using host = await engine({ workflows: [...ALL, parent] });
    expect(await finish(await host.start(parent))).toBe("fine");
  });

  test.each([
    ["cancel", "cancelled"],
    ["terminate", "terminated"],
    ["abandon", "running"],
  ] as const)("is dealt with by its policy %s when its parent ends", async (onParentClose, status) => {
    const { engine, finish, clock } = bench();
    const parent = workflow("parent", async (wf) => {
      await wf.spawn(waiting, "x", { id: "c", onParentClose });
    });
    await using host = await engine({ workflows: [...ALL, parent] });
    await finish(await host.start(parent));
    await clock.advance(5000);
    expect(await (await host.handle("c")).status()).toBe(status);
  });
});

describe("cancelling", () => {
  test("a parent cancels its children, and a child that was cancelled says so to its parent", async () => {
    const { engine, finish, clock } = bench();
    const parent = workflow("parent", async (wf) => {
      try {
        return await wf.child(waiting, "x", { id: "c" });
      } catch (error) {
        return (error as { code?: string }).code ?? (error as Error).name;
      }
    });
    await using host = await engine({ workflows: [...ALL, parent] });
    const one = await host.start(parent, undefined, { id: "one" });
    await clock.advance(2000);
    await (await host.handle("c")).cancel("by hand");
    expect(await finish(one)).toBe("RUN_CANCELLED");
    const two = await host.start(parent, undefined, { id: "two" });
    await clock.advance(2000);
    await two.cancel("enough");
    expect(await finish(two)).toBe("CANCELLED");
    await clock.advance(2000);
    expect(await (await host.handle("c")).status()).toBe("cancelled");
  });

  test("a child of a scope that ends is cancelled", async () => {
    const { engine, finish, clock } = bench();
    const parent = workflow("parent", async (wf) =>
      wf.scope(() => Promise.race([wf.child(waiting, "x", { id: "c" }), wf.sleep("1m").then(() => "late")])),
    );
    await using host = await engine({ workflows: [...ALL, parent] });
    expect(await finish(await host.start(parent))).toBe("late");
    await clock.advance(5000);
    expect(await (await host.handle("c")).status()).toBe("cancelled");
  });

  test.each([false, true])(
    "one that was told to stop and is still at it is terminated, if that is its policy (others: %s)",
    async (others) => {
      const { engine, finish, clock } = bench();
      const slow = workflow("slow", async (wf) => {
        await wf.waitFor(go).catch(() => {});
        await wf.uncancellable(() => wf.sleep("1h"));
      });
      const parent = workflow("parent", async (wf) => {
        await wf
          .scope(() => wf.child(slow, undefined, { id: "s", onParentClose: "terminate" }), { timeout: "1s" })
          .catch(() => {});
        await wf.sleep("1s");
        if (others) await wf.spawn(waiting, "w", { id: "w" });
        await wf.sleep("1s");
      });
      await using host = await engine({ workflows: [...ALL, slow, parent] });
      await finish(await host.start(parent, undefined, { id: "p" }));
      await clock.advance(100);
      expect((await (await host.handle("s")).describe()).status).toBe("terminated");
    },
  );

  test("terminating a parked parent deals with its children", async () => {
    const { engine, clock } = bench();
    const parent = workflow("parent", (wf) => wf.child(waiting, "x", { id: "c", onParentClose: "terminate" }));
    await using host = await engine({ workflows: [...ALL, parent] });
    const handle = await host.start(parent);
    await clock.advance(30_000);
    await handle.terminate("gone");
    await clock.advance(5000);
    expect(await (await host.handle("c")).status()).toBe("terminated");
  });

  test("terminating a parked child tells its parent", async () => {
    const { engine, finish, clock } = bench();
    const parent = workflow("parent", (wf) =>
      wf.child(waiting, "x", { id: "c" }).catch((error: { code: string }) => error.code),
    );
    await using host = await engine({ workflows: [...ALL, parent] });
    const handle = await host.start(parent);
    await clock.advance(30_000);
    await (await host.handle("c")).terminate("gone");
    expect(await finish(handle)).toBe("RUN_TERMINATED");
  });
});

describe("crashes", () => {
  test("a child that is being started when its parent ends is not left behind, though the engine dies with that commit", async () => {
    const { engine, clock, store } = bench();
    const doomed = vanishing(store);
    const commit: Store["commit"] = async (lease, batch) => {
      const answer = doomed.store.commit(lease, batch);
      if (batch.transitions.some(({ image }) => image?.status === "timed_out")) doomed.vanish();
      const result = await answer;
      if (batch.starts.some(({ parent }) => parent !== undefined))
        await new Promise<void>((resolve) => void clock.after(300, resolve));
      return result;
    };
    const parent = workflow("parent", (wf) => wf.child(waiting, "x", { id: "c" }));
    const one = await engine({ store: withCommit(doomed.store, commit), workflows: [...ALL, parent] });
    await one.start(parent, undefined, { id: "p", timeout: "200ms" });
    await clock.advance(400);
    await using two = await engine({ workflows: [...ALL, parent] });
    expect(await (await two.handle("p")).status()).toBe("timed_out");
    await clock.advance(60_000);
    expect(await (await two.handle("c")).status()).toBe("cancelled");
  });

  test.each([0, 1, 2, 3, 5, 8, 13, 2000, 15_000])(
    "each child runs once when the engine vanishes after %i ms",
    async (ms) => {
      const { engine, finish, clock, store } = bench();
      const first = vanishing(store);
      const runs: number[] = [];
      const slow = activity("slow", async (n: number, ctx) => {
        runs.push(n);
        ctx.heartbeat();
        return n;
      });
      const child = workflow("child", async (wf, n: number) => {
        await wf.sleep(n * 10);
        return wf.call(slow, n);
      });
      const parent = workflow("parent", async (wf) => {
        const spawned = await Promise.all([1, 2, 3].map((n) => wf.spawn(child, n)));
        await wf.sleep("20s");
        const awaited = await wf.child(child, 4);
        return [...(await Promise.all(spawned.map((one) => one.result()))), awaited];
      });
      const one = await engine({ store: first.store, workflows: [child, parent] });
      void one.start(parent, undefined, { id: "p" }).catch(() => {});
      await clock.settle();
      await clock.advance(ms);
      first.vanish();
      await using two = await engine({ workflows: [child, parent] });
      expect(await finish(await two.start(parent, undefined, { id: "p", conflict: "attach" }))).toEqual([1, 2, 3, 4]);
      expect(await two.runs.list({ workflow: "child" })).toHaveLength(4);
    },
  );

  test("a parent that is resumed runs the child that failed it again, and no other", async () => {
    const { engine, finish } = bench();
    let broken = true;
    const starts: string[] = [];
    const flaky = workflow("flaky", async (wf, name: string) => {
      await wf.step("start", () => void starts.push(name));
      if (name === "b" && broken) throw new Error("broken");
      return name;
    });
    const parent = workflow("parent", async (wf) => [await wf.child(flaky, "a"), await wf.child(flaky, "b")]);
    await using host = await engine({ workflows: [flaky, parent] });
    const handle = await host.start(parent);
    await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_FAILED" });
    broken = false;
    await handle.resume();
    expect(await finish(handle)).toEqual(["a", "b"]);
    expect(starts).toEqual(["a", "b", "b"]);
  });

  test.each([{ ms: 0 }, { ms: 5000 }])(
    "children that its failure had stopped are begun anew, $ms ms later",
    async ({ ms }) => {
      const { engine, finish, clock } = bench();
      let broken = true;
      const parent = workflow("parent", async (wf) => {
        const quick = wf.child(waiting, "q", { id: "quick" });
        await wf.sleep("10s");
        const breaking = wf.step(
          "break",
          () => {
            if (broken) throw new Error("broken");
          },
          { retry: { maxAttempts: 1 } },
        );
        return Promise.all([quick, wf.child(waiting, "x"), wf.child(waiting, "y", { id: "y" }), breaking]);
      });
      await using host = await engine({ workflows: [...ALL, parent] });
      const handle = await host.start(parent, undefined, { id: "p" });
      await clock.advance(1000);
      await (await host.handle("quick")).signal(go, "1");
      await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_FAILED", cause: { message: "broken" } });
      await clock.advance(ms);
      broken = false;
      await handle.resume();
      await clock.advance(5000);
      const open = await host.runs.list({ workflow: "waiting", status: ["pending", "running"] });
      for (const { runId } of open) await (await host.handle(runId)).signal(go, "2");
      expect(await finish(handle)).toEqual(["q:1", "x:2", "y:2", undefined]);
    },
  );

  test.each(["failed", "cancelled"])(
    "a handle of a spawned child reaches the one begun anew, of a parent that had %s",
    async (how) => {
      const { engine, finish, clock } = bench();
      let broken = true;
      const parent = workflow("parent", async (wf) => {
        const child = await wf.spawn(waiting, "x");
        await wf.sleep("10s");
        await wf.step(
          "break",
          () => {
            if (broken) throw new Error("broken");
          },
          { retry: { maxAttempts: 1 } },
        );
        await wf.sleep("10s");
        await child.signal(go, "again");
        return child.result();
      });
      await using host = await engine({ workflows: [...ALL, parent] });
      const handle = await host.start(parent);
      await clock.advance(1000);
      if (how === "cancelled") await handle.cancel();
      await expect(finish(handle)).rejects.toMatchObject({ code: `RUN_${how.toUpperCase()}` });
      broken = false;
      await handle.resume();
      expect(await finish(handle)).toBe("x:again");
    },
  );

  test("an outcome that came while the parent had failed is found when it is resumed", async () => {
    const { engine, finish, clock } = bench();
    let broken = true;
    const parent = workflow("parent", async (wf) => {
      const child = await wf.spawn(waiting, "x", { id: "c", onParentClose: "abandon" });
      await wf.sleep("1s");
      await wf.step(
        "break",
        () => {
          if (broken) throw new Error("broken");
        },
        { retry: { maxAttempts: 1 } },
      );
      return child.result();
    });
    await using host = await engine({ workflows: [...ALL, parent] });
    const handle = await host.start(parent);
    await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_FAILED" });
    await (await host.handle("c")).signal(go, "while failed");
    await clock.advance(5000);
    broken = false;
    await handle.resume();
    expect(await finish(handle)).toBe("x:while failed");
  });
});

describe("a parent that goes back", () => {
  test("takes the outcome of the child it has now, not that of the one from before", async () => {
    const { engine, finish, clock } = bench();
    const parent = workflow("parent", async (wf) => {
      await wf.step("first", () => 1);
      return wf.child(waiting, "x", { onParentClose: "abandon" });
    });
    await using host = await engine({ workflows: [...ALL, parent] });
    const handle = await host.start(parent);
    await clock.advance(2000);
    const before = (await host.runs.list({ workflow: "waiting" }))[0]!;
    const reset = handle.reset({ to: "first" });
    await clock.advance(20_000);
    await reset;
    await clock.advance(20_000);
    const now = (await host.runs.list({ workflow: "waiting" })).find(({ runId }) => runId !== before.runId)!;
    await (await host.handle(before.runId)).signal(go, "before");
    await clock.advance(20_000);
    expect(await handle.status()).toBe("running");
    await (await host.handle(now.runId)).signal(go, "now");
    expect(await finish(handle)).toBe("x:now");
  });
});

describe("continuing as new", () => {
  test("the outcome of a child from before means nothing to the run that goes on", async () => {
    const { engine, finish, clock } = bench();
    const tokens: string[] = [];
    const later = activity("later", async (_: undefined, ctx) => void tokens.push(ctx.completeLater()));
    const parent = workflow("parent", async (wf, n: number) => {
      if (n === 0) {
        await wf.spawn(waiting, "x", { id: "c" });
        void wf.call(later).catch(() => {});
        await wf.sleep("1s");
        return wf.continueAsNew(1);
      }
      return [await wf.waitFor(go), await wf.call(later)];
    });
    await using host = await engine({ workflows: [...ALL, parent] });
    const handle = await host.start(parent, 0);
    await clock.advance(10_000);
    await (await host.handle("c")).signal(go, "child");
    await host.complete(tokens[0]!, "before").catch(() => {});
    await clock.advance(10_000);
    expect(await handle.status()).toBe("running");
    await handle.signal(go, "parent");
    await clock.advance(10_000);
    await host.complete(tokens[0]!, "before").catch(() => {});
    await host.complete(tokens[1]!, "after");
    expect(await finish(handle)).toEqual(["parent", "after"]);
  });
});

describe("other runs", () => {
  test("are told by workflow code, once, and unknown or closed ones are errors", async () => {
    const { engine, finish } = bench();
    const parent = workflow("parent", async (wf) => {
      const told = wf.handle("w");
      await told.signal(go, "hello");
      const unknown = await wf
        .handle("nobody")
        .signal(go, "x")
        .catch((error: { code: string }) => error.code);
      return unknown;
    });
    await using host = await engine({ workflows: [...ALL, parent] });
    const target = await host.start(waiting, "t", { id: "w" });
    expect(await finish(await host.start(parent))).toBe("NOT_FOUND");
    expect(await finish(target)).toBe("t:hello");
  });
});

describe("secrets", () => {
  test("of a parent reach the activities of its children", async () => {
    const { engine, finish } = bench();
    const reveal = activity("reveal", async (_: undefined, ctx) => ctx.secrets.key?.length);
    const child = workflow("child", (wf) => wf.call(reveal));
    const parent = workflow("parent", (wf) => wf.child(child));
    await using host = await engine({ workflows: [child, parent] });
    expect(await finish(await host.start(parent, undefined, { secrets: { key: "s3cr3t" } }))).toBe(6);
  });
});

/** The store with another way to commit. */
function withCommit(store: Store, commit: Store["commit"]): Store {
  return new Proxy(store, {
    get(target, key) {
      if (key === "commit") return commit;
      const value = Reflect.get(target, key) as unknown;
      return typeof value === "function" ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
}

/** A store whose commits are held until somebody lets them land, one by one. */
function heldCommits(store: Store): { store: Store; hold(): void; free(): void; next(): Promise<() => void> } {
  let holding = false;
  const waiting: (() => void)[] = [];
  let arrived = gate();
  const commit: Store["commit"] = async (lease, batch) => {
    if (holding) {
      const mine = gate();
      waiting.push(mine.open);
      arrived.open();
      await mine.passed;
    }
    return store.commit(lease, batch);
  };
  return {
    store: withCommit(store, commit),
    hold: () => {
      holding = true;
    },
    free: () => {
      holding = false;
    },
    next: async () => {
      await arrived.passed;
      arrived = gate();
      return waiting.shift()!;
    },
  };
}
