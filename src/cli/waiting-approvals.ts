/** The approvals that runs wait for. */
import type { Connection } from "../client/connection.ts";
import type { RunDescription } from "../client/run-description.ts";

/** An approval that somebody has to decide. Times are epoch milliseconds. */
export interface WaitingApproval {
  readonly workflow: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly name: string;
  readonly since: number;
  readonly due: number | undefined;
  /** Undefined: anybody. */
  readonly approvers: readonly string[] | undefined;
}

const PAGE = 500;

/** All approvals that open runs wait for, those of the newest runs first. A run that is active shows its own after about a second. */
export async function* waitingApprovals(
  connection: Connection,
  workflow: string | undefined,
): AsyncGenerator<WaitingApproval> {
  let before: string | undefined;
  for (;;) {
    const page = await connection.runs.list({
      status: ["pending", "running", "paused"],
      limit: PAGE,
      ...(workflow !== undefined && { workflow }),
      ...(before !== undefined && { before }),
    });
    for (const run of page) yield* approvalsOf(await detailed(connection, run));
    if (page.length < PAGE) return;
    before = page.at(-1)!.runId;
  }
}

/** A parked run has its waits in its row; those of others are looked up. */
async function detailed(connection: Connection, run: RunDescription): Promise<RunDescription> {
  return run.open.length > 0 ? run : await (await connection.runs.handle(run.runId)).describe();
}

/** The approvals one run waits for. */
export function approvalsOf({ workflow, workflowId, runId, open }: RunDescription): WaitingApproval[] {
  return open.flatMap(({ approval, since, due, approvers }) =>
    approval === undefined ? [] : [{ workflow, workflowId, runId, name: approval, since, due, approvers }],
  );
}
