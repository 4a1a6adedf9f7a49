/** `perdure runs delete`. */
import { createInterface } from "node:readline/promises";
import type { Connection } from "../../client/connect.ts";
import { PerdureError } from "../../core/errors.ts";
import { isClosed } from "../../core/status.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { shellWord } from "../progress/run-display.ts";
import { usageError } from "../usage-error.ts";

export const runsDelete: Command = {
  name: "runs delete",
  summary: "delete a run with its history",
  usage: "ID [--yes]",
  description: "Only runs that have ended can be deleted. What is deleted cannot be brought back.",
  options: { yes: { short: "y", help: "do not ask" } },
  examples: [["perdure runs delete order-42 --yes", "delete without a question"]],
  run: (invocation) => withConnection(invocation, (connection) => remove(invocation, connection)),
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
    !(await confirmed(`delete ${workflowId} (${runId}, ${row.status}) with its whole history?`))
  ) {
    terminal.line("nothing was deleted");
    return EXIT.failed;
  }
  await handle.delete();
  terminal.line(
    json
      ? JSON.stringify({ deleted: true, workflowId, runId })
      : `${terminal.styles.green("✔")} ${workflowId} was deleted`,
  );
  return EXIT.ok;
}

async function confirmed(question: string): Promise<boolean> {
  if (process.stdin.isTTY !== true)
    throw usageError("runs delete: nobody is there to ask", "--yes deletes without a question");
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await prompt.question(`${question} [y/N] `)).trim());
  } finally {
    prompt.close();
  }
}
