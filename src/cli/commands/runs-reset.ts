/** `perdure runs reset`: takes a run back to a step. */

import type { Perdure } from "../../client/perdure.ts";
import type { ResetOptions } from "../../client/reset.ts";
import type { RunHandle } from "../../client/run-handle.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { pointOf } from "../point-option.ts";
import { superviseRun } from "../run-supervisor.ts";
import { loadOrigin } from "../runnable.ts";

export const runsReset: Command = {
  name: "runs reset",
  summary: "take a run back to a step",
  usage: "ID --to STEP [--reason TEXT] [--detach]",
  description: `The STEP and everything after it is set aside and done anew; the history keeps it. Signals and updates that came since are
received again. A run that is being advanced is paused first, one that had ended goes on. It is advanced in this process until
it ends; with --detach the reset is only left for an engine that runs elsewhere. STEP is a name or label (the last of
several), the number of a command, or @12 for event 12.`,
  options: {
    to: { value: "STEP", help: "the step to go back to" },
    reason: { value: "TEXT", help: "why, for those who look at it later" },
    agents: {
      short: "a",
      value: "FILE",
      multiple: true,
      help: "file of agents and activities (default: those the run was started with)",
    },
    detach: { help: "do not run it here" },
  },
  examples: [
    ['perdure runs reset etl-2026-11-21 --to load --reason "wrong schema"', "do the load again, and what follows"],
    ["perdure runs reset order-42 --to 3 --detach", "let a running engine do it"],
  ],
  run: reset,
};

async function reset(invocation: Invocation): Promise<number> {
  const { args, terminal, json } = invocation;
  const id = args.only("ID");
  const reason = args.text("reason");
  const options: ResetOptions = { to: pointOf("to", args.text("to")), ...(reason !== undefined && { reason }) };
  const detach = args.flag("detach");
  const { handle, store, queues, runnable } = await withConnection(invocation, async (connection, project) => {
    const { handle: found, row } = await findRun(connection, id);
    if (detach) await found.reset(options);
    const origin = detach ? undefined : await loadOrigin(project, connection.store, row, args.list("agents"));
    return { handle: found, store: project.store, queues: project.config.queues, runnable: origin };
  });
  const { workflowId, runId } = handle;
  const obtain = async (engine: Perdure): Promise<RunHandle> => {
    const again = await engine.runs.handle(runId);
    await again.reset(options);
    return again;
  };
  if (runnable !== undefined) return superviseRun({ invocation, runnable, store, queues, obtain });
  if (json) terminal.line(JSON.stringify({ reset: true, workflowId, runId }));
  else terminal.line(`${terminal.styles.green("✔")} ${workflowId} goes back as soon as an engine takes it`);
  return EXIT.ok;
}
