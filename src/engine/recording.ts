/** The history of a run as its store has it now, ready to be replayed or written down. */
import { formatRunId } from "../core/ids.ts";
import type { LoadedRun, Store } from "../store/store.ts";
import { parkedAt } from "./parked.ts";
import type { RecordedHistory } from "./recorded-history.ts";
import type { Recording } from "./replaying.ts";
import { factsOf } from "./run-facts.ts";

/** A run that was loaded whole, as it is replayed. */
export function recordingOf(storeId: string, { row, events, attempts, children }: LoadedRun): Recording {
  const { check, open } = parkedAt(row, events.length);
  const known = new Set(attempts.map(({ command }) => command));
  const inFlight = [
    ...attempts.map(({ command, kind, name }) => ({ command, kind, name })),
    ...open.filter(({ command, kind }) => !known.has(command) && kind !== "child"),
    ...children.map(({ command, workflowId }) => ({ command, kind: "child", name: workflowId })),
  ];
  return { facts: factsOf(row, storeId, {}, undefined), events, inFlight, check };
}

/** A run that was loaded whole, as it is written down. */
export function recordedHistory(storeId: string, loaded: LoadedRun, definition: string | null): RecordedHistory {
  const { row } = loaded;
  const { facts, events, inFlight, check = null } = recordingOf(storeId, loaded);
  return {
    workflow: row.workflow,
    version: row.version,
    workflowId: row.workflowId,
    runId: facts.runId,
    status: row.status,
    startedAt: row.createdAt,
    parent: row.parent === null ? null : formatRunId(storeId, row.parent.run),
    tags: facts.tags,
    definition,
    inFlight,
    check,
    events,
  };
}

/** The history of a run as it is kept outside of its store. Undefined when there is no such run. */
export async function recordRun(store: Store, run: number): Promise<RecordedHistory | undefined> {
  const [loaded] = await store.load([run], Number.MAX_SAFE_INTEGER);
  if (loaded === undefined) return undefined;
  const { version } = loaded.row;
  const definition = version === null ? undefined : await store.definition(version);
  return recordedHistory(store.id, loaded, definition?.body ?? null);
}
