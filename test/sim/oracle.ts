/**
 * Watches what really happens, at the instant it happens: leases that end, commits that reach the store, runs that are claimed.
 * Each check has the name that a violation carries; numbers are the invariants of the design.
 */
import type {
  Batch,
  BatchResult,
  Lease,
  NewRun,
  ParentLink,
  RunRow,
  Store,
  TaskKey,
  Transition,
} from "../../src/store/store.ts";
import type { Database, LedgerRow } from "./database.ts";
import { type Fail, ShadowRun } from "./shadow.ts";
import type { World } from "./world.ts";

/** How well an engine may know the database's time after a slow answer. */
const MOST_AHEAD_MS = 20_000;

function taskName({ run, command, generation, attempt }: TaskKey): string {
  return `${run}/${command}/${generation}/${attempt}`;
}

export class Oracle {
  readonly #world: World;
  readonly #database: Database;
  readonly base: Store;
  readonly runs: Map<number, ShadowRun> = new Map();
  /** Those that retention has deleted. */
  readonly purged: Set<number> = new Set();
  readonly #fail: Fail;
  #engines: ReadonlySet<number> = new Set();
  readonly #gone = new Set<number>();
  readonly #tasks = new Map<string, number>();
  readonly #booked = new Set<string>();
  readonly #batches = new Map<number, number>();
  readonly #children = new Map<string, number>();
  readonly #claims = new Map<number, { readonly engine: number; readonly inbox: number }>();
  commits = 0;
  /** When a commit or an effect was last seen. */
  lastActivity = 0;

  constructor(world: World, database: Database) {
    this.#world = world;
    this.#database = database;
    this.base = database.store;
    this.#fail = (check, message) => world.violate(check, message);
  }

  /** Some lease may have begun or ended. Returns how many have ended. */
  async enginesChanged(): Promise<number> {
    const now = new Set((await this.base.engines()).map(({ engine }) => engine));
    let ended = 0;
    for (const engine of this.#engines) {
      if (now.has(engine)) continue;
      this.#gone.add(engine);
      ended++;
    }
    this.#engines = now;
    return ended;
  }

  /** Whether a lease has ended. */
  isGone(engine: number | undefined): boolean {
    return engine === undefined || this.#gone.has(engine);
  }

  /** A commit reached the store. */
  async committed({ engine }: Lease, batch: Batch, result: BatchResult): Promise<void> {
    this.commits++;
    this.lastActivity = this.#world.now;
    this.#checkFence(engine, batch.number);
    batch.starts.forEach((start, index) => {
      const started = result.starts[index];
      if (started === undefined || !("run" in started)) return;
      if (start.parent !== undefined) this.#child(start.parent, started);
      if (started.existing !== true) this.created(started.run, start);
    });
    batch.transitions.forEach((transition, index) => {
      if (result.refused.has(index)) return;
      const shadow = this.runs.get(transition.run);
      if (shadow === undefined) this.#fail("I2 density", `run ${transition.run} advanced but was never created`);
      else {
        if (this.#database.kind === "postgres") this.#checkClock(transition, shadow.events.at(-1)!.at);
        shadow.advance(transition, this.#world.now);
      }
    });
    for (const [index, { also }] of batch.transitions.entries())
      if (also?.successor !== undefined && !result.refused.has(index)) await this.#succeeded(also.successor.start);
  }

  /** Rule 4, for a fleet: whatever a machine's clock says, nothing is written before its time by the database's. */
  #checkClock({ run, events }: Transition, lastAt: number): void {
    for (const { type, at } of events) {
      const aheadMs = at - this.#database.now;
      if (aheadMs > MOST_AHEAD_MS && at > lastAt)
        this.#fail("I3 clock", `run ${run}: ${type} was written ${aheadMs} ms before its time`);
    }
  }

  async #succeeded({ workflowId, first }: NewRun): Promise<void> {
    const { run } = (await this.base.find({ workflowId }))!;
    this.created(run, { workflowId, first });
  }

  /** A run is there. */
  created(run: number, start: Pick<NewRun, "workflowId" | "first" | "rest">): void {
    this.lastActivity = this.#world.now;
    this.runs.set(run, new ShadowRun(run, start, this.#fail));
  }

  /** Rule 27: there is one child for each command and generation, unless the first was deleted before its parent went on and asks again. */
  #child({ run, command, generation }: ParentLink, started: { readonly run: number; readonly existing?: true }): void {
    const key = `${run}/${command}/${generation}`;
    const known = this.#children.get(key);
    this.#children.set(key, known === undefined || this.purged.has(known) ? started.run : known);
    if (known !== undefined && started.existing !== true && !this.purged.has(known))
      this.#fail(
        "I5 one child",
        `command ${command} of run ${run} (generation ${generation}) has runs ${known} and ${started.run}`,
      );
  }

  /** A user's transaction commits (rules 21, 32): while the engine holds the run, and once for each command and generation. */
  booked({ run, command, generation, engine }: LedgerRow): void {
    const key = generation === 0 ? `${command}` : `${command}:${generation}`;
    const where = `transaction of run ${run}, command ${key}`;
    this.lastActivity = this.#world.now;
    if (this.#booked.has(`${run}/${key}`)) this.#fail("I5 once", `${where} was committed twice`);
    this.#booked.add(`${run}/${key}`);
    if (this.isGone(engine))
      this.#fail("I2 fence", `${where} was committed by engine ${engine} after its lease had ended`);
    const shadow = this.runs.get(run);
    if (shadow === undefined) this.#fail("I1 cause", `${where}: its run is not in the store`);
    // One that was cancelled meanwhile may have happened, as with every step.
    else if (shadow.transactions.has(key))
      this.#fail("I5 run again", `${where}: its outcome was in the history already`);
  }

  #checkFence(engine: number, number: number): void {
    const last = this.#batches.get(engine) ?? 0;
    if (number !== last + 1) this.#fail("I2 fence", `engine ${engine} committed batch ${number} after ${last}`);
    if (this.isGone(engine)) this.#fail("I2 fence", `engine ${engine} committed after its lease had ended`);
    this.#batches.set(engine, number);
  }

  /** An engine claimed runs: what is in their inboxes then comes before their effects (rule 23). */
  claimed({ engine }: Lease, rows: readonly RunRow[]): void {
    for (const { run, inbox } of rows) this.#claims.set(run, { engine, inbox });
  }

  /** Tasks were claimed: of a queue with a limit in all of the store no more than that. */
  async tasksClaimed({ engine }: Lease, tasks: readonly TaskKey[]): Promise<void> {
    for (const task of tasks) this.#tasks.set(`${engine} ${taskName(task)}`, this.#world.now);
    for (const { queue, running, everywhere } of await this.base.queues())
      if (everywhere !== null && running > everywhere)
        this.#fail("limit", `${running} tasks of queue ${queue} run at a time, allowed are ${everywhere}`);
  }

  /** When an engine was given the task that an attempt is. It may have been taken back since, which the engine learns later. */
  taskSince(engine: number | undefined, task: TaskKey): number | undefined {
    return this.#tasks.get(`${engine} ${taskName(task)}`);
  }

  /** Number of the last message that was waiting when this engine claimed the run; 0 if it did not. */
  inboxAtClaim(run: number, engine: number | undefined): number {
    const claim = this.#claims.get(run);
    return claim?.engine === engine ? (claim?.inbox ?? 0) : 0;
  }
}
