/** `perdure runs result`: waits for a run that is advanced elsewhere. */
import type { Connection } from "../../client/connection.ts";
import { type Duration, durationMs } from "../../core/duration.ts";
import { isPerdureError } from "../../core/errors.ts";
import { isClosed } from "../../core/status.ts";
import type { Command, Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { shellWord } from "../progress/run-display.ts";
import { endingOf, exitCodeOf, printEnding } from "../run-ending.ts";

export const runsResult: Command = {
  name: "runs result",
  summary: "wait for a run's result",
  usage: "ID [--timeout 30s]",
  description: "Waits until the run has ended, wherever it is advanced, and prints its result. Nothing is run here.",
  options: { timeout: { value: "DURATION", help: "give up after this long, with exit code 1; 0s only looks" } },
  examples: [
    ["perdure runs result order-42", "wait as long as it takes"],
    ["perdure runs result order-42 --timeout 30s --json | jq .output", "for a script"],
  ],
  run: (invocation) => withConnection(invocation, (connection) => result(invocation, connection)),
};

async function result({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  const { handle, row } = await findRun(connection, args.only("ID"));
  const timeout = args.text("timeout");
  const timeoutMs = timeout === undefined ? undefined : durationMs(timeout as Duration, "--timeout");
  if (!isClosed(row.status) && timeoutMs !== 0 && (await connection.store.engines()).length === 0) {
    const id = shellWord(row.workflowId);
    terminal.error(
      terminal.errorStyles.dim(`no engine is running on this store; perdure runs resume ${id} goes on with the run`),
    );
  }
  try {
    await handle.result(timeoutMs === undefined ? {} : { timeout: timeoutMs });
  } catch (error) {
    if (!isPerdureError(error) || error.details.runId === undefined) throw error;
  }
  const ending = await endingOf(handle);
  printEnding(ending, terminal, json);
  return exitCodeOf(ending);
}
