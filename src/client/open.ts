/** `open`: an engine in this process, and the handles to everything in its store. */
import { createHmac, randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { type Duration, durationMs } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import { formatRunId, MAX_NAME, parseRunId } from "../core/ids.ts";
import { encodePayload, type PayloadCodec } from "../core/payload.ts";
import { isClosed, type RunStatus } from "../core/status.ts";
import { type Clock, systemClock } from "../engine/clock.ts";
import { Engine } from "../engine/engine.ts";
import { stderrLogger } from "../engine/log.ts";
import type { Observer } from "../engine/observers.ts";
import { type ActivitySet, Registry } from "../engine/registry.ts";
import { DEFAULT_STORE, openStore } from "../store/open.ts";
import { createSealer } from "../store/sealing.ts";
import type { EventRow, RunRow, Store } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { AnyWorkflow, Workflow } from "../workflow/workflow.ts";
import { describeRun, type HandleHost, type RunDescription, RunHandle } from "./run-handle.ts";

/** Options of {@link open}. */
export interface OpenOptions {
  /** `sqlite:PATH`, `memory:`, a path, or a store. Default `PERDURE_STORE`, else `sqlite:.perdure/store.db`. */
  readonly store?: string | Store;
  /** Workflows, flows and graphs this engine advances. Without any it only starts nothing and reads. */
  readonly workflows?: readonly AnyWorkflow[];
  /** Activities called by name. Those used by reference need no list. */
  readonly activities?: ActivitySet;
  /** Reaches activities as `ctx.deps`. */
  readonly deps?: unknown;
  /** Default: warnings and errors on standard error. */
  readonly logger?: Logger;
  readonly observers?: readonly Observer[];
  /** Compresses or encrypts payloads. */
  readonly codec?: PayloadCodec;
  /** SQLite only. `relaxed` survives crashes of the process but may lose the last commits when the machine dies. Default `full`. */
  readonly durability?: "full" | "relaxed";
  /** After this long without a sign of life an engine is taken for dead. Default 10 s. */
  readonly leaseTtl?: Duration;
  /** Parked runs kept in memory, ready to go on without a replay. Default 500. */
  readonly warmRuns?: number;
  /**
   * Which runs to advance: `all` that are due (default), or only the `own` ones: started through this engine, or asked for with
   * `handle(id)`. For programs that exist for one run.
   */
  readonly claims?: "all" | "own";
  /** How often to look for work that no hint announced. Default 1 s. */
  readonly poll?: Duration;
  /** Replaces time, for tests and simulation. */
  readonly clock?: Clock;
}

/** Options of {@link Perdure.start}. */
export interface StartOptions {
  /** Business identity of the run; default a UUID. */
  readonly id?: string;
  /** What to do when the id belongs to a run that has ended. Default `allow`. */
  readonly reuse?: "allow" | "failed-only" | "reject";
  /** What to do when the id belongs to an open run. Default `fail`. */
  readonly conflict?: "fail" | "attach" | "terminate";
  /** Starting again with this key is the same start; with another input it is an error. Without `id` it is the id too. */
  readonly idempotencyKey?: string;
  /** Begin later. */
  readonly delay?: Duration;
  /** Longest life of the run, waits included. */
  readonly timeout?: Duration;
  /** Visible to activities as `ctx.secrets`, stored encrypted, never in a history. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** JSON kept beside the run for people and tools. */
  readonly meta?: Readonly<Record<string, unknown>>;
}

/** Which runs to list. */
export interface ListOptions {
  readonly workflow?: string;
  readonly status?: RunStatus | readonly RunStatus[];
  /** Created at or after: epoch milliseconds or Date. */
  readonly since?: number | Date;
  /** At most this many, newest first. Default 100, at most 1000. */
  readonly limit?: number;
  /** Cursor: the runId of the last run of the page before. */
  readonly before?: string;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/;

/**
 * Opens the store and starts an engine on it.
 *
 * @throws PerdureError `INVALID_ARGUMENT` for bad options, `UNAVAILABLE` or `INCOMPATIBLE_STORE` for a store that cannot be used.
 *
 * @example
 * await using engine = await open({ store: "sqlite:app.db", workflows: [welcome] });
 * const handle = await engine.start(welcome, "42", { id: "welcome-42" });
 * console.log(await handle.result());
 */
export async function open(options: OpenOptions = {}): Promise<Perdure> {
  const workflows = options.workflows ?? [];
  const registry = new Registry(workflows, options.activities ?? []);
  for (const workflow of workflows) workflow.check?.(registry);
  const target = options.store ?? process.env.PERDURE_STORE ?? DEFAULT_STORE;
  const owned = typeof target === "string";
  const store = owned ? await openStore(target, { durability: options.durability ?? "full" }) : target;
  const sealer = createSealer(target);
  const engine = new Engine({
    store,
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
    seal: sealer.seal,
    unseal: sealer.unseal,
  });
  try {
    await engine.open();
  } catch (error) {
    if (owned) await store.close();
    throw error;
  }
  return new Perdure(engine, store, owned, options.clock ?? systemClock, registry);
}

/** An engine, and handles to every run of its store. Made by {@link open}. */
export class Perdure implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #store: Store;
  readonly #ownsStore: boolean;
  readonly #clock: Clock;
  readonly #registry: Registry;
  readonly #waiting = new Map<number, Set<(last?: EventRow) => void>>();
  readonly #host: HandleHost;
  readonly #unwatch: () => void;
  readonly runs: Runs;

  constructor(engine: Engine, store: Store, ownsStore: boolean, clock: Clock, registry: Registry) {
    this.#engine = engine;
    this.#store = store;
    this.#ownsStore = ownsStore;
    this.#clock = clock;
    this.#registry = registry;
    this.#host = {
      store,
      codec: engine.codec,
      now: () => clock.now(),
      hint: (run) => engine.hint(run),
      active: (run) => engine.advances(run),
      changed: (run, ms) => this.#changed(run, ms),
    };
    engine.onClosed(({ run, last }) => {
      for (const wake of [...(this.#waiting.get(run) ?? [])]) wake(last);
    });
    this.#unwatch = store.watch(() => {
      for (const wakers of [...this.#waiting.values()]) for (const wake of [...wakers]) wake();
    });
    this.runs = new Runs(this.#host);
  }

  #changed(run: number, ms: number): Promise<EventRow | undefined> {
    return new Promise((resolve) => {
      const wakers = this.#waiting.get(run) ?? new Set();
      this.#waiting.set(run, wakers);
      const wake = (last?: EventRow): void => {
        cancel();
        wakers.delete(wake);
        if (wakers.size === 0) this.#waiting.delete(run);
        resolve(last);
      };
      const cancel = this.#clock.after(ms, () => wake());
      wakers.add(wake);
    });
  }

  /**
   * Starts a run and returns its handle once the start is durable.
   *
   * @throws PerdureError `ALREADY_EXISTS`, `CONFLICT`, `INVALID_ARGUMENT`, `NOT_FOUND` (a name this engine does not know),
   *   `PAYLOAD_TOO_LARGE`, `UNSERIALISABLE`.
   */
  start<I, O>(
    workflow: Workflow<I, O>,
    ...args: undefined extends I ? [input?: I, options?: StartOptions] : [input: I, options?: StartOptions]
  ): Promise<RunHandle<O>>;
  start<O = unknown>(workflow: string, input?: unknown, options?: StartOptions): Promise<RunHandle<O>>;
  async start<O>(workflow: AnyWorkflow | string, input?: unknown, options: StartOptions = {}): Promise<RunHandle<O>> {
    const name = typeof workflow === "string" ? workflow : workflow.name;
    const definition = this.#registry.workflow(name);
    if (definition === undefined) {
      throw new PerdureError(
        "NOT_FOUND",
        `no workflow ${JSON.stringify(name)} is registered with this engine; it has ${this.#registry.workflowNames.join(", ") || "none"}`,
      );
    }
    const workflowId = options.id ?? options.idempotencyKey ?? randomUUID();
    if (workflowId === "" || workflowId.length > MAX_NAME || CONTROL.test(workflowId))
      throw new PerdureError(
        "INVALID_ARGUMENT",
        `a workflow id must have 1 to ${MAX_NAME} characters, none of them control characters`,
      );
    return this.#start(definition, workflowId, input, options) as Promise<RunHandle<O>>;
  }

  async #start(workflow: AnyWorkflow, workflowId: string, input: unknown, options: StartOptions): Promise<RunHandle> {
    const request =
      options.idempotencyKey === undefined ? null : this.#request(options.idempotencyKey, workflow.name, input);
    let supersedes: number | null = null;
    for (;;) {
      const result = await this.#engine.start({
        workflow,
        workflowId,
        input,
        delayMs: options.delay === undefined ? 0 : durationMs(options.delay, "delay"),
        timeoutMs: options.timeout === undefined ? workflow.timeoutMs : durationMs(options.timeout, "timeout"),
        secrets: options.secrets ?? {},
        meta: options.meta === undefined ? null : JSON.stringify(options.meta),
        request,
        supersedes,
      });
      if ("run" in result) return new RunHandle(this.#host, workflowId, result.run);
      const attached = await this.#conflict(result.conflict, workflow, request, options);
      if (attached) {
        this.#engine.hint(result.conflict.run);
        return new RunHandle(this.#host, workflowId, result.conflict.run);
      }
      supersedes = result.conflict.run;
    }
  }

  /** A run has the id already. True: that one is meant. False: it may be replaced. */
  async #conflict(row: RunRow, workflow: AnyWorkflow, request: string | null, options: StartOptions): Promise<boolean> {
    const { workflowId } = row;
    if (request !== null && row.request !== null && request.split(":")[0] === row.request.split(":")[0]) {
      if (request === row.request) return true;
      throw new PerdureError(
        "CONFLICT",
        `the idempotency key of ${workflowId} was used before with another workflow or input`,
        { details: { workflowId } },
      );
    }
    if (!isClosed(row.status)) return this.#openConflict(row, workflow, options);
    const reuse = options.reuse ?? "allow";
    if (reuse === "allow" || (reuse === "failed-only" && row.status !== "completed")) return false;
    throw new PerdureError("ALREADY_EXISTS", `${workflowId} has run before (${row.status}) and reuse is ${reuse}`, {
      details: { workflowId, status: row.status },
    });
  }

  async #openConflict(row: RunRow, workflow: AnyWorkflow, options: StartOptions): Promise<boolean> {
    const { workflowId } = row;
    if (options.conflict === "attach") {
      if (row.workflow === workflow.name) return true;
      throw new PerdureError("CONFLICT", `${workflowId} is a run of ${row.workflow}, not of ${workflow.name}`, {
        details: { workflowId },
      });
    }
    if (options.conflict !== "terminate") {
      throw new PerdureError(
        "ALREADY_EXISTS",
        `a run with the id ${workflowId} is open (${row.status}); use conflict: "attach" to get its handle, or "terminate" to replace it`,
        {
          details: { workflowId, status: row.status },
        },
      );
    }
    const handle = new RunHandle(this.#host, workflowId, row.run);
    await handle.terminate("replaced by a new start");
    while (!isClosed(await handle.status())) await this.#changed(row.run, 50);
    return false;
  }

  /** Rule 28: a keyed hash of what is asked for, kept as long as the run. */
  #request(key: string, workflow: string, input: unknown): string {
    const mac = (text: string): string => createHmac("sha256", this.#store.id).update(text).digest("hex").slice(0, 32);
    return `${mac(key)}:${mac(`${workflow}\n${encodePayload(input)}`)}`;
  }

  /**
   * The handle of a run, by workflow id or run id. An engine opened with `claims: "own"` advances the run from then on.
   *
   * @throws PerdureError `NOT_FOUND`.
   */
  async handle<O = unknown>(id: string): Promise<RunHandle<O>> {
    const handle = await this.runs.handle<O>(id);
    this.#engine.hint(parseRunId(this.#store.id, handle.runId));
    return handle;
  }

  /** How many runs this engine holds in memory. */
  get inMemory(): { active: number; warm: number } {
    return this.#engine.inMemory;
  }

  /** Stops this engine. Its open runs are handed over at once; nothing is lost. */
  async close(): Promise<void> {
    await this.#engine.close();
    this.#unwatch();
    if (this.#ownsStore) await this.#store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Reading and finding runs. */
export class Runs {
  readonly #host: HandleHost;

  constructor(host: HandleHost) {
    this.#host = host;
  }

  /** The handle of a run, by workflow id or run id. @throws PerdureError `NOT_FOUND`. */
  async handle<O = unknown>(id: string): Promise<RunHandle<O>> {
    const { store } = this.#host;
    const number = parseRunId(store.id, id);
    const row =
      (await store.find({ workflowId: id })) ?? (number === undefined ? undefined : await store.find({ run: number }));
    if (row === undefined)
      throw new PerdureError("NOT_FOUND", `there is no run ${JSON.stringify(id)} in this store`, { details: { id } });
    return new RunHandle<O>(this.#host, row.workflowId, row.run);
  }

  /** Runs, newest first. */
  async list(options: ListOptions = {}): Promise<RunDescription[]> {
    const { store } = this.#host;
    const { workflow, status, since, before } = options;
    const rows = await store.list({
      limit: Math.min(Math.max(1, options.limit ?? 100), 1000),
      ...(workflow !== undefined && { workflow }),
      ...(status !== undefined && { status: typeof status === "string" ? [status] : status }),
      ...(since !== undefined && { since: typeof since === "number" ? since : since.getTime() }),
      ...(before !== undefined && { before: parseRunId(store.id, before) ?? 0 }),
    });
    return rows.map((row) => describeRun(row, [], formatRunId(store.id, row.run), undefined));
  }
}
