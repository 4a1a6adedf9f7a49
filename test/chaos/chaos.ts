/**
 * One chaos run: a database, engines and clients in processes of their own, faults for some time, then quiet until everything has
 * ended, then the checker.
 */
import { createWriteStream, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pass } from "node:timers/promises";
import { connect } from "../../src/client/connect.ts";
import { openPostgresStore } from "../../src/store/index.ts";
import { seededDraw } from "../crash/seeded-random.ts";
import { PostgresServer } from "../postgres/server.ts";
import { ask } from "../postgres/subject.ts";
import { check } from "./checker.ts";
import { type FaultLine, makeTrouble, type World } from "./faults.ts";
import { Place } from "./fleet.ts";
import { SCHEDULES } from "./load.ts";
import { Way } from "./proxy.ts";
import { prepare } from "./recorder.ts";
import { replayAll } from "./replays.ts";
import { type ChaosReport, reportOf } from "./report.ts";
import { type Snapshot, takeSnapshot } from "./snapshot.ts";
import type { Violation } from "./violation.ts";

/** How a chaos run is to be. */
export interface ChaosOptions {
  readonly seed: number;
  /** How long faults come. */
  readonly troubleMs: number;
  readonly engines: number;
  readonly clients: number;
  /** Scenarios of each client at a time. */
  readonly lanes: number;
  /** Scenarios that each client begins, however long that takes. */
  readonly atLeast: number;
  readonly ttlMs: number;
  /** Where logs go to; made when it is missing. */
  readonly folder: string;
  /** False: nothing goes wrong. */
  readonly faults: boolean;
  /** Told what happens. */
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  readonly phase: "starting" | "trouble" | "quiet" | "checking";
  readonly leftMs: number;
  readonly begun: number;
  readonly ended: number;
  /** Runs of the store, by status. */
  readonly runs: Readonly<Record<string, number>>;
  readonly events: number;
  readonly leasesLost: number;
  readonly fault: FaultLine | undefined;
  readonly faults: number;
}

/** Queues of engines that do not serve all of them. */
const SERVED: Readonly<Record<string, readonly string[]>> = { e1: ["default", "east"], e2: ["default", "west"] };
const SCHEMA = "perdure";
/** Nothing has happened in the store for so long, and something is still open: nothing will. */
const STILL_MS = 45_000;
const LOOK_MS = 500;
/** Everything about a run that is over. */
export interface ChaosResult {
  readonly report: ChaosReport;
  readonly violations: readonly Violation[];
}

export async function chaos(options: ChaosOptions): Promise<ChaosResult> {
  const run = new ChaosRun(options);
  try {
    await run.start();
    await run.trouble();
    await run.quiet();
    return await run.verdict();
  } finally {
    await run.end();
  }
}

/** A finished database for tests of the checker: nothing went wrong in it. Stays until `end` is called. */
export async function finished(options: ChaosOptions): Promise<ChaosRun> {
  const run = new ChaosRun(options);
  try {
    await run.start();
    await run.trouble();
    await run.quiet();
    return run;
  } catch (error) {
    await run.end();
    throw error;
  }
}

export class ChaosRun {
  readonly options: ChaosOptions;
  readonly effects: string;
  readonly #faults: FaultLine[] = [];
  readonly #violations: Violation[] = [];
  readonly #ways = new Map<string, Way>();
  #server: PostgresServer | undefined;
  #engines: Place[] = [];
  #clients: Place[] = [];
  #begun = 0;
  #ended = 0;
  /** Scenarios begun by each client. */
  readonly #begunBy: number[];
  /** Scenarios begun by each client that begins no more. */
  readonly #leaving = new Map<number, number>();
  #phase: Progress["phase"] = "starting";
  #until = 0;
  #watching: NodeJS.Timeout | undefined;
  readonly #startedAt = Date.now();
  readonly #log: NodeJS.WritableStream;

  constructor(options: ChaosOptions) {
    this.options = options;
    this.#begunBy = Array.from({ length: options.clients }, () => 0);
    mkdirSync(options.folder, { recursive: true });
    this.effects = join(options.folder, "effects.log");
    this.#log = createWriteStream(join(options.folder, "faults.log"));
  }

  /** Address of the database, not by any way that can be bad. */
  get url(): string {
    return this.#server!.url;
  }

  async start(): Promise<void> {
    const server = await PostgresServer.start({ settings: { max_connections: 300 } });
    this.#server = server;
    const numbers = { length: this.options.engines };
    this.#engines = await Promise.all(Array.from(numbers, (_, at) => this.#engine(`e${at + 1}`)));
    await (await openPostgresStore(`${server.url}?schema=${SCHEMA}`)).close();
    await prepare(server.url, SCHEMA);
    for (const engine of this.#engines) engine.start();
    await this.#waitFor(() => this.#engines.every(({ up }) => up), "the engines");
    this.#clients = await Promise.all(Array.from({ length: this.options.clients }, (_, at) => this.#client(at + 1)));
    for (const client of this.#clients) client.start();
    if (this.options.onProgress !== undefined)
      // While the database is away there is nothing to tell.
      this.#watching = setInterval(() => void this.#tell().catch(() => {}), LOOK_MS);
  }

  async #waitFor(met: () => boolean, what: string, withinMs = 60_000): Promise<void> {
    for (const limit = Date.now() + withinMs; !met(); await pass(20)) {
      if (Date.now() > limit) throw new Error(`waited ${withinMs} ms for ${what}; see ${this.options.folder}`);
    }
  }

  async #address(name: string, incarnation: string): Promise<string> {
    const url = new URL(this.#server!.url);
    url.port = String(this.#ways.get(name)!.port);
    url.searchParams.set("schema", SCHEMA);
    url.searchParams.set("application_name", incarnation);
    return url.href;
  }

  #socket(name: string): string {
    return join(this.options.folder, `${name}.sock`);
  }

  async #place(
    name: string,
    script: "engine-process.mjs" | "client-process.mjs",
    options: (incarnation: string, store: string) => object,
    onMessage?: (message: Record<string, unknown>) => void,
  ): Promise<Place> {
    const way = await Way.to(Number(new URL(this.#server!.url).port));
    this.#ways.set(name, way);
    const address = new URL(await this.#address(name, ""));
    return new Place({
      name,
      script,
      folder: this.options.folder,
      options: (incarnation) => {
        address.searchParams.set("application_name", incarnation);
        return options(incarnation, address.href);
      },
      onDeath: (what) => this.#violations.push({ rule: "I10", what, run: undefined, evidence: [] }),
      ...(onMessage !== undefined && { onMessage }),
    });
  }

  #engine(name: string): Promise<Place> {
    const { ttlMs, folder } = this.options;
    return this.#place(name, "engine-process.mjs", (incarnation, store) => ({
      store,
      leaseTtl: `${ttlMs}ms`,
      ...(this.options.engines >= 3 && { serves: SERVED[name] }),
      incarnation,
      effects: this.effects,
      database: this.#server!.url,
      schema: SCHEMA,
      socket: this.#socket(name),
      log: join(folder, `${incarnation}.log`),
    }));
  }

  #client(number: number): Promise<Place> {
    const { seed, clients, lanes, folder, engines } = this.options;
    const sockets = Array.from({ length: engines }, (_, at) => this.#socket(`e${at + 1}`));
    const options = (incarnation: string, store: string): object => ({
      store,
      sockets,
      seed,
      client: number - 1,
      clients,
      lanes,
      incarnation,
      schedules: number === 1 ? SCHEDULES.map(({ name, options: schedule }) => [name, schedule]) : [],
      journal: join(folder, `client-${number}.log`),
    });
    return this.#place(`c${number}`, "client-process.mjs", options, ({ begun, ended, leavingAfter }) => {
      if (typeof begun === "number") {
        this.#begun++;
        this.#begunBy[number - 1] = Math.max(this.#begunBy[number - 1]!, begun + 1);
      }
      if (typeof ended === "number") this.#ended++;
      if (typeof leavingAfter === "number") this.#leaving.set(number, leavingAfter);
    });
  }

  get #world(): World {
    return {
      engines: this.#engines,
      clients: this.#clients,
      ways: this.#ways,
      server: this.#server!,
      ttlMs: this.options.ttlMs,
      schema: SCHEMA,
      ask: (sql, values) => ask(this.url, sql, [...(values ?? [])]),
      record: (line) => {
        this.#faults.push(line);
        this.#log.write(`${JSON.stringify(line)}\n`);
      },
    };
  }

  async trouble(): Promise<void> {
    this.#phase = "trouble";
    this.#until = Date.now() + this.options.troubleMs;
    if (this.options.faults) await makeTrouble(this.#world, seededDraw(this.options.seed), this.#until);
    else await pass(this.options.troubleMs);
    await this.#waitFor(() => this.#begunBy.every((begun) => begun >= this.options.atLeast), "the clients");
  }

  /** Everything is good again: what was begun has to end by itself. */
  async quiet(): Promise<void> {
    this.#phase = "quiet";
    for (const way of this.#ways.values()) way.heal();
    for (const place of [...this.#engines, ...this.#clients]) place.start();
    const leaving = setInterval(() => {
      // What one client has begun may wait for the others: where to stop is known once nobody begins anything any more.
      const stop = this.#leaving.size === this.#clients.length ? Math.max(...this.#leaving.values()) : undefined;
      for (const client of this.#clients) client.tell({ leave: true, stop });
    }, LOOK_MS);
    try {
      await this.#still(() => this.#clients.every(({ pid }) => pid === undefined));
      await this.#endWhatGoesOn();
      await this.#still(async () => (await this.#open()).length === 0);
    } finally {
      clearInterval(leaving);
    }
    for (const engine of this.#engines) {
      if (await engine.leave(STILL_MS)) continue;
      const what = `${engine.incarnation} did not leave within ${STILL_MS} ms with nothing going wrong`;
      this.#violations.push({ rule: "I10", what, run: undefined, evidence: [] });
    }
  }

  /** Waits until it is so, as long as that gets nearer. Says what stood still otherwise. */
  async #still(met: () => boolean | Promise<boolean>): Promise<void> {
    let [before, since] = [-1, Date.now()];
    while (!(await met())) {
      const [{ closed } = { closed: 0 }] = await ask(
        this.url,
        `select count(*) as closed from ${SCHEMA}.workflow_runs where closed_at is not null and workflow <> 'tick'`,
      );
      const now = Number(closed) + this.#ended;
      if (now !== before) [before, since] = [now, Date.now()];
      if (Date.now() - since > STILL_MS) {
        this.#violations.push(await this.#stuck());
        return;
      }
      await pass(200);
    }
  }

  #open(): Promise<Record<string, unknown>[]> {
    return ask(
      this.url,
      `select run, workflow_id, workflow, status, owner, wake_at, inbox, crashes, detail
      from ${SCHEMA}.workflow_runs where closed_at is null order by run`,
    );
  }

  async #stuck(): Promise<Violation> {
    const open = await this.#open();
    const what = `nothing has ended for ${STILL_MS} ms, though nothing is going wrong any more and ${open.length} runs are open`;
    const beside = ["attempts", "tasks", "messages", "engines"].map((table) =>
      ask(this.url, `select * from ${SCHEMA}.${table} limit 50`),
    );
    return { rule: "I10", what, run: undefined, evidence: [...open, ...(await Promise.all(beside)).flat()] };
  }

  /** Schedules and carts have no end of their own. */
  async #endWhatGoesOn(): Promise<void> {
    const connection = await connect({ store: `${this.url}?schema=${SCHEMA}&application_name=end` });
    try {
      for (const { workflow, workflow_id: id } of await this.#open()) {
        const handle = await connection.handle(String(id));
        if (workflow === "perdure.schedule") await handle.terminate("the chaos is over");
        if (workflow === "cart") await handle.update("finish", undefined, { id: "finish", timeout: "60s" });
      }
    } finally {
      await connection.close();
    }
  }

  async verdict(): Promise<ChaosResult> {
    this.#phase = "checking";
    const snapshot = await this.snapshot();
    const replays = await replayAll(`${this.url}?schema=${SCHEMA}`, this.options.folder);
    const violations = [...this.#violations, ...check(snapshot), ...replays.violations];
    const report = reportOf(this.options, snapshot, replays.replayed, Date.now() - this.#startedAt, violations);
    return { report, violations };
  }

  snapshot(): Promise<Snapshot> {
    return takeSnapshot({
      url: this.url,
      schema: SCHEMA,
      folder: this.options.folder,
      faults: this.#faults,
      ttlMs: this.options.ttlMs,
    });
  }

  async #tell(): Promise<void> {
    const rows = await ask(this.url, `select status, count(*) as runs from ${SCHEMA}.workflow_runs group by 1`);
    const [counted] = await ask(
      this.url,
      "select (select count(*) from seen.events) as events, (select count(*) from seen.leases where ended_by <> by) as lost",
    );
    this.options.onProgress?.({
      phase: this.#phase,
      leftMs: Math.max(0, this.#until - Date.now()),
      begun: this.#begun,
      ended: this.#ended,
      runs: Object.fromEntries(rows.map(({ status, runs }) => [String(status), Number(runs)])),
      events: Number(counted?.events ?? 0),
      leasesLost: Number(counted?.lost ?? 0),
      fault: this.#faults.at(-1),
      faults: this.#faults.length,
    });
  }

  async end(): Promise<void> {
    clearInterval(this.#watching);
    // The keeper of the database does not keep this process.
    const here = setInterval(() => {}, 1000);
    for (const place of [...this.#engines, ...this.#clients]) place.stop();
    await Promise.all([...this.#engines, ...this.#clients].map((place) => place.kill()));
    for (const way of this.#ways.values()) way.cut();
    await Promise.all([...this.#ways.values()].map((way) => way.close()));
    await this.#server?.[Symbol.asyncDispose]();
    this.#log.end();
    clearInterval(here);
  }
}
