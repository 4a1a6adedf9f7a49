/** Ends a run that nobody advances, so that terminating needs no engine that knows its code. */
import { newEvent } from "../core/events.ts";
import type { RunRow, Store } from "../store/store.ts";

/** False when somebody else took the run meanwhile. */
export async function terminateUnowned(store: Store, row: RunRow, reason: string, now: number): Promise<boolean> {
  if (row.status === "blocked" || row.status === "paused") {
    const to = { status: "pending", wakeAt: null, closedAt: null, crashes: row.crashes, detail: row.detail } as const;
    if (!(await store.amend(row.run, [row.status], to))) return false;
  }
  const lease = await store.register({ label: "terminate", at: now });
  try {
    const [claimed] = await store.claim(lease, { workflows: [], runs: [row.run], limit: 1, at: now });
    if (claimed === undefined) return false;
    const [loaded] = await store.load([row.run], 0);
    const base = await historyLength(store, row.run);
    const { type, at, body } = newEvent.runTerminated(now, reason);
    const image = {
      status: "terminated",
      owned: false,
      wakeAt: null,
      closedAt: at,
      crashes: 0,
      detail: null,
      ifInbox: null,
      forget: true,
    } as const;
    const transition = {
      run: row.run,
      base,
      events: [{ type, at, data: `{${body}}` }],
      consumed: loaded?.messages.map((message) => message.number) ?? [],
      attempts: [],
      settled: loaded?.attempts.map((attempt) => attempt.command) ?? [],
      image,
    };
    const { refused } = await store.commit(lease, { number: 1, starts: [], transitions: [transition] });
    return refused.size === 0;
  } finally {
    await store.release(lease, now);
  }
}

const PAGE = 10_000;

async function historyLength(store: Store, run: number): Promise<number> {
  let length = 0;
  for (;;) {
    const page = await store.history(run, length, PAGE);
    length += page.length;
    if (page.length < PAGE) return length;
  }
}
