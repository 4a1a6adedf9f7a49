/**
 * The independent checker: reads the SQLite file with plain SQL and the effect log, and says what is wrong with them. It knows
 * the tables and the keys of the events' JSON, and uses nothing of the engine.
 */
import { openConnection } from "../../src/store/sqlite/driver.ts";
import type { Effect } from "./effect-log.ts";

/** A run as found in the file. */
export interface AuditedRun {
  readonly run: number;
  readonly runId: string;
  readonly workflowId: string;
  readonly status: string;
  readonly inbox: number;
  readonly length: number;
  readonly events: readonly AuditedEvent[];
}

export interface AuditedEvent {
  readonly seq: number;
  readonly type: string;
  readonly at: number;
  readonly data: { c?: number; p?: unknown; m?: number; x?: readonly [commands: number, digest: string] };
}

/** What a file holds. */
export interface Audit {
  readonly runs: ReadonlyMap<string, AuditedRun>;
  /** Everything that must not be, one line each. */
  readonly problems: string[];
}

const TERMINAL = /^Run(Completed|Failed|Cancelled|Terminated|TimedOut)$/;
const OUTCOME = /^(Step(Completed|Failed|Cancelled)|TimerFired|WaitTimedOut)$/;

/** Reads the file after everybody has left it. Every run is expected to be completed. */
export function audit(path: string, effects: readonly Effect[]): Audit {
  const db = openConnection(path);
  const problems: string[] = [];
  try {
    const rows = (sql: string): (string | number | null)[][] => db.prepare(sql).all([]);
    if (rows("pragma integrity_check")[0]?.[0] !== "ok") problems.push("the file is damaged");
    for (const table of ["messages", "attempts", "engines"]) {
      const left = rows(`select * from ${table}`);
      if (left.length > 0) problems.push(`${table} is not empty: ${JSON.stringify(left.slice(0, 5))}`);
    }
    const storeId = String(rows("select value from meta where key = 'id'")[0]?.[0]);
    const events = groupBy(rows("select run, seq, type, at, data from events order by run, seq"), ([run]) => run);
    const runs = new Map<string, AuditedRun>();
    for (const row of rows("select run, workflow_id, status, inbox, length, owner, closed_at from workflow_runs")) {
      const [number, workflowId, status, inbox, length, owner, closedAt] = row;
      const run: AuditedRun = {
        run: number as number,
        runId: `${storeId}-${(number as number).toString(36)}`,
        workflowId: workflowId as string,
        status: status as string,
        inbox: inbox as number,
        length: length as number,
        events: (events.get(number as number) ?? []).map(([, seq, type, at, data]) => ({
          seq: seq as number,
          type: type as string,
          at: at as number,
          data: JSON.parse(data as string) as AuditedEvent["data"],
        })),
      };
      if (runs.has(run.workflowId)) problems.push(`${run.workflowId} was started twice`);
      runs.set(run.workflowId, run);
      events.delete(number as number);
      if (owner !== null || closedAt === null) problems.push(`${run.workflowId} is not closed: ${JSON.stringify(row)}`);
      problems.push(...historyProblems(run));
    }
    if (events.size > 0) problems.push(`events without a run: ${JSON.stringify([...events.keys()])}`);
    problems.push(...effectProblems(runs, effects));
    return { runs, problems };
  } finally {
    db.close();
  }
}

function historyProblems({ workflowId, status, inbox, length, events }: AuditedRun): string[] {
  const problems: string[] = [];
  const wrong = (what: string): void => void problems.push(`${workflowId}: ${what}`);
  if (status !== "completed") wrong(`is ${status}`);
  if (length !== events.length) wrong(`row says ${length} events, there are ${events.length}`);
  if (events[0]?.type !== "RunStarted") wrong(`begins with ${events[0]?.type}`);
  if (events.at(-1)?.type !== "RunCompleted") wrong(`ends with ${events.at(-1)?.type}`);
  if (events.filter(({ type }) => TERMINAL.test(type)).length !== 1) wrong("has not exactly one terminal event");
  const settled = new Set<number>();
  const received: number[] = [];
  for (const [index, { seq, type, at, data }] of events.entries()) {
    if (seq !== index + 1) wrong(`event ${index + 1} has the number ${seq}`);
    if (at < (events[index - 1]?.at ?? 0)) wrong(`time runs backwards at ${seq}`);
    if (type === "SignalReceived") received.push(data.m!);
    if (!OUTCOME.test(type)) continue;
    if (settled.has(data.c!)) wrong(`command ${data.c} has two outcomes, the second at ${seq}`);
    settled.add(data.c!);
  }
  const expected = Array.from({ length: inbox }, (_, index) => index + 1);
  if (received.join() !== expected.join()) wrong(`received messages ${received.join()}, sent were ${inbox}`);
  return problems;
}

/**
 * A step's recorded outcome names the execution it came from. That execution must be the last one ever started: a later one
 * began although the outcome was, or was about to be, durable.
 */
function effectProblems(runs: ReadonlyMap<string, AuditedRun>, effects: readonly Effect[]): string[] {
  const problems: string[] = [];
  const byKey = groupBy(effects, ({ key }) => key);
  for (const run of runs.values()) {
    for (const { type, data } of run.events) {
      if (type !== "StepCompleted") continue;
      const key = `${run.runId}:${data.c}`;
      const { token, step } = data.p as { token: string; step: string };
      problems.push(...stepProblems(run.workflowId, { key, token, step }, byKey.get(key) ?? []));
      byKey.delete(key);
    }
    problems.push(...orderProblems(run, effects));
  }
  for (const [key, [first]] of byKey) problems.push(`${key} ran (${JSON.stringify(first)}) and has no outcome`);
  return problems;
}

function stepProblems(
  workflowId: string,
  winner: { key: string; token: string; step: string },
  effects: readonly Effect[],
): string[] {
  const problems: string[] = [];
  const wrong = (what: string): void =>
    void problems.push(`${workflowId} ${winner.step} (${winner.key}): ${what}\n  ${effects.map(line).join("\n  ")}`);
  const starts = effects.filter(({ phase }) => phase === "start");
  const failed = new Set(effects.filter(({ phase }) => phase !== "start" && phase !== "end").map(({ token }) => token));
  if (starts.at(-1)?.token !== winner.token)
    wrong(`the outcome is from ${winner.token}, and it was started after that`);
  if (!effects.some(({ token, phase }) => token === winner.token && phase === "end")) wrong("recorded before it ended");
  for (const effect of effects) {
    if (effect.workflowId !== workflowId || effect.step !== winner.step) wrong(`its key was used by ${line(effect)}`);
  }
  for (const [incarnation, own] of groupBy(starts, (start) => start.incarnation)) {
    const unfinished = own.slice(0, -1).filter(({ token }) => !failed.has(token));
    if (unfinished.length > 0) wrong(`${incarnation} ran it twice`);
  }
  return problems;
}

/**
 * Durable before visible: a step starts only after the commit of what it was started by. The first event of each commit says how
 * many commands there had been before, which tells the commit each step follows from.
 */
function orderProblems({ runId, workflowId, events }: AuditedRun, effects: readonly Effect[]): string[] {
  const problems: string[] = [];
  const endOf = (token: string): number =>
    effects.findIndex((effect) => effect.token === token && effect.phase === "end");
  const startOf = (key: string): number => effects.findIndex((effect) => effect.key === key);
  const commits: AuditedEvent[][] = [];
  for (const event of events) {
    if (event.data.x !== undefined || commits.length === 0) commits.push([]);
    commits.at(-1)!.push(event);
  }
  for (const { type, data } of events) {
    if (type !== "StepCompleted") continue;
    const after = commits.findIndex(([first]) => (first?.data.x?.[0] ?? 0) >= data.c!);
    const causes = (commits[after - 1] ?? []).filter((event) => event.type === "StepCompleted");
    const start = startOf(`${runId}:${data.c}`);
    for (const cause of causes) {
      const { token, step } = cause.data.p as { token: string; step: string };
      if (start < endOf(token)) problems.push(`${workflowId}: command ${data.c} began before ${step} was durable`);
    }
  }
  return problems;
}

function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

function line({ at, token, phase, workflowId, step, attempt }: Effect): string {
  return `${at} ${token} ${phase} ${workflowId} ${step} attempt ${attempt}`;
}
