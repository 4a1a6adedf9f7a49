/**
 * Group commit: merges the transitions of many runs into one fenced write.
 *
 * Owner: one engine. Nothing waits when the store is idle: the first transition leaves at the end of the current pass of the
 * event loop, what arrives during its flight forms the next batch. Invariants:
 * - I2, rule 13: batch n is sent only when the fate of n - 1 is known; after a lost answer the store is asked, and the batch is
 *   sent again only if it did not happen.
 * - rule 16: a batch the store chokes on is tried run by run, so that one bad row hurts only its own run.
 */
import { isPerdureError, PerdureError } from "../core/errors.ts";
import type { Batch, BatchResult, Lease, NewRun, Refusal, StartResult, Store, Transition } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { CancelTimer, Clock } from "./clock.ts";

/** A run that may have something to write. */
export interface Committing {
  takeTransition(): Transition | undefined;
  committed(): void;
  refused(why: Refusal): void;
  /** The store cannot write what this run wants to write. */
  choked(error: unknown): void;
  /** The answer to the commit was lost although it happened: what is in memory may be wrong. */
  doubtful(): void;
}

/** What the committer tells its engine. */
export interface CommitterHost {
  readonly store: Store;
  readonly clock: Clock;
  /** This machine's own clock: what a lease is measured by. */
  readonly machine: Clock;
  readonly log: Logger;
  /** The lease proved alive by something sent at these times. */
  leaseProved(sentMonotonicMs: number, sentAt: number): void;
  leaseLost(): void;
  /** A batch happened, but its answer was lost: these runs have to be read again. */
  reconcile(runs: readonly Committing[]): Promise<void>;
  /** Runs the turns of what was just committed. */
  runTurns(): void;
}

/** What became of a start; `fresh` when this very commit made the run, so that its engine holds it now. */
export interface Started {
  readonly result: StartResult;
  readonly fresh: boolean;
}

interface PendingStart {
  readonly run: NewRun;
  readonly done: (started: Started) => void;
  readonly failed: (error: unknown) => void;
  /** Whoever asked waits for as long as the store is away. */
  readonly patient: boolean;
  /** It was sent once and nobody knows what became of it: finding the run there means that it did happen. */
  doubtful: boolean;
}

interface Flight {
  readonly batch: Batch;
  readonly starts: readonly PendingStart[];
  readonly runs: readonly Committing[];
}

/** A part of a flight: ranges of its starts and runs, the end excluded. */
interface Part {
  readonly starts: readonly [number, number];
  readonly runs: readonly [number, number];
}

/** Flights of at least this many members are settled in two halves when nothing else is waiting. */
const SPLIT_FROM = 64;
/** Batches larger than this are split: the lock is not held for too long. */
const MAX_BATCH = 5000;
const FIRST_BACKOFF_MS = 20;
const MAX_BACKOFF_MS = 2000;
/** How long the store may be away before those who wait for a start are told. */
const PATIENCE_MS = 3000;

export class Committer {
  readonly #host: CommitterHost;
  #lease: Lease | undefined;
  #number = 0;
  #ready: Committing[] = [];
  #starts: PendingStart[] = [];
  #flying: Flight | undefined;
  /** Parts of a batch that could not be written as a whole; they leave before anything else. */
  #singles: Flight[] = [];
  #scheduled = false;
  /** Halves of flights whose members have not been told yet. */
  #unsettled = 0;
  #idle: (() => void)[] = [];
  /** Set while nothing can be written; when it has run out, nobody is left waiting. */
  #patience: CancelTimer | undefined;
  #away = false;
  /** Why the store is away, as far as it says so. */
  #awayFor: unknown;

  constructor(host: CommitterHost) {
    this.#host = host;
  }

  /** Writes under this lease from now on. */
  open(lease: Lease): void {
    this.#lease = lease;
    this.#number = 0;
    this.#isBack();
    this.#schedule();
  }

  /** Stops writing: the lease is gone. Runs that were ready are forgotten with it; starts wait for the next lease. */
  shut(): void {
    this.#lease = undefined;
    this.#ready = [];
    for (const start of this.#flying?.starts ?? []) {
      start.doubtful = true;
      this.#starts.push(start);
    }
    for (const single of this.#singles) this.#starts.push(...single.starts);
    this.#singles = [];
    this.#flying = undefined;
    this.#hurryUp();
  }

  /** Stops for good: starts that were not written are refused. */
  close(): void {
    this.shut();
    this.#isBack();
    for (const start of this.#starts)
      start.failed(new PerdureError("UNAVAILABLE", "the engine was closed before the run was started"));
    this.#starts = [];
  }

  /** Asks for a place in the next batch. */
  ready(run: Committing): void {
    this.#ready.push(run);
    this.#schedule();
  }

  /** Creates a run in the next batch. @throws PerdureError UNAVAILABLE when the store is away, unless the caller is patient */
  start(run: NewRun, patient = false): Promise<Started> {
    return new Promise((done, failed) => {
      if (this.#away && !patient) {
        failed(this.#refusal("the run was not started"));
        return;
      }
      this.#starts.push({ run, done, failed, patient, doubtful: false });
      this.#schedule();
    });
  }

  /** Says it once for each time that the store is away. */
  #isAway(error: unknown): void {
    this.#awayFor = error;
    if (this.#patience === undefined)
      this.#host.log.warn(
        { error: String(error) },
        "no answer to a commit; the store is asked whether it happened, and asked again until it answers",
      );
    this.#hurryUp();
  }

  /** Starts are refused unless something can be written soon. */
  #hurryUp(): void {
    this.#patience ??= this.#host.clock.after(PATIENCE_MS, () => this.#refuseStarts());
  }

  #isBack(): void {
    if (this.#patience === undefined) return;
    this.#patience();
    this.#patience = undefined;
    this.#away = false;
    this.#awayFor = undefined;
  }

  #refusal(what: string): PerdureError {
    const because = this.#awayFor instanceof Error ? ` (${this.#awayFor.message})` : "";
    return new PerdureError("UNAVAILABLE", `the store is away: ${what}${because}`, { cause: this.#awayFor });
  }

  /** A run that turns out to have been started all the same is found by the audit of what this engine owns. */
  #refuseStarts(): void {
    this.#away = true;
    const refuseDoubtful = ({ patient, failed }: PendingStart): void => {
      if (!patient)
        failed(
          this.#refusal("nobody knows whether the run was started; start it again with the same id or idempotencyKey"),
        );
    };
    for (const start of this.#flying?.starts ?? []) refuseDoubtful(start);
    for (const single of this.#singles) for (const start of single.starts) refuseDoubtful(start);
    const [waiting, sent] = [this.#starts.filter(isNew), this.#starts.filter((start) => !isNew(start))];
    for (const start of waiting) start.failed(this.#refusal("the run was not started"));
    for (const start of sent) refuseDoubtful(start);
    this.#starts = sent;
  }

  /** Resolves when nothing is in flight or waiting to be. */
  async drained(): Promise<void> {
    while (this.#lease !== undefined && this.#busy) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  get #busy(): boolean {
    return this.#flying !== undefined || this.#unsettled > 0 || this.#ready.length > 0 || this.#starts.length > 0;
  }

  /** Whether something is to be written, or being written. */
  get busy(): boolean {
    return this.#scheduled || this.#busy || this.#singles.length > 0;
  }

  #schedule(): void {
    if (this.#scheduled || this.#flying !== undefined) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#flying !== undefined || this.#lease === undefined) return;
    const flight = this.#nextSingle() ?? this.#gather();
    if (flight === undefined) {
      this.#tellIdle();
      return;
    }
    this.#send(this.#lease, flight);
  }

  #nextSingle(): Flight | undefined {
    const single = this.#singles.shift();
    if (single === undefined) return undefined;
    return { ...single, batch: { ...single.batch, number: ++this.#number } };
  }

  #gather(): Flight | undefined {
    const starts = this.#starts.splice(0, MAX_BATCH);
    const runs: Committing[] = [];
    const transitions: Transition[] = [];
    const asked = this.#ready;
    let taken = 0;
    while (taken < asked.length && transitions.length < MAX_BATCH) {
      const run = asked[taken++]!;
      const transition = transitionOf(run);
      if (transition === undefined) continue;
      runs.push(run);
      transitions.push(transition);
    }
    this.#ready = taken === asked.length ? [] : asked.slice(taken);
    if (starts.length === 0 && runs.length === 0) return undefined;
    return { batch: { number: ++this.#number, starts: starts.map((start) => start.run), transitions }, starts, runs };
  }

  #send(lease: Lease, flight: Flight): void {
    this.#flying = flight;
    const sentMonotonic = this.#host.machine.monotonic();
    const sentAt = this.#host.machine.now();
    this.#host.store.commit(lease, flight.batch).then(
      (result) => {
        if (lease !== this.#lease) return;
        this.#host.leaseProved(sentMonotonic, sentAt);
        this.#landed(lease, flight, result);
      },
      (error: unknown) => {
        if (lease === this.#lease) this.#crashed(lease, flight, error);
      },
    );
  }

  /**
   * The next batch leaves before the results of this one are worked on, so that the store is never idle. When nothing was
   * waiting, everybody is in this batch: then half of them go first and fill the next one, or engine and store would take turns.
   */
  #landed(lease: Lease, flight: Flight, result: BatchResult): void {
    this.#isBack();
    this.#flying = undefined;
    this.#flush();
    const { starts, runs } = flight;
    if (this.#flying !== undefined || starts.length + runs.length < SPLIT_FROM) {
      this.#settle(flight, result, { starts: [0, starts.length], runs: [0, runs.length] });
      return;
    }
    const [startsNow, runsNow] = [starts.length >> 1, runs.length >> 1];
    this.#settle(flight, result, { starts: [0, startsNow], runs: [0, runsNow] });
    this.#unsettled++;
    setImmediate(() => {
      this.#unsettled--;
      if (lease === this.#lease) this.#flush();
      this.#settle(
        flight,
        result,
        { starts: [startsNow, starts.length], runs: [runsNow, runs.length] },
        lease === this.#lease,
      );
    });
  }

  /** Tells a part of a flight what became of it. Without the lease, runs that were started belong to nobody here. */
  #settle({ starts, runs }: Flight, { starts: results, refused }: BatchResult, part: Part, held = true): void {
    for (let index = part.starts[0]; index < part.starts[1]; index++)
      settleStart(starts[index]!, results[index]!, held);
    for (let index = part.runs[0]; index < part.runs[1]; index++) {
      const why = refused.size === 0 ? undefined : refused.get(index);
      if (why === undefined) runs[index]!.committed();
      else runs[index]!.refused(why);
    }
    this.#host.runTurns();
  }

  #crashed(lease: Lease, flight: Flight, error: unknown): void {
    if (isPerdureError(error, "LEASE_LOST")) this.#host.leaseLost();
    else if (isPerdureError(error, "UNAVAILABLE")) this.#settleDoubt(lease, flight, error);
    else this.#isolate(flight, error);
  }

  /** Nobody knows whether the batch happened: ask, then go on or send it again. */
  #settleDoubt(lease: Lease, flight: Flight, error: unknown, backoffMs = FIRST_BACKOFF_MS): void {
    this.#isAway(error);
    const again = (next: unknown): void => {
      this.#host.clock.after(backoffMs, () => {
        if (lease === this.#lease) this.#settleDoubt(lease, flight, next, Math.min(backoffMs * 2, MAX_BACKOFF_MS));
      });
    };
    this.#host.store.lastBatch(lease).then((last) => {
      if (lease !== this.#lease) return;
      if (last === null) this.#host.leaseLost();
      else if (last === flight.batch.number - 1) this.#send(lease, flight);
      else this.#reconcile(lease, flight).catch(again);
    }, again);
  }

  async #reconcile(lease: Lease, flight: Flight): Promise<void> {
    await this.#host.reconcile(flight.runs);
    for (const start of flight.starts) {
      const row = await this.#host.store.find({ workflowId: start.run.workflowId });
      if (lease !== this.#lease) return;
      start.doubtful = true;
      if (row === undefined) this.#starts.push(start);
      else settleStart(start, { conflict: row });
    }
    this.#isBack();
    this.#flying = undefined;
    this.#flush();
  }

  /** Something in the batch cannot be written: find out what, one run at a time. */
  #isolate(flight: Flight, error: unknown): void {
    this.#number--;
    this.#flying = undefined;
    if (flight.starts.length + flight.runs.length === 1) {
      flight.starts[0]?.failed(error);
      flight.runs[0]?.choked(error);
    } else {
      this.#singles = singlesOf(flight);
    }
    this.#flush();
  }

  #tellIdle(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }
}

/** Never sent, and asked for by somebody who does not wait. */
function isNew({ doubtful, patient }: PendingStart): boolean {
  return !doubtful && !patient;
}

function settleStart(start: PendingStart, result: StartResult, held = true): void {
  const found = "conflict" in result ? result.conflict : undefined;
  const happened =
    found !== undefined &&
    start.doubtful &&
    found.createdAt === start.run.createdAt &&
    found.workflow === start.run.workflow;
  // A child that was there already may be anybody's.
  const fresh = held && !("existing" in result);
  start.done(happened ? { result: { run: found.run }, fresh: false } : { result, fresh });
}

function singlesOf({ batch: { starts, transitions }, ...flight }: Flight): Flight[] {
  return [
    ...flight.starts.map((start, index) => ({
      batch: { number: 0, starts: [starts[index]!], transitions: [] },
      starts: [start],
      runs: [],
    })),
    ...flight.runs.map((run, index) => ({
      batch: { number: 0, starts: [], transitions: [transitions[index]!] },
      starts: [],
      runs: [run],
    })),
  ];
}

/** What a run wants to write; one that cannot even say so is left to itself. */
function transitionOf(run: Committing): Transition | undefined {
  try {
    return run.takeTransition();
  } catch (error) {
    run.choked(error);
    return undefined;
  }
}
