/** Runs that could go on but do not, because no engine has their code. */
import type { RunRow } from "../store/store.ts";
import { SCHEDULE_WORKFLOW } from "../workflow/schedule.ts";

/** Code that a run waits for. */
export interface AwaitedCode {
  readonly workflow: string;
  /** Undefined: the unversioned one. */
  readonly version: string | undefined;
  /** Since when, epoch milliseconds. */
  readonly since: number;
}

/** After this long every engine with the code would have taken the run. */
const UNCLAIMED_MS = 5000;

/** The code a run waits for: it is due, and nobody has taken it for a while. */
export function awaitedCode(
  { owner, status, wakeAt, workflow, version }: RunRow,
  now: number,
): AwaitedCode | undefined {
  if (owner !== null || wakeAt === null || (status !== "pending" && status !== "running")) return undefined;
  if (now - wakeAt < UNCLAIMED_MS) return undefined;
  return { workflow, version: version ?? undefined, since: wakeAt };
}

/** Why a run that waits for code does not go on. */
export function awaitedText({ workflow, version }: AwaitedCode): string {
  if (workflow === SCHEDULE_WORKFLOW)
    return `it is a schedule and waits for an engine that has ${version ?? "its workflow"}`;
  if (version === undefined) return `it waits for an engine that has ${workflow} (without a version); open one with it`;
  return `it waits for an engine that has ${workflow}@${version}; deploy that version beside the others`;
}
