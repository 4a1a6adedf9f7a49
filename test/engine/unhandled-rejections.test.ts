/** Promises that nobody handles: those of workflow code are its run's, those of the application the application's. */
import { describe, expect, it } from "vitest";
import { activity, workflow } from "../../src/index.ts";
import { bench } from "./fixture.ts";

const a = activity("a", async (n: number) => n);

describe("a rejection nobody handles", () => {
  it("inside workflow code fails its run and leaves the process and other runs alone", async () => {
    const { engine, finish, clock } = bench();
    const careless = workflow("careless", async (wf) => {
      void (async () => {
        await wf.call(a, 1);
        throw new RangeError("forgotten");
      })();
      await wf.sleep("1h");
    });
    const careful = workflow("careful", async (wf) => {
      await wf.sleep("10s");
      return wf.call(a, 2);
    });
    const e = await engine({ workflows: [careless, careful] });
    const [bad, good] = [await e.start(careless), await e.start(careful)];
    await clock.advance(100);
    expect(await bad.status()).toBe("failed");
    expect((await bad.describe()).error).toMatchObject({ name: "RangeError", message: "forgotten" });
    expect(await finish(good)).toBe(2);
    await e.close();
  });

  it("inside workflow code is nobody's business but its run's, wherever it was made", async () => {
    const { engine, finish } = bench();
    const bad = activity("bad", { retry: { maxAttempts: 1 } }, async () => {
      throw new RangeError("declined");
    });
    const later = workflow("later", async (wf) => {
      const called = wf.call(bad);
      await wf.sleep("1h");
      return called.catch(() => "too late");
    });
    const waiting = workflow("waiting", async (wf) => {
      void wf.until(() => {
        if (wf.now() > wf.info.startedAt) throw new RangeError("declined");
        return false;
      });
      await wf.sleep("1s");
      await wf.sleep("1h");
    });
    const within = workflow("within", async (wf) => {
      void (async () => wf.call(bad))();
      await wf.sleep("1h");
    });
    const told: unknown[] = [];
    const listener = (error: unknown): unknown => told.push(error);
    process.on("unhandledRejection", listener);
    try {
      const e = await engine({ workflows: [later, waiting, within] });
      for (const one of [later, waiting, within])
        await expect(finish(await e.start(one.name))).rejects.toMatchObject({ cause: { message: "declined" } });
      await e.close();
    } finally {
      process.off("unhandledRejection", listener);
    }
    expect(told).toEqual([]);
  });

  it("outside of workflow code reaches the listeners of the application, also while an engine is open", async () => {
    const before = process.emit;
    const e = await bench().engine({ workflows: [workflow("w", async () => 1)] });
    const others = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    try {
      const told = new Promise((resolve) => process.once("unhandledRejection", resolve));
      void Promise.reject(new RangeError("of the application"));
      expect(await told).toMatchObject({ message: "of the application" });
    } finally {
      for (const listener of others) process.on("unhandledRejection", listener);
      await e.close();
    }
    expect(process.emit).toBe(before);
  });
});
