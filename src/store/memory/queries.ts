/** Looking at memory tables. */
import type { AttemptRow, LoadedRun, MessageRow, RunFilter, RunRow, SizeRow, WaitingRow } from "../store.ts";
import type { MemoryRun, Tables } from "./tables.ts";

/** What is needed to go on with a run. */
export function loaded(tables: Tables, run: MemoryRun, maxEvents: number, beyond?: number): LoadedRun {
  const children = tables.childrenOf(run.row.run).filter(({ row }) => row.closedAt === null);
  return {
    row: { ...run.row },
    events: run.events.slice(0, maxEvents),
    attempts: attemptsOf(run),
    messages: messagesOf(run, beyond),
    secrets: run.secrets,
    children: children
      .map(({ row }) => {
        const { command, generation, onClose } = row.parent!;
        return { run: row.run, workflowId: row.workflowId, command, generation, onClose };
      })
      .sort((a, b) => a.command - b.command || a.generation - b.generation),
    unanswered: tables.chains.unanswered(run.row.chain),
    outcomes: [],
  };
}

/** Attempts of a run, by command. */
export function attemptsOf(run: MemoryRun): AttemptRow[] {
  return [...run.attempts.values()].sort((a, b) => a.command - b.command);
}

/** What waits in the inbox of a run, by number, from above one. */
export function messagesOf(run: MemoryRun, beyond: number = Number.NEGATIVE_INFINITY): MessageRow[] {
  return [...run.messages.values()].filter(({ number }) => number > beyond).sort((a, b) => a.number - b.number);
}

/** Whether a filter wants a run. */
export function matches(row: RunRow, filter: RunFilter): boolean {
  if (filter.workflow !== undefined && row.workflow !== filter.workflow) return false;
  if (filter.workflowId !== undefined && row.workflowId !== filter.workflowId) return false;
  if (filter.status !== undefined && !filter.status.includes(row.status)) return false;
  if (filter.since !== undefined && row.createdAt < filter.since) return false;
  if (filter.closedBefore !== undefined && !(row.closedAt !== null && row.closedAt < filter.closedBefore)) return false;
  if (filter.parent !== undefined && row.parent?.run !== filter.parent) return false;
  if (filter.tags !== undefined && !hasTags(row, filter.tags)) return false;
  if (filter.after !== undefined && row.run <= filter.after) return false;
  return filter.before === undefined || row.run < filter.before;
}

function hasTags({ tags }: RunRow, wanted: Readonly<Record<string, string>>): boolean {
  const given = new Map(Object.entries(JSON.parse(tags ?? "{}") as Record<string, string>));
  return Object.entries(wanted).every(([key, value]) => given.get(key) === value);
}

/** Unowned runs that are due, counted by the code they need. */
export function waitingByCode(tables: Tables, at: number): WaitingRow[] {
  const rows = new Map<string, WaitingRow>();
  for (const { row } of tables.waiting()) {
    if (row.wakeAt! > at) continue;
    const { workflow, version } = row;
    const key = JSON.stringify([workflow, version]);
    rows.set(key, { workflow, version, runs: (rows.get(key)?.runs ?? 0) + 1 });
  }
  return [...rows.values()].sort(
    (a, b) => compare(a.workflow, b.workflow) || compare(a.version ?? "", b.version ?? ""),
  );
}

/** Runs counted and measured by workflow and status. */
export function sizesOf(tables: Tables): SizeRow[] {
  const rows = new Map<string, SizeRow>();
  for (const { row, events } of tables.runs.values()) {
    const { workflow, status } = row;
    const key = JSON.stringify([workflow, status]);
    const sum = rows.get(key) ?? { workflow, status, runs: 0, events: 0, size: 0 };
    const size = events.reduce((total, { data }) => total + characters(data), sum.size);
    rows.set(key, { workflow, status, runs: sum.runs + 1, events: sum.events + events.length, size });
  }
  return [...rows.values()].sort((a, b) => compare(a.workflow, b.workflow) || compare(a.status, b.status));
}

function characters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** By code units: the order of a database for plain text. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
