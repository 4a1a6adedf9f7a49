/**
 * One simulation: a fleet of engines on one store, clients that use it, faults for a while, then calm until every run has come
 * to an end. The same options give the same trace, step by step.
 */
import type { Ticket } from "../../src/store/admissions.ts";
import type { EventRow, RunRow, Store } from "../../src/store/store.ts";
import type { AnyWorkflow } from "../../src/workflow/workflow.ts";
import { ArchivePlace } from "./archive.ts";
import { AskingClient, type AskingHost } from "./asking-client.ts";
import { codeFor, WORKFLOWS } from "./catalogue.ts";
import { checkEnd, leftWithoutNeed, stuckOn } from "./checker.ts";
import { RunClient } from "./client.ts";
import { Database, type DatabaseKind } from "./database.ts";
import { EffectWatch } from "./effect-watch.ts";
import { EngineProcess, type FleetConfig } from "./engine-process.ts";
import type { SharedStore } from "./fault-store.ts";
import { type Fault, FaultPlan, type TimedFault } from "./faults.ts";
import { Graveyard, keptFor } from "./graveyard.ts";
import { Network } from "./network.ts";
import { Oracle } from "./oracle.ts";
import { Rng } from "./prng.ts";
import { replayAll } from "./replay.ts";
import { Tenant, type TenantHost } from "./tenant.ts";
import { type RunScript, randomWorkload, type Workload } from "./workload.ts";
import { type Violation, World } from "./world.ts";

/** What is simulated. */
export interface SimOptions {
  readonly seed: number;
  /** The database the fleet shares. Default: PostgreSQL for two seeds of three. */
  readonly database?: DatabaseKind;
  /** Keep every line of the trace. */
  readonly record?: boolean;
  /** Kinds of faults that are left out. */
  readonly off?: ReadonlySet<Fault>;
  /** Runs that are left out, by workflow id. */
  readonly without?: ReadonlySet<string>;
}

/** What came of it. */
export interface SimResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly traceHash: string;
  readonly lines: readonly string[];
  readonly runs: number;
  /** Workflow ids of the workload. */
  readonly ids: readonly string[];
  readonly statuses: Readonly<Record<string, number>>;
  readonly effects: number;
  readonly commits: number;
  /** Starts and signals that were asked for in transactions, and runs that retention deleted. */
  readonly asked: number;
  readonly deleted: number;
  readonly steps: number;
  /** Virtual milliseconds, skipped days left out. */
  readonly virtualMs: number;
}

const LOOK_EVERY_MS = 1000;
/** Silence after which what has not gone on will not go on: longer than a lease, a restart and any attempt. */
const QUIET_MS = 45_000;
const LONGEST_CALM_MS = 1_500_000;
const MAX_STEPS = 3_000_000;
/** A due run or a message that nobody takes for this long, while somebody could, was forgotten: longer than a restart and a lease. */
const LATE_MS = 35_000;
const MANY = 10_000;
/** Crashes from which on a run starts alone. */
const SUSPECT = 2;
/** Attempts of the queue `far` at a time, where it has a limit. */
const FAR_EVERYWHERE = 2;
/** How wrong clocks of machines are: one database on one machine, or a fleet that goes by the database's clock. */
const MOST_SKEW_MS: Readonly<Record<DatabaseKind, number>> = { sqlite: 3000, postgres: 600_000 };
const LONG_SLEEP_MS = 10_000;
/** The same for a run that is to be deleted: its engine may have died while it had the turn to do it, and clocks may be wrong. */
const LATE_DELETION_MS = 240_000;
/** Runs that are kept for no longer than this are gone at the end. */
const SOON_MS = 10_000;

class Simulation implements AskingHost, TenantHost {
  readonly world: World;
  readonly #rng: Rng;
  readonly #workload: Workload;
  readonly #base: Store;
  readonly #oracle: Oracle;
  readonly #effects: EffectWatch;
  readonly #faults: FaultPlan;
  readonly #shared: SharedStore;
  readonly #network: Network;
  readonly #config: FleetConfig;
  readonly #fleet: EngineProcess[] = [];
  readonly #incarnations: number[] = [];
  readonly #clients: RunClient[];
  readonly tickets: Map<string, Ticket> = new Map();
  readonly #users: AskingClient[];
  readonly #tenants: Tenant[];
  readonly #archive: ArchivePlace;
  readonly #graveyard: Graveyard;
  readonly #off: ReadonlySet<Fault>;
  finishing = false;
  #quietSince = 0;
  #calmSince = Number.POSITIVE_INFINITY;
  #overAt = Number.POSITIVE_INFINITY;
  #finished = new Map<string, number>();
  #waitingSince: ReadonlyMap<string, number> = new Map();

  constructor({ seed, database: kind, record = false, off = new Set(), without = new Set() }: SimOptions) {
    this.world = new World({ record });
    this.#rng = new Rng(`seed ${seed}`);
    this.#off = off;
    const workload = randomWorkload(this.#rng.stream("workload"));
    this.#workload = {
      ...workload,
      runs: workload.runs.filter(({ id }) => !without.has(id)),
      asking: off.has("admissions") ? [] : workload.asking.filter(({ name }) => !without.has(name)),
      retention: off.has("retention") ? undefined : workload.retention,
    };
    const { asking, retention } = this.#workload;
    const database = new Database(this.world, kind ?? (seed % 3 === 0 ? "sqlite" : "postgres"), {
      admits: asking.length > 0,
    });
    this.#base = database.store;
    this.#oracle = new Oracle(this.world, database);
    const { engines, activeMs } = workload;
    this.#faults = new FaultPlan(this.#rng.stream("faults"), {
      engines,
      untilMs: activeMs,
      off,
      database: database.kind,
    });
    const { world } = this;
    const ahead = this.#rng.stream("ahead").pick([1, 2, 5, 100]);
    this.#effects = new EffectWatch(world, this.#oracle, ahead);
    const isOneMachine = database.kind === "sqlite";
    this.#archive = new ArchivePlace(world, this.#faults, retention?.archive ?? "none", isOneMachine);
    this.#graveyard = new Graveyard(world, this.#oracle, this.#archive, !isOneMachine);
    const transactions = new Set<{ lose(): void }>();
    this.#network = new Network(world, this.#faults);
    this.#network.onRestart = () => {
      for (const transaction of transactions) transaction.lose();
      this.#shared.commitLandsAt.clear();
    };
    database.onLedger = (row) => this.#oracle.booked(row);
    database.onAdmitted = (run, start) => this.#oracle.created(run, start);
    this.#shared = {
      database,
      network: this.#network,
      transactions,
      base: this.#base,
      world,
      faults: this.#faults,
      oracle: this.#oracle,
      effects: this.#effects,
      archive: this.#archive,
      graveyard: this.#graveyard,
      commitLandsAt: new Map(),
    };
    const shape = this.#rng.stream("config");
    this.#config = {
      ttlMs: shape.pick([4000, 10_000, 10_000]),
      pollMs: shape.pick([500, 1000, 2000]),
      parkAfterMs: 5000,
      warmRuns: shape.pick([0, 1, 2, 100]),
      ahead,
      everywhere: new Map(shape.chance(0.25) && !off.has("tasks") ? [["far", FAR_EVERYWHERE]] : []),
    };
    this.#clients = this.#workload.runs.map(
      (script) => new RunClient(script, this, this.#rng.stream(`client ${script.id}`)),
    );
    this.#users =
      database.admissions === undefined
        ? []
        : asking.map((script) => new AskingClient(script, this, this.#rng.stream(`user ${script.name}`)));
    this.#tenants = (retention?.tenants ?? [])
      .filter(({ id }) => !without.has(id))
      .map((script) => new Tenant(script, this, this.#rng.stream(`tenant ${script.id}`)));
  }

  async run(): Promise<void> {
    const { engines, activeMs } = this.#workload;
    for (let slot = 0; slot < engines; slot++) this.#boot(slot);
    for (const fault of this.#faults.timed) this.world.after(fault.at, undefined, () => this.#strike(fault));
    for (const one of [...this.#clients, ...this.#users, ...this.#tenants]) one.begin();
    this.world.after(activeMs, undefined, () => this.#calmDown());
    this.#lookLater();
    const unmount = this.#archive.mount();
    try {
      await this.world.run();
    } finally {
      unmount();
    }
    if (this.world.violations.length === 0)
      await checkEnd({
        world: this.world,
        base: this.#base,
        ledger: this.#shared.database.ledger,
        oracle: this.#oracle,
        clients: this.#clients,
        users: this.#users,
        tenants: this.#tenants,
        graveyard: this.#graveyard,
        admissions: this.#shared.database.admissions,
      });
  }

  // ---- the fleet -------------------------------------------------------------------------------------------------------

  #boot(slot: number): void {
    const incarnation = (this.#incarnations[slot] ?? 0) + 1;
    this.#incarnations[slot] = incarnation;
    const rng = this.#rng.stream(`slot ${slot}.${incarnation}`);
    const most = MOST_SKEW_MS[this.#shared.database.kind];
    const skew = rng.chance(0.5) ? 0 : rng.int(-most, most);
    const rest = rng.span(100, 15_000);
    const died = (): void => void this.world.after(rest, undefined, () => this.#boot(slot));
    const serves = this.#served(slot);
    const retention = this.#workload.retention?.rules[slot];
    const machine = {
      slot,
      serves,
      skewMs: this.#off.has("skew") ? 0 : skew,
      workflows: this.#deployed(slot),
      retention,
    };
    const process = new EngineProcess(`e${slot}.${incarnation}`, this.#shared, this.#config, machine, died);
    this.#fleet[slot] = process;
    this.world.after(0, process, () => process.boot());
  }

  /** What a slot's engines can run: the first all, others perhaps a part. */
  #deployed(slot: number): readonly AnyWorkflow[] {
    const part = this.#rng
      .stream(`deployed ${slot}`)
      .pick([WORKFLOWS, WORKFLOWS, WORKFLOWS.slice(0, 1), WORKFLOWS.slice(1)]);
    return slot === 0 ? WORKFLOWS : part;
  }

  /** Queues whose activities a slot's engines run: the first all, others perhaps a part. */
  #served(slot: number): readonly string[] | undefined {
    if (this.#off.has("tasks")) return undefined;
    const rng = this.#rng.stream(`serves ${slot}`);
    if (slot === 0) return rng.chance(0.7) ? undefined : ["default", "far"];
    return rng.pick([undefined, undefined, [], ["far"], ["default"]]);
  }

  engine(workflow: string, rng: Rng): EngineProcess | undefined {
    const open = this.#fleet.filter((one) => one.alive && one.engine !== undefined && one.knows(workflow));
    const draw = rng.next();
    return open[Math.floor(draw * open.length)];
  }

  // ---- what clients know -----------------------------------------------------------------------------------------------

  isPurged(run: number): boolean {
    return this.#graveyard.runs.has(run);
  }

  isEndPurged(workflowId: string, run: number): boolean {
    const rows = Array.from(this.#graveyard.runs.values(), ({ row }) => row);
    return rows.some((row) => row.workflowId === workflowId && row.run > run && row.chain <= run);
  }

  runOf(workflowId: string): number | undefined {
    return this.#clients.find(({ script }) => script.id === workflowId)?.run;
  }

  rowOf(run: number): Promise<RunRow | undefined> {
    return this.#base.find({ run });
  }

  eventsOf(run: number): readonly EventRow[] {
    return this.#oracle.runs.get(run)?.events ?? [];
  }

  /** By the rules of the first machine, which has them all. */
  keptMs(row: RunRow): number | undefined {
    const rules = this.#workload.retention?.rules[0];
    return rules === undefined ? undefined : keptFor(rules, row);
  }

  // ---- faults ----------------------------------------------------------------------------------------------------------

  #strike({ slot, kind, ms, refused }: TimedFault): void {
    if (kind === "restart") this.#network.restart(ms);
    else if (kind === "partition") this.#network.cut(slot, "all", ms, refused);
    else if (kind === "heartbeat" || kind === "lane") this.#network.cut(slot, kind, ms, refused);
    const process = this.#fleet[slot];
    if (process === undefined || !process.alive) return;
    if (kind === "crash") process.crash();
    else if (kind === "freeze") process.freeze(ms);
    else if (kind === "close") this.world.after(0, process, () => process.close());
    else if (kind === "jump") {
      this.world.trace(`${process.name} clock jumps by ${ms}`);
      process.skewMs += ms;
    }
  }

  #calmDown(): void {
    this.world.trace("CALM: no faults any more");
    this.#faults.calm = true;
    this.#calmSince = this.world.now;
    this.#network.heal();
    for (const process of this.#fleet) process.thaw();
  }

  // ---- looking after it ------------------------------------------------------------------------------------------------

  #lookLater(): void {
    this.world.after(LOOK_EVERY_MS, undefined, () => {
      if (this.world.steps > MAX_STEPS) this.world.violate("rest", `still busy after ${MAX_STEPS} steps`);
      this.#look().then(
        () => this.#lookLater(),
        (error: unknown) =>
          this.world.violate("simulation", error instanceof Error ? String(error.stack) : String(error)),
      );
    });
  }

  async #look(): Promise<void> {
    const { world } = this;
    if (world.now >= this.#overAt) return world.stop();
    const rows = await this.#base.list({ limit: MANY });
    this.#checkThere(rows);
    for (const client of this.#clients) {
      const row = rows.find(({ workflowId }) => workflowId === client.script.id);
      if (row?.status === "blocked") this.#checkBlocked(row);
      if (row !== undefined) client.look(row.status);
    }
    for (const row of rows) if (row.status === "blocked" && this.#script(row) === undefined) await this.#unblock(row);
    this.#skipTime(rows);
    if (!this.#faults.calm) return;
    if (world.now - this.#calmSince > LONGEST_CALM_MS)
      return world.violate("rest", `not at rest ${LONGEST_CALM_MS} ms after the faults ended: ${open(rows)}`);
    await this.#checkLate(rows);
    const busy = Math.max(this.#oracle.lastActivity, this.#quietSince, this.#calmSince);
    const waits = this.#clients.every((client) => client.done) && this.#isSettled(rows);
    const over = waits && rows.every(isClosed);
    if (over) this.#overAt = Math.min(this.#overAt, world.now + QUIET_MS / 5);
    else if (world.now - busy > QUIET_MS) await this.#atRest(rows);
    if (!over) this.#overAt = Number.POSITIVE_INFINITY;
  }

  /** What was created is there, or was deleted by retention: the checks of that look at each. */
  #checkThere(rows: readonly RunRow[]): void {
    const { runs } = this.#oracle;
    if (rows.length === runs.size - this.#graveyard.runs.size) return;
    const there = new Set(rows.map(({ run }) => run));
    const lost = [...runs.keys()].filter((run) => !there.has(run) && !this.isPurged(run));
    this.world.violate("I1 there", `runs ${lost.join(", ")} are gone; ${rows.length} are there`);
  }

  /** Whether nobody asks for anything any more, and what was asked for has happened; and nothing is left that is to be deleted soon. */
  #isSettled(rows: readonly RunRow[]): boolean {
    const asked =
      this.#users.every(({ done }) => done) && (this.#shared.database.admissions?.undecided.length ?? 0) === 0;
    return asked && this.#tenants.every(({ done }) => done) && !rows.some((row) => this.#isOld(row, SOON_MS));
  }

  /** Whether a run is to be deleted, or will be in so many milliseconds. */
  #isOld(row: RunRow, soonMs = 0): boolean {
    const kept = row.closedAt === null ? undefined : this.keptMs(row);
    if (kept === undefined || (soonMs > 0 && kept > soonMs)) return false;
    return soonMs > 0 || this.#isPast(row.closedAt! + kept, row.workflow);
  }

  /** Only crashes may block a run of this workload, and results that cannot be kept. */
  #checkBlocked(row: RunRow): void {
    const { blocked } = JSON.parse(row.detail ?? "{}") as { blocked?: { reason: string; message: string } };
    const looped = blocked?.reason === "crash_loop" && row.crashes >= 5;
    const rotten =
      blocked?.reason === "data_error" && JSON.stringify(this.#script(row)?.program ?? "").includes('"rotten":true');
    if (!looped && !rotten)
      this.world.violate("I6 blocked", `run ${row.run} (${row.workflowId}): ${blocked?.reason}: ${blocked?.message}`);
  }

  /** What clients do to a run; undefined for children. */
  #script({ workflowId }: RunRow): RunScript | undefined {
    return this.#workload.runs.find(({ id }) => id === workflowId);
  }

  /** Nobody but the simulation looks after children. */
  async #unblock(row: RunRow): Promise<void> {
    this.#checkBlocked(row);
    const to = { status: "pending", wakeAt: this.world.wall, closedAt: null, crashes: 0, detail: null } as const;
    if (await this.#base.amend(row.run, ["blocked"], to)) this.world.trace(`run ${row.run} is resumed`);
  }

  /** Nothing has happened for long: what is still open must wait for signals only, and gets them. */
  async #atRest(rows: readonly RunRow[]): Promise<void> {
    this.#quietSince = this.world.now;
    const unfinished = this.#clients.filter((client) => !client.done);
    if (unfinished.length > 0)
      return this.world.violate(
        "rest",
        `clients of ${unfinished.map(({ script }) => script.id).join(", ")} get no further`,
      );
    const loaded = await this.#base.load(
      rows.filter((row) => !isClosed(row)).map(({ run }) => run),
      MANY,
    );
    const replayed = await replayAll(
      this.#base.id,
      loaded.map(({ row, events }) => ({ row, history: events })),
    );
    for (const [index, one] of replayed.entries()) {
      const { row } = one;
      const why =
        stuckOn(one) ??
        leftWithoutNeed(one, loaded[index]!.messages, this.#config.ahead) ??
        (this.#finished.get(row.workflowId) === this.#resumes(row) ? "every signal was sent" : undefined);
      if (why !== undefined)
        return this.world.violate(
          "rest",
          `run ${row.run} (${row.workflowId}) is stuck: ${row.status}, owner ${row.owner}, wake ${row.wakeAt}; ${why}`,
        );
      this.#finished.set(row.workflowId, this.#resumes(row));
    }
    this.finishing = true;
    this.world.trace("signals for all that still wait");
    for (const client of this.#clients)
      if (replayed.some(({ row }) => row.workflowId === client.script.id)) client.finish();
  }

  #resumes({ workflowId }: RunRow): number {
    return this.#clients.find(({ script }) => script.id === workflowId)!.resumed;
  }

  /** Rule 26: polling is the truth; nothing that is due waits much longer than engines need to come back. */
  async #checkLate(rows: readonly RunRow[]): Promise<void> {
    const seen = new Map<string, number>();
    if (!this.#fleet.some(({ alive, frozen, engine }) => alive && !frozen && engine !== undefined)) {
      this.#waitingSince = seen;
      return;
    }
    const waits = (what: string, lateMs = LATE_MS + this.#clocksApart): void => {
      const since = this.#waitingSince.get(what) ?? this.world.now;
      seen.set(what, since);
      if (this.world.now - since > lateMs) this.world.violate("late", `${what} waits since ${since}`);
    };
    // Suspects start one at a time (rule 18): among many, the last of them waits for all others.
    const goesOn = (row: RunRow): boolean =>
      row.status !== "blocked" && row.status !== "paused" && row.crashes < SUSPECT;
    const open = rows.filter((row) => !isClosed(row) && goesOn(row));
    for (const { run, workflowId, workflow, version, owner, wakeAt } of open) {
      if (owner === null && wakeAt !== null && this.#isPast(wakeAt, codeFor(workflow, version)))
        waits(`run ${run} (${workflowId}), due at ${wakeAt},`);
    }
    const loaded = await this.#base.load(
      open.map(({ run }) => run),
      0,
    );
    for (const { row, messages } of loaded)
      for (const message of messages)
        if (!this.#effects.mayBeLeft(message)) waits(`message ${message.number} to run ${row.run} (${row.workflowId})`);
    for (const { number, request } of this.#shared.database.admissions?.undecided ?? [])
      waits(`${request.kind} ${number} of ${request.workflowId}, asked for in a transaction,`);
    for (const row of rows)
      if (this.#isOld(row)) waits(`deleting run ${row.run} (${row.workflowId}, ${row.status})`, LATE_DELETION_MS);
    this.#waitingSince = seen;
  }

  /** A run that was freed by one machine is due by that machine's clock. */
  get #clocksApart(): number {
    const skews = this.#fleet.map(({ skewMs }) => skewMs);
    return this.#shared.database.kind === "postgres" ? 0 : Math.max(0, ...skews) - Math.min(0, ...skews);
  }

  /** Whether a time has come by the clock of every engine that could do something then; a fleet goes by the database's. */
  #isPast(time: number, workflow: string): boolean {
    const { database } = this.#shared;
    if (database.kind === "postgres") return database.now >= time;
    return this.#fleet.every((process) => !process.alive || !process.knows(workflow) || process.now >= time);
  }

  /** Days in which nothing is due and nobody owns anything are skipped. */
  #skipTime(rows: readonly RunRow[]): void {
    const { world } = this;
    const coin = this.#rng.stream(`skip ${world.now}`);
    if (!this.#faults.calm && !coin.chance(0.3)) return;
    if (this.#fleet.some((process) => !process.alive || process.frozen)) return;
    const open = rows.filter((row) => !isClosed(row));
    if (open.length === 0 || open.some((row) => row.owner !== null)) return;
    const next = Math.min(...open.map(({ wakeAt }) => wakeAt ?? Number.POSITIVE_INFINITY));
    const { database } = this.#shared;
    const slowest =
      database.kind === "postgres" ? database.now : Math.min(...this.#fleet.map((process) => process.now));
    const ms = next - slowest - coin.pick([0, 3000, 8000]);
    if (!Number.isFinite(ms) || ms < LONG_SLEEP_MS) return;
    world.skippedMs += Math.floor(ms);
    this.#quietSince = world.now;
    world.trace(`SKIPS ${Math.floor(ms)}`);
  }

  result(seed: number): SimResult {
    const { world } = this;
    const statuses: Record<string, number> = {};
    for (const { events } of this.#oracle.runs.values()) {
      const type = events.at(-1)!.type;
      statuses[type] = (statuses[type] ?? 0) + 1;
    }
    return {
      seed,
      violations: world.violations,
      traceHash: world.traceHash,
      lines: world.lines,
      runs: this.#oracle.runs.size,
      ids: [...this.#workload.runs, ...(this.#workload.retention?.tenants ?? [])]
        .map(({ id }) => id)
        .concat(this.#workload.asking.map(({ name }) => name)),
      statuses,
      effects: this.#effects.effects,
      commits: this.#oracle.commits,
      asked: this.#shared.database.admissions?.all.length ?? 0,
      deleted: this.#graveyard.runs.size,
      steps: world.steps,
      virtualMs: world.now,
    };
  }
}

function isClosed(row: RunRow): boolean {
  return row.closedAt !== null;
}

function open(rows: readonly RunRow[]): string {
  return rows
    .filter((row) => !isClosed(row))
    .map(
      ({ run, workflowId, status, owner, wakeAt }) =>
        `run ${run} (${workflowId}) ${status} owner ${owner} wake ${wakeAt}`,
    )
    .join("; ");
}

/** Simulates one seed. */
export async function simulate(options: SimOptions): Promise<SimResult> {
  const simulation = new Simulation(options);
  await simulation.run();
  return simulation.result(options.seed);
}
