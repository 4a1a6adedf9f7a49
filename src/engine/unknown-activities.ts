/**
 * Activities that only the code of runs knows: they were given to `wf.call` and never named to the engine. When all engines that had run
 * such code are gone, a task of theirs that waits is nobody's, and its run is parked until the task ends. So an engine that has the
 * code of the run wakes it: from then on it knows the activity.
 *
 * Owner: the engine.
 */
import type { CodeKey, Lease, Store } from "../store/store.ts";
import type { Clock } from "./clock.ts";
import type { Registry } from "./registry.ts";

/** What the search needs from its engine. */
export interface UnknownActivitiesHost {
  readonly store: Store;
  readonly clock: Clock;
  readonly registry: Registry;
  /** The code this engine has, without that of workflows that are paused. */
  readonly code: readonly CodeKey[];
  readonly ownRuns: ReadonlySet<number> | undefined;
  lease(): Lease | undefined;
}

const LOOK_EVERY_MS = 30_000;

export class UnknownActivities {
  readonly #host: UnknownActivitiesHost;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** Runs that were woken: once each, as their code may call something else by now. */
  readonly #woken = new Set<number>();

  constructor(host: UnknownActivitiesHost) {
    this.#host = host;
  }

  /** Looks, unless that was done a moment ago. */
  async look(): Promise<void> {
    const { store, clock, registry, ownRuns } = this.#host;
    if (ownRuns !== undefined || clock.monotonic() - this.#lookedAt < LOOK_EVERY_MS) return;
    this.#lookedAt = clock.monotonic();
    for (const { activity, run } of await store.waitingActivities()) {
      if (registry.activity(activity) !== undefined || registry.elsewhere(activity) || this.#woken.has(run)) continue;
      const row = await store.find({ run });
      if (row === undefined || row.owner !== null || !this.#hasCodeOf(row) || this.#host.lease() === undefined)
        continue;
      this.#woken.add(run);
      await store.send({ run, kind: "retry", name: "", data: "{}", at: clock.now(), key: null });
    }
  }

  #hasCodeOf({ workflow, version }: CodeKey): boolean {
    return this.#host.code.some(
      (code) => code.workflow === workflow && (code.version === undefined || code.version === version),
    );
  }
}
