import { exec, execFile, spawn } from "node:child_process";
import nodeCrypto, { randomBytes, randomInt, randomUUID } from "node:crypto";
import { lookup } from "node:dns";
import fs, { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import http, { get } from "node:http";
import https from "node:https";
import { createRequire } from "node:module";
import net from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay, scheduler } from "node:timers/promises";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import type { OpenOptions } from "../../src/client/open-options.ts";
import type { Perdure } from "../../src/client/perdure.ts";
import { currentPlace } from "../../src/engine/run-scope.ts";
import { activity, PerdureError, signal, type WorkflowContext, workflow } from "../../src/index.ts";
import fc from "../properties.ts";
import { type Bench, bench } from "./fixture.ts";

/** Modules that no test runner rewrites. */
const folder = mkdtempSync(join(tmpdir(), "perdure-guard-"));
const MODULES = {
  "node_modules/waits/index.js": "module.exports = (ms) => new Promise((resolve) => setTimeout(resolve, ms));",
  "import.js": "module.exports = (id) => import(id);",
  "fresh.mjs": "await new Promise((resolve) => setImmediate(resolve));",
  "late.js": `module.exports = { home: process.env.HOME, size: require("node:fs").statSync(__filename).size };`,
};
for (const [name, text] of Object.entries(MODULES)) {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
}
const fromFolder = createRequire(join(folder, "main.js"));
afterAll(() => rmSync(folder, { recursive: true }));

const go = signal("go");
const answer = activity("answer", async (n: number) => n);
const opened: Perdure[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((engine) => engine.close()));
});

async function openOn(on: Bench, options: OpenOptions): Promise<Perdure> {
  const engine = await on.engine(options);
  opened.push(engine);
  return engine;
}

/** The result of a workflow function that runs once. */
async function runs<T>(fn: (wf: WorkflowContext) => Promise<T>, options: OpenOptions = {}): Promise<T> {
  const on = bench();
  const once = workflow("once", fn);
  const engine = await openOn(on, { ...options, workflows: [once] });
  return on.finish(await engine.start(once));
}

/** What a workflow function threw. */
async function failureOf(fn: (wf: WorkflowContext) => unknown): Promise<Error & { code?: string }> {
  const thrown = (await runs(async (wf) => void (await fn(wf))).catch((error: unknown) => error)) as Error;
  return thrown.cause as Error;
}

/** What a function sees each time it is called: live, and in a replay on another engine. */
async function liveAndReplayed<T>(look: () => T): Promise<[T, T]> {
  const on = bench();
  const seen: T[] = [];
  const looking = workflow("looking", async (wf) => {
    seen.push(look());
    await wf.waitFor(go);
  });
  const one = await openOn(on, { workflows: [looking] });
  await one.start(looking, undefined, { id: "r" });
  await on.clock.advance(50);
  await one.close();
  await on.clock.advance(3_600_000);
  const two = await openOn(on, { workflows: [looking] });
  const handle = await two.handle("r");
  await handle.signal(go);
  await on.finish(handle);
  expect(seen).toHaveLength(2);
  return [seen[0]!, seen[1]!];
}

describe("in workflow code", () => {
  it.each([
    ["Date.now()", () => Date.now()],
    ["new Date()", () => new Date()],
    ["Date()", () => Date()],
    ["a class made of Date", () => new (class extends Date {})().getTime()],
    ["performance.now()", () => performance.now()],
    ["performance.timeOrigin", () => performance.timeOrigin],
    ["Math.random()", () => [Math.random(), Math.random()]],
    ["crypto.randomUUID()", () => [crypto.randomUUID(), nodeCrypto.randomUUID(), randomUUID()]],
    ["crypto.getRandomValues()", () => [...crypto.getRandomValues(new Uint32Array(7))]],
    ["crypto.getRandomValues() of node:crypto", () => [...nodeCrypto.getRandomValues(new Uint8Array(5))]],
  ])("%s answers the same live and on replay", async (_, look) => {
    const [live, replayed] = await liveAndReplayed<unknown>(look);
    expect(replayed).toEqual(live);
  });

  it("time is that of the run", async () => {
    const times = await runs(async (wf) => {
      const all = () => [
        wf.now(),
        Date.now(),
        Date.parse(new Date().toISOString()),
        performance.timeOrigin + performance.now(),
      ];
      const before = all();
      await wf.sleep("1h");
      return [before, all()];
    });
    for (const [now, ...others] of times) expect(others).toEqual([now, now, now]);
    expect(times[1]![0]! - times[0]![0]!).toBeGreaterThanOrEqual(3_600_000);
  });

  it("dates are dates", async () => {
    const outside = new Date(5);
    const seen = await runs(async () => ({
      given: [new Date(5).getTime(), new Date(2020, 1, 3).getMonth(), new Date("2020-01-01T00:00:00Z").getTime()],
      is: [new Date() instanceof Date, outside instanceof Date, new Date() instanceof outside.constructor],
      statics: [Date.UTC(2020, 0), Date.parse("2020-01-01T00:00:00Z"), Date.name, Date.length],
      text: Date() === new Date().toString(),
    }));
    expect(seen).toEqual({
      given: [5, 1, 1577836800000],
      is: [true, true, true],
      statics: [1577836800000, 1577836800000, "Date", 7],
      text: true,
    });
  });

  it("random values differ from each other, from run to run and over commands", async () => {
    const on = bench();
    const draw = workflow("draw", async (wf) => {
      const before = [Math.random(), Math.random()];
      await wf.call(answer, 1);
      return [...before, Math.random(), crypto.randomUUID(), crypto.randomUUID()];
    });
    const engine = await openOn(on, { workflows: [draw] });
    const drawn = [...(await on.finish(await engine.start(draw))), ...(await on.finish(await engine.start(draw)))];
    expect(new Set(drawn).size).toBe(10);
    expect(drawn[3]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it("what a library draws from Math.random changes nothing that wf.random answers, nor Math.random after the next command", async () => {
    const seal = activity("seal", async (values: unknown[]) => values);
    await fc.assert(
      fc.asyncProperty(fc.nat(4), fc.nat(4), async (live, replayed) => {
        const on = bench();
        let draws = live;
        const drawing = workflow("drawing", async (wf) => {
          for (let i = 0; i < draws; i++) Math.random();
          const values = await wf.call(seal, [wf.random(), wf.uuid()]);
          await wf.call(seal, [Math.random()]);
          await wf.waitFor(go);
          return [...values, wf.random(), Math.random()];
        });
        const one = await openOn(on, { workflows: [drawing] });
        const { workflowId } = await one.start(drawing);
        await on.clock.advance(10);
        await one.close();
        draws = replayed;
        const two = await openOn(on, { workflows: [drawing] });
        const run = await two.handle(workflowId);
        await run.signal(go);
        expect(await on.finish(run)).toHaveLength(4);
      }),
      { numRuns: 10 },
    );
  });

  it("getRandomValues takes what the real one takes", async () => {
    const seen = await runs(async () => {
      const view = new Uint8Array(16);
      const same = crypto.getRandomValues(view) === view;
      const attempt = (value: never) => {
        try {
          return crypto.getRandomValues(value);
        } catch (error) {
          return (error as Error).name;
        }
      };
      return {
        same,
        filled: new Set(view).size > 4,
        wrong: [attempt(new Float32Array(2) as never), attempt(3 as never)],
      };
    });
    const real = (value: unknown): string => {
      try {
        crypto.getRandomValues(value as never);
        return "";
      } catch (error) {
        return (error as Error).name;
      }
    };
    expect(seen).toEqual({ same: true, filled: true, wrong: [real(new Float32Array(2)), real(3)] });
  });
});

describe("in workflow code, an error that names the line and the alternative is what comes of", () => {
  const file = new URL(import.meta.url).pathname;
  it.each<[string, string, () => unknown]>([
    ["setTimeout", "wf.sleep", () => setTimeout(() => {}, 5)],
    ["setInterval", "wf.sleep", () => setInterval(() => {}, 5)],
    ["setImmediate", "wf.sleep", () => setImmediate(() => {})],
    ["setTimeout", "wf.sleep", () => delay(5)],
    ["setTimeout", "wf.sleep", () => promisify(setTimeout)(5)],
    ["scheduler.wait", "wf.sleep", () => scheduler.wait(5)],
    ["AbortSignal.timeout", "wf.scope", () => AbortSignal.timeout(5)],
    ["fetch", "wf.step", () => fetch("http://127.0.0.1:9")],
    ["http.get", "wf.step", () => get("http://127.0.0.1:9")],
    ["http.request", "wf.step", () => http.request("http://127.0.0.1:9")],
    ["https.request", "wf.step", () => https.request("https://127.0.0.1:9")],
    ["net.connect", "wf.step", () => net.connect(9)],
    ["net.Socket.connect", "wf.step", () => new net.Socket().connect(9)],
    ["dns.lookup", "wf.step", () => lookup("localhost", () => {})],
    ["fs.readFileSync", "wf.step", () => readFileSync(file)],
    ["fs.existsSync", "wf.step", () => fs.existsSync(file)],
    ["fs.realpathSync", "wf.step", () => fs.realpathSync.native(file)],
    ["fs.readFile", "wf.step", () => fs.readFile(file, () => {})],
    ["fs.promises.readFile", "wf.step", () => readFile(file)],
    ["child_process.spawn", "activity", () => spawn("true")],
    ["child_process.exec", "activity", () => promisify(exec)("true")],
    ["worker_threads.Worker", "activity", () => new Worker("1", { eval: true })],
    ["crypto.randomBytes", "wf.uuid", () => randomBytes(8)],
    ["crypto.randomInt", "wf.random", () => randomInt(8)],
    ["crypto.getRandomValues of 2048 bytes", "wf.random", () => crypto.getRandomValues(new Uint8Array(2048))],
    ["crypto.subtle.digest", "createHash", () => crypto.subtle.digest("SHA-256", new Uint8Array(3))],
    ["process.hrtime", "wf.now", () => process.hrtime()],
    ["process.hrtime", "wf.now", () => process.hrtime.bigint()],
    ["process.env.HOME", "input", () => process.env.HOME],
    ["process.env.HOME", "input", () => "HOME" in process.env],
    ["process.env.PERDURE_GUARD", "input", () => (process.env.PERDURE_GUARD = "1")],
    ["process.env.PERDURE_GUARD", "input", () => Reflect.deleteProperty(process.env, "PERDURE_GUARD")],
    ["process.env", "input", () => ({ ...process.env })],
  ])("%s (%s)", async (what, instead, use) => {
    const error = await failureOf(use);
    expect(error).toMatchObject({ name: "PerdureError", code: "NONDETERMINISTIC" });
    expect(error.message).toMatch(
      new RegExp(`^${what.replaceAll(".", "\\.")} was used in workflow code at \\S*guard\\.test\\.ts:\\d+`),
    );
    expect(error.message).toContain(instead);
    expect(process.env.PERDURE_GUARD).toBeUndefined();
  });

  it("a library that does it is named, and the author's line", async () => {
    const run = fromFolder("waits") as (ms: number) => unknown;
    const error = await failureOf(() => run(5));
    expect(error.message).toMatch(/guard\.test\.ts:\d+:\d+ \(by way of waits\):/);
  });

  it("the line is found after an await, too, and the run fails with it", async () => {
    const on = bench();
    const late = workflow("late", async (wf) => {
      await wf.call(answer, 1);
      await Promise.all([wf.call(answer, 2).then(() => fetch("http://127.0.0.1:9"))]);
    });
    const engine = await openOn(on, { workflows: [late] });
    const run = await engine.start(late);
    await on.finish(run).catch(() => {});
    const { status, error } = await run.describe();
    expect(status).toBe("failed");
    expect(error?.message).toMatch(
      /^fetch was used in workflow code at \S*guard\.test\.ts:\d+:\d+: .* Talk to others in an activity/,
    );
  });

  it("the line is found in a program whose top level waits for the run", async () => {
    const program = join(folder, "program.mjs");
    const lines = [
      `import { open, workflow } from ${JSON.stringify(new URL("../../dist/index.js", import.meta.url).href)};`,
      `const early = workflow("early", async () => process.env.HOME);`,
      `const engine = await open({ store: "memory:", workflows: [early] });`,
      "const run = await engine.start(early);",
      "await run.result().catch((error) => console.log(error.cause.message));",
      "await engine.close();",
    ];
    writeFileSync(program, lines.join("\n"));
    const { stdout } = await promisify(execFile)(process.execPath, [program]);
    expect(stdout).toContain(`process.env.HOME was used in workflow code at ${program}:2:57: `);
  });

  it("left alone in a promise, it fails the run and not the process", async () => {
    const error = await failureOf(async (wf) => {
      void (async () => fetch("http://127.0.0.1:9"))();
      await wf.sleep("1h");
    });
    expect(error).toMatchObject({ code: "NONDETERMINISTIC" });
  });
});

describe("what the guard cannot see", () => {
  it.each(["asks for a step", "ends"])(
    "a dynamic import that takes its time blocks the run when it %s afterwards, with a reason that names it",
    async (then) => {
      const load = fromFolder("./import.js") as (id: string) => Promise<unknown>;
      const on = bench();
      const real = Date;
      let imported: Promise<unknown> | undefined;
      let outside: boolean | undefined;
      const loading = workflow("loading", async (wf) => {
        imported = load(`./fresh.mjs?${then}`);
        await imported;
        outside = Date === real;
        if (then === "ends") return 0;
        return wf.call(answer, 1);
      });
      const engine = await openOn(on, { workflows: [loading] });
      const run = await engine.start(loading);
      await on.clock.advance(10);
      await imported;
      await on.clock.advance(10);
      const { blocked } = await run.describe();
      expect(blocked?.reason).toBe("foreign_await");
      expect(outside).toBe(true);
      if (then !== "ends") expect(blocked?.message).toContain("dynamic import");
    },
  );
});

describe("process.nextTick", () => {
  it("is not refused, and blocks a run that awaits it", async () => {
    const on = bench();
    const ticking = workflow("ticking", async (wf) => {
      await new Promise<void>((resolve) => process.nextTick(resolve));
      return wf.call(answer, 1);
    });
    const engine = await openOn(on, { workflows: [ticking] });
    const run = await engine.start(ticking);
    await on.clock.advance(10);
    expect((await run.describe()).blocked?.reason).toBe("foreign_await");
  });
});

describe("what is none of the workflow's business", () => {
  it("console, stacks and modules loaded late work in workflow code", async () => {
    const seen = await runs(async () => {
      console.debug("said in workflow code %o", { by: "guard.test.ts" });
      const { home, size } = fromFolder("./late.js") as { home: string; size: number };
      return { stack: new Error("here").stack?.includes("guard.test.ts"), home, size };
    });
    expect(seen).toEqual({ stack: true, home: process.env.HOME, size: expect.any(Number) as number });
  });

  it("parts of Node that are loaded when they are first used work in workflow code", async () => {
    const program = join(folder, "headers.mjs");
    const lines = [
      `import { open, workflow } from ${JSON.stringify(new URL("../../dist/index.js", import.meta.url).href)};`,
      `const heading = workflow("heading", async () => new Headers({ accept: "text/plain" }).get("accept"));`,
      `const engine = await open({ store: "memory:", workflows: [heading] });`,
      "console.log(await (await engine.start(heading)).result());",
      "await engine.close();",
    ];
    writeFileSync(program, lines.join("\n"));
    const { stdout } = await promisify(execFile)(process.execPath, [program]);
    expect(stdout).toBe("text/plain\n");
  });

  it("activities and inline steps see the real thing", async () => {
    const look = (): unknown[] => [
      Date,
      Date.now() > 1e12,
      process.env.HOME,
      typeof setTimeout(() => {}, 0),
      fs.existsSync("."),
    ];
    const expected = look();
    const looking = activity("looking", async () => {
      const first = look();
      await delay(1);
      return [first, look()].every((seen) => seen.every((value, i) => value === expected[i]));
    });
    const seen = await runs(async (wf) => [
      await wf.call(looking),
      await wf.step("inline", async () => {
        const first = look();
        await null;
        return [first, look()].every((all) => all.every((value, i) => value === expected[i]));
      }),
    ]);
    expect(seen).toEqual([true, true]);
  });

  it("inline steps and the host see the real thing even while a turn is open", async () => {
    const on = bench();
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const real = Date;
    const seen: Record<string, boolean> = {};
    const look = (who: string): void => {
      seen[who] = Date === real && Date.now() > 1.79e12 && process.env.HOME !== "" && fs.existsSync(".");
    };
    const host = gate.then(() => look("host"));
    const waiting = workflow("waiting", async (wf) => {
      await wf.step("inline", async () => {
        await gate;
        look("step");
      });
    });
    const opening = workflow("opening", async (wf) => {
      await wf.call(answer, 1);
      open();
      await null;
      await null;
      await null;
      return Date === real;
    });
    const engine = await openOn(on, { workflows: [waiting, opening] });
    const first = await engine.start(waiting);
    await on.clock.advance(10);
    const inside = await on.finish(await engine.start(opening));
    await on.finish(first);
    await host;
    expect({ ...seen, inside }).toEqual({ host: true, step: true, inside: false });
  });

  it("loggers, observers and the listeners of aborted activities see the real thing", async () => {
    const on = bench();
    const real = Date;
    const seen = new Map<string, boolean>();
    const look = (who: string): void => {
      clearTimeout(setTimeout(() => {}, 0));
      seen.set(who, Date === real && fs.existsSync("."));
    };
    const write = (): void => look("logger");
    const slow = activity("slow", async (_: undefined, ctx) => {
      ctx.signal.addEventListener("abort", () => look("abort listener"));
      await new Promise(() => {});
    });
    const w = workflow("w", async (wf) => {
      wf.log.info({}, "hello");
      wf.note("decision", {});
      await wf.scope(() => wf.call(slow), { timeout: "10s" }).catch(() => {});
    });
    const engine = await openOn(on, {
      workflows: [w],
      logger: { debug: write, info: write, warn: write, error: write },
      observers: [{ onEvent: (event) => look(event.type) }],
    });
    await on.finish(await engine.start(w));
    expect([...seen.keys()]).toEqual(expect.arrayContaining(["logger", "abort listener", "note", "run.closed"]));
    expect([...seen].filter(([, fine]) => !fine)).toEqual([]);
  });

  it("nothing inherits the context of the run whose code led to it", async () => {
    const on = bench();
    const inherited = new Set<string>();
    const look = (who: string): void => {
      if (currentPlace() !== undefined) inherited.add(who);
    };
    const write = (): void => look("logger");
    const looking = activity("looking", async (n: number) => {
      look("activity");
      await null;
      look("activity, later");
      return n;
    });
    const busy = workflow("busy", async (wf) => {
      for (let i = 0; i < 30; i++) await wf.call(looking, i);
    });
    const noisy = workflow("noisy", async (wf, how: string) => {
      await wf.call(looking, 1);
      wf.log.info({}, "hello");
      wf.note("decision", {});
      await wf.scope(() => Promise.race([wf.call(looking, 2), wf.sleep("1h")]));
      if (how === "rejects") void Promise.reject(new Error("left alone"));
      if (how === "blocks") await wf.call("nowhere/to-be-found");
      await wf.waitFor("never", { timeout: "1m" });
    });
    const engine = await openOn(on, {
      workflows: [busy, noisy],
      logger: { debug: write, info: write, warn: write, error: write },
      observers: [{ onEvent: (event) => look(event.type) }],
    });
    const runs = [await engine.start(busy), await engine.start(busy)];
    for (const how of ["rejects", "blocks", "waits"]) await engine.start(noisy, how);
    for (const run of runs) await on.finish(run);
    await on.clock.advance(120_000);
    expect([...inherited]).toEqual([]);
  });

  it("listeners of wf.abortSignal are workflow code", async () => {
    const on = bench();
    const real = Date;
    let inside: boolean | undefined;
    const w = workflow("w", async (wf) => {
      wf.abortSignal.addEventListener("abort", () => {
        inside = Date !== real;
      });
      await wf.sleep("1h");
    });
    const engine = await openOn(on, { workflows: [w] });
    const run = await engine.start(w);
    await on.clock.advance(10);
    await run.cancel("enough");
    await on.finish(run).catch(() => {});
    expect(inside).toBe(true);
  });
});

describe("guard: warn", () => {
  it("says so once per place and lets the real thing through", async () => {
    const lines: { fields: object; message: string | undefined }[] = [];
    const quiet = (): void => {};
    const warn = (fields: object, message?: string): void => void lines.push({ fields, message });
    const logger = { debug: quiet, info: quiet, warn, error: quiet };
    const home = process.env.HOME;
    const use = async (): Promise<unknown[]> => {
      const seen: unknown[] = [];
      for (let i = 0; i < 3; i++) seen.push(process.env.HOME, fs.existsSync("."));
      return seen;
    };
    expect(await runs(use, { guard: "warn", logger })).toEqual([home, true, home, true, home, true]);
    expect(lines).toHaveLength(2);
    expect(lines[0]?.message).toMatch(/^process\.env\.HOME was used in workflow code at \S*guard\.test\.ts/);
    expect(lines[0]?.fields).toMatchObject({ workflow: "once", what: "process.env.HOME" });
    expect(lines[1]?.message).toMatch(/^fs\.existsSync /);
  });

  it("does not count what Node does on behalf of one call as more of them", async () => {
    const lines: string[] = [];
    const quiet = (): void => {};
    const logger = {
      debug: quiet,
      info: quiet,
      warn: (_: object, message = "") => void lines.push(message),
      error: quiet,
    };
    await runs(async () => void exec("true"), { guard: "warn", logger });
    expect(lines.map((line) => line.split(" ")[0])).toEqual(["child_process.exec"]);
  });

  it("still answers with the run's time and randomness", async () => {
    const [now, date] = await runs(async (wf) => [wf.now(), Date.now()], { guard: "warn" });
    expect(date).toBe(now);
  });
});

describe("guard: off", () => {
  it("leaves everything as it is, also beside an engine with a guard", async () => {
    const guarded = await openOn(bench(), { workflows: [] });
    const before = Date.now();
    const seen = await runs(async () => [Date.now() >= before, process.env.HOME], { guard: "off" });
    expect(seen).toEqual([true, process.env.HOME]);
    await guarded.close();
  });
});

it("refuses a mode it does not know", async () => {
  await expect(bench().engine({ guard: "strict" as never })).rejects.toBeInstanceOf(PerdureError);
});
