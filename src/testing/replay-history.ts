/** One recorded history against the code of today. */
import type { RecordedHistory } from "../engine/recorded-history.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import { createTestEnv } from "./test-env.ts";
import type { TestEnvOptions } from "./test-env-options.ts";

/**
 * Replays a recorded history, given or in a file, against a workflow. One that starts others needs these beside it.
 *
 * @throws AssertionError when the code asks for something else than the history says.
 *
 * @example
 * await replayHistory(order, "test/histories/order-42.json");
 * await replayHistory([order, shipment], "test/histories/order-43.json");
 */
export async function replayHistory(
  workflows: AnyWorkflow | readonly AnyWorkflow[],
  history: RecordedHistory | string,
  options: Omit<TestEnvOptions, "workflows"> = {},
): Promise<void> {
  await using env = await createTestEnv({ ...options, workflows: [workflows].flat() });
  await env.replay(history);
}
