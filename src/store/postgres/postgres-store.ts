/**
 * The PostgreSQL store: any number of engines on one database. Each lease commits on a connection of its own (lane.ts); signs of
 * life, hints, users' transactions and everything else use others, so that nothing foreign ever makes commits wait.
 */
import type { StoreTransaction } from "../../core/sql-transaction.ts";
import type { SendQueue } from "../send-queue.ts";
import type {
  AnswerRow,
  AttemptRow,
  Batch,
  BatchResult,
  ClaimedTask,
  CodeKey,
  DefinitionRow,
  EngineRow,
  EventRow,
  Lease,
  LoadedRun,
  MessageRow,
  NewMessage,
  OutcomeRow,
  PauseRow,
  QueueLimit,
  QueueRow,
  RunClaim,
  RunFilter,
  RunImage,
  RunRow,
  SendResult,
  SizeRow,
  Store,
  TaskBeat,
  TaskClaim,
  TaskEnd,
  TaskKey,
  TaskRow,
  WaitingActivity,
  WaitingRow,
} from "../store.ts";
import { handsOut } from "../tasks.ts";
import { PostgresAdmissions } from "./admissions.ts";
import { Claims } from "./claims.ts";
import { Database } from "./database.ts";
import { Lane } from "./lane.ts";
import { Leases } from "./leases.ts";
import { Notices } from "./notices.ts";
import { prepareDatabase } from "./opening.ts";
import { Records } from "./records.ts";
import { sendQueue } from "./sends.ts";
import { type PostgresOptions, postgresSettings } from "./settings.ts";
import { Tasks } from "./tasks.ts";
import { transact } from "./transact.ts";

/** A {@link Store} in a schema of a PostgreSQL database. */
export interface PostgresStore extends Store {
  readonly kind: "postgres";
  readonly schema: string;
  /** Its address without the password. */
  readonly address: string;
}

/**
 * Opens a PostgreSQL store. Its schema is made and brought up to date, unless `migrate` is false: then a schema that is not there or
 * behind is refused.
 *
 * @example const store = await openPostgresStore("postgres://app:secret@db/orders?schema=perdure");
 * @throws PerdureError INVALID_ARGUMENT, UNAVAILABLE, INCOMPATIBLE_STORE
 */
export async function openPostgresStore(
  target: string | PostgresOptions,
  { migrate = true }: { readonly migrate?: boolean } = {},
): Promise<PostgresStore> {
  const database = new Database(postgresSettings(target));
  try {
    return new PooledStore(database, await prepareDatabase(database, migrate));
  } catch (error) {
    await database.close();
    throw error;
  }
}

class PooledStore implements PostgresStore {
  readonly kind = "postgres";
  readonly id: string;
  readonly schema: string;
  readonly address: string;
  readonly #database: Database;
  readonly #lanes = new Map<number, Lane>();
  readonly #leases: Leases;
  readonly #claims: Claims;
  readonly #records: Records;
  readonly #tasks: Tasks;
  readonly #sends: SendQueue;
  readonly #notices: Notices;
  readonly admissions: PostgresAdmissions;

  constructor(database: Database, id: string) {
    this.id = id;
    this.schema = database.settings.schema;
    this.address = database.settings.shown;
    this.#database = database;
    this.#leases = new Leases(database);
    this.#claims = new Claims(database);
    this.#records = new Records(database);
    this.#tasks = new Tasks(database);
    this.#notices = new Notices(database, `perdure_${id}`);
    this.admissions = new PostgresAdmissions(database, id, this.#notices);
    this.#sends = sendQueue(database, () => this.#notices.tell());
  }

  time(): Promise<number> {
    return this.#leases.time();
  }

  register({
    label,
    at,
    ttlMs,
    ...offer
  }: {
    label: string;
    at: number;
    ttlMs?: number;
    serves?: readonly string[];
    activities?: readonly string[];
  }): Promise<Lease> {
    return this.#leases.register(label, at, ttlMs, offer);
  }

  announce(lease: Lease, activities: readonly string[]): Promise<void> {
    return this.#leases.announce(lease, activities);
  }

  async renew(lease: Lease): Promise<boolean> {
    const alive = await this.#leases.renew(lease);
    if (!alive) this.#forget(lease);
    return alive;
  }

  lastBatch(lease: Lease): Promise<number | null> {
    this.#lanes.get(lease.engine)?.drop();
    return this.#leases.lastBatch(lease);
  }

  async release(lease: Lease, at: number): Promise<void> {
    await this.#leases.release(lease, at);
    this.#forget(lease);
    this.#notices.tell();
  }

  async sweep({
    ttlMs,
    at,
  }: {
    readonly ttlMs: number;
    readonly monotonicMs: number;
    readonly at: number;
  }): Promise<number> {
    const freed = await this.#leases.sweep(ttlMs, at);
    const lost = await this.#tasks.lose(at);
    if (freed + lost > 0) this.#notices.tell();
    return freed;
  }

  async commit({ engine }: Lease, batch: Batch): Promise<BatchResult> {
    const lane = this.#lanes.get(engine) ?? new Lane(this.#database, engine);
    this.#lanes.set(engine, lane);
    const result = await lane.commit(batch);
    if (concernsOthers(batch)) this.#notices.tell();
    return result;
  }

  claim(lease: Lease, wanted: RunClaim): Promise<RunRow[]> {
    return this.#claims.claim(lease, wanted);
  }

  nextWake(code: readonly CodeKey[], sealed?: boolean): Promise<number | null> {
    return this.#claims.nextWake(code, sealed);
  }

  load(runs: readonly number[], maxEvents: number, beyond?: number): Promise<LoadedRun[]> {
    return this.#claims.load(runs, maxEvents, beyond);
  }

  owned(lease: Lease): Promise<number[]> {
    return this.#claims.owned(lease);
  }

  inbox(lease: Lease, beyond?: ReadonlyMap<number, number>): Promise<MessageRow[]> {
    return this.#claims.inbox(lease, beyond);
  }

  send(message: NewMessage): Promise<SendResult> {
    return this.#sends.send(message);
  }

  async amend(
    run: number,
    from: readonly RunRow["status"][],
    to: Pick<RunImage, "status" | "wakeAt" | "closedAt" | "crashes" | "detail">,
  ): Promise<boolean> {
    const amended = await this.#records.amend(run, from, to);
    if (amended) this.#notices.tell();
    return amended;
  }

  remove(run: number): Promise<boolean> {
    return this.#records.remove(run);
  }

  purge(runs: readonly Pick<RunRow, "run" | "length">[]): Promise<number[]> {
    return this.#records.purge(runs);
  }

  find(by: { readonly run: number } | { readonly workflowId: string }): Promise<RunRow | undefined> {
    return this.#records.find(by);
  }

  list(filter: RunFilter): Promise<RunRow[]> {
    return this.#records.list(filter);
  }

  history(run: number, after: number, limit: number): Promise<EventRow[]> {
    return this.#records.history(run, after, limit);
  }

  lastEvent(run: number): Promise<EventRow | undefined> {
    return this.#records.lastEvent(run);
  }

  attempts(run: number): Promise<AttemptRow[]> {
    return this.#records.attempts(run);
  }

  engines(): Promise<EngineRow[]> {
    return this.#leases.engines();
  }

  answer(run: number, number: number): Promise<AnswerRow | undefined> {
    return this.#records.answer(run, number);
  }

  answersOf(runs: readonly number[]): Promise<ReadonlyMap<number, readonly AnswerRow[]>> {
    return this.#records.answersOf(runs);
  }

  takeTurn(turn: { job: string; holder: string; ttlMs: number; at: number }): Promise<boolean> {
    return this.#records.takeTurn(turn);
  }

  claimTasks(lease: Lease, claim: TaskClaim): Promise<ClaimedTask[]> {
    return this.#tasks.claim(lease, claim);
  }

  beatTasks(lease: Lease, beats: readonly TaskBeat[], at: number): Promise<TaskKey[]> {
    return this.#tasks.beat(lease, beats, at);
  }

  async settleTasks(lease: Lease, ends: readonly TaskEnd[]): Promise<boolean[]> {
    const settled = await this.#tasks.settle(lease, ends);
    this.#notices.tell();
    return settled;
  }

  async returnTasks(lease: Lease, tasks: readonly TaskKey[]): Promise<void> {
    await this.#tasks.giveBack(lease, tasks);
    this.#notices.tell();
  }

  tasksOf(run: number): Promise<TaskRow[]> {
    return this.#tasks.ofRun(run);
  }

  queues(): Promise<QueueRow[]> {
    return this.#tasks.queues();
  }

  waitingActivities(): Promise<WaitingActivity[]> {
    return this.#tasks.waitingActivities();
  }

  queueLimits(): Promise<QueueLimit[]> {
    return this.#tasks.limits();
  }

  async limitQueue(queue: string, everywhere: number | null): Promise<void> {
    await this.#tasks.setLimit(queue, everywhere);
    this.#notices.tell();
  }

  waiting(at: number): Promise<WaitingRow[]> {
    return this.#claims.waiting(at);
  }

  sizes(): Promise<SizeRow[]> {
    return this.#records.sizes();
  }

  someSecrets(): Promise<string | undefined> {
    return this.#records.someSecrets();
  }

  async forgetAnswers(at: number, limit: number): Promise<number> {
    return (await this.#records.forgetAnswers(at, limit)) + (await this.admissions.forget(at, limit));
  }

  pauses(): Promise<PauseRow[]> {
    return this.#records.pauses();
  }

  async pause(row: PauseRow): Promise<void> {
    await this.#records.pause(row);
    this.#notices.tell();
  }

  async unpause(scope: PauseRow["scope"], name: string): Promise<boolean> {
    const found = await this.#records.unpause(scope, name);
    if (found) this.#notices.tell();
    return found;
  }

  transact(
    lease: Lease,
    step: { readonly run: number; readonly command: number; readonly generation: number; readonly at: number },
    limitMs: number,
    work: (tx: StoreTransaction) => Promise<string>,
  ): Promise<OutcomeRow> {
    return transact(this.#database, lease, step, limitMs, work);
  }

  putDefinition(definition: DefinitionRow): Promise<void> {
    return this.#records.putDefinition(definition);
  }

  definition(hash: string): Promise<DefinitionRow | undefined> {
    return this.#records.definition(hash);
  }

  watch(listener: () => void): () => void {
    return this.#notices.watch(listener);
  }

  async close(): Promise<void> {
    const lanes = [...this.#lanes.values()];
    this.#lanes.clear();
    await Promise.all(lanes.map((lane) => lane.close()));
    await Promise.all([this.#leases.close(), this.#notices.close()]);
    await this.#database.close();
  }

  #forget({ engine }: Lease): void {
    const lane = this.#lanes.get(engine);
    this.#lanes.delete(engine);
    lane?.close().catch(() => undefined);
  }
}

/** Whether a batch changed something that another process may be waiting for. */
function concernsOthers({ starts, transitions }: Batch): boolean {
  for (const { image, also, attempts } of transitions) {
    if ((image !== null && !image.owned) || also !== undefined) return true;
    if (attempts.length > 0 && handsOut(attempts)) return true;
  }
  return starts.some(({ owned }) => !owned);
}
