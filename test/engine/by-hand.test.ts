/** What people do to a run and see of it: steps settled by hand, tags and progress. */
import { describe, expect, test } from "vitest";
import { activity } from "../../src/workflow/activity.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench, vanishing } from "./fixture.ts";

const broken = activity("broken", { retry: { maxAttempts: 2, initial: "1h", max: "1h" } }, async () => {
  throw new Error("broken");
});
const patient = workflow("patient", async (wf) => {
  try {
    return { got: await wf.call(broken, undefined, { label: "mend me" }) };
  } catch (error) {
    return { failed: (error as Error).message };
  }
});

describe("a step in flight", () => {
  test("is completed by hand, and the history says so", async () => {
    const { engine, finish, clock } = bench();
    await using host = await engine({ workflows: [patient] });
    const handle = await host.start(patient);
    await clock.advance(2000);
    await handle.completeStep("mend me", 5, "told by telephone");
    expect(await finish(handle)).toEqual({ got: 5 });
    const notes = (await handle.history()).flatMap(({ data }) => data.o ?? []);
    expect(notes).toContainEqual(expect.objectContaining({ k: "step.forced", reason: "told by telephone" }));
  });

  test("is left out by hand", async () => {
    const { engine, finish, clock } = bench();
    await using host = await engine({ workflows: [patient] });
    const handle = await host.start(patient);
    await clock.advance(2000);
    await handle.skipStep("mend me");
    expect(await finish(handle)).toEqual({ got: null });
  });

  test("is failed by hand, without the attempts that are left", async () => {
    const { engine, finish, clock } = bench();
    await using host = await engine({ workflows: [patient] });
    const handle = await host.start(patient);
    await clock.advance(2000);
    await handle.failStep("mend me", new Error("hopeless"));
    expect(await finish(handle)).toEqual({ failed: "hopeless" });
  });

  test("is tried again at once, whatever its back-off says", async () => {
    const { engine, finish, clock } = bench();
    await using host = await engine({ workflows: [patient] });
    const handle = await host.start(patient);
    const began = clock.now();
    await clock.advance(2000);
    await handle.retryStep(1);
    expect(await finish(handle, 60_000)).toEqual({ failed: "broken" });
    expect(clock.now() - began).toBeLessThan(60_000);
  });

  test("that does not exist is named, with those that do", async () => {
    const { engine, clock } = bench();
    await using host = await engine({ workflows: [patient] });
    const handle = await host.start(patient);
    await clock.advance(2000);
    await expect(handle.completeStep("mend you", 5)).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining("mend me (1)"),
    });
  });
});

describe("a run that failed", () => {
  test("goes on with the result its step is given by hand", async () => {
    const { engine, finish } = bench();
    const fails = workflow(
      "fails",
      async (wf) => `got ${await wf.call(broken, undefined, { retry: { maxAttempts: 1 } })}`,
    );
    await using host = await engine({ workflows: [fails] });
    const handle = await host.start(fails);
    await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_FAILED" });
    await handle.completeStep("broken", "help");
    expect(await finish(handle)).toBe("got help");
  });

  test("and has undone its steps does not go on when one of them is settled by hand", async () => {
    const { engine, finish } = bench();
    const log: string[] = [];
    const order = workflow("order", async (wf) =>
      wf.saga(async (saga) => {
        await saga.step("charge", () => log.push("charge"), {
          undo: () => wf.step("refund", () => log.push("refund")),
        });
        await wf.call(broken, undefined, { retry: { maxAttempts: 1 } });
        await wf.step("ship", () => log.push("ship"));
      }),
    );
    await using host = await engine({ workflows: [order] });
    const handle = await host.start(order);
    await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_FAILED" });
    for (const settled of [handle.completeStep("broken", 1), handle.skipStep("broken")])
      await expect(settled).rejects.toMatchObject({ code: "CONFLICT", message: expect.stringContaining("undo") });
    expect(await handle.status()).toBe("failed");
    expect(log).toEqual(["charge", "refund"]);
  });
});

describe("a run", () => {
  test("stands still while it is paused, and keeps what it is told", async () => {
    const { engine, finish, clock } = bench();
    const asks = workflow("asks", async (wf) => {
      const decision = await wf.approval("publish");
      return `${decision?.approved} ${await wf.step("later", () => wf.info.workflow)}`;
    });
    await using host = await engine({ workflows: [asks] });
    const handle = await host.start(asks);
    await clock.advance(1000);
    await handle.pause("wait for Mo");
    await clock.advance(10_000);
    expect(await handle.describe()).toMatchObject({ status: "paused", paused: "wait for Mo" });
    const rejected = handle.reject("publish", { by: "mo" });
    await clock.advance(10_000);
    expect(await handle.status()).toBe("paused");
    await handle.resume();
    expect(await finish(handle)).toBe("false asks");
    await rejected;
  });

  test("is deleted once it has ended", async () => {
    const { engine, finish } = bench();
    const short = workflow("short", async () => 1);
    await using host = await engine({ workflows: [short, patient] });
    const open = await host.start(patient, undefined, { id: "open" });
    await expect(open.delete()).rejects.toMatchObject({ code: "CONFLICT" });
    const handle = await host.start(short, undefined, { id: "short" });
    await finish(handle);
    await handle.delete();
    await expect(host.handle("short")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("a run as people see it", () => {
  test("has the tags of its start and those it sets, and the last progress it told", async () => {
    const { engine, finish, clock } = bench();
    const told = workflow("told", async (wf) => {
      wf.tag({ rows: 5, urgent: null });
      wf.progress({ done: 1 });
      wf.progress({ done: 2 });
      await wf.sleep("1h");
      wf.note("decision", { publish: true });
      wf.progress("finished");
      wf.tag({ rows: 6 });
    });
    await using host = await engine({ workflows: [told] });
    const handle = await host.start(told, undefined, { tags: { customer: "acme", urgent: true } });
    await clock.advance(60_000);
    expect(await handle.describe()).toMatchObject({ tags: { customer: "acme", rows: "5" }, progress: { done: 2 } });
    await finish(handle, 7_200_000);
    expect(await handle.describe()).toMatchObject({ tags: { customer: "acme", rows: "6" }, progress: "finished" });
    const notes = (await handle.history()).flatMap(({ data }) => data.o ?? []);
    expect(notes).toContainEqual({ k: "decision", publish: true });
  });

  test("logs what it says once, not again when it is replayed", async () => {
    const { engine, finish, clock, store } = bench();
    const lines: unknown[] = [];
    const info = (_: unknown, message?: string): void => void lines.push(message);
    const logger = { debug: () => {}, info, warn: () => {}, error: () => {} };
    const talks = workflow("talks", async (wf) => {
      wf.log.info({}, "before");
      await wf.sleep("1h");
      wf.log.info({}, "after");
    });
    const first = vanishing(store);
    const one = await engine({ store: first.store, workflows: [talks], logger });
    const handle = await one.start(talks, undefined, { id: "t" });
    await clock.advance(60_000);
    first.vanish();
    await using two = await engine({ workflows: [talks], logger });
    await finish(await two.handle(handle.workflowId), 7_200_000);
    expect(lines.filter((line) => line !== "run taken over")).toEqual(["before", "after"]);
  });

  test("tells its history from an event on", async () => {
    const { engine, finish } = bench();
    const short = workflow("short", async (wf) => wf.step("one", () => 1));
    await using host = await engine({ workflows: [short] });
    const handle = await host.start(short);
    await finish(handle);
    const seen: string[] = [];
    for await (const { seq, type } of handle.events({ after: 1 })) seen.push(`${seq} ${type}`);
    expect(seen).toEqual(["2 StepCompleted", "3 RunCompleted"]);
  });

  test("a step that takes longer than all its attempts may fails: with its last error, or in the middle of an attempt", async () => {
    const { engine, finish } = bench();
    const hangs = activity("hangs", { retry: { initial: "10s" } }, async (_: undefined, ctx) => {
      if (ctx.attempt === 1) throw new Error("broken");
      await new Promise((_, reject) => ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason)));
    });
    const limited = workflow("limited", async (wf) => {
      const failure = (error: { code?: string; message: string }): string => error.code ?? error.message;
      const options = { totalTimeout: "1m" } as const;
      return [
        await wf.call(broken, undefined, options).catch(failure),
        await wf.call(hangs, undefined, options).catch(failure),
      ];
    });
    await using host = await engine({ workflows: [limited] });
    expect(await finish(await host.start(limited))).toEqual(["broken", "TOTAL_TIMEOUT"]);
  });
});
