/** The flow that a run is pinned to. */
import type { FlowDefinition } from "../flow/model.ts";
import type { RunRow, Store } from "../store/store.ts";

/** The definition a run was started with; undefined for runs of functions. */
export async function pinnedDefinition(
  store: Store,
  { version }: Pick<RunRow, "version">,
): Promise<FlowDefinition | undefined> {
  const stored = version === null ? undefined : await store.definition(version);
  if (stored === undefined) return undefined;
  const { readFlow } = await import("../flow/reader.ts");
  return readFlow(stored.body).definition;
}
