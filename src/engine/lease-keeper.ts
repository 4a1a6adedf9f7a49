/**
 * Keeps the engine's lease alive and removes engines that died.
 *
 * Owner: the engine. A renewal is sent by a timer of the main loop (rule 20: an engine whose loop stands still must lose its
 * runs, whatever other threads do), and commits count as renewals. `valid` is measured from the sending of the last proof, by
 * the monotonic and by the wall clock of this machine, minus a margin. With each renewal the store is asked what time it is.
 */
import type { Lease, Store } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { CancelTimer, Clock } from "./clock.ts";
import type { Registry } from "./registry.ts";
import { calibrate } from "./store-clock.ts";

/** What the keeper tells its engine. */
export interface LeaseHost {
  readonly store: Store;
  readonly clock: Clock;
  /** This machine's own clock: what a lease is measured by. */
  readonly machine: Clock;
  readonly log: Logger;
  readonly label: string;
  readonly registry: Registry;
  /** The only runs to work for, or undefined for all. */
  readonly ownRuns: ReadonlySet<number> | undefined;
  /** A renewal sent at these times went through. */
  leaseProved(sentMonotonicMs: number, sentAt: number): void;
  /** A new lease: the engine may begin. */
  leaseGained(lease: Lease): void;
  /** Runs of dead engines were freed. */
  freed(runs: number): void;
  /** Looks for runs that got lost between store and memory. */
  audit(lease: Lease): Promise<void>;
}

export class LeaseKeeper {
  readonly #host: LeaseHost;
  readonly ttlMs: number;
  lease: Lease | undefined;
  #provedMonotonic = Number.NEGATIVE_INFINITY;
  #provedAt = 0;
  #timer: CancelTimer | undefined;
  readonly #sweepMs: number;
  #sweepTimer: CancelTimer | undefined;
  #stopped = false;
  /** How many activities the store knows of. */
  #announced = 0;
  #announcing: Promise<void> | undefined;

  /** `sweepMs`: how often to look for engines whose process is gone. */
  constructor(host: LeaseHost, ttlMs: number, sweepMs: number) {
    this.#host = host;
    this.ttlMs = ttlMs;
    this.#sweepMs = Math.min(sweepMs, ttlMs / 4);
  }

  /** Registers, sweeps the dead once and keeps going. */
  async start(): Promise<void> {
    await this.#register();
    await this.#sweep();
    this.#tick();
    this.#tickSweep();
  }

  async #register(): Promise<void> {
    await calibrate(this.#host.clock);
    if (this.#stopped) return;
    const { clock, machine, label, store, registry } = this.#host;
    const { serves } = registry;
    const activities = this.#activities();
    const monotonic = machine.monotonic();
    const wall = machine.now();
    const lease = await store.register({
      label,
      at: clock.now(),
      ttlMs: this.ttlMs,
      ...(serves !== undefined && { serves }),
      activities,
    });
    // An engine that failed to open, or was closed meanwhile, has no use for it.
    if (this.#stopped) return store.release(lease, clock.now()).then(() => {});
    this.lease = lease;
    this.#announced = activities.length;
    this.proved(monotonic, wall);
    this.#host.leaseGained(lease);
  }

  /** Something sent at these times showed that the lease was alive. */
  proved(sentMonotonic: number, sentAt: number): void {
    if (sentMonotonic <= this.#provedMonotonic) return;
    this.#provedMonotonic = sentMonotonic;
    this.#provedAt = sentAt;
  }

  /** There may be more activities than the store knows of: tells it. When that fails, the next renewal tries again. */
  announce(): void {
    this.#announcing ??= this.#announce()
      .catch((error: unknown) => this.#host.log.warn({ error: String(error) }, "announcing activities failed"))
      .finally(() => {
        this.#announcing = undefined;
      });
  }

  async #announce(): Promise<void> {
    for (;;) {
      const { lease } = this;
      const activities = this.#activities();
      if (lease === undefined || activities.length === this.#announced) return;
      await this.#host.store.announce(lease, activities);
      if (lease === this.lease) this.#announced = activities.length;
    }
  }

  /** Activities whose tasks run here; they become more, never fewer. Who works for its own runs runs what they hand out, and nothing else. */
  #activities(): readonly string[] {
    const { registry, ownRuns } = this.#host;
    return ownRuns === undefined ? registry.servedNames : registry.provided;
  }

  /** Whether effects may start. */
  get valid(): boolean {
    const limit = this.ttlMs * 0.8;
    const { machine } = this.#host;
    const byWall = machine.now() - this.#provedAt;
    return (
      this.lease !== undefined &&
      machine.monotonic() - this.#provedMonotonic < limit &&
      byWall < limit &&
      byWall > -limit
    );
  }

  /** The lease is gone: registers anew, for as long as it takes. */
  lost(): void {
    this.lease = undefined;
    this.#provedMonotonic = Number.NEGATIVE_INFINITY;
    if (!this.#stopped) this.#reregister(50);
  }

  #reregister(backoffMs: number): void {
    this.#register().catch((error: unknown) => {
      this.#host.log.error({ error: String(error) }, "registering with the store failed; trying again");
      if (!this.#stopped) this.#host.clock.after(backoffMs, () => this.#reregister(Math.min(backoffMs * 2, 5000)));
    });
  }

  #tick(): void {
    if (this.#stopped) return;
    this.#timer = this.#host.clock.after(this.ttlMs / 4, () => {
      this.#renew()
        .catch((error: unknown) => this.#host.log.warn({ error: String(error) }, "renewing the lease failed"))
        .finally(() => this.#tick());
    });
  }

  #tickSweep(): void {
    if (this.#stopped) return;
    this.#sweepTimer = this.#host.clock.after(this.#sweepMs, () => {
      this.#sweep()
        .catch((error: unknown) => this.#host.log.warn({ error: String(error) }, "looking for dead engines failed"))
        .finally(() => this.#tickSweep());
    });
  }

  async #renew(): Promise<void> {
    const lease = this.lease;
    if (lease === undefined) return;
    const { clock, machine } = this.#host;
    const monotonic = machine.monotonic();
    const wall = machine.now();
    // Whether it can be asked or not decides nothing: the time that is known stays good for a while.
    const asked = calibrate(clock).catch(() => undefined);
    const alive = await this.#host.store.renew(lease);
    if (lease !== this.lease) return;
    if (!alive) {
      this.onLost();
      return;
    }
    this.proved(monotonic, wall);
    this.#host.leaseProved(monotonic, wall);
    this.announce();
    await asked;
    await this.#host.audit(lease);
  }

  /** Called when a renewal finds the lease gone; the engine replaces it. */
  onLost: () => void = () => {};

  async #sweep(): Promise<void> {
    const { store, clock } = this.#host;
    const freed = await store.sweep({ ttlMs: this.ttlMs, monotonicMs: clock.monotonic(), at: clock.now() });
    if (freed > 0) this.#host.freed(freed);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.();
    this.#sweepTimer?.();
    const lease = this.lease;
    this.lease = undefined;
    await this.#announcing;
    if (lease !== undefined) await this.#host.store.release(lease, this.#host.clock.now());
  }
}
