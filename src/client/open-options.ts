/** What `open` takes, and what an engine is made of it. */
import { hostname } from "node:os";
import { type Duration, durationMs } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import { described } from "../core/foreign.ts";
import { checkKind, checkOptions, checkWord, optionNames } from "../core/options.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { type Clock, systemClock } from "../engine/clock.ts";
import type { Archive } from "../engine/collector.ts";
import type { EngineConfig } from "../engine/engine-config.ts";
import type { GuardMode } from "../engine/guard/guard.ts";
import { stderrLogger } from "../engine/log.ts";
import type { Observer } from "../engine/observers.ts";
import { type ActivitySet, Registry } from "../engine/registry.ts";
import type { Sealer } from "../store/sealing.ts";
import type { Store } from "../store/store.ts";
import { isActivity } from "../workflow/activity.ts";
import type { Logger } from "../workflow/logger.ts";
import type { Retention as RetentionOption } from "../workflow/retention.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import { type QueueOptions, queueSet, servedQueues, storeLimits } from "./queue-options.ts";

/** Options of `open`. */
export interface OpenOptions {
  /** `sqlite:PATH`, a path, `postgres://…`, `memory:`, or a store. Default `PERDURE_STORE`, else `sqlite:.perdure/store.db`. */
  readonly store?: string | Store;
  /** Workflows, flows and graphs this engine advances. Without any it only starts nothing and reads. */
  readonly workflows?: readonly AnyWorkflow[];
  /**
   * Version that new starts of a workflow get, by its name, when several are given: `{ order: "2" }`. Default: the one that stands last in
   * `workflows`. A start by reference or with `version` says which itself.
   */
  readonly routes?: Readonly<Record<string, string>>;
  /** Activities called by name. Those used by reference need no list. */
  readonly activities?: ActivitySet;
  /**
   * Queues whose activities run in this engine: `["etl", "gpu"]`. Attempts of other queues are handed out to engines that serve them and have
   * the activity, wherever their run is advanced. Default: all queues. `[]`: none.
   */
  readonly serves?: readonly string[];
  /** Reaches activities as `ctx.deps`. */
  readonly deps?: unknown;
  /** Default: warnings and errors on standard error. */
  readonly logger?: Logger;
  readonly observers?: readonly Observer[];
  /** Compresses or encrypts payloads. */
  readonly codec?: PayloadCodec;
  /** SQLite only. `relaxed` survives crashes of the process but may lose the last commits when the machine dies. Default `full`. */
  readonly durability?: "full" | "relaxed";
  /**
   * Whether a store that is not there is made, and one of an older version brought up to date; else it is refused. Default true. False where
   * only deploys may do that, with `perdure migrate`.
   */
  readonly migrate?: boolean;
  /** After this long without a sign of life an engine is taken for dead. Default 10 s. */
  readonly leaseTtl?: Duration;
  /** Parked runs kept in memory, ready to go on without a replay. Default 500. */
  readonly warmRuns?: number;
  /**
   * Which runs to advance: `all` that are due (default), or only the `own` ones: started through this engine, or asked for with
   * `handle(id)`. For programs that exist for one run: they leave schedules and retention to others.
   */
  readonly claims?: "all" | "own";
  /**
   * What happens when workflow code uses something that does not replay (a timer, the network, a file, `process.env`): `error`
   * (default) throws and names the line and the alternative, `warn` logs that once per place. Both make `Date`, `Math.random` and
   * `crypto.randomUUID` answer the same on replay; `off` leaves everything alone.
   */
  readonly guard?: GuardMode;
  /**
   * Limits of queues, by name: `{ etl: { concurrency: 4, rate: 10, per: "1s" } }`. Activity `etl/extract` is on queue `etl`, one whose name
   * has no slash on queue `default`. They count in this engine; `everywhere` counts in all of the store.
   */
  readonly queues?: Readonly<Record<string, QueueOptions>>;
  /**
   * How long runs are kept after their end, by the name of their workflow, `default` for all others: `{ default: "30d", audit: "2000d" }`,
   * `"30d"` for all, or by the way they ended: `{ etl: { completed: "7d", failed: "90d" } }`. Counts more than what workflows say
   * themselves. Default: for ever.
   */
  readonly retention?: Duration | Readonly<Record<string, RetentionOption>>;
  /** Where runs go before retention deletes them: a folder, or a function. Default: nowhere. */
  readonly archive?: Archive;
  /** How often to look for work that no hint announced. Default 1 s. */
  readonly poll?: Duration;
  /** Replaces time, for tests and simulation. */
  readonly clock?: Clock;
}

const OPEN: ReadonlySet<string> = optionNames<OpenOptions>({
  store: true,
  workflows: true,
  routes: true,
  activities: true,
  serves: true,
  deps: true,
  logger: true,
  observers: true,
  codec: true,
  durability: true,
  migrate: true,
  leaseTtl: true,
  warmRuns: true,
  claims: true,
  guard: true,
  queues: true,
  retention: true,
  archive: true,
  poll: true,
  clock: true,
});

/** @throws PerdureError `INVALID_ARGUMENT` */
export function checkOpen(options: OpenOptions): void {
  checkOptions(options, OPEN, "open()");
  checkWord(options.durability, ["full", "relaxed"], "durability");
  checkKind(options.migrate, "boolean", "migrate");
  checkWord(options.claims, ["all", "own"], "claims");
  const { store, workflows = [], activities = [], observers = [], logger } = options;
  if (store !== undefined && typeof store !== "string" && typeof store?.register !== "function")
    throw wrong(`store of open() is an address or a store, not ${described(store)}`);
  if (!Array.isArray(workflows)) throw wrong("workflows of open() is a list: [order]");
  if (!Array.isArray(observers)) throw wrong("observers of open() is a list: [observer]");
  const named = typeof activities === "object" && activities !== null && !Array.isArray(activities);
  if (!named && !(Array.isArray(activities) && activities.every(isActivity)))
    throw wrong("activities of open() is a list of activities, or functions by name: { greet: (name) => … }");
  if (logger === undefined) return;
  const missing = (["debug", "info", "warn", "error"] as const).find((level) => typeof logger?.[level] !== "function");
  if (missing !== undefined) throw wrong(`logger of open() has no function ${missing}`);
}

function wrong(message: string): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", message);
}

/** What an engine of these options has: its workflows and activities. */
export function registryOf(options: OpenOptions): Registry {
  const workflows = options.workflows ?? [];
  const registry = new Registry(workflows, options.activities ?? [], options.routes, servedQueues(options.serves));
  for (const workflow of workflows) workflow.check?.(registry);
  return registry;
}

/** What an engine of these options is made of, but for its store. @throws PerdureError `INVALID_ARGUMENT` */
export function engineSettings(
  options: OpenOptions,
  { registry, sealer }: { readonly registry: Registry; readonly sealer: Sealer },
): Omit<EngineConfig, "store"> {
  return {
    registry,
    clock: options.clock ?? systemClock,
    log: options.logger ?? stderrLogger,
    label: `${hostname()}:${process.pid}`,
    codec: options.codec,
    deps: options.deps,
    observers: options.observers ?? [],
    ttlMs: durationMs(options.leaseTtl ?? "10s", "leaseTtl"),
    pollMs: durationMs(options.poll ?? "1s", "poll"),
    parkAfterMs: 5000,
    warmRuns: options.warmRuns ?? 500,
    claims: options.claims ?? "all",
    guard: options.guard ?? "error",
    seal: sealer.seal,
    unseal: sealer.unseal,
    queues: queueSet(options.queues),
    everywhere: storeLimits(options.queues),
  };
}
