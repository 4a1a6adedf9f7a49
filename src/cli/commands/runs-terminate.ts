/** `perdure runs terminate`: ends a run at once. */
import type { Connection } from "../../client/connection.ts";
import type { RunHandle } from "../../client/run-handle.ts";
import { isClosed } from "../../core/status.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { MANY_OPTIONS, MANY_USAGE, meansMany, withMany } from "../many-runs.ts";

export const runsTerminate: Command = {
  name: "runs terminate",
  summary: "end a run at once",
  usage: `${MANY_USAGE} [--reason TEXT]`,
  description:
    "Nothing of the run is asked or cleaned up, and it cannot be resumed. perdure runs cancel is the gentle way.",
  options: { reason: { value: "TEXT", help: "why, for those who look at it later" }, ...MANY_OPTIONS },
  examples: [
    ['perdure runs terminate order-42 --reason "started by mistake"', "end a run"],
    ["perdure runs terminate --workflow etl --where region=eu --dry-run", "which of many runs it would be"],
  ],
  run: (invocation) =>
    meansMany(invocation)
      ? withMany(invocation, "terminate")
      : withConnection(invocation, (connection) => terminate(invocation, connection)),
};

async function terminate({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  const { handle } = await findRun(connection, args.only("ID"));
  await handle.terminate(args.text("reason") ?? "");
  const ended = await endedSoon(handle);
  const { workflowId, runId } = handle;
  if (json) terminal.line(JSON.stringify({ terminated: ended, workflowId, runId }));
  else
    terminal.line(
      `${terminal.styles.green("✔")} ${workflowId} ${ended ? "was terminated" : "will be terminated by the engine that advances it"}`,
    );
  return EXIT.ok;
}

const PATIENCE_MS = 3000;

/** Whether the engine that has the run ended it within a moment. */
async function endedSoon(handle: RunHandle): Promise<boolean> {
  await handle.result({ timeout: PATIENCE_MS }).catch(() => {});
  return isClosed(await handle.status());
}
