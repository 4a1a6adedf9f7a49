/** Time in a test environment: it jumps over waits and never over work. */
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { activity, query, signal, update, workflow } from "../../src/index.ts";
import { createTestEnv, hangs } from "../../src/testing/index.ts";

const go = signal<string>("go");
const DAY = 86_400_000;

const napping = workflow("napping", async (wf, days: number) => {
  const began = wf.now();
  for (let day = 0; day < days; day++) await wf.sleep("1d");
  return (wf.now() - began) / DAY;
});

/** Time jumps in an environment where somebody waits for it: by then it would have done so in any other, too. */
async function jumpsElsewhere(): Promise<void> {
  await using env = await createTestEnv({ workflows: [napping] });
  expect(await (await env.start(napping, 20)).result()).toBe(20);
}

describe("time that skips", () => {
  it("jumps to the next timer while somebody waits for a result", async () => {
    await using env = await createTestEnv({ workflows: [napping] });
    const began = env.clock.now();
    expect(await (await env.start(napping, 400)).result()).toBe(400);
    expect(env.clock.now() - began).toBe(400 * DAY);
  });

  it("begins when the test says so and stands still until somebody waits", async () => {
    await using env = await createTestEnv({ workflows: [napping], now: new Date("2030-05-05") });
    await env.start(napping, 1);
    await env.settled();
    await jumpsElsewhere();
    expect(new Date(env.clock.now()).toISOString()).toBe("2030-05-05T00:00:00.000Z");
    await env.clock.advanceTo(new Date("2030-05-06T12:00:00Z"));
    expect(await env.unfinished()).toEqual([]);
  });

  it("begins at and moves to points in time only", async () => {
    const never = new Date("2030-02-31T25:00");
    await expect(createTestEnv({ now: never })).rejects.toThrow("now takes epoch milliseconds or a Date");
    await using env = await createTestEnv();
    await expect(env.clock.advanceTo(never)).rejects.toThrow("advanceTo takes epoch milliseconds or a Date, not");
  });

  it("lets a signal that was sent without delay come before the timeout of its wait", async () => {
    const ask = workflow("ask", async (wf) => (await wf.waitFor(go, { timeout: "48h" })) ?? "nobody");
    await using env = await createTestEnv({ workflows: [ask] });
    const handle = await env.start(ask);
    const result = handle.result();
    await handle.signal(go, "ada");
    expect(await result).toBe("ada");
    expect(await (await env.start(ask)).result()).toBe("nobody");
  });

  it("goes in the steps the test asks for, without anybody waiting", async () => {
    await using env = await createTestEnv({ workflows: [napping], skipTime: false });
    const handle = await env.start(napping, 3);
    await env.clock.advance("1d");
    expect(await env.history(handle)).toHaveLength(1);
    await env.clock.advance("1d12h");
    expect(await env.history(handle)).toHaveLength(2);
    const result = handle.result();
    await jumpsElsewhere();
    expect(await handle.status()).toBe("running");
    env.skipTime = true;
    expect(await result).toBe(3);
  });

  it("jumps for whoever waits for an update, and for a result with a limit", async () => {
    const slow = update<number, number>("slow");
    const total = query<number>("total");
    const adding = workflow("adding", async (wf) => {
      let sum = 0;
      wf.on(slow, async (n) => {
        await wf.sleep("3h");
        sum += n;
        return sum;
      });
      wf.on(total, () => sum);
      await wf.waitFor(go);
      return sum;
    });
    await using env = await createTestEnv({ workflows: [adding] });
    const handle = await env.start(adding);
    const began = env.clock.now();
    expect(await handle.update(slow, 5)).toBe(5);
    expect(env.clock.now() - began).toBe(3 * 3_600_000);
    expect(await handle.query(total)).toBe(5);
    await expect(handle.result({ timeout: "1h" })).rejects.toMatchObject({ code: "WAIT_TIMED_OUT" });
    expect(env.clock.now() - began).toBe(4 * 3_600_000);
  });

  it("retries at the times of the policy", async () => {
    const times: number[] = [];
    const flaky = activity("flaky", { retry: { maxAttempts: 4, initial: "10s" } }, async (_: undefined, ctx) => {
      times.push(env.clock.now());
      if (ctx.attempt < 4) throw new Error("no");
      return "yes";
    });
    const retrying = workflow("retrying", (wf) => wf.call(flaky));
    await using env = await createTestEnv({ workflows: [retrying] });
    expect(await (await env.start(retrying)).result()).toBe("yes");
    expect(times.map((time) => (time - times[0]!) / 1000)).toEqual([0, 10, 30, 70]);
  });

  it("tells whoever would wait for ever what the run waits for", async () => {
    const ask = workflow("ask", (wf) => wf.waitFor(go));
    await using env = await createTestEnv({ workflows: [ask], patience: 50 });
    const handle = await env.start(ask, undefined, { id: "a-1" });
    await expect(handle.result()).rejects.toThrow(
      /result of a-1 would be waited for for ever.*ask a-1 is running \(in flight: wait go\)/,
    );
  });
});

describe("real work", () => {
  const exec = promisify(execFile);

  it("is waited for: a server, a child process, timers", async () => {
    const server = createServer((_request, response) => void sleep(60).then(() => response.end("pong")));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const ping = activity("ping", { timeout: "1s" }, async () => (await fetch(url)).text());
    const node = activity("node", { timeout: "1s" }, async () =>
      (await exec(process.execPath, ["-p", "6*7"])).stdout.trim(),
    );
    const nap = activity("nap", { timeout: "1s" }, async () => "real");
    const working = workflow("working", async (wf) => {
      const limit = wf.sleep("5s").then(() => "late");
      const all = Promise.all([wf.call(ping), wf.call(node), wf.call(nap)]);
      return Promise.race([all, limit]);
    });
    await using env = await createTestEnv({ workflows: [working] });
    env.mock(nap, async () => {
      await sleep(80);
      return "mocked";
    });
    try {
      expect(await (await env.start(working)).result()).toEqual(["pong", "42", "mocked"]);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it("is waited for before time is moved on by hand", async () => {
    const work = activity("work", { timeout: "1m" }, async () => {
      await sleep(150);
      return "done";
    });
    const working = workflow("working", (wf) => wf.call(work));
    await using env = await createTestEnv({ workflows: [working] });
    const handle = await env.start(working);
    await env.clock.advance("1h");
    expect(await handle.status()).toBe("completed");
  });

  it("that hangs is timed out by time that goes on beside it", async () => {
    const work = activity("work", { timeout: "20s", retry: { maxAttempts: 2 } }, async () => "real");
    const working = workflow("working", (wf) => wf.call(work));
    await using env = await createTestEnv({ workflows: [working] });
    env.mock(work, hangs());
    await expect((await env.start(working)).result()).rejects.toMatchObject({
      cause: { code: "TIMEOUT", attempts: 2 },
    });
    expect(env.calls(work).map(({ status }) => status)).toEqual(["threw", "threw"]);
  });

  it("of a mock that waits for the test does not hold up a clock that is moved by hand", async () => {
    let open = (_: string): void => {};
    const gate = new Promise<string>((resolve) => {
      open = resolve;
    });
    const work = activity("work", async () => "real");
    const working = workflow("working", (wf) => wf.call(work));
    await using env = await createTestEnv({ workflows: [working] });
    env.mock(work, () => gate);
    const handle = await env.start(working);
    await env.clock.advance("5m");
    expect((await handle.describe()).open).toMatchObject([{ step: "work", running: true }]);
    open("opened");
    expect(await handle.result()).toBe("opened");
  });
});
