/** What an engine is made of. */
import type { PayloadCodec } from "../core/payload.ts";
import type { Store } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { Around } from "./around.ts";
import type { Clock } from "./clock.ts";
import type { GuardMode } from "./guard/guard.ts";
import type { Observer } from "./observers.ts";
import type { Registry } from "./registry.ts";
import type { QueueSet } from "./slots.ts";

/** Everything an engine is made of, complete. */
export interface EngineConfig {
  readonly store: Store;
  readonly registry: Registry;
  /** This machine's clock. */
  readonly clock: Clock;
  readonly log: Logger;
  readonly label: string;
  readonly codec: PayloadCodec | undefined;
  readonly deps: unknown;
  readonly observers: readonly Observer[];
  readonly ttlMs: number;
  readonly pollMs: number;
  readonly parkAfterMs: number;
  /** How many messages a run takes at a time. Default `AHEAD`. */
  readonly ahead?: number;
  /** How many parked runs stay in memory, ready to go on without a replay. */
  readonly warmRuns: number;
  /** `own`: advance only runs that were started or resumed through this engine. */
  readonly claims: "all" | "own";
  /** Limits of queues. Absent: none. */
  readonly queues?: QueueSet;
  /** Limits of queues in all of the store, null to take one away. Absent: none is changed. */
  readonly everywhere?: ReadonlyMap<string, number | null>;
  readonly guard: GuardMode;
  readonly seal: (text: string) => string;
  readonly unseal: (text: string) => string;
  /** Stands around every attempt. Absent: nobody. */
  readonly around?: Around;
}
