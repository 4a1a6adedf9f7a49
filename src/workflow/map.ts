/** `wf.map`: the same work for many items, some at a time. Written on the public context. */
import { CancelledError } from "../core/cancelled.ts";
import { PerdureError } from "../core/errors.ts";
import { fromFailure, toFailure } from "../core/failure.ts";
import { hasKey, isA, isError } from "../core/foreign.ts";
import { checkWord } from "../core/options.ts";
import { type Activity, isActivity } from "./activity.ts";
import type { MapWork, WorkflowContext } from "./context.ts";
import { isWorkflow, type Workflow } from "./workflow.ts";

export interface MapOptions {
  /** How many items are worked on at a time; `Infinity` for all. Default 100. */
  readonly concurrency?: number;
  /**
   * `fail` (default): the first failure cancels the other items and, once they have cleaned up, rejects; the error gets `.index`.
   * `collect`: every item has its own outcome.
   */
  readonly onError?: "fail" | "collect";
}

/** What became of an item. */
export type Settled<R> =
  | { readonly status: "completed"; readonly value: R }
  | { readonly status: "failed"; readonly error: Error };

/** What is done with an item, written in place. */
export type MapFunction<T, R> = (item: T, index: number) => Promise<R>;
/** What is done with an item, defined elsewhere: the item is its input. */
export type MapTarget<T, R> = Activity<T, R> | Workflow<T, R>;

const ON_ERROR = ["fail", "collect"];
const DEFAULT_CONCURRENCY = 100;

/**
 * Behind `wf.map`: works on items in their order, the next one when one settles, and returns the results in the order of the items.
 * The cancellation of the run or of a scope around is no item's failure: it rejects. `cancelled` says whether the executing code is in one.
 *
 * @throws PerdureError `INVALID_ARGUMENT` for items that are not iterable, other work, or a bad concurrency.
 */
export async function mapItems<T, R>(
  wf: WorkflowContext,
  items: Iterable<T>,
  work: MapWork<T, R>,
  options: MapOptions,
  cancelled: () => boolean,
): Promise<R[] | Settled<R>[]> {
  const all = listed(items);
  checkWord(options.onError, ON_ERROR, "onError");
  const lanes = Math.min(concurrencyOf(options), all.length);
  const run = runnerOf(wf, work);
  const results: (R | Settled<R>)[] = new Array(all.length);
  let next = 0;
  let stopped: { readonly error: unknown } | undefined;
  await wf.scope(async (scope) => {
    const stop = (error: unknown, index: number): void => {
      if (stopped !== undefined) return;
      stopped = { error };
      scope.cancel(`item ${index} failed`);
    };
    const lane = async (): Promise<void> => {
      while (next < all.length && stopped === undefined) {
        const index = next++;
        try {
          const value = await run(all[index] as T, index);
          results[index] = options.onError === "collect" ? { status: "completed", value } : value;
        } catch (error) {
          if (options.onError === "collect" && !(isA(error, CancelledError) && cancelled()))
            results[index] = { status: "failed", error: errorOf(error) };
          else stop(numbered(error, index), index);
        }
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  });
  if (stopped !== undefined) throw stopped.error;
  return results as R[] | Settled<R>[];
}

function listed<T>(items: Iterable<T>): readonly T[] {
  if (typeof (items as Partial<Iterable<T>> | null | undefined)?.[Symbol.iterator] === "function") return [...items];
  throw new PerdureError("INVALID_ARGUMENT", "wf.map: the items must be iterable, such as an array");
}

function concurrencyOf({ concurrency = DEFAULT_CONCURRENCY }: MapOptions): number {
  if (concurrency >= 1 && (Number.isInteger(concurrency) || concurrency === Number.POSITIVE_INFINITY))
    return concurrency;
  throw new PerdureError(
    "INVALID_ARGUMENT",
    `wf.map: concurrency must be a whole number from 1, or Infinity; it is ${String(concurrency)}`,
  );
}

/** Steps for activities and children are named after their item, so that people can tell them apart. */
function runnerOf<T, R>(wf: WorkflowContext, work: MapWork<T, R>): MapFunction<T, R> {
  const at = (name: string, index: number): { label: string } => ({ label: `${name}[${index}]` });
  if (isActivity(work)) return (item, index) => wf.call<unknown, R>(work, item, at(work.activityName, index));
  if (isWorkflow(work)) return (item, index) => wf.child<unknown, R>(work, item, at(work.name, index));
  if (typeof work === "function") return work as MapFunction<T, R>;
  throw new PerdureError("INVALID_ARGUMENT", "wf.map: the work must be a function, an activity or a workflow");
}

/** Says which item failed, where the error takes it. A cancellation is nobody's fault. */
function numbered(error: unknown, index: number): unknown {
  if (!isError(error) || isA(error, CancelledError) || hasKey(error, "index")) return error;
  // Whether it takes it or not.
  Reflect.defineProperty(error, "index", { value: index, writable: true, configurable: true, enumerable: true });
  return error;
}

function errorOf(thrown: unknown): Error {
  return isError(thrown) ? thrown : fromFailure(toFailure(thrown));
}
