import type { Measurement } from "../measurement.ts";
import type { Setting } from "../setting.ts";
import type { StoreKind } from "../store-place.ts";

/** The part of a round that counts, for those who watch it. */
export interface Span {
  begin(): Promise<void>;
  end(): Promise<void>;
}

/** Something to measure. Each round runs in a process of its own. */
export interface Workload {
  /** What it is called on the command line. */
  readonly name: string;
  /** What it does, in a few words, per metric. */
  readonly titles: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly stores: readonly StoreKind[];
  /** Whether the bare design can do it too. */
  readonly bare: boolean;
  /** Whether it is measured at several concurrencies, of which the best counts. */
  readonly bestConcurrency?: boolean;
  /** One round. Says when what counts begins, after the warm-up, and when it ends. */
  measure(setting: Setting, span: Span): Promise<Measurement[]>;
}

/** Concurrencies of which the best counts. */
export function concurrencies(setting: Setting): readonly number[] {
  return setting.concurrency === undefined ? [50, 200, 500, 2000] : [setting.concurrency];
}
