/** What a measuring process is told: which workload, on what, how thoroughly. */
import type { Durability, StoreKind } from "./store-place.ts";

/** One round of one workload on one subject. */
export interface Setting {
  /** Name of the workload, e.g. `W2`. */
  readonly workload: string;
  /** The engine, or the bare design it is compared with. */
  readonly subject: "perdure" | "bare";
  readonly store: StoreKind;
  /** Address of the PostgreSQL server to make databases on. */
  readonly server: string | undefined;
  readonly durability: Durability;
  /** Fewer runs: a look, not a measurement. */
  readonly quick: boolean;
  /** Only this many runs at a time, instead of the best of several. */
  readonly concurrency: number | undefined;
  /** Folder to write CPU profiles to. */
  readonly profile: string | undefined;
}
