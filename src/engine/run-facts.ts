/** Facts of a run that never change while it is in memory, and how its values become payloads. */
import { formatRunId } from "../core/ids.ts";
import { type Payload, type PayloadCodec, WARN_PAYLOAD } from "../core/payload.ts";
import type { ParentLink, RunRow } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import { encodeWithoutSecrets, type Secrets } from "./secrets.ts";

/** Facts that never change while the actor lives. */
export interface RunFacts {
  readonly run: number;
  readonly runId: string;
  readonly workflowId: string;
  readonly workflow: string;
  readonly secrets: Secrets;
  /** When the run as a whole times out, epoch milliseconds. */
  readonly deadline: number | undefined;
  readonly version: string | undefined;
  readonly startedAt: number;
  readonly parent: ParentLink | null;
  /** JSON given at start for people and tools. */
  readonly meta: string | null;
  readonly request: string | null;
  /** Tags the row has: those of the start, and what `tag` said until the run was taken over. */
  readonly tags: Readonly<Record<string, string>>;
  /** The progress the row has. */
  readonly progress: Payload | null;
}

/** Columns of a run's row that its facts are made of. */
export type FactsRow = Pick<
  RunRow,
  "run" | "workflowId" | "workflow" | "version" | "createdAt" | "meta" | "request" | "tags" | "progress" | "parent"
>;

/** The facts of a run, from its row. */
export function factsOf(row: FactsRow, storeId: string, secrets: Secrets, deadline: number | undefined): RunFacts {
  const { run, workflowId, workflow, version, createdAt, meta, request, tags, progress, parent } = row;
  return {
    run,
    runId: formatRunId(storeId, run),
    workflowId,
    workflow,
    secrets,
    deadline,
    version: version ?? undefined,
    startedAt: createdAt,
    parent,
    meta,
    request,
    progress,
    tags: tags === null ? {} : (JSON.parse(tags) as Record<string, string>),
  };
}

/** What encoding needs. */
export interface ResultHost {
  readonly log: Logger;
  readonly codec: PayloadCodec | undefined;
}

/**
 * Encodes what a step or the workflow returned.
 *
 * @throws PerdureError `UNSERIALISABLE`, `PAYLOAD_TOO_LARGE`, `SECRET_LEAK`.
 */
export function encodeResult(host: ResultHost, facts: RunFacts, value: unknown, what: string): Payload {
  const payload = encodeWithoutSecrets(facts.secrets, value, host.codec, what);
  if (payload.length > WARN_PAYLOAD) {
    const { workflow, workflowId, runId } = facts;
    const advice = "consider keeping it outside and passing a reference";
    host.log.warn(
      { workflow, workflowId, runId, size: payload.length },
      `${what} takes ${payload.length} characters; ${advice}`,
    );
  }
  return payload;
}
