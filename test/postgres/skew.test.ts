/**
 * Engines and clients whose clocks are minutes apart: everybody goes by the clock of the database. Each process has a patched `Date`; this
 * one and the server share the true time.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pass } from "node:timers/promises";
import { describe, expect, it, type TestContext } from "vitest";
import { silentLogger } from "../../src/engine/log.ts";
import { type Connection, connect, open } from "../../src/index.ts";
import { openStore } from "../../src/store/index.ts";
import { EngineProcess } from "../crash/engine-process.ts";
import { eventually } from "../crash/eventually.ts";
import { audit } from "./audit.ts";
import { postgresForTests } from "./subject.ts";

const postgres = postgresForTests();
const TTL_MS = 2000;
const MINUTE = 60_000;
/** How late things may be: polls, and much other work on the machine. Clocks are wrong by minutes. */
const LATE_MS = 3000;

type Jump = { readonly byMs: number; readonly afterMs: number };

/** Options that make the clock of a Node process wrong. */
function skewed(ms: number, jump?: Jump): string[] {
  const url = new URL("./skewed-date.mjs", import.meta.url);
  url.search = `ms=${ms}&jump=${jump?.byMs ?? 0}&after=${jump?.afterMs ?? 0}`;
  return ["--import", url.href];
}

/** A store, and who uses it. */
class Site {
  readonly store: string;
  readonly connection: Connection;
  readonly #schema: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "perdure-skew-"));
  readonly #engines: EngineProcess[] = [];
  readonly #clients: ChildProcess[] = [];
  readonly #begun = Date.now();

  private constructor(store: string, connection: Connection) {
    this.store = store;
    this.connection = connection;
    this.#schema = new URL(store).searchParams.get("schema")!;
  }

  static async open(context: TestContext): Promise<Site> {
    const store = postgres.freshAddress();
    await (await openStore(store)).close();
    const site = new Site(store, await connect({ store }));
    context.onTestFinished(async () => {
      for (const child of site.#clients) child.kill("SIGKILL");
      await Promise.all(site.#engines.map((child) => child.kill()));
      await site.connection.close();
      rmSync(site.#folder, { recursive: true, force: true });
    });
    return site;
  }

  async engine(aheadMs: number, jump?: Jump): Promise<EngineProcess> {
    const child = new EngineProcess({
      store: this.store,
      effects: join(this.#folder, "effects.log"),
      incarnation: `e${this.#engines.length}`,
      leaseTtl: `${TTL_MS}ms`,
      node: skewed(aheadMs, jump),
    });
    this.#engines.push(child);
    await child.ready;
    return child;
  }

  /** A client whose clock is wrong: what it is asked for is done by a process that is there already. */
  async client(aheadMs: number): Promise<<T>(operation: string, id?: string | number) => Promise<T>> {
    const script = join(import.meta.dirname, "skewed-client.mjs");
    const child = fork(script, [this.store], { execArgv: [...process.execArgv, ...skewed(aheadMs)] });
    this.#clients.push(child);
    await once(child, "message");
    return async <T>(operation: string, id?: string | number) => {
      const answered = once(child, "message");
      child.send({ operation, id });
      return ((await answered) as [{ value: T }])[0].value;
    };
  }

  /** Milliseconds from `since` until the run has ended. */
  async ended(id: string, since: number): Promise<number> {
    const handle = await this.connection.handle(id);
    await handle.result({ timeout: "40s" });
    return Date.now() - since;
  }

  /** Every time that was written lies in the life of the test, and never goes back. */
  async expectTrueTimes(): Promise<void> {
    const life = [this.#begun - 100, Date.now() + 100];
    const [events, runs] = [`${this.#schema}.events`, `${this.#schema}.workflow_runs`];
    const times = await postgres.ask(
      `select e.run, e.seq, e.type, e.at from ${events} e where e.at not between $1 and $2
        or e.at < (select b.at from ${events} b where b.run = e.run and b.seq = e.seq - 1)`,
      life,
    );
    expect(times).toEqual([]);
    const rows = await postgres.ask(
      `select workflow_id from ${runs} where created_at not between $1 and $2 or closed_at not between $1 and $2`,
      life,
    );
    expect(rows).toEqual([]);
  }

  async expectHealthy(...engines: EngineProcess[]): Promise<void> {
    await this.expectTrueTimes();
    for (const one of engines) await one.leave();
    expect(await audit(postgres.server.url, this.#schema)).toEqual([]);
  }
}

describe.concurrent("with clocks that are minutes apart", () => {
  it("clients know the time, and find what is recent", { timeout: 60_000 }, async (context) => {
    const site = await Site.open(context);
    const fast = await site.engine(7 * MINUTE);
    await fast.ask("start", "chain", { steps: 1, ms: 0 }, { id: "recent" });
    await site.ended("recent", Date.now());
    for (const ahead of [7 * MINUTE, -5 * MINUTE]) {
      const client = await site.client(ahead);
      const { wall, store: told } = await client<{ wall: number; store: number }>("time");
      expect(Math.abs(wall - told - ahead)).toBeLessThan(1000);
      expect(await client("since", MINUTE)).toEqual(["recent"]);
      expect(await client("since", -1000)).toEqual([]);
    }
    await site.expectHealthy(fast);
  });

  it("timers fire on time, here, there, and after every kind of handover", { timeout: 60_000 }, async (context) => {
    const site = await Site.open(context);
    const [fast, slow] = [await site.engine(7 * MINUTE), await site.engine(-5 * MINUTE)];
    const naps = [700, 6500];
    const since = Date.now();
    await fast.ask("start", "sleeper", { naps }, { id: "fast" });
    await slow.ask("start", "sleeper", { naps }, { id: "slow" });
    // Delayed starts are claimed by whoever comes first.
    await fast.ask("start", "chain", { steps: 1, ms: 0 }, { id: "delayed-fast", delay: "4s" });
    await slow.ask("start", "chain", { steps: 1, ms: 0 }, { id: "delayed-slow", delay: "4s" });
    const delayed = Promise.all([site.ended("delayed-fast", since), site.ended("delayed-slow", since)]);
    await pass(1500);
    await fast.kill();
    for (const ms of await delayed) expect(ms).toBeGreaterThanOrEqual(3900);
    for (const ms of await delayed) expect(ms).toBeLessThan(4000 + LATE_MS + TTL_MS);
    const third = await site.engine(20 * MINUTE);
    await slow.leave();
    for (const id of ["fast", "slow"]) {
      const ms = await site.ended(id, since);
      expect(ms).toBeGreaterThanOrEqual(7100);
      expect(ms).toBeLessThan(7200 + LATE_MS);
    }
    await site.expectHealthy(third);
  });

  it("a signal before the deadline wins and one after it loses, wherever it is sent", {
    timeout: 60_000,
  }, async (context) => {
    const site = await Site.open(context);
    const fast = await site.engine(7 * MINUTE);
    const [behind, ahead] = [await site.client(-9 * MINUTE), await site.client(30 * MINUTE)];
    const start = (id: string, shortMs: number) => fast.ask("start", "waiter", { shortMs, longMs: 1 }, { id });
    await start("too-late", 300);
    for (const id of ["here", "from-behind", "from-ahead", "far-off"]) await start(id, 4000);
    await fast.ask("signal", "here", "nobody-sends", "in time");
    await behind("signal", "from-behind");
    await ahead("signal", "from-ahead");
    await pass(500);
    await fast.kill();
    // In time, but the engine that looks at it comes after the deadline.
    await ahead("signal", "far-off");
    await behind("signal", "too-late");
    await pass(4000);
    const slow = await site.engine(-5 * MINUTE);
    const outcome = async (id: string): Promise<unknown> => {
      await slow.ask("signal", id, "go", 1);
      return ((await slow.ask<unknown[]>("result", id)) as unknown[])[0];
    };
    for (const id of ["here", "from-behind", "from-ahead", "far-off"]) expect(await outcome(id), id).toBe("in time");
    expect(await outcome("too-late")).toBe("timeout");
    await slow.leave();
    await site.expectTrueTimes();
  });

  it("a schedule starts each tick once and on time, also when it changes hands", {
    timeout: 60_000,
  }, async (context) => {
    const site = await Site.open(context);
    const maker = await open({ store: site.store, workflows: [], logger: silentLogger });
    context.onTestFinished(() => maker.close());
    const [fast, slow] = [await site.engine(7 * MINUTE), await site.engine(-5 * MINUTE)];
    const options = { workflow: "chain", input: { steps: 1, ms: 0 }, every: "1s", overlap: "allow-all" } as const;
    const created = Date.now();
    await maker.schedules.create("second", options, { elsewhere: true });
    const started = () => site.connection.runs.list({ workflow: "chain", limit: 1000 });
    await eventually(async () => (await started()).length >= 3, "ticks of two engines");
    await fast.leave();
    const since = (await started()).length;
    await eventually(async () => (await started()).length >= since + 3, "ticks of the one that is left");
    const runs = await started();
    const ticks = runs.map(({ workflowId, createdAt }) => {
      const tick = Date.parse(/@(.+Z)/.exec(workflowId)![1]!);
      return { tick, late: createdAt - tick };
    });
    ticks.sort((a, b) => a.tick - b.tick);
    expect(ticks[0]!.tick).toBeGreaterThan(created - 100);
    expect(ticks.length).toBeGreaterThanOrEqual(6);
    for (const [i, { tick, late }] of ticks.entries()) {
      expect(tick).toBe(ticks[0]!.tick + i * 1000);
      expect(late).toBeGreaterThanOrEqual(0);
      expect(late).toBeLessThan(LATE_MS);
    }
    await site.expectTrueTimes();
    await slow.kill();
  });

  it("an engine that was stopped for longer than its lease goes on at the right time", {
    timeout: 60_000,
  }, async (context) => {
    const site = await Site.open(context);
    const fast = await site.engine(7 * MINUTE);
    const since = Date.now();
    await fast.ask("start", "sleeper", { naps: [1500, 3500] }, { id: "s" });
    await pass(500);
    fast.freeze();
    await pass(3000);
    fast.thaw();
    // The first nap is over when it wakes up, the second begins then.
    const ms = await site.ended("s", since);
    expect(ms).toBeGreaterThanOrEqual(6900);
    expect(ms).toBeLessThan(7000 + TTL_MS + LATE_MS);
    await site.expectHealthy(fast);
  });

  it("a clock that is set while its engine runs moves nothing", { timeout: 60_000 }, async (context) => {
    const site = await Site.open(context);
    const [forwards, backwards] = [
      await site.engine(0, { byMs: 60 * MINUTE, afterMs: 2500 }),
      await site.engine(0, { byMs: -60 * MINUTE, afterMs: 2500 }),
    ];
    const since = Date.now();
    await forwards.ask("start", "sleeper", { naps: [4000] }, { id: "f" });
    await backwards.ask("start", "sleeper", { naps: [4000] }, { id: "b" });
    await forwards.ask("start", "chain", { steps: 40, ms: 100 }, { id: "f-chain" });
    await backwards.ask("start", "chain", { steps: 40, ms: 100 }, { id: "b-chain" });
    for (const id of ["f", "b"]) {
      const ms = await site.ended(id, since);
      expect(ms).toBeGreaterThanOrEqual(3900);
      expect(ms).toBeLessThan(4000 + LATE_MS);
    }
    // Effects pause until the next renewal, and go on where they were: no lease is lost.
    for (const id of ["f-chain", "b-chain"])
      expect(await site.ended(id, since)).toBeLessThan(4000 + TTL_MS + 3 * LATE_MS);
    expect([...forwards.log, ...backwards.log].filter((line) => line.includes("lost its lease"))).toEqual([]);
    await site.expectHealthy(forwards, backwards);
  });
});
