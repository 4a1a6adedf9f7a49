/** Ending a run from outside: cancelling, which its code may answer, terminating, and what comes after. */
import { describe, expect, it } from "vitest";
import { activity, CancelledError, isPerdureError, signal, workflow } from "../../src/index.ts";
import { createTestEnv, hangs } from "../../src/testing/index.ts";
import { bench } from "./fixture.ts";

const go = signal<string>("go");

describe("cancellation", () => {
  it("rejects pending waits, aborts activities and ends the run as cancelled", async () => {
    let reason: unknown;
    const hang = activity("hang", (_: undefined, ctx) => {
      ctx.signal.addEventListener("abort", () => {
        reason = ctx.signal.reason;
      });
      return hangs()(undefined, ctx);
    });
    const w = workflow("w", async (wf) => wf.call(hang));
    await using env = await createTestEnv({ workflows: [w] });
    const handle = await env.start(w);
    await env.settled();
    await handle.cancel("changed my mind");
    const error = await handle.result().catch((thrown: unknown) => thrown);
    expect(isPerdureError(error, "RUN_CANCELLED")).toBe(true);
    expect(reason).toBeInstanceOf(CancelledError);
    expect((await handle.history()).map((event) => event.type)).toEqual([
      "RunStarted",
      "CancelRequested",
      "StepCancelled",
      "RunCancelled",
    ]);
  });

  it("lets the code answer with a result of its own and aborts wf.abortSignal", async () => {
    const w = workflow("w", async (wf) => {
      const seen = wf.abortSignal.aborted;
      try {
        await wf.sleep("1d");
      } catch (error) {
        return { seen, now: wf.abortSignal.aborted, error: (error as Error).name };
      }
      return "slept";
    });
    await using env = await createTestEnv({ workflows: [w] });
    const handle = await env.start(w);
    await env.clock.advance(10);
    await handle.cancel();
    expect(await handle.result()).toEqual({ seen: false, now: true, error: "CancelledError" });
  });

  it("terminates at once, also when no engine knows the code", async () => {
    const { engine, clock } = bench();
    const w = workflow("w", async (wf) => wf.sleep("1d"));
    const one = await engine({ workflows: [w] });
    await one.start(w, undefined, { id: "t" });
    await clock.advance(10);
    await one.close();
    const other = await engine();
    const handle = await other.handle("t");
    await handle.terminate("enough");
    expect(await handle.status()).toBe("terminated");
    expect((await handle.history()).at(-1)).toMatchObject({ type: "RunTerminated", data: { r: "enough" } });
  });

  it("refuses messages to a run that has ended", async () => {
    const w = workflow("w", async () => 1);
    await using env = await createTestEnv({ workflows: [w] });
    const handle = await env.start(w);
    await handle.result();
    await expect(handle.signal(go, "x")).rejects.toMatchObject({ code: "RUN_CLOSED" });
  });
});
