/**
 * Finds runs that want to be advanced and have no owner: due timers, new messages, runs freed from dead engines.
 *
 * Owner: the engine. Hints (own sends, the store's `watch`) make it look at once; looking every `pollMs` and at the next due time
 * is the truth (rule 26). Runs that crashed engines before start one at a time (rule 18).
 */
import { isClosed, OPEN_STATUSES } from "../core/status.ts";
import type { CodeKey, Lease, RunRow, Store } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { CancelTimer, Clock } from "./clock.ts";
import type { Pauses } from "./pauses.ts";

/** What the claimer needs from its engine. */
export interface ClaimHost {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** The code this engine has, without that of workflows that are paused. */
  readonly code: readonly CodeKey[];
  readonly pauses: Pauses;
  /** Whether it runs activities for others: then it looks as often without workflows. */
  readonly executes: boolean;
  lease(): Lease | undefined;
  /** How many suspects may be claimed now, and who is one: a run that waits for its turn must not count the next crash. */
  readonly suspects: { readonly from: number; readonly limit: number };
  /** Whether runs with secrets may be claimed now. */
  readonly sealed: boolean;
  /** The only runs to take, or undefined for all that are due. */
  readonly ownRuns: Set<number> | undefined;
  /** Whether the run is being advanced already. */
  advances(run: number): boolean;
  /** Takes over claimed runs. Resolves when they are loaded. */
  adopt(rows: readonly RunRow[]): Promise<void>;
  /** Delivers what waits in the inboxes of owned runs. */
  fetchInbox(lease: Lease): Promise<void>;
}

/** How many runs are claimed at a time: while these are replayed, the store claims the next. */
const CLAIM_LIMIT = 100;
const MAX_SLEEP_MS = 60_000;
const TRIAL_LOOK_MS = 100;
const LOCKED_LOOK_MS = 20;

export class Claimer {
  readonly #host: ClaimHost;
  readonly #pollMs: number;
  #timer: CancelTimer | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  /** Runs of ours whose children were looked for, with the length of their history then. */
  readonly #kinOf = new Map<number, number>();
  #stopped = true;
  #unwatch: (() => void) | undefined;
  /** Inboxes may have changed: set by hints and by every poll. */
  #inboxDirty = true;

  constructor(host: ClaimHost, pollMs: number) {
    this.#host = host;
    this.#pollMs = pollMs;
  }

  start(): void {
    this.#stopped = false;
    this.#unwatch = this.#host.store.watch(() => this.hint());
    this.hint();
  }

  /** Somebody may have something to do: look soon. */
  hint(): void {
    if (this.#stopped) return;
    this.#inboxDirty = true;
    if (this.#looking !== undefined) {
      this.#again = true;
      return;
    }
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
      if (this.#again) {
        this.#again = false;
        this.hint();
      }
    });
  }

  /** Whether it is looking right now. */
  get looking(): boolean {
    return this.#looking !== undefined;
  }

  #wakeAt = Number.POSITIVE_INFINITY;
  /** Looks in a row that found something due and got nothing. */
  #inVain = 0;

  /** A run of this engine was parked until then. */
  dueAt(at: number): void {
    if (this.#stopped || at >= this.#wakeAt) return;
    const wait = at - this.#host.clock.now();
    if (wait > this.#pollMs) return;
    this.#wakeAt = at;
    this.#timer?.();
    this.#timer = this.#host.clock.after(Math.max(0, wait), () => this.hint());
  }

  async #look(): Promise<void> {
    this.#wakeAt = Number.POSITIVE_INFINITY;
    this.#timer?.();
    let wait = this.#pollMs;
    try {
      wait = await this.#claimAll();
    } catch (error) {
      if (!this.#stopped) this.#host.log.warn({ error: String(error) }, "looking for runs failed; trying again");
    }
    if (this.#stopped) return;
    this.#timer = this.#host.clock.after(wait, () => this.hint());
  }

  /** Claims everything that is due. Returns how long to sleep. */
  async #claimAll(): Promise<number> {
    const { store, clock } = this.#host;
    let claimed = 0;
    for (;;) {
      const lease = this.#host.lease();
      if (lease === undefined || this.#stopped) return this.#pollMs;
      if (this.#inboxDirty) {
        this.#inboxDirty = false;
        await this.#host.fetchInbox(lease);
      }
      const { code } = this.#host;
      if (code.length === 0) return this.#host.pauses.any || this.#host.executes ? this.#pollMs : MAX_SLEEP_MS;
      if (this.#host.ownRuns !== undefined) return this.#claimOwn(lease, this.#host.ownRuns);
      const { suspects, sealed } = this.#host;
      const rows = await store.claim(lease, {
        code,
        limit: CLAIM_LIMIT,
        at: clock.now(),
        suspects,
        sealed,
      });
      claimed += rows.length;
      if (rows.length > 0 && lease === this.#host.lease()) await this.#host.adopt(rows);
      if (rows.length < CLAIM_LIMIT) break;
    }
    const next = await store.nextWake(this.#host.code, this.#host.sealed);
    if (next === null) return this.#pollMs;
    const wait = next - clock.now();
    this.#inVain = claimed === 0 && wait <= 0 ? this.#inVain + 1 : 0;
    return Math.max(this.#pause, Math.min(wait, this.#pollMs));
  }

  /** Something is due and cannot be had: while one suspect is tried, or while somebody has it locked. */
  get #pause(): number {
    if (this.#host.suspects.limit === 0) return Math.min(TRIAL_LOOK_MS, this.#pollMs);
    return this.#inVain > 1 ? LOCKED_LOOK_MS : 0;
  }

  /** Claims the runs this engine was opened for, when they are due. There are few of them. */
  async #claimOwn(lease: Lease, own: Set<number>): Promise<number> {
    const { store, clock } = this.#host;
    const due: number[] = [];
    let next = clock.now() + this.#pollMs;
    for (const run of own) {
      const row = this.#host.advances(run) ? undefined : await store.find({ run });
      if (row === undefined || row.owner !== null) continue;
      await this.#addKin(row, own);
      if (row.wakeAt === null || isClosed(row.status)) continue;
      if (!this.#host.code.some(({ workflow }) => workflow === row.workflow)) continue;
      if (row.wakeAt <= clock.now()) due.push(run);
      else next = Math.min(next, row.wakeAt);
    }
    if (due.length > 0) {
      const rows = await store.claim(lease, { code: [], runs: due, limit: due.length, at: clock.now() });
      if (rows.length > 0 && lease === this.#host.lease()) await this.#host.adopt(rows);
    }
    return Math.max(0, next - clock.now());
  }

  /**
   * The run that goes on from one of ours is ours in its place, and so are the open children that another engine started for it. A
   * set gives what is added while it is walked through.
   */
  async #addKin({ run, workflowId, status, chain, length }: RunRow, own: Set<number>): Promise<void> {
    const { store } = this.#host;
    if (status === "continued_as_new") {
      const current = await store.find({ workflowId });
      if (current === undefined || current.run === run) return;
      own.delete(run);
      if (current.chain === chain) own.add(current.run);
    } else if (!isClosed(status) && this.#kinOf.get(run) !== length) {
      const children = await store.list({ parent: run, status: OPEN_STATUSES, limit: Number.MAX_SAFE_INTEGER });
      for (const child of children) own.add(child.run);
      this.#kinOf.set(run, length);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.();
    this.#unwatch?.();
    await this.#looking;
  }
}
