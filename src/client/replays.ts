/** Replaying the runs of a store against the code at hand, page by page: thousands of runs take no more memory than one page. */

import type { Blockage } from "../core/ending.ts";
import { PerdureError } from "../core/errors.ts";
import { formatRunId } from "../core/ids.ts";
import { checkCount, checkKind, checkOptions, checkWord, optionNames } from "../core/options.ts";
import { OPEN_STATUSES, RUN_STATUSES, type RunStatus } from "../core/status.ts";
import { recordingOf } from "../engine/recording.ts";
import type { Registry } from "../engine/registry.ts";
import { Replayer, type ReplayerOptions } from "../engine/replayer.ts";
import type { Replayed } from "../engine/replaying.ts";
import type { LoadedRun, RunRow, Store } from "../store/store.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";

/** Options of `engine.replayRuns`: which runs. */
export interface ReplayOptions {
  readonly workflow?: string | undefined;
  /** Default: open ones. */
  readonly status?: readonly RunStatus[] | "all" | undefined;
  /** At most this many, newest first. */
  readonly limit?: number | undefined;
}

const OPTIONS: ReadonlySet<string> = optionNames<ReplayOptions>({ workflow: true, status: true, limit: true });

/** @throws PerdureError `INVALID_ARGUMENT` */
export function checkReplay(options: ReplayOptions): void {
  checkOptions(options, OPTIONS, "replayRuns()");
  const { workflow, status = "all", limit } = options;
  checkKind(workflow, "string", "workflow");
  checkCount(limit, "limit");
  if (status === "all") return;
  if (!Array.isArray(status))
    throw new PerdureError("INVALID_ARGUMENT", 'status of replayRuns() is "all" or a list of statuses');
  for (const one of status) checkWord(one ?? null, RUN_STATUSES, "status");
}

/** Which runs to replay. */
export interface ReplayFilter extends ReplayOptions {
  /** Only these, by number. */
  readonly runs?: readonly number[] | undefined;
}

/** What was found about one run. */
export interface ReplayReport {
  readonly workflow: string;
  readonly version: string | undefined;
  readonly workflowId: string;
  readonly runId: string;
  readonly status: RunStatus;
  /** Events of its history. */
  readonly length: number;
  /** Whether the code agrees with the history; `no_code` when the code of its version is not here. */
  readonly result: "same" | "different" | "no_code";
  /** Where and why it does not. */
  readonly blockage: Blockage | undefined;
}

/** The code a run is replayed with. */
export interface FoundCode {
  readonly definition: AnyWorkflow;
  readonly registry: Registry;
}

/** Finds the code of a run. */
export type FindCode = (run: Pick<RunRow, "workflow" | "version" | "meta">) => Promise<FoundCode | undefined>;

const PAGE = 100;
/** Events loaded for each run of a page; longer histories are loaded one at a time. */
const SHORT_HISTORY = 500;
/** How often a run that is advanced meanwhile is looked at again. */
const MAX_LOOKS = 3;

/** Replays runs, newest first. Nothing is written and nothing is started. */
export async function* replayRuns(
  store: Store,
  find: FindCode,
  filter: ReplayFilter = {},
  options: ReplayerOptions = {},
): AsyncGenerator<ReplayReport, void, undefined> {
  const replayer = new Replayer(options);
  try {
    for await (const runs of pagesOf(store, filter)) {
      const loaded = await store.load(runs, SHORT_HISTORY);
      const short = loaded.filter(({ events }) => events.length < SHORT_HISTORY);
      const reports = await Promise.all(short.map((one) => replayOne(store, replayer, find, one)));
      for (const report of reports) yield report;
      for (const { row, events } of loaded) {
        if (events.length < SHORT_HISTORY) continue;
        const whole = await loadWhole(store, row.run);
        if (whole !== undefined) yield await replayOne(store, replayer, find, whole);
      }
    }
  } finally {
    replayer.close();
  }
}

async function* pagesOf(
  store: Store,
  { workflow, status = OPEN_STATUSES, runs, limit }: ReplayFilter,
): AsyncGenerator<number[]> {
  if (runs !== undefined) {
    yield [...runs];
    return;
  }
  let left = limit ?? Number.POSITIVE_INFINITY;
  let before: number | undefined;
  while (left > 0) {
    const rows = await store.list({
      limit: Math.min(PAGE, left),
      ...(status !== "all" && { status }),
      ...(workflow !== undefined && { workflow }),
      ...(before !== undefined && { before }),
    });
    if (rows.length === 0) return;
    yield rows.map(({ run }) => run);
    before = rows.at(-1)!.run;
    left -= rows.length;
  }
}

async function loadWhole(store: Store, run: number): Promise<LoadedRun | undefined> {
  return (await store.load([run], Number.MAX_SAFE_INTEGER))[0];
}

async function replayOne(store: Store, replayer: Replayer, find: FindCode, loaded: LoadedRun): Promise<ReplayReport> {
  const { row, events } = loaded;
  const report = {
    workflow: row.workflow,
    version: row.version ?? undefined,
    workflowId: row.workflowId,
    runId: formatRunId(store.id, row.run),
    status: row.status,
    length: events.length,
  };
  const code = await find(row);
  if (code === undefined) return { ...report, result: "no_code", blockage: undefined };
  const replayed = await replaySettled(store, replayer, code, loaded);
  return replayed.ok
    ? { ...report, result: "same", blockage: undefined }
    : { ...report, result: "different", blockage: replayed.blockage };
}

/** A run that somebody advances may have been read in two halves: a difference counts when it is there again. */
async function replaySettled(
  store: Store,
  replayer: Replayer,
  { definition, registry }: FoundCode,
  first: LoadedRun,
): Promise<Replayed> {
  let loaded = first;
  for (let look = 1; ; look++) {
    const replayed = await replayer.replay(recordingOf(store.id, loaded), definition, registry);
    if (replayed.ok || loaded.row.closedAt !== null || loaded.row.owner === null || look === MAX_LOOKS) return replayed;
    const again = await loadWhole(store, loaded.row.run);
    if (again === undefined) return replayed;
    loaded = again;
  }
}
