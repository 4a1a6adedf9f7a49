/** `perdure runs update`: changes a run and prints what it answers. */
import type { Connection } from "../../client/connection.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { messageInput } from "../message-input.ts";
import { jsonValue, prettyValue } from "../text/value-text.ts";
import { answerWithin } from "../update-answer.ts";

export const runsUpdate: Command = {
  name: "runs update",
  summary: "change a run and wait for its answer",
  usage: "ID NAME [key=value ...] [--input VALUE] [--id ID] [--timeout 30s]",
  description: `The run's handler of NAME is called wherever the run is advanced; its answer is printed. What it rejects is an error with exit
code 1. When no answer comes in time, the update is kept and answered later.`,
  options: {
    input: { short: "i", value: "VALUE", multiple: true, help: "what is sent: key=value, JSON, @FILE or -" },
    id: { value: "ID", help: "sending again with the same id is the same update, with the same answer" },
    timeout: { value: "DURATION", help: "how long to wait for the answer (default 30s)" },
  },
  examples: [
    ["perdure runs update cart-42 add sku=A1 count=2", "with an input of two fields"],
    ["perdure runs update cart-42 add --input @item.json --id item-7", "at most once, however often it is called"],
  ],
  run: (invocation) => withConnection(invocation, (connection) => update(invocation, connection)),
};

async function update({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  const found = args.at(0, "ID");
  const name = args.at(1, "the NAME of the update");
  const input = await messageInput("runs update", args);
  const { handle, row } = await findRun(connection, found);
  const id = args.text("id");
  const answer = await answerWithin(connection, row, args.text("timeout"), (timeout) =>
    handle.update(name, input, { timeout, ...(id !== undefined && { id }) }),
  );
  const { workflowId, runId } = handle;
  if (json) terminal.line(JSON.stringify({ workflowId, runId, update: name, answer: jsonValue(answer) }));
  else
    for (const line of prettyValue(answer, { lines: Number.POSITIVE_INFINITY, columns: Number.POSITIVE_INFINITY }))
      terminal.line(line);
  return EXIT.ok;
}
