/** An engine in this process, and the handles to everything in its store. */
import { isPerdureError } from "../core/errors.ts";
import { parseRunId } from "../core/ids.ts";
import { checkedName, messageNameOf } from "../core/names.ts";
import type { Clock } from "../engine/clock.ts";
import type { Engine } from "../engine/engine.ts";
import type { Registry } from "../engine/registry.ts";
import type { Retention } from "../engine/retention.ts";
import type { Sealer } from "../store/sealing.ts";
import type { EventRow, Store } from "../store/store.ts";
import { type AnyEntity, type EntityClient, entityClient, entityId } from "../workflow/entity.ts";
import type { AnyWorkflow, Workflow } from "../workflow/workflow.ts";
import type { HandleHost, Waits } from "./handle-host.ts";
import { type Pause, PauseControl, type PauseTarget } from "./pause-control.ts";
import { listQueues, type QueueStatus } from "./queues.ts";
import { checkReplay, type FindCode, type ReplayOptions, type ReplayReport, replayRuns } from "./replays.ts";
import type { RunHandle } from "./run-handle.ts";
import { Runs } from "./runs.ts";
import { Schedules } from "./schedules.ts";
import { sentPayload, startInput } from "./sent-value.ts";
import { type StartOptions, Starts, type WithPayload, type WithSignal, type WithUpdate } from "./starts.ts";
import { Tokens } from "./tokens.ts";

/** How often an operation is sent to entities that are just ending. */
const MAX_OPERATION_TRIES = 10;

/** What is asked of an engine here. */
export type AskedEngine = Pick<
  Engine,
  | "codec"
  | "hint"
  | "advances"
  | "query"
  | "onClosed"
  | "start"
  | "inMemory"
  | "close"
  | "pausesChanged"
  | "standing"
  | "create"
>;

/** What a {@link Perdure} is made of. */
export interface PerdureParts {
  readonly store: Store;
  readonly registry: Registry;
  readonly sealer: Sealer;
  readonly engine: AskedEngine;
  /** Whether the store is closed with it. */
  readonly ownsStore: boolean;
  readonly clock: Clock;
  readonly waits?: Waits;
  readonly retention?: Retention;
}

/** An engine, and handles to every run of its store. Made by `open`. */
export class Perdure implements AsyncDisposable {
  readonly #engine: AskedEngine;
  readonly #store: Store;
  readonly #ownsStore: boolean;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Set<(last?: EventRow) => void>>();
  readonly #host: HandleHost;
  readonly #unwatch: () => void;
  readonly #starts: Starts;
  readonly #tokens: Tokens;
  readonly #pauses: PauseControl;
  readonly #retention: Retention | undefined;
  readonly #registry: Registry;
  readonly runs: Runs;
  readonly schedules: Schedules;

  constructor({ engine, store, ownsStore, clock, registry, sealer, waits, retention }: PerdureParts) {
    this.#engine = engine;
    this.#retention = retention;
    this.#registry = registry;
    this.#store = store;
    this.#ownsStore = ownsStore;
    this.#clock = clock;
    this.#host = {
      store,
      codec: engine.codec,
      now: () => clock.now(),
      hint: (run) => engine.hint(run),
      active: (run) => engine.advances(run),
      changed: (run, ms) => this.#changed(run, ms),
      query: (run, name, input) => engine.query(run, name, input),
      ...(waits !== undefined && { waits }),
      rewinding: {
        standing: (...of) => engine.standing(...of),
        create: (run) => engine.create(run),
        seal: sealer.seal,
        input: async (row, given) => {
          const definition = await registry.pinned(row.workflow, row.version, store);
          return definition === undefined ? given : startInput(definition, given);
        },
      },
    };
    engine.onClosed(({ run, last }) => {
      for (const wake of [...(this.#waiting.get(run) ?? [])]) wake(last);
    });
    this.#unwatch = store.watch(() => {
      // The end of a run that is advanced here is told by the engine itself.
      for (const [run, wakers] of [...this.#waiting]) if (!engine.advances(run)) for (const wake of [...wakers]) wake();
    });
    this.runs = new Runs(this.#host);
    this.#starts = new Starts(engine, registry, this.#host, sealer.seal);
    this.schedules = new Schedules(this.#host, {
      start: (...of) => engine.start(...of),
      has: (name) => registry.workflow(name) !== undefined,
      input: (name, given) => {
        const definition = registry.workflow(name);
        return definition === undefined ? given : startInput(definition, given);
      },
      names: registry.workflowNames,
    });
    this.#tokens = new Tokens(this.#host, sealer, (activity) => registry.outputOf(activity));
    this.#pauses = new PauseControl({ store, now: () => clock.now(), changed: () => engine.pausesChanged() });
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

  /** Like starting the workflow itself, by the name under which this engine knows it. */
  start<O = unknown>(workflow: string, input?: unknown, options?: StartOptions): Promise<RunHandle<O>>;
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
  async start<O>(workflow: AnyWorkflow | string, input?: unknown, options: StartOptions = {}): Promise<RunHandle<O>> {
    const { transaction } = options;
    if (transaction !== undefined)
      return (await this.#starts.ask(workflow, input, { ...options, transaction })) as RunHandle<O>;
    return (await this.#starts.start(workflow, input, options)).handle as RunHandle<O>;
  }

  /**
   * Sends a signal to the open run of an id, or starts a run that has it in its inbox from the beginning.
   *
   * @throws PerdureError as `start` and `handle.signal`.
   */
  async signalWithStart<I, O, T>(
    workflow: Workflow<I, O>,
    input: I,
    sent: StartOptions & WithSignal<T> & WithPayload<T>,
  ): Promise<RunHandle<O>> {
    const { signal, payload, key, ...options } = (sent ?? {}) as StartOptions & WithSignal<T> & { payload?: T };
    const name = messageNameOf(signal, "signal");
    if (key !== undefined) checkedName(key, "the key of a signal");
    const encoded = sentPayload(signal, name, payload, this.#engine.codec);
    const data = typeof encoded === "string" ? encoded : await encoded;
    const message = { kind: "signal" as const, name, data, at: this.#clock.now(), key: key ?? null };
    const { handle } = await this.#starts.deliver(workflow, input, options, message);
    return handle as RunHandle<O>;
  }

  /**
   * Sends an update to the open run of an id, or starts a run that has it in its inbox from the beginning, and waits for its answer.
   *
   * @throws PerdureError as `start` and `handle.update`.
   */
  async updateWithStart<I, O, UI, UO>(
    workflow: Workflow<I, O>,
    input: I,
    sent: StartOptions & WithUpdate<UI, UO> & WithPayload<UI>,
  ): Promise<UO> {
    type Sent = StartOptions & WithUpdate<UI, UO> & { payload?: UI };
    const { update, payload, updateId, updateTimeout, ...options } = (sent ?? {}) as Sent;
    const name = messageNameOf(update, "update");
    if (updateId !== undefined) checkedName(updateId, "the id of an update");
    const encoded = sentPayload(update, name, payload, this.#engine.codec);
    const data = typeof encoded === "string" ? encoded : await encoded;
    const key = updateId === undefined ? null : `update:${updateId}`;
    const message = { kind: "update" as const, name, data, at: this.#clock.now(), key };
    const { handle, number, run } = await this.#starts.deliver(workflow, input, options, message);
    return (await handle.answerTo({ name, run, number }, updateTimeout)) as UO;
  }

  /** The entity of a key: its operations start it when it does not exist yet, its questions do not. */
  entity<E extends AnyEntity>(entity: E, key: string): EntityClient<E> {
    const id = entityId(entity, key);
    return entityClient(entity, {
      update: (name, payload, operation) => this.#operate(entity, id, name, payload, operation.id),
      query: async (name, input) => (await this.handle(id)).query(name, input),
    });
  }

  /** An operation that meets an entity which is just ending was not handled: it goes to the next one. */
  async #operate(entity: AnyEntity, id: string, name: string, payload: unknown, updateId?: string): Promise<unknown> {
    const sent = {
      id,
      update: { kind: "update" as const, name },
      payload,
      ...(updateId !== undefined && { updateId }),
    };
    for (let tries = 1; ; tries++) {
      try {
        return await this.updateWithStart(entity, undefined, sent);
      } catch (error) {
        if (!isPerdureError(error, "RUN_CLOSED") || tries === MAX_OPERATION_TRIES) throw error;
      }
    }
  }

  /**
   * Completes what waits for a token: an attempt that called `ctx.completeLater()`, or a `wf.callback()`.
   *
   * @throws PerdureError `INVALID_ARGUMENT` for what is no token of this store, `RUN_CLOSED`, `NOT_FOUND`.
   */
  async complete(token: string, result?: unknown): Promise<void> {
    await this.#tokens.complete(token, result);
    this.#engine.hint();
  }

  /** Fails the attempt that waits for a token; its retry policy applies. A callback takes no failure. */
  async fail(token: string, error: Error): Promise<void> {
    await this.#tokens.fail(token, error);
    this.#engine.hint();
  }

  /**
   * Stops the runs of a workflow, the activities of a queue, or everything, on every engine of the store, until {@link unpause}. What
   * runs ends; nothing new is started. Starts are accepted and wait.
   *
   * @example
   * await engine.pause({ queue: "mail" }, "the mail server is down");
   */
  async pause(target: PauseTarget, reason = ""): Promise<void> {
    await this.#pauses.pause(target, reason);
  }

  /** Lets go on what was stopped with {@link pause}. @returns false when it was not */
  async unpause(target: PauseTarget): Promise<boolean> {
    return this.#pauses.unpause(target);
  }

  /** What is stopped now. */
  async pauses(): Promise<Pause[]> {
    return this.#pauses.list();
  }

  /** What waits in which queue, and who serves it. */
  async queues(): Promise<QueueStatus[]> {
    return listQueues(this.#store);
  }

  /**
   * Replays runs of the store against the code of this engine, newest first; without `status` the open ones. Nothing is written and no
   * step runs. It is what `perdure replay` does.
   *
   * @throws PerdureError `INVALID_ARGUMENT`.
   *
   * @example
   * for await (const { workflowId, result, blockage } of engine.replayRuns({ workflow: "order", status: "all" }))
   *   if (result === "different") console.log(workflowId, blockage?.message);
   */
  replayRuns(options: ReplayOptions = {}): AsyncGenerator<ReplayReport, void, undefined> {
    checkReplay(options);
    const registry = this.#registry;
    const find: FindCode = async ({ workflow, version }) => {
      const definition = await registry.pinned(workflow, version, this.#store);
      return definition === undefined ? undefined : { definition, registry };
    };
    const { workflow, status, limit } = options;
    return replayRuns(this.#store, find, { workflow, status, limit }, { codec: this.#engine.codec });
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
    await this.#retention?.stop();
    await this.#engine.close();
    this.#unwatch();
    if (this.#ownsStore) await this.#store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
