/** Histories read whole. */
import type { EventRow, Store } from "../store/store.ts";

const PAGE = 10_000;

/** All events of a run. */
export async function historyOf(store: Store, run: number): Promise<EventRow[]> {
  const rows: EventRow[] = [];
  for (;;) {
    const page = await store.history(run, rows.length, PAGE);
    for (const row of page) rows.push(row);
    if (page.length < PAGE) return rows;
  }
}
