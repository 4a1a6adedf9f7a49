/** How commands reach runs: a store without an engine, and runs found by what people type. */
import { connect } from "../client/connect.ts";
import type { Connection } from "../client/connection.ts";
import type { RunHandle } from "../client/run-handle.ts";
import { isPerdureError, PerdureError } from "../core/errors.ts";
import { formatRunId } from "../core/ids.ts";
import type { RunRow } from "../store/store.ts";
import type { Invocation } from "./command.ts";
import { loadProject, type Project } from "./project.ts";

/** Calls `use` with the store of the project, which is neither made nor migrated for it. */
export async function withConnection<T>(
  invocation: Invocation,
  use: (connection: Connection, project: Project) => Promise<T>,
): Promise<T> {
  const project = await loadProject(invocation);
  await using connection = await connected(project);
  return await use(connection, project);
}

/** Of a store that is not there it is also said who named it. */
async function connected({ store, storeFrom }: Project): Promise<Connection> {
  try {
    return await connect({ store });
  } catch (error) {
    if (!isPerdureError(error) || error.details.missing !== true) throw error;
    const named = storeFrom === "default" ? "" : `this one is from ${storeFrom}; `;
    const hint = `${named}--store URL or PERDURE_STORE names another`;
    throw new PerdureError(error.code, error.message, { details: { ...error.details, hint }, cause: error });
  }
}

const SEARCHED = 1000;
const SHOWN = 8;

/** A run found by what somebody typed. */
export interface FoundRun {
  readonly handle: RunHandle;
  readonly row: RunRow;
}

/**
 * Finds a run by workflow id, run id, or the unique beginning of one of them.
 *
 * @throws PerdureError `NOT_FOUND`, or `INVALID_ARGUMENT` when several begin like that.
 */
export async function findRun({ store, runs }: Pick<Connection, "store" | "runs">, id: string): Promise<FoundRun> {
  const exact = await runs.handle(id).catch((error: unknown) => {
    if (error instanceof PerdureError && error.code === "NOT_FOUND") return undefined;
    throw error;
  });
  const runId = exact?.runId ?? (await completed(id));
  const handle = exact ?? (await runs.handle(runId));
  return { handle, row: await rowOf(handle) };

  async function completed(prefix: string): Promise<string> {
    const rows = prefix === "" ? [] : await store.list({ limit: SEARCHED });
    const named = (row: RunRow): string => formatRunId(store.id, row.run);
    const found = rows.filter(
      (row) => named(row).startsWith(prefix) || (!row.superseded && row.workflowId.startsWith(prefix)),
    );
    if (found.length === 1) return named(found[0]!);
    if (found.length === 0) throw notFound(prefix);
    const list = found.slice(0, SHOWN).map((row) => `  ${named(row)}  ${row.workflowId} (${row.status})`);
    const more = found.length > SHOWN ? [`  … ${found.length - SHOWN} more`] : [];
    throw new PerdureError(
      "INVALID_ARGUMENT",
      `${found.length} runs begin with ${JSON.stringify(prefix)}:\n${[...list, ...more].join("\n")}`,
      {
        details: { hint: "type more of the one you mean" },
      },
    );
  }

  async function rowOf(found: RunHandle): Promise<RunRow> {
    const number = Number.parseInt(found.runId.slice(store.id.length + 1), 36);
    const row = await store.find({ run: number });
    if (row === undefined) throw notFound(id);
    return row;
  }
}

function notFound(id: string): PerdureError {
  return new PerdureError("NOT_FOUND", `there is no run ${JSON.stringify(id)} in this store`, {
    details: { id, hint: "perdure runs list shows the runs" },
  });
}
