/** Several engines on one database, and clients that put a load on them; each is a process of its own. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { ask } from "../postgres-server.ts";
import type { ClientReport, ClientTask } from "./client-process.ts";
import { type Connections, connectionsOf } from "./connections.ts";
import type { EngineUsage } from "./engine-process.ts";

/** A load on all engines together. */
export interface FleetLoad {
  readonly steps: number;
  readonly callers: number;
  readonly clients: number;
  readonly seconds: number;
}

/** What was seen while the load lasted. Processor time is in processors: 1 is one of them all the time. */
export interface FleetReport {
  readonly runsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly engineProcessors: number;
  readonly clientProcessors: number;
  readonly rssMb: number;
  readonly transactionsPerSecond: number;
}

/** What engines cost that have nothing to do. */
export interface IdleReport extends Connections {
  readonly transactionsPerSecond: number;
}

const WARM_UP_SECONDS = 1;

export class Fleet implements AsyncDisposable {
  readonly #address: string;
  readonly #engines: readonly ChildProcess[];
  readonly #ports: readonly number[];

  static async start(address: string, count: number): Promise<Fleet> {
    const engines: ChildProcess[] = [];
    const ports: number[] = [];
    // One after the other: the first one makes the tables.
    for (let i = 0; i < count; i++) {
      const engine = fork(new URL("./engine-process.js", import.meta.url), [address], { execArgv: [] });
      engines.push(engine);
      ports.push((await answer<{ port: number }>(engine)).port);
    }
    return new Fleet(address, engines, ports);
  }

  private constructor(address: string, engines: readonly ChildProcess[], ports: readonly number[]) {
    this.#address = address;
    this.#engines = engines;
    this.#ports = ports;
  }

  async load({ steps, callers, clients: count, seconds }: FleetLoad): Promise<FleetReport> {
    const task = { ports: this.#ports, steps, warmUpSeconds: WARM_UP_SECONDS, seconds };
    const clients = Array.from({ length: count }, () => {
      const mine: ClientTask = { ...task, callers: Math.ceil(callers / count) };
      return fork(new URL("./client-process.js", import.meta.url), [JSON.stringify(mine)], { execArgv: [] });
    });
    await Promise.all(clients.map((client) => answer(client)));
    const reports = Promise.all(clients.map((client) => answer<ClientReport>(client)));
    for (const client of clients) client.send("go");
    await delay(WARM_UP_SECONDS * 1000);
    const before = await this.#usage();
    await delay(seconds * 1000);
    const after = await this.#usage();
    const seen = await reports;
    const wallMs = seconds * 1000;
    const all = (of: (report: ClientReport) => number): number => seen.reduce((sum, report) => sum + of(report), 0);
    return {
      runsPerSecond: all(({ runs }) => runs) / seconds,
      p50Ms: all(({ p50Ms }) => p50Ms) / count,
      p99Ms: Math.max(...seen.map(({ p99Ms }) => p99Ms)),
      engineProcessors: (after.cpuMs - before.cpuMs) / wallMs,
      clientProcessors: all(({ cpuMs }) => cpuMs) / wallMs,
      rssMb: after.rssMb,
      transactionsPerSecond: (after.transactions - before.transactions) / seconds,
    };
  }

  /** What the engines cost when nobody asks them for anything. */
  async idle(seconds: number): Promise<IdleReport> {
    await delay(1500);
    const before = await this.#transactions();
    await delay(seconds * 1000);
    const after = await this.#transactions();
    // One of them is the question itself.
    const transactionsPerSecond = Math.max(0, after - before - 1) / seconds;
    return { ...(await connectionsOf(this.#address)), transactionsPerSecond };
  }

  async #usage(): Promise<{ cpuMs: number; rssMb: number; transactions: number }> {
    const usages = await Promise.all(
      this.#engines.map((engine) => {
        const said = answer<EngineUsage>(engine);
        engine.send("usage");
        return said;
      }),
    );
    const cpuMs = usages.reduce((sum, usage) => sum + usage.cpuMs, 0);
    const rssMb = usages.reduce((sum, usage) => sum + usage.rssMb, 0);
    return { cpuMs, rssMb, transactions: await this.#transactions() };
  }

  /** Transactions on this database so far. A connection tells of its own only now and then, so short times are not exact. */
  async #transactions(): Promise<number> {
    const sql =
      "select (xact_commit + xact_rollback)::float8 as n from pg_stat_database where datname = current_database()";
    const [row] = await ask<{ n: number }>(this.#address, sql);
    return row!.n;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#engines.map(async (engine) => {
        const gone = once(engine, "exit");
        engine.send("close");
        await gone;
      }),
    );
  }
}

/** The next thing a process says. */
function answer<T>(process: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a process ended with ${code} before it answered`));
    process.once("exit", ended);
    process.once("message", (message) => {
      process.off("exit", ended);
      resolve(message as T);
    });
  });
}
