import type { RunRow } from "../store.ts";

/** Whether a run goes on by itself when it is due. */
export function isAdvancing(row: RunRow): boolean {
  return row.closedAt === null && (row.status === "pending" || row.status === "running");
}
