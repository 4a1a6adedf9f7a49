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
  /** What of it holds as long as nothing is appended, for the row of a run that is left again. */
  readonly kept: object;
}

interface Detail {
  readonly check?: Check;
  readonly waits?: readonly (RecordedCommand & { label?: string })[];
  readonly reset?: unknown;
}

/** What the row of a run with a history of this length says. */
export function parkedAt({ detail, length }: Pick<RunRow, "detail" | "length">, events: number): Parked {
  const { check, waits = [], reset } = detail === null ? {} : (JSON.parse(detail) as Detail);
  const asked = reset === undefined ? {} : { reset };
  if (check === undefined || length !== events) return { check: undefined, open: [], kept: asked };
  const open = waits.map(({ command, kind, name, label }) => ({ command, kind, name: label ?? name }));
  return { check, open, kept: { check, waits, ...asked } };
}

/** What the row of a run keeps that goes on: where its code stood, and that it is to go back in its history. */
export function goingOn(detail: string | null): string | null {
  if (detail === null) return null;
  const { paused: _paused, blocked: _blocked, ...kept } = JSON.parse(detail) as Record<string, unknown>;
  return Object.keys(kept).length === 0 ? null : JSON.stringify(kept);
}
