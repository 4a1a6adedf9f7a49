/** How long runs are kept, by workflow. */
import type { Duration } from "../core/duration.ts";
import { type KeptMs, keptMs, type Retention } from "../workflow/retention.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";

/** How long runs are kept after their end, by workflow; `default` for all others. What is not named is kept for ever. */
export interface RetentionRules {
  readonly default: KeptMs | undefined;
  readonly byWorkflow: ReadonlyMap<string, KeptMs>;
}

/**
 * The rules of workflows and of `open({ retention })`, which counts more.
 *
 * @throws PerdureError `INVALID_ARGUMENT` for what is no duration.
 */
export function retentionRules(
  workflows: readonly AnyWorkflow[],
  options: Duration | Readonly<Record<string, Retention | undefined>> = {},
): RetentionRules {
  const byWorkflow = new Map<string, KeptMs>();
  for (const { name, kept } of workflows) if (kept !== undefined) byWorkflow.set(name, kept);
  let byDefault: KeptMs | undefined;
  for (const [name, retention] of Object.entries(typeof options === "object" ? options : { default: options })) {
    if (retention === undefined) continue;
    const kept = keptMs(retention, `retention of ${name}`);
    if (name === "default") byDefault = kept;
    else byWorkflow.set(name, kept);
  }
  return { default: byDefault, byWorkflow };
}
