/** `perdure runs resume`: goes on with a run that stopped. */
import type { Perdure } from "../../client/perdure.ts";
import type { RunHandle } from "../../client/run-handle.ts";
import { PerdureError } from "../../core/errors.ts";
import { isClosed, RESUMABLE } from "../../core/status.ts";
import type { RunRow } from "../../store/store.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { MANY_OPTIONS, MANY_USAGE, meansMany, withMany } from "../many-runs.ts";
import type { Project } from "../project.ts";
import { superviseRun } from "../run-supervisor.ts";
import { loadOrigin, type Runnable } from "../runnable.ts";

export const runsResume: Command = {
  name: "runs resume",
  summary: "go on with a run that stopped",
  usage: `${MANY_USAGE} [--agents FILE] [--detach]`,
  description: `Goes on with a run that failed, was cancelled, timed out, is blocked, or was left open by a process that ended.
Finished steps do not run again; what failed is tried anew. A flow keeps the definition it was started with. The run is
advanced in this process until it ends; with --detach it is only marked, for an engine that runs elsewhere. Many runs are
always only marked.`,
  options: {
    agents: {
      short: "a",
      value: "FILE",
      multiple: true,
      help: "file of agents and activities (default: those the run was started with)",
    },
    detach: { help: "do not run it here" },
    ...MANY_OPTIONS,
  },
  examples: [
    ["perdure runs resume etl-2026-11-21", "after the cause of a failure is gone"],
    ["perdure runs resume etl-2026-11-21 --agents agents.yaml", "with other agents"],
    ["perdure runs resume order-42 --detach", "let a running engine go on with it"],
  ],
  run: (invocation) => (meansMany(invocation) ? withMany(invocation, "resume") : resume(invocation)),
};

interface Prepared {
  readonly row: RunRow;
  readonly runId: string;
  readonly store: string;
  readonly queues: Project["config"]["queues"];
  readonly runnable: Runnable | undefined;
}

async function resume(invocation: Invocation): Promise<number> {
  const { args, terminal, json } = invocation;
  const id = args.only("ID");
  const detach = args.flag("detach");
  const { row, runId, store, queues, runnable } = await withConnection(
    invocation,
    async (connection, project): Promise<Prepared> => {
      const { handle, row: found } = await findRun(connection, id);
      assertResumable(found);
      if (detach && RESUMABLE.has(found.status)) await handle.resume();
      const origin = detach ? undefined : await loadOrigin(project, connection.store, found, args.list("agents"));
      return { row: found, runId: handle.runId, store: project.store, queues: project.config.queues, runnable: origin };
    },
  );
  if (runnable !== undefined)
    return superviseRun({ invocation, runnable, store, queues, obtain: (engine) => obtain(engine, runId) });
  if (json) terminal.line(JSON.stringify({ resumed: true, workflowId: row.workflowId, runId }));
  else terminal.line(`${terminal.styles.green("✔")} ${row.workflowId} goes on as soon as an engine takes it`);
  return EXIT.ok;
}

function assertResumable({ status, workflowId, superseded }: RunRow): void {
  if (superseded)
    throw new PerdureError("CONFLICT", `a newer run has the workflow id ${workflowId}; this one cannot go on`);
  if (!isClosed(status) || RESUMABLE.has(status)) return;
  const hint = status === "completed" ? "perdure runs result shows its result" : "start it anew under another id";
  throw new PerdureError(
    "CONFLICT",
    `${workflowId} has ${status === "completed" ? "completed" : `been ${status}`}; there is nothing to go on with`,
    {
      details: { hint },
    },
  );
}

async function obtain(engine: Perdure, runId: string): Promise<RunHandle> {
  const handle = await engine.handle(runId);
  if (RESUMABLE.has(await handle.status())) await handle.resume();
  return handle;
}
