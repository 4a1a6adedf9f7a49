/** One operation on many runs: page by page, so that a store of any size fits. */
import { isPerdureError, PerdureError } from "../core/errors.ts";
import { formatRunId } from "../core/ids.ts";
import { checkCount, checkKind, checkOptions, checkWord, optionNames } from "../core/options.ts";
import { CLOSED_STATUSES, isClosed, OPEN_STATUSES, RESUMABLE, type RunStatus } from "../core/status.ts";
import type { RunFilter, RunRow } from "../store/store.ts";
import { SCHEDULE_WORKFLOW } from "../workflow/schedule.ts";
import type { HandleHost } from "./handle-host.ts";
import { describeRun, type RunDescription } from "./run-description.ts";
import { RunHandle } from "./run-handle.ts";

/** What can be done with many runs at once. */
export type BulkAction = "cancel" | "terminate" | "pause" | "resume" | "retry" | "delete";

/** Options of `runs.bulk`. */
export interface BulkOptions {
  /** Only count and tell what would be done. */
  readonly dryRun?: boolean;
  /** Why, for `cancel`, `terminate` and `pause`. */
  readonly reason?: string;
  /** At most this many runs, the newest. Default all. */
  readonly limit?: number;
  /** Told of each run when it is done, or would be; with the error when it failed. */
  readonly onRun?: (run: RunDescription, error?: PerdureError) => void;
}

const OPTIONS: ReadonlySet<string> = optionNames<BulkOptions>({
  dryRun: true,
  reason: true,
  limit: true,
  onRun: true,
});

/** What became of a bulk operation. */
export interface BulkReport {
  /** Runs that are meant. */
  readonly matched: number;
  /** Runs it was done with; 0 in a dry run. */
  readonly done: number;
  readonly failed: readonly { readonly workflowId: string; readonly runId: string; readonly error: PerdureError }[];
}

const PAGE = 200;
const AT_ONCE = 20;

/** Statuses that an action is for. */
const FOR: Readonly<Record<BulkAction, readonly RunStatus[]>> = {
  cancel: OPEN_STATUSES,
  terminate: OPEN_STATUSES,
  pause: ["pending", "running"],
  resume: [...RESUMABLE],
  retry: ["pending", "running"],
  delete: CLOSED_STATUSES,
};

const STOPS: ReadonlySet<BulkAction> = new Set(["cancel", "terminate", "pause"]);

/** A schedule is a run as well, but who stops runs means it only by its name: it would start no more of them. */
function isMeant({ workflow }: RunRow, filter: Omit<RunFilter, "limit">): boolean {
  return workflow !== SCHEDULE_WORKFLOW || filter.workflow === workflow || filter.workflowId !== undefined;
}

/** Does something with every run of a filter. Schedules are stopped only where the filter names them. */
export async function bulk(
  host: HandleHost,
  filter: Omit<RunFilter, "limit">,
  action: BulkAction,
  options: BulkOptions,
): Promise<BulkReport> {
  checkWord(action ?? null, Object.keys(FOR), "runs.bulk()");
  checkBulk(options);
  const work = new Bulk(host, action, options);
  const wanted = { status: FOR[action], ...filter };
  const { limit = Number.POSITIVE_INFINITY } = options;
  let before: number | undefined;
  while (work.matched < limit) {
    const size = Math.min(PAGE, limit - work.matched);
    const rows = await host.store.list({ ...wanted, limit: size, ...(before !== undefined && { before }) });
    const meant = STOPS.has(action) ? rows.filter((row) => isMeant(row, filter)) : rows;
    for (let at = 0; at < meant.length; at += AT_ONCE) await work.all(meant.slice(at, at + AT_ONCE));
    if (rows.length < size) break;
    before = rows.at(-1)!.run;
  }
  return { matched: work.matched, done: work.done, failed: work.failed };
}

/** @throws PerdureError `INVALID_ARGUMENT` */
function checkBulk(options: BulkOptions): void {
  checkOptions(options, OPTIONS, "runs.bulk()");
  const { dryRun, reason, limit, onRun } = options;
  checkKind(dryRun, "boolean", "dryRun");
  checkKind(reason, "string", "reason");
  checkCount(limit, "limit");
  checkKind(onRun, "function", "onRun");
}

class Bulk {
  readonly #host: HandleHost;
  readonly #action: BulkAction;
  readonly #options: BulkOptions;
  readonly failed: BulkReport["failed"][number][] = [];
  matched = 0;
  done = 0;

  constructor(host: HandleHost, action: BulkAction, options: BulkOptions) {
    this.#host = host;
    this.#action = action;
    this.#options = options;
  }

  async all(rows: readonly RunRow[]): Promise<void> {
    await Promise.all(rows.map((row) => this.#one(row)));
  }

  async #one(row: RunRow): Promise<void> {
    this.matched++;
    const error = this.#options.dryRun === true ? undefined : await this.#attempt(row);
    if (error !== undefined)
      this.failed.push({ workflowId: row.workflowId, runId: formatRunId(this.#host.store.id, row.run), error });
    else if (this.#options.dryRun !== true) this.done++;
    this.#options.onRun?.(describeRun(row, [], this.#host, undefined), error);
  }

  async #attempt(row: RunRow): Promise<PerdureError | undefined> {
    try {
      await this.#do(row);
      return undefined;
    } catch (error) {
      if (!isPerdureError(error) || error.code === "UNAVAILABLE") throw error;
      return error;
    }
  }

  async #do(row: RunRow): Promise<void> {
    const { reason } = this.#options;
    if (this.#action === "delete") return removeRow(this.#host, row);
    const handle = new RunHandle(this.#host, row.workflowId, row.run);
    switch (this.#action) {
      case "cancel":
        return handle.cancel(reason);
      case "terminate":
        return handle.terminate(reason);
      case "pause":
        return handle.pause(reason);
      case "retry":
        return this.#retry(handle, row);
      default:
        return handle.resume();
    }
  }

  /** Starts the next attempt of every step that waits for it. A run without any is done, too. */
  async #retry(handle: RunHandle, { run }: RunRow): Promise<void> {
    const attempts = await this.#host.store.attempts(run);
    for (const { command, attempt, startedAt, nextAt } of attempts)
      if (attempt > 0 && startedAt === null && nextAt !== null) await handle.retryStep(command);
  }
}

/** Deletes the very run, not the one that continued it. */
export async function removeRow(
  { store }: Pick<HandleHost, "store">,
  { run, workflowId, status }: RunRow,
): Promise<void> {
  if (!isClosed(status))
    throw new PerdureError("CONFLICT", `${workflowId} is ${status}; cancel or terminate it before deleting`);
  if (!(await store.remove(run)))
    throw new PerdureError("CONFLICT", `${workflowId} changed while it was being deleted; look again`);
}
