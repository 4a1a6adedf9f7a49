import childProcess, { exec, execFile, execFileSync } from "node:child_process";
import nodeCrypto from "node:crypto";
import fs, { existsSync, realpathSync } from "node:fs";
import fsPromises from "node:fs/promises";
import http from "node:http";
import nodeTimers from "node:timers";
import timersPromises from "node:timers/promises";
import { inspect, promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type Perdure, workflow } from "../../src/index.ts";
import { bench } from "./fixture.ts";

const holders = {
  globalThis,
  Math,
  Date,
  process,
  crypto: Object.getPrototypeOf(crypto) as object,
  subtle: Object.getPrototypeOf(crypto.subtle) as object,
  performance: Object.getPrototypeOf(performance) as object,
  fs,
  fsPromises,
  http,
  nodeTimers,
  timersPromises,
  nodeCrypto,
  childProcess,
};

/** Globals that Node makes when they are first looked at change by themselves. */
const GLOBALS = ["Date", "setTimeout", "setInterval", "setImmediate", "fetch", "WebSocket"];

function everything(): unknown[] {
  return Object.entries(holders).flatMap(([name, holder]) =>
    (name === "globalThis" ? GLOBALS : Reflect.ownKeys(holder)).map((key) => {
      const { value, ...property } = Object.getOwnPropertyDescriptor(holder, key) ?? {};
      return [name, key, property, typeof value === "function" ? { function: value as unknown } : typeof value];
    }),
  );
}

const before = everything();
const plain = { Date, env: process.env, fetch, setTimeout, existsSync, realpathSync };
const engines: Perdure[] = [];

async function open(): Promise<Perdure> {
  const engine = await bench().engine();
  engines.push(engine);
  return engine;
}

const close = async (): Promise<void> => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
};

/** What workflow code gets when it looks. */
async function inWorkflow<T>(look: () => T): Promise<T> {
  const on = bench();
  const looking = workflow("looking", async () => look());
  const engine = await on.engine({ workflows: [looking] });
  try {
    return await on.finish(await engine.start(looking));
  } finally {
    await engine.close();
  }
}

const refuses = (use: () => unknown): boolean => {
  try {
    use();
    return false;
  } catch (error) {
    return (error as { code?: string }).code === "NONDETERMINISTIC";
  }
};

afterEach(async () => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  await close();
  expect(everything()).toEqual(before);
});

describe("while an engine is open, everywhere but in workflow code", () => {
  it("Date is the very same", async () => {
    await open();
    expect(Date).toBe(plain.Date);
    expect(globalThis.Date).toBe(plain.Date);
    expect(new Date().constructor).toBe(Date);
    expect([Date.name, Date.length, Date.prototype.constructor]).toEqual(["Date", 7, Date]);
    expect(Reflect.ownKeys(Date)).toEqual(Reflect.ownKeys(plain.Date));
    expect(inspect(new Date(0))).toBe("1970-01-01T00:00:00.000Z");
    expect(structuredClone(new Date(7)) instanceof Date).toBe(true);
    expect(Math.abs(Date.now() - new plain.Date().getTime())).toBeLessThan(1000);
    expect(Object.keys(globalThis)).not.toContain("Date");
  });

  it("process.env is the very same", async () => {
    await open();
    expect(process.env).toBe(plain.env);
    expect(Object.keys(process)).toContain("env");
    process.env.PERDURE_A = 1 as never;
    expect({ ...process.env }.PERDURE_A).toBe("1");
    expect("PERDURE_A" in process.env).toBe(true);
    const said = execFileSync(process.execPath, ["-p", "process.env.PERDURE_A"], { encoding: "utf8" });
    expect(said.trim()).toBe("1");
    delete process.env.PERDURE_A;
    expect(Object.keys(process.env)).not.toContain("PERDURE_A");
    const other = { ONLY: "this" };
    process.env = other;
    expect(process.env).toBe(other);
    process.env = plain.env;
  });

  it("functions look like themselves", async () => {
    await open();
    for (const [guarded, original] of [
      [setTimeout, plain.setTimeout],
      [fetch, plain.fetch],
      [fs.existsSync, plain.existsSync],
    ] as const) {
      const { prototype: _, ...properties } = Object.getOwnPropertyDescriptors(guarded) as Record<string, unknown>;
      expect(Object.getOwnPropertyDescriptors(original)).toMatchObject(properties);
      expect(Reflect.ownKeys(guarded)).toEqual(expect.arrayContaining(Reflect.ownKeys(original)));
    }
    expect(setTimeout).toBe(nodeTimers.setTimeout);
    expect(existsSync).toBe(fs.existsSync);
    expect(fs.promises).toBe(fsPromises);
    expect(realpathSync.native(".")).toBe(process.cwd());
    expect(Reflect.get(setTimeout, promisify.custom)).toBe(timersPromises.setTimeout);
    expect(await promisify(setTimeout)(1, "later")).toBe("later");
    expect(await promisify(fs.exists)(".")).toBe(true);
    expect((await promisify(fs.read)(fs.openSync("package.json", "r"), Buffer.alloc(1), 0, 1, 0)).bytesRead).toBe(1);
    expect(typeof process.hrtime.bigint()).toBe("bigint");
  });

  it.each(["before", "after"])("promisify(exec) made %s it opened works", async (when) => {
    const early = [promisify(exec), promisify(execFile)] as const;
    await open();
    const [run, runFile] = when === "before" ? early : [promisify(exec), promisify(execFile)];
    expect((await run("echo a")).stdout).toBe("a\n");
    expect((await runFile("echo", ["b"])).stdout).toBe("b\n");
    expect(run).toBe(when === "before" ? early[0] : promisify(exec));
  });

  it("classes can be made and derived from", async () => {
    await open();
    class Derived extends Worker {}
    const workers = [new Worker("", { eval: true }), new Derived("", { eval: true })];
    expect(workers.every((worker) => worker instanceof Worker)).toBe(true);
    expect(workers[1]).toBeInstanceOf(Derived);
    await Promise.all(workers.map((worker) => worker.terminate()));
  });

  it("randomness is random", async () => {
    await open();
    const drawn = [Math.random(), Math.random(), crypto.randomUUID(), nodeCrypto.randomUUID()];
    expect(new Set(drawn).size).toBe(4);
    expect(crypto.getRandomValues(new Uint8Array(4096)).some((byte) => byte !== 0)).toBe(true);
    expect(nodeCrypto.randomBytes(9)).toHaveLength(9);
  });
});

describe("fake timers", () => {
  it.each(["before", "after"])(
    "installed %s an engine opens rule what the host sees, and leave everything in place",
    async (when) => {
      if (when === "after") await open();
      vi.useFakeTimers({
        now: 1000,
        toFake: ["Date", "setTimeout", "setInterval", "setImmediate", "performance", "hrtime"],
      });
      if (when === "before") await open();
      let rang = 0;
      setTimeout(() => rang++, 60_000);
      vi.advanceTimersByTime(60_000);
      expect([rang, Date.now(), new Date().toISOString()]).toEqual([1, 61_000, "1970-01-01T00:01:01.000Z"]);
      vi.useRealTimers();
      expect(Date).toBe(plain.Date);
      expect(await promisify(setTimeout)(1, "real")).toBe("real");
    },
  );

  it("that outlive the engine find everything in place", async () => {
    await open();
    vi.useFakeTimers({ now: 1000, toFake: ["Date", "setTimeout"] });
    await close();
    expect(Date.now()).toBe(1000);
    vi.useRealTimers();
    expect(Date).toBe(plain.Date);
    expect(await promisify(setTimeout)(1, "real")).toBe("real");
    // What was left of the guard under the fake one is taken up again, and then away.
    await open();
  });

  it("do not reach workflow code", async () => {
    vi.useFakeTimers({ now: 1000, toFake: ["Date"] });
    const [now, date, text] = await inWorkflow(() => [Date.now(), new Date().getFullYear(), typeof Date()]);
    expect(now).toBeGreaterThan(1_700_000_000_000);
    expect([date, text]).toEqual([2026, "string"]);
  });
});

describe("what others patch", () => {
  const reply = async (): Promise<Response> => new Response("patched");

  it.each(["assignment", "a definition"])("before by %s keeps working, and is there again afterwards", async (how) => {
    const mine = Object.assign(reply.bind(undefined), { mine: true });
    if (how === "assignment") globalThis.fetch = mine;
    else
      Object.defineProperty(globalThis, "fetch", { value: mine, configurable: true, enumerable: true, writable: true });
    await open();
    expect(await (await fetch("http://x")).text()).toBe("patched");
    expect((fetch as typeof mine).mine).toBe(true);
    expect(await inWorkflow(() => refuses(() => fetch("http://x")))).toBe(true);
    await close();
    expect(fetch).toBe(mine);
    globalThis.fetch = plain.fetch;
  });

  it.each(["assignment", "a definition"])(
    "afterwards by %s goes through the guard, and out of its way when it closes",
    async (how) => {
      await open();
      const inner = globalThis.fetch;
      let calls = 0;
      const counting = (...args: Parameters<typeof fetch>): Promise<Response> => {
        calls++;
        return inner(...args);
      };
      if (how === "assignment") globalThis.fetch = counting;
      else
        Object.defineProperty(globalThis, "fetch", {
          value: counting,
          configurable: true,
          enumerable: true,
          writable: true,
        });
      expect(await inWorkflow(() => refuses(() => fetch("http://127.0.0.1:9")))).toBe(true);
      await close();
      expect(fetch).toBe(counting);
      await expect(fetch("http://127.0.0.1:9")).rejects.toThrow();
      expect(calls).toBe(2);
      globalThis.fetch = inner;
      await open();
      await close();
      expect(fetch).toBe(plain.fetch);
    },
  );

  it("spies and stubs work on what is guarded", async () => {
    await open();
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    vi.spyOn(fs, "existsSync").mockReturnValue(false);
    vi.spyOn(crypto, "randomUUID").mockReturnValue("0-0-0-0-0");
    vi.spyOn(Date, "now").mockReturnValue(5);
    vi.stubGlobal("fetch", reply);
    vi.stubEnv("PERDURE_B", "stubbed");
    expect([Math.random(), fs.existsSync("."), crypto.randomUUID(), Date.now(), process.env.PERDURE_B]).toEqual([
      0.5,
      false,
      "0-0-0-0-0",
      5,
      "stubbed",
    ]);
    expect(await (await fetch("http://x")).text()).toBe("patched");
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
    vi.unstubAllEnvs();
    expect([Math.random() === 0.5, fs.existsSync("."), Date.now() > 5, process.env.PERDURE_B]).toEqual([
      false,
      true,
      true,
      undefined,
    ]);
    const seen = await inWorkflow(() => [Math.random(), Math.random()]);
    expect(seen[0]).not.toBe(seen[1]);
  });

  it("a global Date that was stubbed while the engine was open is the real one again", async () => {
    await open();
    vi.stubGlobal("Date", class Fake extends Date {});
    expect(Date).not.toBe(plain.Date);
    await open();
    vi.unstubAllGlobals();
    expect(Date).toBe(plain.Date);
    expect(await inWorkflow(() => Date === plain.Date)).toBe(false);
  });
});

describe("the guard", () => {
  it("stays until the last engine closes", async () => {
    const first = await open();
    await open();
    await first.close();
    expect(Object.getOwnPropertyDescriptor(globalThis, "Date")?.get).toBeTypeOf("function");
    await close();
    expect(Object.getOwnPropertyDescriptor(globalThis, "Date")?.value).toBe(plain.Date);
  });

  it("is not there when no engine wants it", async () => {
    const engine = await bench().engine({ guard: "off" });
    // Every engine is told of rejections first.
    const known = ([holder, name]: unknown[]): boolean => holder === "process" && name === "emit";
    const others = (all: unknown[]): unknown[] => all.filter((one) => !known(one as unknown[]));
    expect(others(everything())).toEqual(others(before));
    await engine.close();
  });

  it("follows a global class that is made when it is first looked at", async () => {
    class Socket {}
    const found = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
    Object.defineProperty(globalThis, "WebSocket", {
      configurable: true,
      enumerable: false,
      get() {
        Object.defineProperty(globalThis, "WebSocket", { value: Socket, writable: true, configurable: true });
        return Socket;
      },
    });
    const make = (): unknown => new (globalThis as unknown as { WebSocket: new () => unknown }).WebSocket();
    await open();
    expect(make()).toBeInstanceOf(Socket);
    expect(await inWorkflow(() => refuses(make))).toBe(true);
    expect(make()).toBeInstanceOf(Socket);
    await close();
    expect(Object.getOwnPropertyDescriptor(globalThis, "WebSocket")?.value).toBe(Socket);
    Reflect.deleteProperty(globalThis, "WebSocket");
    if (found !== undefined) Object.defineProperty(globalThis, "WebSocket", found);
  });
});
