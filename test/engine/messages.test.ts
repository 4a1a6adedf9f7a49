/** Handlers, updates, queries, conditions, continue-as-new, callbacks and approvals, on a clock that tests move. */
import { describe, expect, test } from "vitest";
import type { RunHandle } from "../../src/client/run-handle.ts";
import { activity } from "../../src/workflow/activity.ts";
import { query, signal, update } from "../../src/workflow/signal.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench, vanishing } from "./fixture.ts";

const add = update<number, number>("add");
const poke = signal<number>("poke");
const done = signal("done");
const total = query<number>("total");
const above = query<boolean, number>("above");
const double = activity("double", async (n: number) => n * 2);

const counter = workflow("counter", async (wf, start: number) => {
  let sum = start;
  let finished = false;
  wf.on(
    add,
    async (n) => {
      sum += await wf.call(double, n);
      return sum;
    },
    {
      validate: (n) => {
        if (n < 0) throw new RangeError(`${n} is negative`);
      },
    },
  );
  wf.on(poke, (n) => {
    sum += n;
  });
  wf.on(total, () => sum);
  wf.on(above, (limit) => sum > limit);
  wf.on(done, () => {
    finished = true;
  });
  await wf.until(() => finished);
  await wf.handlersFinished();
  return sum;
});

describe("updates", () => {
  test("an update changes the run and answers", async () => {
    const { engine, finish } = bench();
    await using host = await engine({ workflows: [counter] });
    const handle = await host.start(counter, 1, { id: "c" });
    expect(await handle.update(add, 5)).toBe(11);
    expect(await handle.update(add, 1)).toBe(13);
    await handle.signal(done);
    expect(await finish(handle)).toBe(13);
  });

  test("a rejected update leaves no trace in the history", async () => {
    const { engine } = bench();
    await using host = await engine({ workflows: [counter] });
    const handle = await host.start(counter, 1, { id: "c" });
    await expect(handle.update(add, -5)).rejects.toMatchObject({
      code: "UPDATE_FAILED",
      cause: { name: "RangeError", message: "-5 is negative" },
    });
    expect((await handle.history()).map(({ type }) => type)).toEqual(["RunStarted"]);
  });

  test("a validator that returns false says no, and one that answers later cannot be asked", async () => {
    const { engine } = bench();
    const picky = workflow("picky", async (wf) => {
      wf.on(add, (n) => n, { validate: (n) => n > 0 });
      wf.on(update<number, number>("late"), (n) => n, { validate: async () => Promise.reject(new Error("too late")) });
      await wf.waitFor("never");
    });
    await using host = await engine({ workflows: [picky] });
    const handle = await host.start(picky);
    expect(await handle.update(add, 1)).toBe(1);
    await expect(handle.update(add, -1)).rejects.toMatchObject({
      code: "UPDATE_FAILED",
      cause: { message: "the validator of update add says no" },
    });
    await expect(handle.update("late", 1)).rejects.toMatchObject({
      code: "UPDATE_FAILED",
      cause: { message: "the validator of update late must be synchronous; it returned a promise" },
    });
  });

  test("a validator sees what the update before it has done, also when both come at once", async () => {
    const { engine } = bench();
    const glass = workflow("glass", async (wf) => {
      let filled = 0;
      wf.on(
        add,
        (n) => {
          filled += n;
          return filled;
        },
        {
          validate: (n) => {
            if (filled + n > 10) throw new RangeError("it is full");
          },
        },
      );
      await wf.waitFor("never");
    });
    await using host = await engine({ workflows: [glass] });
    const handle = await host.start(glass);
    const answers = await Promise.allSettled([6, 6, 4].map((n) => handle.update(add, n)));
    expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  test("the same id is the same update, with the same answer", async () => {
    const { engine } = bench();
    await using host = await engine({ workflows: [counter] });
    const handle = await host.start(counter, 0, { id: "c" });
    const answers = await Promise.all([1, 2, 3].map(() => handle.update(add, 5, { id: "once" })));
    expect(answers).toEqual([10, 10, 10]);
    expect(await handle.query(total)).toBe(10);
  });

  test("an update nobody handles is rejected and names those that are", async () => {
    const { engine } = bench();
    await using host = await engine({ workflows: [counter] });
    const handle = await host.start(counter, 0, { id: "c" });
    await expect(handle.update("subtract", 1)).rejects.toMatchObject({
      code: "UPDATE_FAILED",
      message: expect.stringContaining("it has add"),
    });
  });

  test("an update is answered after the engine that accepted it vanished", async () => {
    const { engine, store, clock } = bench();
    const first = vanishing(store);
    const slow = activity("slow", async (n: number, ctx) => {
      if (ctx.attempt === 1) await new Promise(() => {});
      return n;
    });
    const flow = workflow("slowly", async (wf) => {
      let sum = 0;
      wf.on(add, async (n) => {
        sum += await wf.call(slow, n, { timeout: "5s" });
        return sum;
      });
      await wf.until(() => sum > 0);
      await wf.handlersFinished();
      return sum;
    });
    const one = await engine({ store: first.store, workflows: [flow] });
    const handle = await one.start(flow, undefined, { id: "s" });
    await handle.startUpdate(add, 7, { id: "u" });
    await clock.advance(1500);
    first.vanish();
    await using two = await engine({ workflows: [flow] });
    const again = (await two.handle("s")).update(add, 7, { id: "u" });
    await clock.advance(60_000);
    expect(await again).toBe(7);
  });

  test("an update the run never answers is told so when it ends", async () => {
    const { engine, clock } = bench();
    const flow = workflow("deaf", async (wf) => {
      wf.on(add, async () => wf.waitFor<number>("never"));
      await wf.sleep("1m");
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, undefined, { id: "d" });
    const { result } = await handle.startUpdate(add, 1);
    const answer = expect(result()).rejects.toMatchObject({ code: "RUN_CLOSED" });
    await clock.advance(120_000);
    await answer;
  });

  test("updateWithStart starts the run it is meant for, once", async () => {
    const { engine } = bench();
    await using host = await engine({ workflows: [counter] });
    const ask = (payload: number) => host.updateWithStart(counter, 100, { id: "w", update: add, payload });
    expect(await ask(1)).toBe(102);
    expect(await ask(1)).toBe(104);
  });
});

describe("an update of a run that failed", () => {
  test.each([
    ["resumed", (handle: RunHandle) => handle.resume()],
    ["reset", (handle: RunHandle) => handle.reset({ to: "break" })],
  ])("is answered after all when the run is %s, also when the engine dies before", async (_, goOn) => {
    const { engine, finish, clock, store } = bench();
    let broken = true;
    const flow = workflow("flow", async (wf) => {
      let sum = 0;
      wf.on(add, async (n) => {
        await wf.sleep("1m");
        sum += n;
        return sum;
      });
      const breaking = () => {
        if (broken) throw new Error("broken");
      };
      await wf.sleep("1s");
      await wf.step("break", breaking, { retry: { maxAttempts: 1 } });
      await wf.until(() => sum > 0);
      return sum;
    });
    const doomed = vanishing(store);
    const one = await engine({ workflows: [flow], store: doomed.store });
    const handle = await one.start(flow, undefined, { id: "u" });
    const told = handle.update(add, 4, { id: "click-1" }).catch((error: unknown) => error);
    await finish(handle).catch(() => {});
    expect(await told).toMatchObject({ code: "RUN_CLOSED" });
    broken = false;
    await goOn(handle as RunHandle);
    await clock.advance(1000);
    doomed.vanish();
    await using two = await engine({ workflows: [flow] });
    const again = await two.handle("u");
    expect(await finish(again)).toBe(4);
    expect(await again.update(add, 4, { id: "click-1" })).toBe(4);
  });
});

describe("a start that brings a message along", () => {
  const once = workflow("once", async (wf, n: number) => {
    wf.on(add, (by) => {
      n += by;
      return n;
    });
    wf.on(poke, (by) => {
      n += by;
    });
    const before = n;
    await wf.until(() => n > before);
    return n;
  });

  test("is the same message under the same key, also when the run that had it has ended", async () => {
    const { engine, finish } = bench();
    await using host = await engine({ workflows: [once] });
    const ask = () => host.updateWithStart(once, 1, { id: "u", update: add, payload: 2, updateId: "click-1" });
    expect(await ask()).toBe(3);
    await finish(await host.handle("u"));
    expect(await ask()).toBe(3);
    const tell = () => host.signalWithStart(once, 1, { id: "s", signal: poke, payload: 2, key: "mail-1" });
    expect(await finish(await tell())).toBe(3);
    expect(await finish(await tell())).toBe(3);
    expect(await host.runs.list()).toHaveLength(2);
  });

  test("begins another run for an update that the one before never answered", async () => {
    const { engine, finish, clock } = bench();
    let patient = false;
    const flow = workflow("flow", async (wf) => {
      let asked = false;
      wf.on(add, async (n) => {
        asked = true;
        if (!patient) await wf.sleep("1h");
        return n;
      });
      await wf.until(() => asked);
    });
    await using host = await engine({ workflows: [flow] });
    const ask = () => host.updateWithStart(flow, undefined, { id: "u", update: add, payload: 2, updateId: "click-1" });
    await expect(ask()).rejects.toMatchObject({ code: "RUN_CLOSED" });
    patient = true;
    expect(await ask()).toBe(2);
    await clock.advance(1000);
    await finish(await host.handle("u"));
  });

  test("is refused when its idempotency key is that of a run that has ended", async () => {
    const { engine, finish } = bench();
    await using host = await engine({ workflows: [once] });
    const tell = () => host.signalWithStart(once, 1, { id: "s", idempotencyKey: "order-1", signal: poke, payload: 2 });
    expect(await finish(await tell())).toBe(3);
    await expect(tell()).rejects.toMatchObject({ code: "RUN_CLOSED" });
  });
});

describe("queries", () => {
  test("answer for a run that is active, parked and closed", async () => {
    const { engine, finish, clock } = bench();
    await using host = await engine({ workflows: [counter] });
    const handle = await host.start(counter, 3, { id: "q" });
    expect(await handle.query(total)).toBe(3);
    await handle.signal(poke, 4);
    await clock.advance(1000);
    expect(await handle.query(total)).toBe(7);
    expect(await handle.query(above, 6)).toBe(true);
    await handle.signal(done);
    await finish(handle);
    expect(await handle.query(total)).toBe(7);
  });

  test("a query that issues a command is refused and harms nobody", async () => {
    const { engine } = bench();
    const flow = workflow("bad", async (wf) => {
      wf.on(query<string>("bad"), () => {
        void wf.sleep("1s");
        return "x";
      });
      wf.on(query<unknown>("async"), async () => 1);
      await wf.waitFor("go");
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow);
    await expect(handle.query("bad")).rejects.toMatchObject({ code: "OUT_OF_TURN" });
    await expect(handle.query("async")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(handle.query("none")).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(await handle.status()).toBe("running");
  });

  test("any engine with the code answers for the runs of another", async () => {
    const { engine } = bench();
    await using one = await engine({ workflows: [counter] });
    await using two = await engine({ workflows: [counter], claims: "own" });
    const handle = await one.start(counter, 0, { id: "far" });
    await handle.update(add, 2);
    expect(await (await two.runs.handle("far")).query(total)).toBe(4);
  });
});

describe("signals with handlers", () => {
  test("what came before the handler is handled in its order", async () => {
    const { engine, finish } = bench();
    const flow = workflow("late", async (wf) => {
      const seen: number[] = [];
      await wf.sleep("10s");
      wf.on(poke, (n) => {
        seen.push(n);
      });
      await wf.until(() => seen.length === 4);
      return seen;
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow);
    for (const n of [1, 2, 3]) await handle.signal(poke, n);
    setImmediate(() => void handle.signal(poke, 4));
    expect(await finish(handle)).toEqual([1, 2, 3, 4]);
  });

  test("signals are iterated, and signalWithStart brings the first one along", async () => {
    const { engine, finish } = bench();
    const flow = workflow("iterate", async (wf) => {
      const seen: number[] = [];
      for await (const n of wf.signals(poke)) {
        seen.push(n);
        if (seen.length === 3) break;
      }
      return seen;
    });
    await using host = await engine({ workflows: [flow] });
    const send = (payload: number) => host.signalWithStart(flow, undefined, { id: "i", signal: poke, payload });
    const handle = await send(1);
    await send(2);
    await send(3);
    expect(await finish(handle)).toEqual([1, 2, 3]);
    expect(await host.runs.list()).toHaveLength(1);
  });

  test("a handler that throws fails the run", async () => {
    const { engine, finish } = bench();
    const flow = workflow("throws", async (wf) => {
      wf.on(poke, () => {
        throw new Error("no");
      });
      await wf.waitFor("never");
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow);
    await handle.signal(poke, 1);
    await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_FAILED", cause: { message: "no" } });
  });
});

describe("until", () => {
  test("is false when its time passes first", async () => {
    const { engine, finish, clock } = bench();
    const flow = workflow("timed", async (wf) => [await wf.until(() => false, { timeout: "1h" }), wf.now()]);
    await using host = await engine({ workflows: [flow] });
    const began = clock.now();
    expect(await finish(await host.start(flow), 7_200_000)).toEqual([false, began + 3_600_000]);
  });

  test("chains of conditions settle within one event", async () => {
    const { engine, finish } = bench();
    const flow = workflow("chain", async (wf) => {
      let n = 0;
      const links = [3, 2, 1].map(async (link) => {
        await wf.until(() => n === link);
        n = link + 1;
      });
      await wf.waitFor("go");
      n = 1;
      await Promise.all(links);
      return [n, wf.info.historyLength];
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow);
    await handle.signal("go");
    expect(await finish(handle)).toEqual([4, 2]);
  });
});

describe("continue as new", () => {
  const looping = workflow("looping", async (wf, n: number) => {
    const got: number[] = [];
    wf.on(total, () => n);
    if (n < 3) {
      await wf.waitFor("next");
      return wf.continueAsNew(n + 1);
    }
    for (let i = 0; i < 3; i++) got.push(await wf.waitFor(poke));
    return got;
  });

  test("messages nobody took go on with the run, in their order, and result follows", async () => {
    const { engine, finish, clock } = bench();
    await using host = await engine({ workflows: [looping] });
    const handle = await host.start(looping, 1, { id: "l", tags: { kind: "loop" } });
    const first = handle.runId;
    await handle.signal(poke, 1);
    await handle.signal("next");
    await clock.advance(1000);
    await handle.signal(poke, 2);
    await handle.signal("next");
    await clock.advance(1000);
    expect(await handle.query(total)).toBe(3);
    await handle.signal(poke, 3);
    expect(await finish(handle)).toEqual([1, 2, 3]);
    expect(handle.runId).not.toBe(first);
    expect((await handle.describe()).tags).toEqual({ kind: "loop" });
    expect((await host.runs.list()).map(({ status }) => status)).toEqual([
      "completed",
      "continued_as_new",
      "continued_as_new",
    ]);
  });

  test("an update id sent before is the same update after", async () => {
    const { engine, clock } = bench();
    const flow = workflow("again", async (wf, n: number) => {
      let sum = n;
      wf.on(add, (m) => {
        sum += m;
        return sum;
      });
      await wf.waitFor("next");
      return wf.continueAsNew(sum);
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow, 0, { id: "a" });
    expect(await handle.update(add, 5, { id: "u" })).toBe(5);
    await handle.signal("next");
    await clock.advance(1000);
    expect(await handle.update(add, 5, { id: "u" })).toBe(5);
    expect(await handle.update(add, 5, { id: "v" })).toBe(10);
  });
});

describe("callbacks and approvals", () => {
  test("a callback is answered once, by its token", async () => {
    const { engine, finish, clock } = bench();
    const tokens: string[] = [];
    const flow = workflow("hook", async (wf) => {
      const { token, wait } = await wf.callback<{ paid: number }>({ timeout: "2d" });
      await wf.step("tell", () => void tokens.push(token));
      return wait();
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow);
    await clock.advance(1000);
    await expect(host.complete("v1.nonsense", {})).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await host.complete(tokens[0]!, { paid: 7 });
    await host.complete(tokens[0]!, { paid: 8 }).catch(() => {});
    expect(await finish(handle)).toEqual({ paid: 7 });
  });

  test("the answer of a callback is for all who wait for it, also after a crash", async () => {
    const { engine, finish, clock, store } = bench();
    const tokens: string[] = [];
    const keep = activity("keep", async (token: string) => void tokens.push(token));
    const flow = workflow("patient", async (wf) => {
      const answer = await wf.callback<string>({ timeout: "1h" });
      await wf.call(keep, answer.token);
      let reminders = 0;
      for (;;) {
        const came = await Promise.race([answer.wait(), wf.sleep("1m").then(() => "nothing")]);
        if (came !== "nothing") return [reminders, came, await answer.wait()];
        reminders++;
      }
    });
    const doomed = vanishing(store);
    const one = await engine({ workflows: [flow], store: doomed.store });
    await one.start(flow, undefined, { id: "c" });
    await clock.advance(150_000);
    doomed.vanish();
    await using two = await engine({ workflows: [flow] });
    await two.complete(tokens[0]!, "yes");
    expect(await finish(await two.handle("c"))).toEqual([2, "yes", "yes"]);
  });

  test("only approvers decide, once, and the wait tells who may", async () => {
    const { engine, finish, clock } = bench();
    const flow = workflow("ask", (wf) => wf.approval("publish", { approvers: ["ada", "bob"], timeout: "7d" }));
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow);
    await clock.advance(1000);
    const { open } = await handle.describe();
    expect(open).toMatchObject([{ kind: "approval", step: "publish", approvers: ["ada", "bob"] }]);
    await expect(handle.approve("publish", { by: "eve" })).rejects.toThrow(/eve may not decide publish/);
    await handle.approve("publish", { by: "ada", comment: "fine" });
    expect(await finish(handle)).toMatchObject({ approved: true, by: "ada", comment: "fine" });
  });

  test("a decision that comes when nobody waits for it any more is refused", async () => {
    const { engine, clock } = bench();
    const flow = workflow("late", async (wf) => {
      await wf.approval("timely", { timeout: "1s" });
      await wf.scope(() => wf.approval("scoped"), { timeout: "1s" }).catch(() => {});
      await wf.waitFor("go");
    });
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow);
    await clock.advance(10_000);
    for (const name of ["timely", "scoped"])
      await expect(handle.approve(name, { by: "mo" })).rejects.toMatchObject({
        code: "UPDATE_FAILED",
        cause: { code: "CONFLICT", message: `nobody waits for the decision of ${name} any more` },
      });
    expect((await handle.history()).map(({ type }) => type)).not.toContain("UpdateAccepted");
  });

  test("nobody decides in time", async () => {
    const { engine, finish } = bench();
    const flow = workflow("ask", async (wf) => (await wf.approval("x", { timeout: "1h" })) === undefined);
    await using host = await engine({ workflows: [flow] });
    expect(await finish(await host.start(flow), 10_000_000)).toBe(true);
  });
});

describe("attempts that end elsewhere", () => {
  test("are completed by token, also after a crash, and run once", async () => {
    const { engine, finish, clock, store } = bench();
    const first = vanishing(store);
    const tokens: string[] = [];
    const print = activity("print", { timeout: "3d" }, async (_: undefined, ctx) => {
      tokens.push(ctx.completeLater());
      return "ignored";
    });
    const flow = workflow("outside", (wf) => wf.call(print));
    const one = await engine({ store: first.store, workflows: [flow] });
    await one.start(flow, undefined, { id: "o" });
    await clock.advance(20_000);
    first.vanish();
    await using two = await engine({ workflows: [flow] });
    await clock.advance(60_000);
    await two.complete(tokens[0]!, "printed");
    expect(await finish(await two.handle("o"))).toBe("printed");
    expect(tokens).toHaveLength(1);
  });

  test("that fail are tried again, and time out when nobody answers", async () => {
    const { engine, finish, clock } = bench();
    const tokens: string[] = [];
    const print = activity("print", { timeout: "1m", retry: { maxAttempts: 2 } }, async (_: undefined, ctx) => {
      tokens.push(ctx.completeLater());
    });
    const flow = workflow("outside", (wf) => wf.call(print));
    await using host = await engine({ workflows: [flow] });
    const handle = await host.start(flow);
    await clock.advance(1000);
    await host.fail(tokens[0]!, new Error("paper jam"));
    await clock.advance(5000);
    expect(tokens).toHaveLength(2);
    await host.complete(tokens[0]!, "too late");
    await expect(finish(handle)).rejects.toMatchObject({ cause: { code: "TIMEOUT" } });
  });
});
