/** `perdure runs cancel`: asks a run to stop. */
import type { Connection } from "../../client/connection.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { MANY_OPTIONS, MANY_USAGE, meansMany, withMany } from "../many-runs.ts";
import { shellWord } from "../progress/run-display.ts";

export const runsCancel: Command = {
  name: "runs cancel",
  summary: "ask a run to stop",
  usage: `${MANY_USAGE} [--reason TEXT]`,
  description: `The run's waits and steps end, and its code may clean up. It can be resumed later.
perdure runs terminate ends a run without asking.`,
  options: { reason: { value: "TEXT", help: "why, for those who look at it later" }, ...MANY_OPTIONS },
  examples: [
    ['perdure runs cancel order-42 --reason "customer called"', "cancel with a reason"],
    ["perdure runs cancel --workflow etl --where region=eu --dry-run", "which of many runs it would be"],
  ],
  run: (invocation) =>
    meansMany(invocation)
      ? withMany(invocation, "cancel")
      : withConnection(invocation, (connection) => cancel(invocation, connection)),
};

async function cancel({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  const { handle, row } = await findRun(connection, args.only("ID"));
  await handle.cancel(args.text("reason") ?? "");
  const { workflowId, runId } = handle;
  const idle = row.owner === null && (await connection.store.engines()).length === 0;
  if (json) terminal.line(JSON.stringify({ cancelRequested: true, workflowId, runId }));
  else {
    terminal.line(`${terminal.styles.green("✔")} ${workflowId} was asked to stop`);
    const id = shellWord(workflowId);
    if (idle)
      terminal.line(
        terminal.styles.dim(
          `no engine is running now; perdure runs resume ${id} lets it stop, perdure runs terminate ${id} ends it at once`,
        ),
      );
  }
  return EXIT.ok;
}
