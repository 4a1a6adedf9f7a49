/**
 * A store as one engine's process sees it: the shared database behind a network that delays, loses and fails calls.
 *
 * A commit without an answer may still be on its way; `lastBatch` waits for it, as the contract of `Store` demands. What the
 * contract cannot promise of a network happens, too: it arrives even later, and is refused by the fence.
 */
import { PerdureError } from "../../src/core/errors.ts";
import type { Admissions, Decided } from "../../src/store/admissions.ts";
import type {
  Batch,
  BatchResult,
  ClaimedTask,
  CodeKey,
  EventRow,
  Lease,
  LoadedRun,
  MessageRow,
  NewMessage,
  OutcomeRow,
  RunRow,
  SendResult,
  Store,
  TaskEnd,
} from "../../src/store/store.ts";
import type { TaskClaim } from "../../src/store/tasks.ts";
import type { ArchivePlace } from "./archive.ts";
import type { Database } from "./database.ts";
import type { EffectWatch } from "./effect-watch.ts";
import { channelOf, type FaultPlan, type Operation } from "./faults.ts";
import type { Digger, Graveyard } from "./graveyard.ts";
import { INDIGESTIBLE } from "./interpreter.ts";
import type { Caller, Network } from "./network.ts";
import type { Oracle } from "./oracle.ts";
import type { EventKeys } from "./shadow.ts";
import { type SendStatement, Transaction } from "./transactions.ts";
import { UserTransaction } from "./user-transactions.ts";
import type { World } from "./world.ts";

/** The process behind a {@link FaultStore}. */
export interface StoreUser extends Caller, Digger {
  /** Engine number of the last lease of its engine. */
  lease: number | undefined;
  /** How many engines it has had: one after another, until one opens. */
  boots: number;
  /** When it last had a reason to forget runs it had in memory. */
  disturbedAt: number;
}

/** What all processes of a simulation share. */
export interface SharedStore {
  readonly database: Database;
  readonly base: Store;
  readonly world: World;
  readonly faults: FaultPlan;
  readonly network: Network;
  readonly oracle: Oracle;
  readonly effects: EffectWatch;
  /** Where old runs go before they are deleted, and what is known of them after. */
  readonly archive: ArchivePlace;
  readonly graveyard: Graveyard;
  /** When the last commit that was sent by an engine reaches the store. */
  readonly commitLandsAt: Map<number, number>;
  /** Transactions of users that the database has begun. */
  readonly transactions: Set<{ lose(): void }>;
}

/** A store whose database lends transactions to its users. */
export interface LendingStore extends Store {
  /** Begins a transaction. */
  lend(): Promise<UserTransaction>;
}

interface CallOptions<T> {
  /** What the trace says of the answer. */
  readonly told?: (value: T) => string;
  /** The earliest time at which the call happens. */
  readonly notBefore?: number;
  /** Engine whose commit this is. */
  readonly lands?: number;
}

/** How long the driver of PostgreSQL waits for an answer. */
const TIMEOUTS_MS: Readonly<Partial<Record<Operation, number>>> = { renew: 5000, lastBatch: 10_000, commit: 20_000 };
const TIMEOUT_MS = 60_000;
/** How long a statement of PostgreSQL waits for a lock. */
const LOCK_TIMEOUT_MS = 5000;

/** The store of a process: what has no faults of its own below is asked through the network like everything else. */
export function faultStore(shared: SharedStore, user: StoreUser): LendingStore {
  const own = new FaultStore(shared, user);
  return new Proxy(shared.base as LendingStore, {
    get(base, key: keyof Store & keyof FaultStore) {
      if (key in own) {
        const value: unknown = own[key];
        return typeof value === "function" ? value.bind(own) : value;
      }
      const value: unknown = base[key];
      return typeof value === "function"
        ? (...values: unknown[]) => own.ask(String(key), () => Reflect.apply(value, base, values) as Promise<unknown>)
        : value;
    },
  });
}

class FaultStore implements Omit<Partial<Store>, "admissions"> {
  readonly kind = "simulated";
  readonly #shared: SharedStore;
  readonly #user: StoreUser;
  readonly #boot: number;
  /** Since when the database has been reachable again after it was not. */
  #backAt = Number.NEGATIVE_INFINITY;
  #away = false;

  constructor(shared: SharedStore, user: StoreUser) {
    this.#shared = shared;
    this.#user = user;
    this.#boot = user.boots;
  }

  /** Sends one call through the network. `about` is for the trace. */
  #call<T>(
    operation: Operation,
    about: string,
    run: () => Promise<T>,
    { told, notBefore = 0, lands }: CallOptions<T> = {},
  ): Promise<T> {
    const { world, faults, network, database } = this.#shared;
    if (!this.#user.alive) return new Promise(() => {});
    const fate = faults.fate(operation);
    const landsAt = world.now + Math.max(fate.requestMs, notBefore - world.now);
    if (lands !== undefined && fate.kind !== "error" && !(fate.kind === "lost" && faults.arrivesLate()))
      this.#shared.commitLandsAt.set(lands, landsAt);
    const timeoutMs = database.kind === "sqlite" ? Number.POSITIVE_INFINITY : (TIMEOUTS_MS[operation] ?? TIMEOUT_MS);
    const channel = channelOf(operation);
    const known = { operation, channel, about, fate, notBefore, timeoutMs, run, ...(told !== undefined && { told }) };
    this.#lookAtNetwork();
    return network.send(this.#user, known);
  }

  #lookAtNetwork(): void {
    const { network, world } = this.#shared;
    const away = network.isCutOff(this.#user);
    if (this.#away && !away) this.#backAt = world.now;
    this.#away = away;
  }

  /** Whatever has no name of its own here. */
  ask(what: string, run: () => Promise<unknown>): Promise<unknown> {
    return this.#call("ask", what, run);
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
      if (params.label !== "terminate" && this.#boot === this.#user.boots) this.#user.lease = lease.engine;
      return lease;
    });
  }

  renew(lease: Lease): Promise<boolean> {
    return this.#call("renew", `${lease.engine}`, () => this.#shared.base.renew(lease), { told: String });
  }

  lastBatch(lease: Lease): Promise<number | null> {
    const { base, world, database, commitLandsAt } = this.#shared;
    const landed = commitLandsAt.get(lease.engine) ?? 0;
    const locked = database.kind === "postgres" && landed - world.now > LOCK_TIMEOUT_MS;
    const ask = (): Promise<number | null> =>
      locked
        ? Promise.reject(new PerdureError("UNAVAILABLE", "simulated: waited too long for a lock"))
        : base.lastBatch(lease);
    const notBefore = locked ? world.now + LOCK_TIMEOUT_MS : landed;
    const known = this.#call("lastBatch", `${lease.engine}`, ask, { told: String, notBefore });
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
    const { kind } = this.#shared.database;
    const run = async (): Promise<number> => {
      // After the database was away engines could not renew their leases: they have a time to live to do so.
      if (kind === "postgres" && world.now - this.#backAt < params.ttlMs) return 0;
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
      if (batch.transitions.some(({ events }) => events.some(isIndigestible))) throw notKept();
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
    const { base, oracle, faults } = this.#shared;
    const run = async (): Promise<RunRow[]> => {
      const rows = await base.claim(lease, { ...params, limit: faults.claimable(params.limit) });
      oracle.claimed(lease, rows);
      return rows;
    };
    return this.#call("claim", `${lease.engine}`, run, { told });
  }

  nextWake(code: readonly CodeKey[]): Promise<number | null> {
    return this.#call("nextWake", "", () => this.#shared.base.nextWake(code), { told: String });
  }

  claimTasks(lease: Lease, claim: TaskClaim): Promise<ClaimedTask[]> {
    const { base, oracle } = this.#shared;
    const run = async (): Promise<ClaimedTask[]> => {
      const tasks = await base.claimTasks(lease, claim);
      await oracle.tasksClaimed(lease, tasks);
      return tasks;
    };
    const told = (tasks: ClaimedTask[]): string =>
      tasks
        .map((task) => `run ${task.run} command ${task.command}.${task.generation} attempt ${task.attempt}`)
        .join(", ");
    return this.#call("claimTasks", `${lease.engine}`, run, { told });
  }

  settleTasks(lease: Lease, ends: readonly TaskEnd[]): Promise<boolean[]> {
    const about = ends.map(
      ({ run, command, generation, attempt }) => `run ${run} command ${command}.${generation} attempt ${attempt}`,
    );
    const run = async (): Promise<boolean[]> => {
      if (ends.some(({ data }) => data.includes(`"${INDIGESTIBLE}"`))) throw notKept();
      return this.#shared.base.settleTasks(lease, ends);
    };
    return this.#call("settleTasks", about.join(", "), run, { told: String });
  }

  load(runs: readonly number[], maxEvents: number, beyond?: number): Promise<LoadedRun[]> {
    const told = (loaded: LoadedRun[]): string =>
      loaded
        .map(({ row, messages }) => `run ${row.run} owner ${row.owner} inbox ${row.inbox} (${messages.length})`)
        .join(", ");
    return this.#call("load", runs.join(" "), () => this.#shared.base.load(runs, maxEvents, beyond), { told });
  }

  owned(lease: Lease): Promise<number[]> {
    return this.#call("owned", `${lease.engine}`, () => this.#shared.base.owned(lease), {
      told: (runs) => runs.join(" "),
    });
  }

  inbox(lease: Lease, beyond?: ReadonlyMap<number, number>): Promise<MessageRow[]> {
    const told = (rows: MessageRow[]): string => rows.map(({ run, number }) => `${run}#${number}`).join(" ");
    return this.#call("inbox", `${lease.engine}`, () => this.#shared.base.inbox(lease, beyond), { told });
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

  find(by: { readonly run: number } | { readonly workflowId: string }): Promise<RunRow | undefined> {
    const told = (row: RunRow | undefined): string =>
      row === undefined ? "none" : `run ${row.run} ${row.status} owner ${row.owner}`;
    return this.#call("find", JSON.stringify(by), () => this.#shared.base.find(by), { told });
  }

  history(run: number, after: number, limit: number): Promise<EventRow[]> {
    return this.#call("history", `run ${run} after ${after}`, () => this.#shared.base.history(run, after, limit), {
      told: (rows) => `${rows.length} events`,
    });
  }

  lastEvent(run: number): Promise<EventRow | undefined> {
    return this.#call("lastEvent", `run ${run}`, () => this.#shared.base.lastEvent(run));
  }

  watch(listener: () => void): () => void {
    return this.#watch(this.#shared.base, listener);
  }

  /** Hints arrive late or not at all; one that is under way stands for all that follow. */
  #watch(source: { watch(listener: () => void): () => void }, listener: () => void): () => void {
    const { world, faults, network } = this.#shared;
    let underWay = false;
    const unwatch = source.watch(() => {
      if (underWay || network.isCutOff(this.#user)) return;
      const ms = faults.hintDelay();
      if (ms === undefined) return;
      underWay = true;
      world.after(ms, this.#user, () => {
        underWay = false;
        listener();
      });
    });
    const forget = network.onReconnect(this.#user, listener);
    return () => {
      unwatch();
      forget();
    };
  }

  async transact(
    lease: Lease,
    step: Parameters<NonNullable<Store["transact"]>>[1],
    limitMs: number,
    work: Parameters<NonNullable<Store["transact"]>>[3],
  ): Promise<OutcomeRow> {
    const { database, world, transactions } = this.#shared;
    const send: SendStatement = (operation, about, run) => this.#call(operation, about, run);
    const transaction = new Transaction(database, world, send);
    transactions.add(transaction);
    return transaction.run(lease, step, limitMs, work);
  }

  purge(runs: readonly Pick<RunRow, "run" | "length">[]): Promise<number[]> {
    const about = runs.map(({ run, length }) => `${run}@${length}`).join(" ");
    const told = (gone: number[]): string => `deleted ${gone.join(" ")}`;
    return this.#call("purge", about, () => this.#shared.graveyard.purge(this.#user, runs), { told });
  }

  forgetAnswers(at: number, limit: number): Promise<number> {
    const { base, graveyard } = this.#shared;
    const forget = async (): Promise<number> => {
      await graveyard.rememberAnswers();
      return base.forgetAnswers(at, limit);
    };
    return this.#call("ask", "forgetAnswers", forget);
  }

  // ---- what users ask for in their transactions ------------------------------------------------------------------------

  get admissions(): Admissions | undefined {
    const table = this.#shared.database.admissions;
    if (table === undefined) return undefined;
    return {
      ask: (transaction, request) => (transaction as unknown as UserTransaction).ask(request),
      fate: (ticket) => this.#call("fate", `${ticket.number}`, () => table.fate(ticket), { told: JSON.stringify }),
      waiting: (after, limit) => {
        const told = (rows: readonly { number: number }[]): string => rows.map(({ number }) => number).join(" ");
        return this.#call("waiting", `after ${after}`, () => table.waiting(after, limit), { told });
      },
      decide: (kind, at, decisions) => {
        const run = async (): ReturnType<Admissions["decide"]> => {
          if (decisions.some((one) => "signal" in one && one.signal.data.includes(`"${INDIGESTIBLE}"`)))
            throw notKept();
          return table.decide(kind, at, decisions);
        };
        const told = (decided: Awaited<ReturnType<Admissions["decide"]>>): string =>
          Array.from(decided, ([number, answer]) => `${number}: ${describeDecided(answer)}`).join(", ");
        return this.#call("decide", `${kind} ${decisions.map(({ number }) => number).join(" ")}`, run, { told });
      },
      counts: async () => ({ waiting: table.undecided.length, oldest: null, refused: 0, reasons: [] }),
      watch: (listener) => this.#watch(table, listener),
    };
  }

  async lend(): Promise<UserTransaction> {
    const { database, world, transactions } = this.#shared;
    const send: SendStatement = (operation, about, run) => this.#call(operation, about, run);
    const transaction = new UserTransaction(`tx${transactions.size + 1}`, database.admissions!, world, send);
    transactions.add(transaction);
    await this.#call("begin", transaction.xid, async () => {});
    return transaction;
  }

  async close(): Promise<void> {}
}

function describeDecided(answer: Decided): string {
  if (typeof answer === "object" && "conflict" in answer) return `conflict with run ${answer.conflict?.run}`;
  return typeof answer === "string" ? answer : JSON.stringify(answer);
}

function notKept(): PerdureError {
  return new PerdureError("INTERNAL", "simulated: the store cannot keep this");
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
  const { c, n, m, e } = JSON.parse(data) as EventKeys;
  const failed = e === undefined ? "" : ` (${e.message})`;
  return `${c === undefined ? "" : ` c${c}`}${n === undefined ? "" : ` ${n}`}${m === undefined ? "" : ` m${m}`}${failed}`;
}

function describeResult({ starts, refused }: BatchResult): string {
  const created = starts.map((start) => {
    if ("orphan" in start) return "orphan";
    return "run" in start ? `run ${start.run}` : `conflict with run ${start.conflict.run}`;
  });
  return [...created, ...Array.from(refused, ([index, why]) => `refused ${index}: ${why}`)].join(" ");
}
