/** Transactional steps and schedules: exactly once (I5). */
import { generationAt } from "./check-histories.ts";
import { SCHEDULES } from "./load.ts";
import { groupBy, type SeenRun, type Snapshot } from "./snapshot.ts";
import type { Findings } from "./violation.ts";

/** What the accounts held at the beginning. */
const TOTAL = 8 * 1000;

export function checkLedger(snapshot: Snapshot, found: Findings): void {
  const { accounts, ledger, runs } = snapshot;
  const total = accounts.reduce((sum, { balance }) => sum + balance, 0);
  if (total !== TOTAL) found.add("I5", undefined, `the accounts hold ${total}, not ${TOTAL}`, accounts);
  for (const { account, balance } of accounts) {
    const booked = ledger.reduce(
      (sum, { source, target, amount }) => sum + (target === account ? amount : 0) - (source === account ? amount : 0),
      1000,
    );
    if (booked !== balance)
      found.add("I5", undefined, `account ${account} holds ${balance}, the ledger says ${booked}`, []);
  }
  const moves = groupBy(ledger, ({ run_id: runId, step }) => `${runId}/${step}`);
  for (const [step, rows] of moves)
    if (rows.length > 1) found.add("I5", undefined, `${step} was booked ${rows.length} times`, rows);
  for (const run of runs) checkBooked(run, moves, found);
  checkKept(snapshot, found);
  checkOrders(snapshot, found);
  checkTicks(snapshot, found);
}

/** What was booked while its run was being cancelled or ended stays beside the history; nothing else does. */
function checkKept({ kept, byRun }: Snapshot, found: Findings): void {
  for (const row of kept) {
    const run = byRun.get(row.run);
    const recorded = run?.events.some(
      ({ type, seq, data }) =>
        type === "StepCompleted" &&
        data.c === row.command &&
        generationAt(run.events, row.command, seq) === row.generation,
    );
    if (run === undefined || recorded === true)
      found.add("I5", run?.workflowId, "the outcome of a transaction was kept beside its event", [row]);
  }
}

function checkBooked(
  { workflow, workflowId, runId, events }: SeenRun,
  moves: ReadonlyMap<string, unknown[]>,
  found: Findings,
): void {
  if (workflow !== "transfers") return;
  for (const event of events) {
    if (event.type !== "StepCompleted" || event.data.k !== "transaction") continue;
    if (!moves.has(`${runId}/${event.data.n}`))
      found.add("I5", workflowId, `${event.data.n} is recorded and was not booked`, [event]);
  }
}

/** What a client's transaction started is there if it committed, and only then. */
function checkOrders({ orders, runs, waiting }: Snapshot, found: Findings): void {
  if (waiting.length > 0) found.add("I10", undefined, `${waiting.length} admissions are waiting`, waiting.slice(0, 5));
  const started = groupBy(
    runs.filter(({ workflowId }) => workflowId.startsWith("order-")),
    ({ workflowId }) => workflowId,
  );
  for (const id of orders)
    if (!started.has(id)) found.add("I4", id, "its transaction committed and it was not started", []);
  const ordered = new Set(orders);
  for (const [id, all] of started) {
    if (all.length > 1)
      found.add(
        "I5",
        id,
        `the order was started ${all.length} times`,
        all.map(({ runId }) => runId),
      );
    if (!ordered.has(id)) found.add("I1", id, "its transaction was taken back and it was started", []);
  }
}

/** One start for each tick, and one of each. */
function checkTicks({ runs, ticks }: Snapshot, found: Findings): void {
  const started = runs.filter(({ workflow }) => workflow === "tick");
  for (const [id, all] of groupBy(started, ({ workflowId }) => workflowId))
    if (all.length > 1)
      found.add(
        "I5",
        id,
        `the tick was started ${all.length} times`,
        all.map(({ runId }) => runId),
      );
  const booked = groupBy(ticks, (id) => id);
  for (const [id, all] of booked)
    if (all.length > 1) found.add("I5", id, `the tick was booked ${all.length} times`, all);
  for (const { workflowId, status } of started) {
    if (status !== "completed") found.add("I10", workflowId, `the run of a tick is ${status}`, []);
    if (!booked.has(workflowId)) found.add("I5", workflowId, "the tick was started and not booked", []);
  }
  for (const { name, everyMs } of SCHEDULES) {
    if (everyMs === undefined) continue;
    const times = started
      .filter(({ workflowId }) => workflowId.startsWith(`${name}@`))
      .map(({ workflowId }) => Date.parse(workflowId.slice(name.length + 1)))
      .sort((a, b) => a - b);
    for (const [at, time] of times.entries()) {
      if (at > 0 && time - times[at - 1]! !== everyMs)
        found.add("I10", undefined, `schedule ${name} left out ticks after ${new Date(times[at - 1]!).toISOString()}`, [
          times[at - 1],
          time,
        ]);
    }
    if (times.length === 0) found.add("I10", undefined, `schedule ${name} started nothing`, []);
  }
}
