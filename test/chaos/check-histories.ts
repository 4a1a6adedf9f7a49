/** Histories one by one: dense, in order, ended once, one outcome per command (I2, I5), and nothing left beside them (I10). */
import type { SeenEvent, SeenRun, Snapshot } from "./snapshot.ts";
import type { Findings } from "./violation.ts";

const STATUS: Readonly<Record<string, string>> = {
  RunCompleted: "completed",
  RunFailed: "failed",
  RunCancelled: "cancelled",
  RunTerminated: "terminated",
  RunTimedOut: "timed_out",
  RunContinued: "continued_as_new",
};
const OUTCOMES: ReadonlySet<string> = new Set([
  "StepCompleted",
  "StepFailed",
  "StepCancelled",
  "TimerFired",
  "WaitTimedOut",
]);

export function isTerminal({ type }: SeenEvent): boolean {
  return type in STATUS;
}

export function isOutcome({ type }: SeenEvent): boolean {
  return OUTCOMES.has(type);
}

/** Sequence numbers that resumes set aside. */
export function setAside(events: readonly SeenEvent[]): ReadonlySet<number> {
  return new Set(events.flatMap(({ type, data }) => (type === "Resumed" ? (data.s ?? []) : [])));
}

/** How often the outcome of a command had been set aside before an event: the third part of its idempotency key. */
export function generationAt(events: readonly SeenEvent[], command: number, before: number): number {
  let generation = 0;
  for (const { type, seq, data } of events) {
    if (type !== "Resumed" || seq >= before) continue;
    const { s = [], f = 0 } = data;
    if (command > f) generation++;
    else generation += s.filter((aside) => events[aside - 1]?.data.c === command).length;
  }
  return generation;
}

export function checkHistories({ runs, orphans, left }: Snapshot, found: Findings): void {
  if (orphans.length > 0) found.add("I2", undefined, "there are events without a run", orphans.slice(0, 5));
  for (const [table, rows] of Object.entries(left)) {
    if (rows.length > 0) found.add("I10", undefined, `${rows.length} rows are left in ${table}`, rows.slice(0, 5));
  }
  for (const run of runs) checkHistory(run, found);
}

function checkHistory(run: SeenRun, found: Findings): void {
  const { workflowId, events, status, owner, closedAt, length } = run;
  const wrong = (rule: string, what: string, ...evidence: unknown[]): void =>
    found.add(rule, workflowId, what, evidence);
  const { events: _, ...row } = run;
  if (closedAt === null || owner !== null) {
    wrong("I10", `has not ended: it is ${status}`, row, events.at(-1));
    return;
  }
  if (length !== events.length) wrong("I2", `its row says ${length} events, there are ${events.length}`, row);
  if (events[0]?.type !== "RunStarted") wrong("I2", "does not begin with RunStarted", events[0]);
  const last = events.at(-1);
  if (last === undefined || STATUS[last.type] !== status) wrong("I2", `is ${status} and does not end so`, last);
  for (const [at, event] of events.entries()) {
    const before = events[at - 1];
    if (event.seq !== at + 1) wrong("I2", `event ${at + 1} has the number ${event.seq}`, before, event);
    if (event.seenAt === null) wrong("I1", "an event is there that nobody wrote", event);
    if (before === undefined) continue;
    if (event.at < before.at) wrong("I3", "time runs backwards", before, event);
    if (event.seenAt < before.seenAt) wrong("I2", "an event was written before the one before it", before, event);
    if (isTerminal(before) && !(event.type === "Resumed" && event.data.s?.includes(before.seq)))
      wrong("I5", "something follows the end", before, event);
  }
  checkOutcomes(run, found);
}

function checkOutcomes({ workflowId, events }: SeenRun, found: Findings): void {
  const aside = setAside(events);
  const settled = new Map<number, SeenEvent>();
  for (const event of events) {
    if (!isOutcome(event) || aside.has(event.seq)) continue;
    const command = event.data.c!;
    const other = settled.get(command);
    if (other !== undefined) found.add("I5", workflowId, `command ${command} has two outcomes`, [other, event]);
    settled.set(command, event);
  }
}
