/**
 * Deletes runs that ended long ago, archived first if that is wanted: a few at a time, oldest first, in short transactions,
 * with pauses in between, so that engines hardly notice. It stops wherever it is told to and begins anew as if nothing had been.
 *
 * Owner: an engine's retention, or `perdure gc`. Several may work at a time: a run is deleted once, and archived at least once.
 */
import { CLOSED_STATUSES, type ClosedStatus } from "../core/status.ts";
import type { RunFilter, RunRow, Store } from "../store/store.ts";
import { ArchiveFolder } from "./archive-folder.ts";
import { type ArchivedRun, archiveLine, type ReadRun, RunReader } from "./archived-run.ts";

/**
 * Where runs go before they are deleted: a folder, or a function that resolves once a run is safe. `line` is the run as one line of
 * JSON, which `perdure replay --history` and the test kit read.
 *
 * @example
 * open({ retention: { default: "30d" }, archive: async (run, line) => bucket.put(`${run.workflow}/${run.runId}.jsonl`, line) })
 */
export type Archive = string | ((run: ArchivedRun, line: string) => unknown);

/** Which runs to delete. Only closed ones are. */
export interface Wanted extends Pick<RunFilter, "workflow" | "tags" | "since"> {
  /** Default: every way to end. */
  readonly status?: readonly ClosedStatus[];
  readonly closedBefore: number;
  /** Leaves out what the filter cannot say. */
  meant?(row: RunRow): boolean;
}

/** How to go about it. */
export interface Pace {
  /** At most this many runs. Default all. */
  readonly limit?: number;
  /** Asked between batches: false stops. */
  goOn?(): boolean | Promise<boolean>;
  /** Told after each batch how many are gone in all. */
  onBatch?(collected: Collected): void;
  /** Waits. */
  rest(ms: number): Promise<void>;
  /** Milliseconds from an arbitrary start. */
  monotonic(): number;
}

/** What became of it. */
export interface Collected {
  readonly deleted: number;
  readonly archived: number;
  /** Runs that stay because the archive refused them. */
  readonly refused: number;
  /** The first such refusal. */
  readonly error: Error | undefined;
}

/** Runs of a batch, and events of their histories; a longer history is a batch of its own. */
const BATCH = 1000;
const BATCH_EVENTS = 20_000;
/** Numbers of runs looked at with one question. */
const SPAN = 10_000;
/** Share of the time of a batch that is rested after it. */
const REST_SHARE = 0.25;
const MIN_REST_MS = 1;
/** However long a batch took: the process may have been frozen meanwhile. */
const MAX_REST_MS = 1000;
/** Runs given to the function of an archive at a time. */
const AT_ONCE = 8;
/** After so many refusals without a success the archive is taken for broken. */
const MAX_REFUSALS = 20;

export class Collector {
  readonly #store: Store;
  readonly #archive: Archive | undefined;
  readonly #folder: ArchiveFolder | undefined;
  readonly #reader: RunReader;
  #deleted = 0;
  #archived = 0;
  #refused = 0;
  #refusedInARow = 0;
  #error: Error | undefined;

  constructor(store: Store, archive: Archive | undefined) {
    this.#store = store;
    this.#archive = archive;
    this.#folder = typeof archive === "string" ? new ArchiveFolder(archive) : undefined;
    this.#reader = new RunReader(store);
  }

  /** What was done so far. */
  get collected(): Collected {
    return { deleted: this.#deleted, archived: this.#archived, refused: this.#refused, error: this.#error };
  }

  /** Deletes what is wanted. @throws PerdureError `UNAVAILABLE` when the folder of the archive or the store cannot be written. */
  async collect(wanted: Wanted, pace: Pace): Promise<Collected> {
    for await (const batch of ahead(this.#read(wanted, pace.limit ?? Number.POSITIVE_INFINITY))) {
      const from = pace.monotonic();
      await this.#finish(batch);
      pace.onBatch?.(this.collected);
      if (this.#refusedInARow >= MAX_REFUSALS || (await pace.goOn?.()) === false) break;
      const restMs = (pace.monotonic() - from) * REST_SHARE;
      await pace.rest(Math.min(Math.max(MIN_REST_MS, restMs), MAX_REST_MS));
    }
    return this.collected;
  }

  async *#read(wanted: Wanted, limit: number): AsyncGenerator<Batch, void, undefined> {
    let left = limit;
    for await (const page of ahead(pagesOf(this.#store, wanted))) {
      const rows = page.slice(0, left);
      left -= rows.length;
      if (this.#archive === undefined) yield rows;
      else for (const some of byLength(rows)) yield await this.#reader.read(some);
      if (left <= 0) return;
    }
  }

  async #finish(batch: Batch): Promise<void> {
    const safe = this.#archive === undefined ? batch : await this.#keep(batch as readonly ReadRun[]);
    if (this.#archive !== undefined) this.#archived += safe.length;
    if (safe.length > 0) this.#deleted += (await this.#store.purge(safe)).length;
  }

  /** Those that are in the archive now. */
  async #keep(runs: readonly ReadRun[]): Promise<readonly ReadRun[]> {
    if (this.#folder !== undefined) {
      await this.#folder.keep(runs.map(({ archived }) => archived));
      return runs;
    }
    const safe: ReadRun[] = [];
    for (let at = 0; at < runs.length && this.#refusedInARow < MAX_REFUSALS; at += AT_ONCE) {
      const some = runs.slice(at, at + AT_ONCE);
      const kept = await Promise.all(some.map((one) => this.#give(one)));
      safe.push(...some.filter((_, index) => kept[index]));
    }
    return safe;
  }

  async #give({ archived }: ReadRun): Promise<boolean> {
    try {
      await (this.#archive as Exclude<Archive, string>)(archived, archiveLine(archived));
      this.#refusedInARow = 0;
      return true;
    } catch (error) {
      this.#refused++;
      this.#refusedInARow++;
      this.#error ??= error instanceof Error ? error : new Error(String(error));
      return false;
    }
  }
}

/** Runs to be deleted; with an archive, whole. */
type Batch = readonly Pick<RunRow, "run" | "length">[] | readonly ReadRun[];

/** The same, the next one being made while the last is at work: a busy store lets everybody wait a while. */
async function* ahead<T>(source: AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
  let next = source.next();
  try {
    for (;;) {
      const { value, done } = await next;
      if (done === true) return;
      next = source.next();
      next.catch(() => {});
      yield value;
    }
  } finally {
    await next.catch(() => {});
    await source.return();
  }
}

/** Splits a page so that its histories fit into memory. */
function* byLength(rows: readonly RunRow[]): Generator<RunRow[]> {
  let some: RunRow[] = [];
  let events = 0;
  for (const row of rows) {
    if (some.length > 0 && events + row.length > BATCH_EVENTS) {
      yield some;
      some = [];
      events = 0;
    }
    some.push(row);
    events += row.length;
  }
  if (some.length > 0) yield some;
}

/** How many runs are wanted, at most `limit`. */
export async function countWanted(
  store: Store,
  wanted: Wanted,
  limit: number = Number.POSITIVE_INFINITY,
): Promise<number> {
  let count = 0;
  for await (const rows of pagesOf(store, wanted)) {
    count += rows.length;
    if (count >= limit) return limit;
  }
  return count;
}

/**
 * Runs that are wanted, oldest first. The table is read in spans of a bounded size, so that no question takes long; a run ends after it was
 * created and numbers ascend, so nothing is looked at behind the first span that begins too late.
 */
async function* pagesOf(
  store: Store,
  { meant, status = CLOSED_STATUSES, ...filter }: Wanted,
): AsyncGenerator<RunRow[]> {
  for (let after = 0; ; ) {
    const [first] = await store.list({ after, limit: 1 });
    if (first === undefined || first.createdAt >= filter.closedBefore) return;
    const before = first.run + SPAN;
    after = first.run - 1;
    for (;;) {
      const rows = await store.list({ ...filter, status, after, before, limit: BATCH });
      const chosen = meant === undefined ? rows : rows.filter((row) => meant(row));
      if (chosen.length > 0) yield chosen;
      if (rows.length < BATCH) break;
      after = rows.at(-1)!.run;
    }
    after = before - 1;
  }
}
