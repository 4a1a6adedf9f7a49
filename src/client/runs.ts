/** Finding runs, and doing the same with many of them. */
import { PerdureError } from "../core/errors.ts";
import { parseRunId } from "../core/ids.ts";
import { checkedText } from "../core/names.ts";
import { checkCount, checkKind, checkOptions, checkWord, optionNames } from "../core/options.ts";
import { RUN_STATUSES, type RunStatus } from "../core/status.ts";
import { textTags } from "../core/tags.ts";
import type { RunFilter } from "../store/store.ts";
import { type BulkAction, type BulkOptions, type BulkReport, bulk } from "./bulk.ts";
import type { HandleHost } from "./handle-host.ts";
import { describeRun, type RunDescription } from "./run-description.ts";
import { RunHandle } from "./run-handle.ts";

/** Which runs are meant: those that are all of this. */
export interface RunsFilter {
  readonly workflow?: string;
  readonly status?: RunStatus | readonly RunStatus[];
  /** Created at or after: epoch milliseconds or Date. */
  readonly since?: number | Date;
  /** Ended before: epoch milliseconds or Date. */
  readonly closedBefore?: number | Date;
  /** Having all of these tags. */
  readonly tags?: Readonly<Record<string, string | number | boolean>>;
  /** Children of the run with this run id. */
  readonly parent?: string;
}

/** Which runs to list. */
export interface ListOptions extends RunsFilter {
  /** At most this many, newest first. Default 100, at most 1000. */
  readonly limit?: number;
  /** Cursor: the runId of the last run of the page before. */
  readonly before?: string;
}

const FILTER = {
  workflow: true,
  status: true,
  since: true,
  closedBefore: true,
  tags: true,
  parent: true,
} as const;
const OF_FILTER: ReadonlySet<string> = optionNames<RunsFilter>(FILTER);
const OF_LIST: ReadonlySet<string> = optionNames<ListOptions>({ ...FILTER, limit: true, before: true });

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;

/** Reading and finding runs. */
export class Runs {
  readonly #host: HandleHost;

  constructor(host: HandleHost) {
    this.#host = host;
  }

  /** The handle of a run, by workflow id or run id. @throws PerdureError `NOT_FOUND`. */
  async handle<O = unknown>(id: string): Promise<RunHandle<O>> {
    const { store } = this.#host;
    const number = parseRunId(store.id, checkedText(id, "the id of a run"));
    const row =
      (await store.find({ workflowId: id })) ?? (number === undefined ? undefined : await store.find({ run: number }));
    if (row === undefined)
      throw new PerdureError("NOT_FOUND", `there is no run ${JSON.stringify(id)} in this store`, { details: { id } });
    return new RunHandle<O>(this.#host, row.workflowId, row.run);
  }

  /** Runs, newest first. */
  async list(options: ListOptions = {}): Promise<RunDescription[]> {
    const { store } = this.#host;
    checkOptions(options, OF_LIST, "runs.list()");
    const { limit = DEFAULT_LIMIT, before, ...filter } = options;
    checkCount(limit, "limit");
    const rows = await store.list({
      ...storeFilter(store.id, filter),
      limit: Math.min(limit, MAX_LIMIT),
      ...(before !== undefined && { before: runOf(store.id, before, "before") }),
    });
    return rows.map((row) => describeRun(row, [], this.#host, undefined));
  }

  /**
   * Does the same with every run that matches: `cancel`, `terminate`, `pause`, `resume`, `retry` (what waits for its next attempt) or `delete`. Without `status` in the filter only
   * those are meant that the action is possible for. Runs that are started meanwhile are left alone. What fails does not stop the rest.
   *
   * @example
   * await engine.runs.bulk({ workflow: "etl", tags: { customer: 42 } }, "cancel", { reason: "they left", dryRun: true });
   */
  async bulk(filter: RunsFilter, action: BulkAction, options: BulkOptions = {}): Promise<BulkReport> {
    checkOptions(filter, OF_FILTER, "the filter of runs.bulk()");
    return bulk(this.#host, storeFilter(this.#host.store.id, filter), action, options);
  }
}

/** A filter as the store understands it. @throws PerdureError `INVALID_ARGUMENT` */
function storeFilter(storeId: string, filter: RunsFilter): Omit<RunFilter, "limit"> {
  const { workflow, status, since, closedBefore, tags, parent } = filter;
  checkKind(workflow, "string", "workflow");
  return {
    ...(workflow !== undefined && { workflow }),
    ...(status !== undefined && { status: statusesOf(status) }),
    ...(since !== undefined && { since: timeOf(since, "since") }),
    ...(closedBefore !== undefined && { closedBefore: timeOf(closedBefore, "closedBefore") }),
    ...(tags !== undefined && { tags: textTags(tags) }),
    ...(parent !== undefined && { parent: runOf(storeId, parent, "parent") }),
  };
}

function statusesOf(status: RunStatus | readonly RunStatus[]): readonly RunStatus[] {
  const statuses = Array.isArray(status) ? (status as readonly RunStatus[]) : [status as RunStatus];
  for (const one of statuses) checkWord(one ?? null, RUN_STATUSES, "status");
  return statuses;
}

function timeOf(time: number | Date, what: string): number {
  const ms = typeof time === "number" || time instanceof Date ? Number(time) : Number.NaN;
  if (Number.isFinite(ms)) return ms;
  throw new PerdureError(
    "INVALID_ARGUMENT",
    `${what} must be epoch milliseconds or a Date, not ${String(JSON.stringify(time))}`,
  );
}

function runOf(storeId: string, runId: string, what: string): number {
  checkKind(runId ?? null, "string", what);
  const run = parseRunId(storeId, runId);
  if (run !== undefined) return run;
  throw new PerdureError(
    "INVALID_ARGUMENT",
    `${what}: ${JSON.stringify(runId)} is no run id of this store, which look like ${storeId}-1`,
  );
}
