/**
 * The reference store: the semantics of {@link Store} on maps, with nothing durable about it. Each method makes all its changes
 * in one synchronous step, before it answers, so several engines of one process may share an instance. `close` only drops
 * listeners: an engine opened on the same instance later finds everything as it was left.
 */

import { StillLeases } from "../still-leases.ts";
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
import { randomStoreId } from "../store-id.ts";
import { handsOut } from "../tasks.ts";
import { isAdvancing } from "./advancing.ts";
import { codeMatch } from "./code-match.ts";
import { commitBatch, leaseLost } from "./commit.ts";
import { deliver, dropOrders } from "./delivery.ts";
import { attemptsOf, compare, loaded, matches, messagesOf, sizesOf, waitingByCode } from "./queries.ts";
import { type MemoryRun, Tables } from "./tables.ts";

/** Creates an empty store that lives as long as this object. `id` fixes its identity, for tests. */
export function createMemoryStore(options: { readonly id?: string } = {}): Store {
  return new MemoryStore(options.id ?? randomStoreId());
}

class MemoryStore implements Store {
  readonly kind = "memory";
  readonly id: string;
  readonly #tables = new Tables();
  readonly #still = new StillLeases();
  readonly #listeners = new Set<() => void>();

  constructor(id: string) {
    this.id = id;
  }

  async register({
    label,
    at,
    serves = null,
    activities = [],
  }: {
    readonly label: string;
    readonly at: number;
    readonly serves?: readonly string[] | null;
    readonly activities?: readonly string[];
  }): Promise<Lease> {
    return { engine: this.#tables.addEngine({ label, registeredAt: at, serves, activities }).engine };
  }

  async announce({ engine }: Lease, activities: readonly string[]): Promise<void> {
    const row = this.#tables.engines.get(engine);
    if (row !== undefined) row.activities = activities;
  }

  async renew({ engine }: Lease): Promise<boolean> {
    const row = this.#tables.engines.get(engine);
    if (row !== undefined) row.renewals++;
    return row !== undefined;
  }

  async lastBatch({ engine }: Lease): Promise<number | null> {
    return this.#tables.engines.get(engine)?.batch ?? null;
  }

  async release({ engine }: Lease, at: number): Promise<void> {
    this.#tables.removeEngine(engine, at, false);
    this.#changed();
  }

  async sweep(params: { readonly ttlMs: number; readonly monotonicMs: number; readonly at: number }): Promise<number> {
    const signs = [...this.#tables.engines.values()].map(({ engine, batch, renewals }) => ({
      engine,
      sign: `${batch}/${renewals}`,
    }));
    let freed = 0;
    const dead = this.#still.observe(signs, params);
    for (const engine of dead) freed += this.#tables.removeEngine(engine, params.at, true);
    if (dead.length > 0) this.#changed();
    return freed;
  }

  async commit({ engine }: Lease, batch: Batch): Promise<BatchResult> {
    const result = commitBatch(this.#tables, engine, batch);
    if (leavesWorkToOthers(batch)) this.#changed();
    return result;
  }

  async claim({ engine }: Lease, wanted: RunClaim): Promise<RunRow[]> {
    if (!this.#tables.engines.has(engine)) throw leaseLost(engine);
    const { runs, suspects } = wanted;
    const due = runs === undefined ? withFew(this.#due(wanted), suspects) : this.#named(runs);
    return due.slice(0, wanted.limit).map((run) => {
      this.#tables.update(run, { owner: engine, wakeAt: null, status: "running" });
      return { ...run.row };
    });
  }

  async nextWake(code: readonly CodeKey[], sealed = true): Promise<number | null> {
    const isWanted = codeMatch(code);
    let next: number | null = null;
    for (const { row, secrets } of this.#tables.waiting()) {
      if (row.wakeAt === null || !isWanted(row) || !(sealed || secrets === null)) continue;
      if (next === null || row.wakeAt < next) next = row.wakeAt;
    }
    return next;
  }

  async load(runs: readonly number[], maxEvents: number, beyond?: number): Promise<LoadedRun[]> {
    return runs.flatMap((number) => {
      const run = this.#tables.runs.get(number);
      return run === undefined ? [] : [loaded(this.#tables, run, maxEvents, beyond)];
    });
  }

  async owned({ engine }: Lease): Promise<number[]> {
    return Array.from(this.#tables.ownedBy(engine), (run) => run.row.run).sort((a, b) => a - b);
  }

  async inbox({ engine }: Lease, beyond?: ReadonlyMap<number, number>): Promise<MessageRow[]> {
    const runs = [...this.#tables.ownedBy(engine)].sort((a, b) => a.row.run - b.row.run);
    return runs.flatMap((run) => messagesOf(run, beyond?.get(run.row.run)));
  }

  async send(message: NewMessage): Promise<SendResult> {
    const result = deliver(this.#tables, message);
    if ("number" in result) this.#changed();
    return result;
  }

  async amend(
    number: number,
    from: readonly RunRow["status"][],
    to: Pick<RunImage, "status" | "wakeAt" | "closedAt" | "crashes" | "detail">,
  ): Promise<boolean> {
    const run = this.#tables.runs.get(number);
    if (run === undefined || run.row.owner !== null || run.row.superseded || !from.includes(run.row.status))
      return false;
    if (run.row.closedAt !== null) dropOrders(run);
    const { status, wakeAt, closedAt, crashes, detail } = to;
    this.#tables.update(run, { status, wakeAt, closedAt, crashes, detail });
    this.#changed();
    return true;
  }

  async remove(number: number): Promise<boolean> {
    const run = this.#tables.runs.get(number);
    if (run === undefined || run.row.owner !== null) return false;
    this.#tables.remove(run);
    return true;
  }

  async purge(runs: readonly Pick<RunRow, "run" | "length">[]): Promise<number[]> {
    const gone: number[] = [];
    for (const { run: number, length } of runs) {
      const run = this.#tables.runs.get(number);
      if (run === undefined || run.row.owner !== null || run.row.closedAt === null || run.row.length !== length)
        continue;
      this.#tables.remove(run);
      gone.push(number);
    }
    return gone.sort((a, b) => a - b);
  }

  async find(by: { readonly run: number } | { readonly workflowId: string }): Promise<RunRow | undefined> {
    const run = "run" in by ? this.#tables.runs.get(by.run) : this.#tables.current(by.workflowId);
    return run === undefined ? undefined : { ...run.row };
  }

  async list(filter: RunFilter): Promise<RunRow[]> {
    const rows = Array.from(this.#tables.runs.values(), (run) => run.row).filter((row) => matches(row, filter));
    rows.sort(filter.after === undefined ? (a, b) => b.run - a.run : (a, b) => a.run - b.run);
    return rows.slice(0, filter.limit).map((row) => ({ ...row }));
  }

  async history(run: number, after: number, limit: number): Promise<EventRow[]> {
    return this.#tables.runs.get(run)?.events.slice(after, after + limit) ?? [];
  }

  async lastEvent(run: number): Promise<EventRow | undefined> {
    return this.#tables.runs.get(run)?.events.at(-1);
  }

  async attempts(run: number): Promise<AttemptRow[]> {
    const rows = this.#tables.runs.get(run);
    return rows === undefined ? [] : attemptsOf(rows);
  }

  async engines(): Promise<EngineRow[]> {
    return Array.from(this.#tables.engines.values(), ({ engine, registeredAt, label, serves, activities }) => ({
      engine,
      registeredAt,
      label,
      runs: this.#tables.ownedBy(engine).size,
      serves,
      activities,
    }));
  }

  async answer(run: number, number: number): Promise<AnswerRow | undefined> {
    const found = this.#tables.runs.get(run);
    return found === undefined ? undefined : this.#tables.chains.answerTo(found.row.chain, number);
  }

  async answersOf(runs: readonly number[]): Promise<ReadonlyMap<number, readonly AnswerRow[]>> {
    const found = new Map<number, readonly AnswerRow[]>();
    for (const run of runs) {
      const answers = this.#tables.chains.answersOf(this.#tables.runs.get(run)?.row.chain ?? 0);
      if (answers.length > 0) found.set(run, answers);
    }
    return found;
  }

  async claimTasks({ engine }: Lease, claiming: TaskClaim): Promise<ClaimedTask[]> {
    if (!this.#tables.engines.has(engine)) throw leaseLost(engine);
    return this.#tables.tasks.claim(engine, claiming);
  }

  async beatTasks({ engine }: Lease, beats: readonly TaskBeat[], at: number): Promise<TaskKey[]> {
    return this.#tables.tasks.beat(engine, beats, at);
  }

  async settleTasks({ engine }: Lease, ends: readonly TaskEnd[]): Promise<boolean[]> {
    if (!this.#tables.engines.has(engine)) throw leaseLost(engine);
    const settled = this.#tables.tasks.settle(engine, ends);
    this.#changed();
    return settled;
  }

  async returnTasks({ engine }: Lease, tasks: readonly TaskKey[]): Promise<void> {
    this.#tables.tasks.giveBack(engine, tasks);
    this.#changed();
  }

  async tasksOf(run: number): Promise<TaskRow[]> {
    return this.#tables.tasks.ofRun(run);
  }

  async queues(): Promise<QueueRow[]> {
    return this.#tables.tasks.queues();
  }

  async waitingActivities(): Promise<WaitingActivity[]> {
    return this.#tables.tasks.waitingActivities();
  }

  async queueLimits(): Promise<QueueLimit[]> {
    return this.#tables.tasks.limits();
  }

  async limitQueue(queue: string, everywhere: number | null): Promise<void> {
    this.#tables.tasks.limit(queue, everywhere);
    this.#changed();
  }

  async waiting(at: number): Promise<WaitingRow[]> {
    return waitingByCode(this.#tables, at);
  }

  async sizes(): Promise<SizeRow[]> {
    return sizesOf(this.#tables);
  }

  async someSecrets(): Promise<string | undefined> {
    for (const { secrets } of this.#tables.runs.values()) if (secrets !== null) return secrets;
    return undefined;
  }

  async forgetAnswers(at: number, limit: number): Promise<number> {
    return this.#tables.chains.forgetBefore(at, limit);
  }

  async pauses(): Promise<PauseRow[]> {
    const rows = [...this.#tables.pauses.values()];
    return rows.sort((a, b) => compare(a.scope, b.scope) || compare(a.name, b.name));
  }

  async pause(row: PauseRow): Promise<void> {
    this.#tables.pauses.set(`${row.scope}/${row.name}`, { ...row });
    this.#changed();
  }

  async unpause(scope: PauseRow["scope"], name: string): Promise<boolean> {
    const was = this.#tables.pauses.delete(`${scope}/${name}`);
    if (was) this.#changed();
    return was;
  }

  async takeTurn({
    job,
    holder,
    ttlMs,
    at,
  }: {
    readonly job: string;
    readonly holder: string;
    readonly ttlMs: number;
    readonly at: number;
  }): Promise<boolean> {
    const { turns } = this.#tables;
    const taken = turns.get(job);
    if (taken !== undefined && taken.holder !== holder && taken.until > at) return false;
    if (ttlMs === 0) turns.delete(job);
    else turns.set(job, { holder, until: at + ttlMs });
    return true;
  }

  async putDefinition(definition: DefinitionRow): Promise<void> {
    const { definitions } = this.#tables;
    if (!definitions.has(definition.hash)) definitions.set(definition.hash, { ...definition });
  }

  async definition(hash: string): Promise<DefinitionRow | undefined> {
    return this.#tables.definitions.get(hash);
  }

  watch(listener: () => void): () => void {
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }

  #due({ code, at, sealed = true }: RunClaim): MemoryRun[] {
    const isWanted = codeMatch(code);
    const due = [...this.#tables.waiting()].filter(
      ({ row, secrets }) => row.wakeAt! <= at && isWanted(row) && (sealed || secrets === null),
    );
    return due.sort((a, b) => a.row.wakeAt! - b.row.wakeAt! || a.row.run - b.row.run);
  }

  #named(runs: readonly number[]): MemoryRun[] {
    const inOrder = [...new Set(runs)].sort((a, b) => a - b);
    return inOrder.flatMap((number) => {
      const run = this.#tables.runs.get(number);
      return run !== undefined && run.row.owner === null && isAdvancing(run.row) ? [run] : [];
    });
  }

  #changed(): void {
    for (const listener of this.#listeners) queueMicrotask(() => this.#listeners.has(listener) && listener());
  }
}

/** Leaves out suspects beyond the limit, and puts those that stay behind the others. */
function withFew(due: MemoryRun[], suspects: { from: number; limit: number } | undefined): MemoryRun[] {
  if (suspects === undefined) return due;
  const { from, limit } = suspects;
  const suspected = due.filter(({ row }) => row.crashes >= from).slice(0, limit);
  return [...due.filter(({ row }) => row.crashes < from), ...suspected];
}

function leavesWorkToOthers(batch: Batch): boolean {
  const leaves = batch.transitions.some(
    ({ image, also, attempts }) =>
      image?.owned === false || also?.sends !== undefined || (attempts.length > 0 && handsOut(attempts)),
  );
  return leaves || batch.starts.some((start) => !start.owned);
}
