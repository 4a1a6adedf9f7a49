/** The ways in which a workflow function comes to a stop: it ends, or it is blocked. */
import type { Difference } from "./mismatch.ts";
import type { Payload } from "./payload.ts";

/** Why a run stands still until its code or somebody changes: said to people, never appended to the history. */
export interface Blockage {
  readonly reason:
    | "mismatch"
    | "foreign_await"
    | "nondurable_await"
    | "crash_loop"
    | "data_error"
    | "defect"
    | "unknown_workflow"
    | "unknown_activity"
    | "version_range";
  readonly message: string;
  /** Of a mismatch: its parts. */
  readonly difference?: Difference;
  /** Name of the workflow or activity that is unknown. */
  readonly missing?: string;
}

/** How the function ended. `next`: input of the run that continues this one. */
export type Ending =
  | { readonly ok: true; readonly value: unknown; readonly next?: Payload }
  | { readonly ok: false; readonly error: unknown };
