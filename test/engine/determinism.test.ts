import { describe, expect, it } from "vitest";
import { activity, type PayloadCodec, signal, workflow } from "../../src/index.ts";
import { bench, vanishing } from "./fixture.ts";

const go = signal<string>("go");
const a = activity("a", async (n: number) => n);
const b = activity("b", async (n: number) => n);

describe("code that disagrees with its history", () => {
  it("blocks the run, appends nothing, says what differs and where, and goes on once the code is right again", async () => {
    const { engine, finish, store, clock } = bench();
    const original = workflow("w", async (wf) => {
      const first = await wf.call(a, 1);
      await wf.waitFor(go);
      return first;
    });
    const changed = workflow("w", async (wf) => {
      const first = await wf.call(b, 1);
      await wf.waitFor(go);
      return first;
    });
    const one = await engine({ workflows: [original] });
    await one.start(original, undefined, { id: "r" });
    await clock.advance(10);
    await one.close();

    const two = await engine({ workflows: [changed], store });
    const handle = await two.handle("r");
    await handle.signal(go, "now");
    await clock.advance(2000);
    const { status, blocked } = await handle.describe();
    expect(status).toBe("blocked");
    expect(blocked?.message).toContain('history says completed activity "a" (command 1)');
    expect(blocked?.message).toContain('code asked for activity "b"');
    expect(blocked?.message).toContain("determinism.test.ts:");
    expect((await handle.history()).map((event) => event.type)).toEqual(["RunStarted", "StepCompleted"]);
    await expect(handle.result()).rejects.toMatchObject({ code: "RUN_BLOCKED" });
    await two.close();

    const three = await engine({ workflows: [original], store });
    const again = await three.handle("r");
    await again.resume();
    expect(await finish(again)).toBe(1);
  });

  it.each([
    ["another input", (n: number) => ({ first: n, extra: false })],
    ["one step more before the wait", (n: number) => ({ first: n - 1, extra: true })],
  ])("notices %s", async (_, variant) => {
    const { engine, clock } = bench();
    const make = (plan: { first: number; extra: boolean }) =>
      workflow("w", async (wf) => {
        await wf.call(a, plan.first);
        if (plan.extra) void wf.call(b, 5).catch(() => {});
        await wf.waitFor(go);
      });
    const one = await engine({ workflows: [make({ first: 1, extra: false })] });
    await one.start("w", undefined, { id: "r" });
    await clock.advance(10);
    await one.close();
    const two = await engine({ workflows: [make(variant(2))] });
    const handle = await two.handle("r");
    await handle.signal(go, "now");
    await clock.advance(2000);
    expect(await handle.status()).toBe("blocked");
  });

  it("notices a step that went away while it was in flight, before any effect starts", async () => {
    const { engine, clock, store } = bench();
    let calls = 0;
    const slow = activity("slow", () => {
      calls++;
      return new Promise<never>(() => {});
    });
    const doomed = vanishing(store);
    const one = await engine({ workflows: [workflow("w", async (wf) => wf.call(slow))], store: doomed.store });
    await one.start("w", undefined, { id: "r" });
    await clock.advance(3000);
    doomed.vanish();
    const other = activity("other", async () => {
      calls++;
    });
    const two = await engine({ workflows: [workflow("w", async (wf) => wf.call(other))] });
    await clock.advance(30_000);
    const handle = await two.handle("r");
    expect((await handle.describe()).blocked?.message).toContain('activity "slow" (command 1) was in flight');
    expect(calls).toBe(1);
  });
});

describe("code that waits for something foreign", () => {
  it("is blocked when it asks for a step out of turn", async () => {
    const { engine, clock } = bench();
    const w = workflow("w", async (wf) => {
      await wf.call(a, 1);
      await new Promise((resolve) => setImmediate(resolve));
      return wf.call(a, 2);
    });
    const e = await engine({ workflows: [w], guard: "off" });
    const handle = await e.start(w);
    await clock.advance(100);
    expect((await handle.describe()).blocked).toMatchObject({ reason: "foreign_await" });
    expect((await handle.history()).map((event) => event.type)).toEqual(["RunStarted", "StepCompleted"]);
  });

  it("is blocked when it ends out of turn", async () => {
    const { engine, clock } = bench();
    const w = workflow("w", async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return 1;
    });
    const e = await engine({ workflows: [w], guard: "off" });
    const handle = await e.start(w);
    await clock.advance(100);
    expect((await handle.describe()).blocked).toMatchObject({ reason: "foreign_await" });
  });

  it("is called quiet after a grace period when nothing of ours is pending", async () => {
    const { engine, clock } = bench();
    const w = workflow("w", async (wf) => {
      await wf.call(a, 1);
      await new Promise(() => {});
    });
    const e = await engine({ workflows: [w] });
    const handle = await e.start(w);
    await clock.advance(4000);
    expect(await handle.status()).toBe("running");
    await clock.advance(2000);
    expect((await handle.describe()).blocked).toMatchObject({ reason: "nondurable_await" });
  });

  it("never calls a run quiet that awaits plain resolved promises between its steps", async () => {
    const { engine, finish } = bench();
    const w = workflow("w", async (wf) => {
      let total = 0;
      for (let i = 0; i < 50; i++) {
        await Promise.resolve();
        const [x, y] = await Promise.all([wf.call(a, i), Promise.resolve(1).then(() => wf.call(b, i))]);
        await (async () => {
          await null;
        })();
        total += x + y;
      }
      return total;
    });
    const e = await engine({ workflows: [w] });
    expect(await finish(await e.start(w))).toBe(2450);
  });
});

describe("activities inside workflow code", () => {
  it("say what to write instead when they are called directly", async () => {
    const { engine, finish } = bench();
    const w = workflow("w", async () => a(1));
    const e = await engine({ workflows: [w] });
    const error = (await finish(await e.start(w)).catch((thrown: unknown) => thrown)) as Error;
    expect((error.cause as Error).message).toContain("await wf.call(a, input)");
    expect(await a(7)).toBe(7);
  });

  it("block the run when asked for by a name nobody registered", async () => {
    const { engine, clock } = bench();
    const w = workflow("w", async (wf) => wf.call("nowhere/to-be-found"));
    const e = await engine({ workflows: [w] });
    const handle = await e.start(w);
    await clock.advance(100);
    expect((await handle.describe()).blocked).toMatchObject({ reason: "unknown_activity" });
  });
});

describe("a run that kills its engines", () => {
  it("is blocked after five takeovers without progress", async () => {
    const { engine, clock, store } = bench();
    let calls = 0;
    const poison = activity("poison", { retry: { maxAttempts: Number.POSITIVE_INFINITY } }, () => {
      calls++;
      return new Promise<never>(() => {});
    });
    const w = workflow("w", async (wf) => wf.call(poison));
    const idle = await engine();
    for (let crash = 0; crash < 6; crash++) {
      const doomed = vanishing(store);
      const one = await engine({ workflows: [w], store: doomed.store });
      if (crash === 0) await one.start(w, undefined, { id: "p" });
      await clock.advance(30_000);
      doomed.vanish();
    }
    const last = await engine({ workflows: [w] });
    await clock.advance(30_000);
    expect((await (await last.handle("p")).describe()).blocked).toMatchObject({ reason: "crash_loop" });
    expect(calls).toBe(5);
    await idle.close();
  });
});

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

describe("secrets", () => {
  it("reach activities, and never a history, an error or a log", async () => {
    const { engine, finish, store } = bench();
    const lines: string[] = [];
    const write = (fields: object, message?: string): void => void lines.push(`${JSON.stringify(fields)} ${message}`);
    const logger = { debug: write, info: write, warn: write, error: write };
    const use = activity("use", { retry: { maxAttempts: 1 } }, async (how: string, ctx) => {
      ctx.log.info({ token: ctx.secrets.token }, `calling with ${ctx.secrets.token}`);
      if (how === "beat") ctx.heartbeat({ token: ctx.secrets.token });
      if (how === "throw") throw new Error(`denied for ${ctx.secrets.token}`);
      return how === "leak" ? { token: ctx.secrets.token } : ctx.secrets.token?.length;
    });
    const w = workflow("w", async (wf) => {
      const length = await wf.call(use, "fine");
      const thrown = await wf.call(use, "throw").catch((error: Error) => error.message);
      const leaked = await wf.call(use, "leak").catch((error: Error & { code?: string }) => error.code);
      const beat = await wf.call(use, "beat").catch((error: Error & { code?: string }) => error.code);
      return { length, thrown, leaked, beat };
    });
    const e = await engine({ workflows: [w], logger });
    const handle = await e.start(w, undefined, { secrets: { token: "hunter2-hunter2" } });
    expect(await finish(handle)).toEqual({
      length: 15,
      thrown: "denied for [secret]",
      leaked: "SECRET_LEAK",
      beat: "SECRET_LEAK",
    });
    expect(JSON.stringify(await store.history(1, 0, 100))).not.toContain("hunter2");
    expect(lines.join("\n")).not.toContain("hunter2");
  });

  const AWKWARD = 'n<"hun\\ter2\u2028>\n';
  const reversed = (text: string): string => [...text].reverse().join("");

  it.each([
    ["plain values", undefined, (token: string) => ({ token })],
    ["rich values", undefined, (token: string) => new Map([[`of ${token}`, 1n]])],
    ["values that a codec writes", { encode: reversed, decode: reversed }, (token: string) => ({ token })],
  ])("whatever characters they have, are found in %s", async (_, codec, leak) => {
    const { engine, finish, store } = bench();
    const w = workflow("w", (wf) =>
      wf.step("leak", (ctx) => leak(ctx.secrets.token!)).catch((error: Error & { code?: string }) => error.code),
    );
    await using e = await engine({ workflows: [w], ...(codec !== undefined && { codec }) });
    const secrets = { token: AWKWARD };
    await expect(e.start(w, leak(AWKWARD) as unknown as undefined, { secrets })).rejects.toMatchObject({
      code: "SECRET_LEAK",
    });
    expect(await finish(await e.start(w, undefined, { secrets }))).toBe("SECRET_LEAK");
    expect(JSON.stringify(await store.history(1, 0, 100))).not.toContain("ter2");
  });

  it("are blotted out of errors and their properties, whatever characters they have, and one in another", async () => {
    const { engine, finish, store } = bench();
    const w = workflow("w", (wf) =>
      wf
        .step(
          "leak",
          ({ secrets: { token, longer } }) => {
            const cause = Object.assign(new Error(`because\n${token!.slice(1)}`), { headers: new Map([[token, 1n]]) });
            throw Object.assign(new Error(`${longer} and ${token}`, { cause }), { body: { token: `<${token}>` } });
          },
          { retry: { maxAttempts: 1 } },
        )
        .catch((error: Error & { body: object; cause: Error & { headers: object } }) => [
          error.message,
          error.body,
          error.cause.headers,
        ]),
    );
    await using e = await engine({ workflows: [w] });
    const handle = await e.start(w, undefined, { secrets: { token: AWKWARD, longer: `${AWKWARD} in full` } });
    expect(await finish(handle)).toEqual([
      "[secret] and [secret]",
      { token: "<[secret]>" },
      new Map([["[secret]", 1n]]),
    ]);
    expect(JSON.stringify(await store.history(1, 0, 100))).not.toContain("full");
  });

  it("are blotted out of what blocks a run", async () => {
    const { engine, clock, store } = bench();
    const before = workflow("w", async (wf) => wf.step("one", () => 1).then(() => wf.waitFor("go")));
    const after = workflow("w", async () => {
      throw new Error("the token is hunter2-hunter2");
    });
    const first = await engine({ workflows: [before] });
    const { workflowId } = await first.start(before, undefined, { secrets: { token: "hunter2-hunter2" } });
    await clock.advance(10);
    await first.close();
    await using second = await engine({ workflows: [after] });
    const handle = await second.handle(workflowId);
    await handle.signal("go");
    await clock.advance(10);
    const { blocked } = await handle.describe();
    expect(blocked?.message).toContain("ended with the token is [secret]");
    expect(JSON.stringify(await store.find({ workflowId }))).not.toContain("hunter2");
  });

  it("are refused in an input, with where they belong", async () => {
    const { engine } = bench();
    const w = workflow("w", async (_, input: object) => input);
    const e = await engine({ workflows: [w] });
    await expect(
      e.start(w, { key: "hunter2-hunter2" }, { secrets: { token: "hunter2-hunter2" } }),
    ).rejects.toMatchObject({
      code: "SECRET_LEAK",
      message: expect.stringMatching(/the input contains the secret "token".*ctx\.secrets/),
    });
  });
});

describe("a history that cannot be read", () => {
  it("blocks its run with the reason and leaves the others alone", async () => {
    const { engine, finish, store, clock } = bench();
    const w = workflow("w", async (wf, n: number) => {
      await wf.call(a, n);
      await wf.waitFor(go);
      return n;
    });
    const codec = {
      encode: (text: string) => text.split("").reverse().join(""),
      decode: (text: string) => text.split("").reverse().join(""),
    };
    const one = await engine({ workflows: [w], codec });
    await one.start(w, 1, { id: "coded" });
    await clock.advance(100);
    await one.close();
    const two = await engine({ workflows: [w], store });
    const plain = await two.start(w, 2, { id: "plain" });
    const coded = await two.handle("coded");
    await coded.signal(go, "now");
    await plain.signal(go, "now");
    expect(await finish(plain)).toBe(2);
    await clock.advance(2000);
    expect(await coded.describe()).toMatchObject({ status: "blocked", blocked: { reason: "defect" } });
  });
});

describe("a codec that does not answer with text", () => {
  it.each([
    ["encode", { encode: async (text: string) => text, decode: (text: string) => text }],
    ["encode", { encode: (text: string) => Buffer.from(text), decode: (text: Buffer) => `${text}` }],
  ])("is refused before anything is lost: %s", async (_, codec) => {
    const { engine } = bench();
    const w = workflow("w", async () => 1);
    await using e = await engine({ workflows: [w], codec: codec as unknown as PayloadCodec });
    await expect(e.start(w)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/encode of the codec must return text, at once: it returned \[object/) as string,
    });
    expect(await e.runs.list()).toEqual([]);
  });

  it("blocks the run that is read with it, and says why", async () => {
    const { engine, finish } = bench();
    const codec = { encode: (text: string) => text, decode: async (text: string) => text } as unknown as PayloadCodec;
    const w = workflow("w", async () => 1);
    await using e = await engine({ workflows: [w], codec });
    await expect(finish(await e.start(w))).rejects.toThrow("decode of the codec must return text, at once");
  });
});

describe("errors as inputs", () => {
  it("replay although their stacks are other ones", async () => {
    const { engine, finish, store, clock } = bench();
    const tell = activity("tell", async (error: Error) => `${error.name}: ${error.message}`);
    const w = workflow("w", async (wf) => {
      const told = await wf.call(tell, new RangeError("too far"));
      await wf.waitFor(go);
      return told;
    });
    const one = await engine({ workflows: [w] });
    await one.start(w, undefined, { id: "r" });
    await clock.advance(100);
    await one.close();
    const two = await engine({ workflows: [w], store });
    const handle = await two.handle<string>("r");
    await handle.signal(go, "now");
    expect(await finish(handle)).toBe("RangeError: too far");
  });
});

describe("bytes as inputs", () => {
  it("are those that are seen, whatever else lies in their buffer", async () => {
    const { engine, finish, store, clock } = bench();
    let around = 1;
    const sum = activity("sum", async (views: { bytes: Uint8Array; floats: Float64Array; data: DataView }) => [
      views.bytes.reduce((all, byte) => all + byte, 0),
      views.floats.reduce((all, float) => all + float, 0),
      views.data.getUint8(0),
      views.bytes.buffer.byteLength + views.floats.buffer.byteLength + views.data.buffer.byteLength,
    ]);
    const w = workflow("w", async (wf) => {
      const pool = new Uint8Array(4_000_000).fill(around++);
      pool.set([1, 2, 3], 8);
      const floats = new Float64Array([around, 0.5]).subarray(1);
      const bytes = pool.subarray(8, 11);
      const told = await wf.call(sum, { bytes, floats, data: new DataView(pool.buffer, 10, 1) });
      await wf.waitFor(go);
      return told;
    });
    const one = await engine({ workflows: [w] });
    await one.start(w, undefined, { id: "r" });
    await clock.advance(100);
    await one.close();
    const two = await engine({ workflows: [w], store });
    const handle = await two.handle<number[]>("r");
    await handle.signal(go, "now");
    expect(await finish(handle)).toEqual([6, 0.5, 3, 12]);
  });
});
