/** Starting runs: ids that are taken, idempotency keys, delays and time limits. */
import { describe, expect, it } from "vitest";
import { isPerdureError, workflow } from "../../src/index.ts";
import { createTestEnv } from "../../src/testing/index.ts";

describe("starting", () => {
  const w = workflow("w", async (wf, n: number) => {
    await wf.sleep("1h");
    return n;
  });

  it("refuses a second open run of the same id unless told to attach or replace", async () => {
    await using env = await createTestEnv({ workflows: [w] });
    const first = await env.start(w, 1, { id: "x" });
    await env.clock.advance(10);
    await expect(env.start(w, 2, { id: "x" })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    expect((await env.start(w, 2, { id: "x", conflict: "attach" })).runId).toBe(first.runId);
    const replaced = await env.start(w, 3, { id: "x", conflict: "terminate" });
    expect(await first.status()).toBe("terminated");
    expect(await replaced.result()).toBe(3);
  });

  it("reuses the id of an ended run as the policy says", async () => {
    await using env = await createTestEnv({ workflows: [w] });
    await (await env.start(w, 1, { id: "x" })).result();
    await expect(env.start(w, 2, { id: "x", reuse: "failed-only" })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(env.start(w, 2, { id: "x", reuse: "reject" })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await (await env.start(w, 2, { id: "x" })).result()).toBe(2);
  });

  it("answers a repeated start with the same key by the same run, and another input by an error", async () => {
    await using env = await createTestEnv({ workflows: [w] });
    const first = await env.start(w, 1, { idempotencyKey: "k" });
    await first.result();
    expect((await env.start(w, 1, { idempotencyKey: "k" })).runId).toBe(first.runId);
    await expect(env.start(w, 2, { idempotencyKey: "k" })).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("begins later when asked to and ends a run that outlives its timeout", async () => {
    await using env = await createTestEnv({ workflows: [w] });
    const before = env.clock.now();
    const delayed = await env.start(w, 1, { delay: "10m" });
    expect(await delayed.status()).toBe("pending");
    await delayed.result();
    expect(env.clock.now() - before).toBeGreaterThan(70 * 60_000 - 1);
    const error = await (await env.start(w, 1, { timeout: "5m" })).result().catch((thrown: unknown) => thrown);
    expect(isPerdureError(error, "RUN_TIMED_OUT")).toBe(true);
  });
});
