/** Ends a run that nobody advances, so that terminating needs no engine that knows its code. */
import { type EventType, eventData, type NewEvent, newEvent, TERMINAL } from "../core/events.ts";
import { formatRunId } from "../core/ids.ts";
import type { Also, EventRow, Lease, LoadedRun, RunImage, RunRow, Store } from "../store/store.ts";
import { stopsChildren, toParent, unanswered, updatesIn } from "./end-notices.ts";

/** Tries again when messages arrive in between; after that many the run's own engine gets a message instead. */
const MAX_TRIES = 5;
const PAGE = 10_000;

/** False when somebody else took the run meanwhile. */
export async function terminateUnowned(store: Store, row: RunRow, reason: string, now: number): Promise<boolean> {
  if (row.status === "blocked" || row.status === "paused") {
    const to = { status: "pending", wakeAt: now, closedAt: null, crashes: row.crashes, detail: row.detail } as const;
    if (!(await store.amend(row.run, [row.status], to))) return false;
  }
  const lease = await store.register({ label: "terminate", at: now });
  try {
    const [claimed] = await store.claim(lease, { code: [], runs: [row.run], limit: 1, at: now });
    if (claimed === undefined) return false;
    for (let number = 1; number <= MAX_TRIES; number++) {
      if (await tryToEnd(store, lease, number, row.run, reason, now)) return true;
    }
    return false;
  } finally {
    await store.release(lease, now);
  }
}

/** Commits the end together with the messages nobody asked for (I4); false when more of them came meanwhile, but for the last try. */
async function tryToEnd(
  store: Store,
  lease: Lease,
  number: number,
  run: number,
  reason: string,
  now: number,
): Promise<boolean> {
  const [loaded] = await store.load([run], 0);
  if (loaded === undefined) return false;
  const base = await historyLength(store, run);
  const last = await store.lastEvent(run);
  const at = Math.max(now, last?.at ?? 0);
  const events = [...resumed(last, base, at), ...leftovers(loaded, at), newEvent.runTerminated(at, reason)];
  const rows = events.map(({ type, body }) => ({ type, at, data: eventData(body, undefined, undefined) }));
  const transition = {
    run,
    base,
    events: rows,
    consumed: loaded.messages.map((message) => message.number),
    attempts: [],
    settled: loaded.attempts.map((attempt) => attempt.command),
    image: { ...TERMINATED, closedAt: at, ifInbox: number < MAX_TRIES ? loaded.row.inbox : null },
    also: closing(store, loaded, rows.at(-1)!),
  };
  const { refused } = await store.commit(lease, { number, starts: [], transitions: [transition] });
  return refused.size === 0;
}

/** What the end of the run tells its parent, its children and the callers of its updates. */
function closing(store: Store, { row, messages, unanswered: accepted }: LoadedRun, last: EventRow): Also {
  const { workflowId, parent } = row;
  const identity = { workflowId, runId: formatRunId(store.id, row.run) };
  const stops = stopsChildren(last.at, `its parent ${workflowId} was terminated`);
  const answers = unanswered([...accepted, ...updatesIn(messages)], workflowId, "terminated", last.at);
  return {
    ...stops,
    ...(parent !== null && { sends: [toParent(parent, identity, last)] }),
    ...(answers.length > 0 && { answers }),
  };
}

const TERMINATED: Omit<RunImage, "closedAt" | "ifInbox"> = {
  status: "terminated",
  owned: false,
  wakeAt: null,
  crashes: 0,
  detail: null,
  forget: true,
};

/** A run that had ended and was about to be resumed: its end is set aside first, as nothing follows an end but that. */
function resumed(last: EventRow | undefined, base: number, at: number): NewEvent[] {
  return last !== undefined && TERMINAL.has(last.type as EventType)
    ? [newEvent.resumed(at, [base], Number.MAX_SAFE_INTEGER)]
    : [];
}

function leftovers({ messages }: LoadedRun, at: number): NewEvent[] {
  return messages
    .filter((message) => message.kind === "signal")
    .map(({ name, data, number }) => newEvent.signalReceived(at, name, data, number));
}

async function historyLength(store: Store, run: number): Promise<number> {
  let length = 0;
  for (;;) {
    const page = await store.history(run, length, PAGE);
    length += page.length;
    if (page.length < PAGE) return length;
  }
}
