/** What an engine wrote down when it let go of a run: where the code stood, and what it waited for. */
import type { Check } from "../core/events.ts";
import type { RunRow } from "../store/store.ts";
import type { RecordedCommand } from "./recorded-history.ts";

/** Where the code of a run stood when the run was left. */
export interface Parked {
  /** Commands issued; undefined when something was appended since, or nothing was written. */
  readonly check: Check | undefined;
  /** Steps, timers and waits that were open. Named as people know them. */
  readonly open: readonly RecordedCommand[];
}

const NOT_PARKED: Parked = { check: undefined, open: [] };

/** What the row of a run with a history of this length says. */
export function parkedAt({ detail, length }: Pick<RunRow, "detail" | "length">, events: number): Parked {
  if (detail === null || length !== events) return NOT_PARKED;
  const { check, waits = [] } = JSON.parse(detail) as {
    check?: Check;
    waits?: (RecordedCommand & { label?: string })[];
  };
  if (check === undefined) return NOT_PARKED;
  return { check, open: waits.map(({ command, kind, name, label }) => ({ command, kind, name: label ?? name })) };
}
