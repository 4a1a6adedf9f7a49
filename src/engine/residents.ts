/**
 * The runs in an engine's memory: those it advances, those that have parked and are kept for a while, as they are often wanted again,
 * and those on their way in from the store.
 *
 * Owner: the engine. A run is on its way into memory once at a time, so that what was read is never out of date when it is used.
 */
import type { EventRow, Lease, LoadedRun, MessageRow, RunRow, Store } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { Clock } from "./clock.ts";
import { resetRequest } from "./reset.ts";
import type { RunActor } from "./run-actor.ts";
import { HISTORY_PAGE, type Takeover } from "./takeover.ts";

/** What the runs in memory need from their engine. */
export interface ResidentsHost {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** How many parked runs are kept. */
  readonly warmRuns: number;
  lease(): Lease | undefined;
  runTurns(): void;
  /** A run that was taken for one to be advanced has ended or is blocked. */
  over(run: number, last: EventRow | undefined): void;
}

const AGAIN_MS = 100;

export class Residents {
  readonly #host: ResidentsHost;
  readonly #takeover: Takeover;
  readonly #active = new Map<number, RunActor>();
  readonly #warm = new Map<number, RunActor>();
  /** Runs on their way from the store into memory, and the lease under which. */
  readonly #coming = new Map<number, Lease>();
  /** Runs claimed while their actors had not heard yet that they had parked. */
  readonly #reclaimed = new Map<number, RunRow>();
  /** Runs that got messages lately. */
  readonly #sentTo = new Set<number>();
  /** Runs the store says are ours that were not in memory at the last audit. */
  #missing = new Set<number>();

  constructor(host: ResidentsHost, takeover: Takeover) {
    this.#host = host;
    this.#takeover = takeover;
  }

  get counts(): { active: number; warm: number } {
    return { active: this.#active.size, warm: this.#warm.size };
  }

  /** Whether some are on their way in. */
  get moving(): boolean {
    return this.#coming.size > 0;
  }

  /** Whether this engine advances the run now. */
  advances(run: number): boolean {
    return this.#active.has(run);
  }

  /** Whether a run is in memory or on its way there. */
  knows(run: number): boolean {
    return this.#active.has(run) || this.#coming.has(run) || this.#takeover.waits(run);
  }

  /** From now on this actor advances its run. */
  activate(actor: RunActor): void {
    const { run } = actor.facts;
    const warm = this.#warm.get(run);
    if (warm !== undefined) this.#cool(warm);
    this.#active.set(run, actor);
  }

  /** Gives messages to the runs they are for, as far as those are advanced here. */
  deliver(messages: readonly MessageRow[]): void {
    for (const message of messages) {
      this.#sentTo.add(message.run);
      this.#active.get(message.run)?.deliver([message]);
    }
  }

  /** Up to which numbers inboxes have been read whose messages are waiting still: nobody needs to see those again. */
  read(): ReadonlyMap<number, number> {
    const read = new Map<number, number>();
    for (const run of this.#sentTo) {
      const actor = this.#active.get(run);
      if (actor?.holdsMessages === true) read.set(run, actor.seen);
      else this.#sentTo.delete(run);
    }
    return read;
  }

  // ---- coming ----------------------------------------------------------------------------------------------------------

  /** Takes over runs that were claimed. Resolves when they are loaded. */
  async adopt(rows: readonly RunRow[]): Promise<void> {
    const warm = new Set<number>();
    for (const row of rows) {
      if (this.#active.has(row.run)) this.#reclaimed.set(row.run, row);
      const actor = this.#warm.get(row.run);
      if (actor !== undefined && actor.seq === row.length && row.crashes === 0 && resetRequest(row) === undefined)
        warm.add(row.run);
      else if (actor !== undefined) this.#cool(actor);
    }
    const cold = rows.filter((row) => !warm.has(row.run)).map((row) => row.run);
    await Promise.all([
      this.#bring([...warm], 0, (loaded) => this.#wake(loaded)),
      this.#bring(cold, HISTORY_PAGE, (loaded) => this.#takeover.take(loaded)),
    ]);
  }

  /** Takes over runs this engine owns already. */
  load(runs: readonly number[]): Promise<void> {
    return this.#bring(runs, HISTORY_PAGE, (loaded) => {
      const { run, closedAt, status } = loaded.row;
      if (closedAt === null && status !== "blocked") return this.#takeover.take(loaded);
      this.#host.over(run, undefined);
    });
  }

  /** Runs that are ours in the store but not in memory, twice in a row, were lost on the way: they are loaded again. */
  async audit(owned: readonly number[]): Promise<void> {
    const missing = owned.filter((run) => !this.knows(run));
    const lost = missing.filter((run) => this.#missing.has(run));
    this.#missing = new Set(missing);
    if (lost.length > 0) await this.load(lost);
  }

  /** Loads runs and makes something of them; until then nobody here advances them. */
  async #bring(
    asked: readonly number[],
    maxEvents: number,
    use: (loaded: LoadedRun) => void | Promise<void>,
  ): Promise<void> {
    const lease = this.#host.lease();
    const runs = asked.filter((run) => !this.knows(run));
    if (lease === undefined || runs.length === 0) return;
    for (const run of runs) this.#coming.set(run, lease);
    const arrived = (run: number): void => {
      if (this.#coming.get(run) === lease) this.#coming.delete(run);
    };
    let loaded: readonly LoadedRun[] = [];
    try {
      loaded = await this.#host.store.load(runs, maxEvents);
    } finally {
      for (const run of runs) if (!loaded.some(({ row }) => row.run === run)) arrived(run);
    }
    for (const one of loaded) {
      const { run } = one.row;
      const take = async (): Promise<void> => (lease === this.#host.lease() ? use(one) : undefined);
      take()
        .catch((error: unknown) => this.#failed(run, error))
        .finally(() => arrived(run));
    }
    this.#host.runTurns();
  }

  #failed(run: number, error: unknown): void {
    this.#host.log.warn({ run, error: String(error) }, "taking a run over failed; trying again");
  }

  #wake({ row, messages }: LoadedRun): void {
    const actor = this.#warm.get(row.run);
    // Without it the audit finds the run and takes it over from its history.
    if (actor === undefined || row.owner !== this.#host.lease()?.engine) return;
    this.#warm.delete(row.run);
    this.#active.set(row.run, actor);
    actor.wake(messages, row.inbox);
  }

  // ---- going -----------------------------------------------------------------------------------------------------------

  /** The run has ended or stands still. */
  closed({ facts: { run } }: RunActor): void {
    this.#active.delete(run);
    this.#readopt(run);
    this.#takeover.done(run);
  }

  /** The run waits: it is kept for a while. */
  parked(actor: RunActor): void {
    const { run } = actor.facts;
    this.#active.delete(run);
    this.#takeover.done(run);
    this.#warm.set(run, actor);
    // Attempts leave no event: whether another engine made one meanwhile could not be seen from the length of the history.
    if (actor.effects.betweenAttempts) this.#cool(actor);
    if (this.#warm.size > this.#host.warmRuns) {
      const [oldest] = this.#warm.values();
      if (oldest !== undefined) this.#cool(oldest);
    }
    this.#readopt(run);
  }

  /** A run that was claimed again before its actor heard that it had parked goes on. */
  #readopt(run: number): void {
    const row = this.#reclaimed.get(run);
    if (row === undefined) return;
    this.#reclaimed.delete(run);
    this.adopt([row]).catch((error: unknown) => this.#failed(run, error));
  }

  #cool(actor: RunActor): void {
    this.#warm.delete(actor.facts.run);
    actor.abandon("parked");
  }

  /** This actor no longer knows where its run stands. */
  forget(actor: RunActor): void {
    const { run } = actor.facts;
    if (this.#active.get(run) === actor) this.#active.delete(run);
    this.#reclaimed.delete(run);
    actor.abandon("read again from the store");
  }

  /** Reads a run again from its history. */
  reload(actor: RunActor): void {
    const { run } = actor.facts;
    this.forget(actor);
    this.load([run]).catch((error: unknown) =>
      this.#host.log.warn({ run, error: String(error) }, "reading a run again failed; trying again"),
    );
  }

  /** Reads the inbox of a run again. */
  refetch(actor: RunActor): void {
    const { run } = actor.facts;
    this.#host.store.load([run], 0, actor.seen).then(
      ([loaded]) => {
        if (this.#active.get(run) !== actor) return;
        if (loaded === undefined) this.reload(actor);
        else actor.refetched(loaded.messages, loaded.row.inbox);
      },
      () => this.#host.clock.after(AGAIN_MS, () => this.refetch(actor)),
    );
  }

  /** Lets every run go as soon as it can be. */
  release(): void {
    for (const actor of this.#active.values()) actor.release();
  }

  /** Drops everything: the runs go on elsewhere. */
  clear(why: string): void {
    for (const actor of [...this.#active.values(), ...this.#warm.values()]) actor.abandon(why);
    this.#active.clear();
    this.#warm.clear();
    this.#coming.clear();
    this.#reclaimed.clear();
    this.#sentTo.clear();
    this.#takeover.clear();
  }
}
