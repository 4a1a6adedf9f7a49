/** The seam between handles and whoever makes them: an engine of this process, or a connection. */
import type { PayloadCodec } from "../core/payload.ts";
import type { EventRow, Store } from "../store/store.ts";
import type { Rewinding } from "./rewind-point.ts";

/** What a handle needs from whoever made it. */
export interface HandleHost {
  readonly store: Store;
  readonly codec: PayloadCodec | undefined;
  now(): number;
  /** Makes a local engine look at once; with a run it is to advance that one. */
  hint(run?: number): void;
  /** Whether an engine of this process advances the run now: then its end will be told by `changed`. */
  active(run: number): boolean;
  /** Resolves when the run may have changed, or after `ms`; with its last event when it ended here. */
  changed(run: number, ms: number): Promise<EventRow | undefined>;
  /** Answers a query with the run's code. @throws PerdureError `VERSION_UNAVAILABLE` where there is none. */
  query(run: number, name: string, input: unknown): Promise<unknown>;
  /** Replays code to go back in histories; absent where there is no engine. */
  readonly rewinding?: Rewinding;
  /** How callers wait here. Absent: by looking again and again. */
  readonly waits?: Waits;
}

/** Waiting where every change is told, so that nobody has to look; and who waits is known. */
export interface Waits {
  /** Stands around everything a caller waits for. `what` names it. */
  during<T>(what: string, wait: () => Promise<T>): Promise<T>;
}
