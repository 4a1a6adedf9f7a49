/** Errors of other people's making, which may throw themselves when somebody looks at them: each is a failure of its run, and of nothing else. */
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { activity, workflow } from "../../src/index.ts";
import { bench } from "./fixture.ts";

const boom = (): never => {
  throw new Error("do not look");
};

const THEN = "then";

const HOSTILE: Readonly<Record<string, () => unknown>> = {
  "a property that throws": () => Object.defineProperty(new Error("x"), "detail", { enumerable: true, get: boom }),
  "a message that throws": () => Object.defineProperty(new Error("x"), "message", { get: boom }),
  "a name and a stack that throw": () =>
    Object.defineProperties(new Error("x"), { name: { get: boom }, stack: { get: boom } }),
  "a cause that throws": () => Object.defineProperty(new Error("x"), "cause", { get: boom }),
  "a message without a text": () => Object.assign(new Error("x"), { message: Object.create(null) as string }),
  "a proxy that throws whatever is asked": () =>
    new Proxy({}, { get: boom, has: boom, getPrototypeOf: boom, ownKeys: boom, isExtensible: boom }),
  "an error behind such a proxy": () => new Proxy(new Error("x"), { get: boom, has: boom, ownKeys: boom }),
  "itself as its cause": () => {
    const error: Error & { cause?: unknown } = new Error("x");
    error.cause = error;
    return error;
  },
};

describe.each(Object.entries(HOSTILE))("an error with %s", (_, make) => {
  it("fails the run when its function throws it, and the engine goes on", async () => {
    const { engine, finish } = bench();
    const bad = workflow("bad", async () => {
      throw make();
    });
    const good = workflow("good", async () => "fine");
    await using one = await engine({ workflows: [bad, good] });
    const handle = await one.start(bad);
    await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_FAILED" });
    expect(await finish(await one.start(good))).toBe("fine");
  });

  it("fails the step when an activity throws it, at once or later", async () => {
    const { engine, finish } = bench();
    const retry = { maxAttempts: 2 };
    const later = activity("later", { retry }, async () => {
      throw make();
    });
    const atOnce = activity("at-once", { retry }, () => {
      throw make();
    });
    const w = workflow("w", async (wf) => [
      await wf.call(later).catch((error: { attempts: number }) => error.attempts),
      await wf.call(atOnce).catch((error: { attempts: number }) => error.attempts),
    ]);
    await using one = await engine({ workflows: [w] });
    expect(await finish(await one.start(w))).toEqual([2, 2]);
  });

  it("keeps no compensation from running when one throws it, nor what failed from being told", async () => {
    const { engine, finish } = bench();
    const undone: string[] = [];
    const w = workflow("w", async (wf) =>
      wf.saga(async (saga) => {
        await saga.step("a", () => 1, { undo: async () => void undone.push("a") });
        await saga.step("b", () => 1, {
          undo: async () => {
            throw make();
          },
        });
        throw new Error("why");
      }),
    );
    await using one = await engine({ workflows: [w] });
    await expect(finish(await one.start(w))).rejects.toMatchObject({ cause: { message: "why" } });
    expect(undone).toEqual(["a"]);
  });

  it("ends a run that is cancelled", async () => {
    const { engine, finish } = bench();
    const w = workflow("w", async (wf) => {
      await wf.sleep("1h").catch(() => {});
      throw make();
    });
    await using one = await engine({ workflows: [w] });
    const handle = await one.start(w);
    await handle.cancel("enough");
    await expect(finish(handle)).rejects.toMatchObject({ code: "RUN_FAILED" });
  });
});

describe("an error", () => {
  it("of another realm, as test runners have, is the error it is there", async () => {
    const { engine, finish } = bench();
    const make = (): unknown => runInNewContext('Object.assign(new TypeError("no such file"), { code: "ENOENT" })');
    const read = activity("read", { retry: { notOn: ["ENOENT"] } }, () => {
      throw make();
    });
    const tell = activity("tell", async () => make());
    const w = workflow("w", async (wf) => {
      const failed = await wf.call(read).catch((error: Error & { code: string; attempts: number }) => error);
      return [failed, await wf.call(tell)];
    });
    await using one = await engine({ workflows: [w] });
    const error = { name: "TypeError", message: "no such file", code: "ENOENT" };
    expect(await finish(await one.start(w))).toMatchObject([{ ...error, attempts: 1 }, error]);
  });

  it("of Promise.any keeps all the errors it is made of, as a failure and as a value", async () => {
    const { engine, finish } = bench();
    const mirrors = (): Promise<unknown> =>
      Promise.any([Promise.reject(new Error("one is down")), Promise.reject(new RangeError("two is full"))]);
    const fetchAny = activity("fetch-any", { retry: { maxAttempts: 1 } }, mirrors);
    const tell = activity("tell", async () => mirrors().catch((error: unknown) => error));
    const w = workflow("w", async (wf) => {
      const errors = [await wf.call(fetchAny).catch((error: unknown) => error), await wf.call(tell)];
      return errors.map((error) => (error as AggregateError).errors.map(String));
    });
    await using one = await engine({ workflows: [w] });
    const both = ["Error: one is down", "RangeError: two is full"];
    expect(await finish(await one.start(w))).toEqual([both, both]);
  });
});

describe("errors of Promise.any that cannot all be kept", () => {
  it("are a list all the same: without what cannot be kept of one, and not endless", async () => {
    const { engine, finish } = bench();
    const many = Array.from({ length: 500 }, () => new Error("y".repeat(1000)));
    const request = activity("request", { retry: { maxAttempts: 1 } }, (length: number) => {
      const first = Object.assign(new RangeError("refused"), { port: 80, send() {} });
      throw new AggregateError([first, ...many.slice(0, length)], "all failed");
    });
    const errorsOf = (error: unknown): Error[] => (error as AggregateError).errors as Error[];
    const w = workflow("w", async (wf) => [
      await wf.call(request, 1).catch(errorsOf),
      ((await wf.call(request, 500).catch(errorsOf)) as Error[]).length,
    ]);
    await using one = await engine({ workflows: [w] });
    const [few, count] = (await finish(await one.start(w))) as [Error[], number];
    expect(few).toMatchObject([{ name: "RangeError", message: "refused", port: 80 }, { name: "Error" }]);
    expect(count).toBeGreaterThan(10);
    expect(count).toBeLessThan(100);
  });
});

describe("an ending that cannot be written", () => {
  it("blocks its run, says why, and can be resumed", async () => {
    const { engine, finish } = bench();
    let broken = true;
    const codec = {
      encode: (text: string): string => {
        if (broken && text.includes("poison")) throw new Error("no key for this");
        return text;
      },
      decode: (text: string): string => text,
    };
    const w = workflow("w", async (wf, input: string) => (input === "poison" ? "went on" : wf.continueAsNew("poison")));
    const good = workflow("good", async () => "fine");
    await using one = await engine({ workflows: [w, good], codec });
    const handle = await one.start(w, "begin");
    await expect(finish(handle)).rejects.toMatchObject({
      code: "RUN_BLOCKED",
      message: expect.stringContaining("cannot be written: no key for this") as string,
      details: { reason: "data_error" },
    });
    expect(await finish(await one.start(good))).toBe("fine");
    broken = false;
    await handle.resume();
    expect(await finish(handle)).toBe("went on");
  });
});

describe("values that cannot be read", () => {
  const secretive = (): object => ({
    list: [{ ok: 1 }, Object.defineProperty({}, "x", { enumerable: true, get: boom })],
  });
  const where = ".list[1].x cannot be kept in a history: reading it threw do not look";

  it("are refused with their place as results, inputs, answers and messages", async () => {
    const { engine, finish } = bench();
    const give = activity("give", async () => secretive());
    const take = activity("take", async (_: object) => 1);
    const returns = workflow("returns", async () => secretive());
    const w = workflow("w", async (wf) => {
      const of = async (asked: Promise<unknown>): Promise<unknown> =>
        asked.then(
          () => "taken",
          (error: Error & { code: string }) => `${error.code} ${error.message}`,
        );
      return [
        await of(wf.call(give)),
        await of(wf.call(take, secretive())),
        await of(wf.step("step", () => secretive())),
        await of(wf.step("then", () => Object.defineProperty({}, THEN, { get: boom }))),
      ];
    });
    await using one = await engine({ workflows: [w, returns] });
    const [given, taken, stepped, then] = (await finish(await one.start(w))) as string[];
    for (const text of [given, taken, stepped]) expect(text).toContain(`UNSERIALISABLE ${where}`);
    expect(then).toContain("do not look");
    await expect(finish(await one.start(returns))).rejects.toThrow(where);
    await expect(one.start(w, secretive() as never)).rejects.toMatchObject({ code: "UNSERIALISABLE" });
  });
});
