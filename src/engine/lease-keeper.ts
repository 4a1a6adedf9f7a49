/**
 * Keeps the engine's lease alive and removes engines that died.
 *
 * Owner: the engine. A renewal is sent by a timer of the main loop (rule 20: an engine whose loop stands still must lose its
 * runs, whatever other threads do), and commits count as renewals. `valid` is measured from the sending of the last proof, by
 * the monotonic and by the wall clock, minus a margin.
 */
import type { Lease, Store } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { CancelTimer, Clock } from "./clock.ts";

/** What the keeper tells its engine. */
export interface LeaseHost {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly label: string;
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
    const monotonic = this.#host.clock.monotonic();
    const at = this.#host.clock.now();
    const lease = await this.#host.store.register({ label: this.#host.label, at, ttlMs: this.ttlMs });
    this.lease = lease;
    this.proved(monotonic, at);
    this.#host.leaseGained(lease);
  }

  /** Something sent at these times showed that the lease was alive. */
  proved(sentMonotonic: number, sentAt: number): void {
    if (sentMonotonic <= this.#provedMonotonic) return;
    this.#provedMonotonic = sentMonotonic;
    this.#provedAt = sentAt;
  }

  /** Whether effects may start. */
  get valid(): boolean {
    const limit = this.ttlMs * 0.8;
    const byWall = this.#host.clock.now() - this.#provedAt;
    return (
      this.lease !== undefined &&
      this.#host.clock.monotonic() - this.#provedMonotonic < limit &&
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
    const monotonic = this.#host.clock.monotonic();
    const at = this.#host.clock.now();
    const alive = await this.#host.store.renew(lease);
    if (lease !== this.lease) return;
    if (!alive) {
      this.onLost();
      return;
    }
    this.proved(monotonic, at);
    this.#host.leaseProved(monotonic, at);
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
    if (lease !== undefined) await this.#host.store.release(lease, this.#host.clock.now());
  }
}
