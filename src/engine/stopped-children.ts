/** Children that the end of their parent has stopped: when the parent goes on after all, they are begun anew. */
import { parseEvent } from "../core/events.ts";
import type { Command } from "../core/machine.ts";
import type { ReplayRow } from "../core/resume.ts";
import type { Store } from "../store/store.ts";
import type { CommandSpec } from "./command-spec.ts";
import { isChild } from "./command-spec.ts";
import type { RunFacts } from "./run-facts.ts";
import { childId } from "./run-services.ts";

/**
 * Which of the open commands are such children. `later` are events that come after that: what has its outcome there was not stopped, or
 * begins anew because that is set aside.
 */
export async function stoppedChildren(
  store: Store,
  { run, runId }: Pick<RunFacts, "run" | "runId">,
  open: Iterable<Command<CommandSpec>>,
  later: readonly ReplayRow[],
): Promise<number[]> {
  const settled = new Set(later.filter(({ type }) => type !== "ChildStarted").map((row) => parseEvent(row).data.c));
  const stopped: number[] = [];
  for (const { id, generation, spec } of open) {
    if (!isChild(spec) || spec.options.onParentClose === "abandon" || settled.has(id)) continue;
    const child = await store.find({ workflowId: childId(runId, { id, generation, spec }) });
    if (child?.parent?.run !== run || child.parent.command !== id || child.parent.generation !== generation) continue;
    if (child.status !== "completed") stopped.push(id);
  }
  return stopped;
}
