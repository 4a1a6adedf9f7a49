/** Says at open which runs wait for a version of a workflow that this engine knows by name but does not have. */
import type { Store } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { Clock } from "./clock.ts";
import type { Registry } from "./registry.ts";

/** What is asked of the engine. */
export interface MissingCodeHost {
  readonly store: Pick<Store, "waiting" | "definition">;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Logs a warning for each version that runs of known workflows wait for. Nothing depends on it: errors are left to others. */
export async function warnOfMissingCode({ store, registry, clock, log }: MissingCodeHost): Promise<void> {
  const known = new Set(registry.workflowNames);
  if (known.size === 0) return;
  try {
    for (const { workflow, version, runs } of await store.waiting(clock.now())) {
      if (!known.has(workflow) || (await registry.pinned(workflow, version, store)) !== undefined) continue;
      const code = version === null ? `${workflow} without a version` : `${workflow}@${version}`;
      const wait = runs === 1 ? "1 run waits" : `${runs} runs wait`;
      log.warn(
        { workflow, version, runs },
        `${wait} for ${code}, which this engine does not have: keep it in workflows: […] beside the newer one, until its runs have ended`,
      );
    }
  } catch (error) {
    log.debug({ error: String(error) }, "looking for runs that wait for other code failed");
  }
}
