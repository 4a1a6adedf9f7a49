/** Limits of queues as they are given to `open`. */
import { type Duration, durationMs } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import type { QueueLimits, QueueSet } from "../engine/slots.ts";

/** Limits of the activities of a queue. They count in one engine, but for `everywhere`. */
export interface QueueOptions {
  /** At most this many attempts run at a time. Default: no limit. */
  readonly concurrency?: number;
  /** At most this many attempts start within `per`. Default: no limit. */
  readonly rate?: number;
  /** Span of `rate`. Default 1 s. */
  readonly per?: Duration;
  /**
   * At most this many attempts run at a time in all of the store, on all of its engines together. It is kept in the store: the engine that
   * opened last decides, and it stays when this is left out. `null` takes it away.
   */
  readonly everywhere?: number | null;
}

/** Starts within a span are remembered one by one. */
const MAX_RATE = 1_000_000;

/** Checks and completes limits. @throws PerdureError `INVALID_ARGUMENT` naming the queue. */
export function queueSet(queues: Readonly<Record<string, QueueOptions>> = {}): QueueSet {
  const all = Object.entries(queues).map(([name, options]) => [name, limitsOf(name, options)] as const);
  return new Map(all.filter(([, { concurrency, rate }]) => Number.isFinite(concurrency) || rate !== undefined));
}

/** The limits in all of the store that are said. @throws PerdureError `INVALID_ARGUMENT` naming the queue. */
export function storeLimits(queues: Readonly<Record<string, QueueOptions>> = {}): ReadonlyMap<string, number | null> {
  const limits = new Map<string, number | null>();
  for (const [name, { everywhere }] of Object.entries(queues)) {
    if (everywhere === undefined) continue;
    limits.set(name, everywhere === null ? null : count(name, "everywhere", everywhere));
  }
  return limits;
}

/** Checks names of queues. @throws PerdureError `INVALID_ARGUMENT` */
export function servedQueues(serves: readonly string[] | undefined): readonly string[] | undefined {
  const wrongName = serves?.find((name) => typeof name !== "string" || name === "" || name.includes("/"));
  if (wrongName === undefined) return serves === undefined ? undefined : [...new Set(serves)].sort();
  throw new PerdureError(
    "INVALID_ARGUMENT",
    `open({ serves }): ${JSON.stringify(wrongName)} is no name of a queue: that is what stands before the slash in the name of an activity`,
  );
}

function limitsOf(name: string, options: QueueOptions): QueueLimits {
  const { concurrency, rate, per } = options;
  const unknown = Object.keys(options).find((key) => !["concurrency", "rate", "per", "everywhere"].includes(key));
  if (unknown !== undefined)
    throw wrong(name, `has no option ${unknown}; it may have concurrency, rate, per and everywhere`);
  if (name === "" || name.includes("/"))
    throw wrong(name, "is no name of a queue: that is what stands before the slash in the name of an activity");
  if (per !== undefined && rate === undefined) throw wrong(name, "has per without rate: rate starts per span");
  return {
    concurrency: concurrency === undefined ? Number.POSITIVE_INFINITY : count(name, "concurrency", concurrency),
    rate:
      rate === undefined
        ? undefined
        : { starts: count(name, "rate", rate), perMs: durationMs(per ?? "1s", `per of queue ${name}`) },
  };
}

function count(queue: string, what: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0 && value <= MAX_RATE) return value;
  throw wrong(queue, `has the ${what} ${String(value)}; it must be a whole number from 1 to ${MAX_RATE}`);
}

function wrong(queue: string, what: string): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", `open({ queues }): ${JSON.stringify(queue)} ${what}`);
}
