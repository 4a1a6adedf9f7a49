/** Replaying the runs of a test environment: what ran once must run the same way again. */
import { AssertionError } from "node:assert";
import { type FindCode, type ReplayReport, replayRuns } from "../client/replays.ts";
import { CLOSED_STATUSES } from "../core/status.ts";
import type { RecordedHistory } from "../engine/recorded-history.ts";
import type { Registry } from "../engine/registry.ts";
import { Replayer, type ReplayerOptions } from "../engine/replayer.ts";
import type { Store } from "../store/store.ts";

/** Replays every run that has ended and whose code is there. @throws AssertionError naming those that go another way. */
export async function verifyRuns(store: Store, registry: Registry, options: ReplayerOptions): Promise<void> {
  const find: FindCode = async ({ workflow, version }) => {
    const definition = await registry.pinned(workflow, version, store);
    return definition === undefined ? undefined : { definition, registry };
  };
  const differences: string[] = [];
  for await (const report of replayRuns(store, find, { status: CLOSED_STATUSES }, options))
    if (report.result === "different") differences.push(await told(store, report));
  if (differences.length > 0) throw different(differences.reverse());
}

/** Replays a history that was recorded elsewhere. @throws AssertionError when the code disagrees with it. */
export async function verifyRecorded(
  recorded: RecordedHistory,
  registry: Registry,
  store: Store,
  options: ReplayerOptions,
): Promise<void> {
  const { workflow, version, workflowId } = recorded;
  const definition =
    (await registry.pinned(workflow, version, store)) ?? registry.workflow(workflow, version ?? undefined);
  if (definition === undefined)
    throw lacking(workflowId, version === null ? workflow : `${workflow}@${version}`, "workflows");
  const replayer = new Replayer(options);
  try {
    const replayed = await replayer.replayRecorded(recorded, definition, registry);
    if (replayed.ok) return;
    const { reason, missing, message } = replayed.blockage;
    if (missing !== undefined)
      throw lacking(workflowId, missing, reason === "unknown_workflow" ? "workflows" : "activities");
    throw different([`${workflow} ${workflowId}: ${message}`]);
  } finally {
    replayer.close();
  }
}

function lacking(workflowId: string, code: string, where: "workflows" | "activities"): AssertionError {
  const message = `the recorded history of ${workflowId} needs ${code}, which is not among the ${where} given: add it to them`;
  return new AssertionError({ message });
}

/** Names the inline steps, too: what they assign outside of themselves is not there on replay. */
async function told(store: Store, { workflow, workflowId, blockage, runId }: ReplayReport): Promise<string> {
  const message = `${workflow} ${workflowId}: ${blockage?.message}`;
  const inline = new Set<string>();
  const run = Number.parseInt(runId.slice(runId.lastIndexOf("-") + 1), 36);
  for (const { type, data } of await store.history(run, 0, Number.MAX_SAFE_INTEGER)) {
    if (type !== "StepCompleted" || !data.includes('"k":"inline"')) continue;
    const { k, n, l } = JSON.parse(data) as { k: string; n: string; l?: string };
    if (k === "inline") inline.add(l ?? n);
  }
  return inline.size === 0
    ? message
    : `${message}${message.endsWith(".") ? "" : "."} Inline steps of this run: ${[...inline].join(", ")}`;
}

function different(lines: readonly string[]): AssertionError {
  return new AssertionError({
    message: `a replay of the history goes another way than the run did; after a crash or a deploy the run would be blocked there\n${lines.map((line) => `  ${line}`).join("\n")}`,
    operator: "replay",
  });
}
