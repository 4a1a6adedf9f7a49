/**
 * The reference store: the semantics of {@link Store} on maps, with nothing durable about it. Each method makes all its changes
 * in one synchronous step, before it answers, so several engines of one process may share an instance. `close` only drops
 * listeners: an engine opened on the same instance later finds everything as it was left.
 */

import { StillLeases } from "../still-leases.ts";
import type {
  AttemptRow,
  Batch,
  BatchResult,
  DefinitionRow,
  EngineRow,
  EventRow,
  Lease,
  LoadedRun,
  MessageRow,
  NewMessage,
  RunFilter,
  RunImage,
  RunRow,
  SendResult,
  Store,
} from "../store.ts";
import { randomStoreId } from "../store-id.ts";
import { commitBatch, leaseLost } from "./commit.ts";
import { isAdvancing, type MemoryRun, Tables } from "./tables.ts";

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

  async register({ label, at }: { readonly label: string; readonly at: number }): Promise<Lease> {
    return { engine: this.#tables.addEngine(label, at).engine };
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
    if (this.#tables.removeEngine(engine, at, false) > 0) this.#changed();
  }

  async sweep(params: { readonly ttlMs: number; readonly monotonicMs: number; readonly at: number }): Promise<number> {
    const signs = [...this.#tables.engines.values()].map(({ engine, batch, renewals }) => ({
      engine,
      sign: `${batch}/${renewals}`,
    }));
    let freed = 0;
    for (const engine of this.#still.observe(signs, params)) {
      freed += this.#tables.removeEngine(engine, params.at, true);
    }
    if (freed > 0) this.#changed();
    return freed;
  }

  async commit({ engine }: Lease, batch: Batch): Promise<BatchResult> {
    const result = commitBatch(this.#tables, engine, batch);
    if (leavesWorkToOthers(batch)) this.#changed();
    return result;
  }

  async claim(
    { engine }: Lease,
    params: {
      readonly workflows: readonly string[];
      readonly runs?: readonly number[];
      readonly limit: number;
      readonly at: number;
      readonly suspects?: { readonly from: number; readonly limit: number };
    },
  ): Promise<RunRow[]> {
    if (!this.#tables.engines.has(engine)) throw leaseLost(engine);
    const { runs, workflows, at, suspects } = params;
    const due = runs === undefined ? withFew(this.#due(workflows, at), suspects) : this.#named(runs);
    return due.slice(0, params.limit).map((run) => {
      this.#tables.update(run, { owner: engine, wakeAt: null, status: "running" });
      return { ...run.row };
    });
  }

  async nextWake(workflows: readonly string[]): Promise<number | null> {
    const wanted = new Set(workflows);
    let next: number | null = null;
    for (const { row } of this.#tables.waiting()) {
      if (!wanted.has(row.workflow) || row.wakeAt === null) continue;
      if (next === null || row.wakeAt < next) next = row.wakeAt;
    }
    return next;
  }

  async load(runs: readonly number[], maxEvents: number): Promise<LoadedRun[]> {
    return runs.flatMap((number) => {
      const run = this.#tables.runs.get(number);
      return run === undefined ? [] : [loaded(run, maxEvents)];
    });
  }

  async owned({ engine }: Lease): Promise<number[]> {
    return Array.from(this.#tables.ownedBy(engine), (run) => run.row.run).sort((a, b) => a - b);
  }

  async inbox({ engine }: Lease): Promise<MessageRow[]> {
    const runs = [...this.#tables.ownedBy(engine)].sort((a, b) => a.row.run - b.row.run);
    return runs.flatMap((run) => [...run.messages.values()]);
  }

  async send(message: NewMessage): Promise<SendResult> {
    const run = this.#tables.runs.get(message.run);
    if (run === undefined) return { refused: "not_found" };
    const earlier = message.key === null ? undefined : run.keys.get(message.key);
    if (earlier !== undefined) return { number: earlier };
    const { row } = run;
    if (row.closedAt !== null) return { refused: "closed" };
    const number = row.inbox + 1;
    row.inbox = number;
    if (row.owner === null && isAdvancing(row)) {
      this.#tables.update(run, { wakeAt: Math.min(row.wakeAt ?? message.at, message.at) });
    }
    const { kind, name, data, at } = message;
    run.messages.set(number, { run: row.run, number, kind, name, data, at });
    if (message.key !== null) run.keys.set(message.key, number);
    this.#changed();
    return { number };
  }

  async amend(
    number: number,
    from: readonly RunRow["status"][],
    to: Pick<RunImage, "status" | "wakeAt" | "closedAt" | "crashes" | "detail">,
  ): Promise<boolean> {
    const run = this.#tables.runs.get(number);
    if (run === undefined || run.row.owner !== null || run.row.superseded || !from.includes(run.row.status))
      return false;
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

  async find(by: { readonly run: number } | { readonly workflowId: string }): Promise<RunRow | undefined> {
    const run = "run" in by ? this.#tables.runs.get(by.run) : this.#tables.current(by.workflowId);
    return run === undefined ? undefined : { ...run.row };
  }

  async list(filter: RunFilter): Promise<RunRow[]> {
    const rows = Array.from(this.#tables.runs.values(), (run) => run.row).filter((row) => matches(row, filter));
    rows.sort((a, b) => b.run - a.run);
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
    return Array.from(this.#tables.engines.values(), ({ engine, registeredAt, label }) => ({
      engine,
      registeredAt,
      label,
      runs: this.#tables.ownedBy(engine).size,
    }));
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

  #due(workflows: readonly string[], at: number): MemoryRun[] {
    const wanted = new Set(workflows);
    const due = [...this.#tables.waiting()].filter(({ row }) => row.wakeAt! <= at && wanted.has(row.workflow));
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
  return batch.starts.some((start) => !start.owned) || batch.transitions.some(({ image }) => image?.owned === false);
}

function loaded(run: MemoryRun, maxEvents: number): LoadedRun {
  return {
    row: { ...run.row },
    events: run.events.slice(0, maxEvents),
    attempts: attemptsOf(run),
    messages: [...run.messages.values()],
    secrets: run.secrets,
  };
}

function attemptsOf(run: MemoryRun): AttemptRow[] {
  return [...run.attempts.values()].sort((a, b) => a.command - b.command);
}

function matches(row: RunRow, filter: RunFilter): boolean {
  if (filter.workflow !== undefined && row.workflow !== filter.workflow) return false;
  if (filter.workflowId !== undefined && row.workflowId !== filter.workflowId) return false;
  if (filter.status !== undefined && !filter.status.includes(row.status)) return false;
  if (filter.since !== undefined && row.createdAt < filter.since) return false;
  return filter.before === undefined || row.run < filter.before;
}
