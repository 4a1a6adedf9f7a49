/** `perdure runs delete`. */
import { removeRow } from "../../client/bulk.ts";
import type { Connection } from "../../client/connection.ts";
import { PerdureError } from "../../core/errors.ts";
import { isClosed } from "../../core/status.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { confirmed } from "../confirmation.ts";
import { findRun, withConnection } from "../connection.ts";
import { MANY_OPTIONS, MANY_USAGE, meansMany, withMany } from "../many-runs.ts";
import { shellWord } from "../progress/run-display.ts";

export const runsDelete: Command = {
  name: "runs delete",
  summary: "delete a run with its history",
  usage: MANY_USAGE,
  description: "Only runs that have ended can be deleted. What is deleted cannot be brought back.",
  options: MANY_OPTIONS,
  examples: [
    ["perdure runs delete order-42 --yes", "delete without a question"],
    ["perdure runs delete --status failed --older-than 30d", "delete many"],
  ],
  run: (invocation) =>
    meansMany(invocation)
      ? withMany(invocation, "delete")
      : withConnection(invocation, (connection) => remove(invocation, connection)),
};

async function remove({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  const { handle, row } = await findRun(connection, args.only("ID"));
  const { workflowId, runId } = handle;
  if (!isClosed(row.status)) {
    const hint = `perdure runs terminate ${shellWord(workflowId)} ends it`;
    throw new PerdureError("CONFLICT", `${workflowId} is ${row.status}; only runs that have ended can be deleted`, {
      details: { hint },
    });
  }
  if (
    !args.flag("yes") &&
    !(await confirmed("runs delete", `delete ${workflowId} (${runId}, ${row.status}) with its whole history?`))
  ) {
    terminal.line("nothing was deleted");
    return EXIT.failed;
  }
  await removeRow(connection, row);
  terminal.line(
    json
      ? JSON.stringify({ deleted: true, workflowId, runId })
      : `${terminal.styles.green("✔")} ${workflowId} was deleted`,
  );
  return EXIT.ok;
}
