/**
 * A store as one engine's process sees it: the shared memory store behind a network that delays, loses and fails calls. A call
 * happens at one instant; what the caller learns about it, and when, is another matter.
 *
 * A commit without an answer may still be on its way; `lastBatch` waits for it, as the contract of `Store` demands.
 */
import { PerdureError } from "../../src/core/errors.ts";
import type {
  AnswerRow,
  AttemptRow,
  Batch,
  BatchResult,
  CodeKey,
  DefinitionRow,
  EngineRow,
  EventRow,
  Lease,
  LoadedRun,
  MessageRow,
  NewMessage,
  PauseRow,
  RunFilter,
  RunRow,
  SendResult,
  SizeRow,
  Store,
  WaitingRow,
} from "../../src/store/store.ts";
import type { EffectWatch } from "./effect-watch.ts";
import type { FaultPlan, Operation } from "./faults.ts";
import { INDIGESTIBLE } from "./interpreter.ts";
import type { Oracle } from "./oracle.ts";
import type { Host, World } from "./world.ts";

/** The process behind a {@link FaultStore}. */
export interface StoreUser extends Host {
  /** Engine number of its last lease. */
  lease: number | undefined;
  /** When it last had a reason to forget runs it had in memory. */
  disturbedAt: number;
  crash(): void;
  freeze(ms: number): void;
}

/** What all processes of a simulation share. */
export interface SharedStore {
  readonly base: Store;
  readonly world: World;
  readonly faults: FaultPlan;
  readonly oracle: Oracle;
  readonly effects: EffectWatch;
  /** When the last commit that was sent by an engine reaches the store. */
  readonly commitLandsAt: Map<number, number>;
}

interface CallOptions<T> {
  /** What the trace says of the answer. */
  readonly told?: (value: T) => string;
  /** The earliest time at which the call happens. */
  readonly notBefore?: number;
  /** Engine whose commit this is. */
  readonly lands?: number;
}

export class FaultStore implements Store {
  readonly kind = "simulated";
  readonly #shared: SharedStore;
  readonly #user: StoreUser;

  constructor(shared: SharedStore, user: StoreUser) {
    this.#shared = shared;
    this.#user = user;
  }

  get id(): string {
    return this.#shared.base.id;
  }

  /** Sends one call through the network. `about` is for the trace. */
  #call<T>(
    operation: Operation,
    about: string,
    run: () => Promise<T>,
    { told = () => "", notBefore = 0, lands }: CallOptions<T> = {},
  ): Promise<T> {
    const user = this.#user;
    const { world, faults } = this.#shared;
    if (!user.alive) return new Promise(() => {});
    const fate = faults.fate(operation);
    const id = `${user.name} ${operation}`;
    world.trace(`${id} ${about}${fate.kind === "answer" ? "" : ` [${fate.kind}]`}`);
    if (fate.kind === "crash-before") {
      user.crash();
      return new Promise(() => {});
    }
    if (fate.kind === "freeze-before") user.freeze(fate.freezeMs);
    const requestMs = Math.max(fate.requestMs, notBefore - world.now);
    if (lands !== undefined && fate.kind !== "error") this.#shared.commitLandsAt.set(lands, world.now + requestMs);
    return new Promise<T>((resolve, reject) => {
      const reply = (settle: () => void, ms = fate.replyMs): void => {
        if (ms === 0 && user.alive && !user.frozen) settle();
        else world.after(ms, user, settle);
      };
      const unavailable = (): void => reject(new PerdureError("UNAVAILABLE", `simulated: ${operation} got no answer`));
      if (fate.kind === "error") {
        reply(unavailable);
        return;
      }
      const happen = (): void => {
        run().then(
          (value) => {
            world.trace(`${id} happened ${told(value)}`);
            if (fate.kind !== "lost") reply(() => resolve(value));
          },
          (error: unknown) => {
            world.trace(`${id} refused: ${String(error)}`);
            if (fate.kind !== "lost") reply(() => reject(error));
          },
        );
        if (fate.kind === "crash-after") user.crash();
        if (fate.kind === "freeze-after") user.freeze(fate.freezeMs);
      };
      if (requestMs === 0) happen();
      else world.after(requestMs, undefined, happen);
      if (fate.kind === "lost") reply(unavailable, Math.max(1, fate.replyMs));
    });
  }

  register(params: { readonly label: string; readonly at: number }): Promise<Lease> {
    const { base, oracle } = this.#shared;
    const run = async (): Promise<Lease> => {
      const lease = await base.register(params);
      await oracle.enginesChanged();
      return lease;
    };
    const registered = this.#call("register", params.label, run, { told: (lease) => `engine ${lease.engine}` });
    return registered.then((lease) => {
      if (params.label !== "terminate") this.#user.lease = lease.engine;
      return lease;
    });
  }

  renew(lease: Lease): Promise<boolean> {
    return this.#call("renew", `${lease.engine}`, () => this.#shared.base.renew(lease), { told: String });
  }

  lastBatch(lease: Lease): Promise<number | null> {
    const landed = this.#shared.commitLandsAt.get(lease.engine) ?? 0;
    const known = this.#call("lastBatch", `${lease.engine}`, () => this.#shared.base.lastBatch(lease), {
      told: String,
      notBefore: landed,
    });
    return known.finally(() => this.#disturbed());
  }

  release(lease: Lease, at: number): Promise<void> {
    const { base, oracle } = this.#shared;
    const run = async (): Promise<void> => {
      await base.release(lease, at);
      await oracle.enginesChanged();
    };
    return this.#call("release", `${lease.engine}`, run);
  }

  sweep(params: { readonly ttlMs: number; readonly monotonicMs: number; readonly at: number }): Promise<number> {
    const { base, oracle, faults, world } = this.#shared;
    const run = async (): Promise<number> => {
      // As the contract demands, the time that the call was under way is added.
      const freed = await base.sweep({ ...params, monotonicMs: world.now });
      faults.leasesLost += await oracle.enginesChanged();
      return freed;
    };
    return this.#call("sweep", "", run, { told: (freed) => (freed > 0 ? `freed ${freed}` : "") });
  }

  commit(lease: Lease, batch: Batch): Promise<BatchResult> {
    const { base, oracle } = this.#shared;
    const run = async (): Promise<BatchResult> => {
      if (batch.transitions.some(({ events }) => events.some(isIndigestible)))
        throw new PerdureError("INTERNAL", "simulated: the store cannot keep this");
      const result = await base.commit(lease, batch);
      await oracle.committed(lease, batch, result);
      return result;
    };
    const committed = this.#call("commit", `${lease.engine}#${batch.number}${describeBatch(batch)}`, run, {
      told: describeResult,
      lands: lease.engine,
    });
    committed.catch(() => this.#disturbed());
    return committed;
  }

  /** From a commit in doubt on, until its fate is known, the engine may have to forget what it had begun. */
  #disturbed(): void {
    this.#user.disturbedAt = Math.max(this.#user.disturbedAt, this.#shared.world.now);
  }

  claim(lease: Lease, params: Parameters<Store["claim"]>[1]): Promise<RunRow[]> {
    const told = (rows: RunRow[]): string =>
      rows.map(({ run, crashes }) => `run ${run}${crashes > 0 ? `!${crashes}` : ""}`).join(" ");
    const { base, oracle } = this.#shared;
    const run = async (): Promise<RunRow[]> => {
      const rows = await base.claim(lease, params);
      oracle.claimed(lease, rows);
      return rows;
    };
    return this.#call("claim", `${lease.engine}`, run, { told });
  }

  nextWake(code: readonly CodeKey[]): Promise<number | null> {
    return this.#call("nextWake", "", () => this.#shared.base.nextWake(code), { told: String });
  }

  answer(run: number, number: number): Promise<AnswerRow | undefined> {
    return this.#shared.base.answer(run, number);
  }

  waiting(at: number): Promise<WaitingRow[]> {
    return this.#shared.base.waiting(at);
  }

  sizes(): Promise<SizeRow[]> {
    return this.#shared.base.sizes();
  }

  forgetAnswers(at: number): Promise<number> {
    return this.#shared.base.forgetAnswers(at);
  }

  pauses(): Promise<PauseRow[]> {
    return this.#shared.base.pauses();
  }

  pause(row: PauseRow): Promise<void> {
    return this.#shared.base.pause(row);
  }

  unpause(scope: PauseRow["scope"], name: string): Promise<boolean> {
    return this.#shared.base.unpause(scope, name);
  }

  load(runs: readonly number[], maxEvents: number): Promise<LoadedRun[]> {
    const told = (loaded: LoadedRun[]): string =>
      loaded
        .map(({ row, messages }) => `run ${row.run} owner ${row.owner} inbox ${row.inbox} (${messages.length})`)
        .join(", ");
    return this.#call("load", runs.join(" "), () => this.#shared.base.load(runs, maxEvents), { told });
  }

  owned(lease: Lease): Promise<number[]> {
    return this.#call("owned", `${lease.engine}`, () => this.#shared.base.owned(lease), {
      told: (runs) => runs.join(" "),
    });
  }

  inbox(lease: Lease): Promise<MessageRow[]> {
    const told = (rows: MessageRow[]): string => rows.map(({ run, number }) => `${run}#${number}`).join(" ");
    return this.#call("inbox", `${lease.engine}`, () => this.#shared.base.inbox(lease), { told });
  }

  send(message: NewMessage): Promise<SendResult> {
    const { run, kind, name, data, key } = message;
    return this.#call(
      "send",
      `run ${run} ${kind} ${name} ${data} ${key ?? ""}`,
      () => this.#shared.base.send(message),
      { told: JSON.stringify },
    );
  }

  amend(run: number, from: Parameters<Store["amend"]>[1], to: Parameters<Store["amend"]>[2]): Promise<boolean> {
    return this.#call(
      "amend",
      `run ${run} ${from.join("/")} -> ${to.status}`,
      () => this.#shared.base.amend(run, from, to),
      { told: String },
    );
  }

  remove(run: number): Promise<boolean> {
    return this.#shared.base.remove(run);
  }

  find(by: { readonly run: number } | { readonly workflowId: string }): Promise<RunRow | undefined> {
    const told = (row: RunRow | undefined): string =>
      row === undefined ? "none" : `run ${row.run} ${row.status} owner ${row.owner}`;
    return this.#call("find", JSON.stringify(by), () => this.#shared.base.find(by), { told });
  }

  list(filter: RunFilter): Promise<RunRow[]> {
    return this.#shared.base.list(filter);
  }

  history(run: number, after: number, limit: number): Promise<EventRow[]> {
    return this.#call("history", `run ${run} after ${after}`, () => this.#shared.base.history(run, after, limit), {
      told: (rows) => `${rows.length} events`,
    });
  }

  lastEvent(run: number): Promise<EventRow | undefined> {
    return this.#call("lastEvent", `run ${run}`, () => this.#shared.base.lastEvent(run));
  }

  attempts(run: number): Promise<AttemptRow[]> {
    return this.#shared.base.attempts(run);
  }

  engines(): Promise<EngineRow[]> {
    return this.#shared.base.engines();
  }

  putDefinition(definition: DefinitionRow): Promise<void> {
    return this.#shared.base.putDefinition(definition);
  }

  definition(hash: string): Promise<DefinitionRow | undefined> {
    return this.#shared.base.definition(hash);
  }

  /** Hints arrive late or not at all; one that is under way stands for all that follow. */
  watch(listener: () => void): () => void {
    const { base, world, faults } = this.#shared;
    let underWay = false;
    return base.watch(() => {
      if (underWay) return;
      const ms = faults.hintDelay();
      if (ms === undefined) return;
      underWay = true;
      world.after(ms, this.#user, () => {
        underWay = false;
        listener();
      });
    });
  }

  async close(): Promise<void> {}
}

function isIndigestible({ type, data }: EventRow): boolean {
  return type === "StepCompleted" && data.includes(`"${INDIGESTIBLE}"`);
}

function describeBatch({ starts, transitions }: Batch): string {
  const created = starts.map(({ workflowId, owned }) => ` start ${workflowId}${owned ? "" : " (unowned)"}`);
  const moved = transitions.map(({ run, base, events, consumed, attempts, settled, image }) => {
    const parts = [
      ` run ${run}@${base}`,
      ...events.map(({ type, at, data }) => `+${type}${outcomeOf(data)}@${at}`),
      ...(consumed.length > 0 ? [`consumes ${consumed.join(",")}`] : []),
      ...attempts.map(
        ({ command, attempt, startedAt, nextAt }) =>
          `row c${command}:${attempt}:${startedAt === null ? "-" : "run"}:${nextAt}`,
      ),
      ...(settled.length > 0 ? [`settles ${settled.join(",")}`] : []),
      ...(image === null
        ? []
        : [`=> ${image.status}${image.owned ? " owned" : ""} wake ${image.wakeAt} inbox ${image.ifInbox}`]),
    ];
    return parts.join(" ");
  });
  return [...created, ...moved].join(";");
}

function outcomeOf(data: string): string {
  const { c, n, m } = JSON.parse(data) as { c?: number; n?: string; m?: number };
  return `${c === undefined ? "" : ` c${c}`}${n === undefined ? "" : ` ${n}`}${m === undefined ? "" : ` m${m}`}`;
}

function describeResult({ starts, refused }: BatchResult): string {
  const created = starts.map((start) =>
    "run" in start ? `run ${start.run}` : `conflict with run ${start.conflict.run}`,
  );
  return [...created, ...Array.from(refused, ([index, why]) => `refused ${index}: ${why}`)].join(" ");
}
