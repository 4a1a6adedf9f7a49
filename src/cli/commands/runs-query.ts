/** `perdure runs query`: asks a run something, with its own code. */
import type { Connection } from "../../client/connection.ts";
import { open } from "../../client/open.ts";
import { silentLogger } from "../../engine/log.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { messageInput } from "../message-input.ts";
import type { Project } from "../project.ts";
import { loadOrigin } from "../runnable.ts";
import { jsonValue, prettyValue } from "../text/value-text.ts";

export const runsQuery: Command = {
  name: "runs query",
  summary: "ask a run something",
  usage: "ID NAME [key=value ...] [--input VALUE]",
  description: `The answer is computed here by the code of the run, which is found as perdure run finds it: from the file the run was started
from, or by its name in perdure.config.ts. The run goes on wherever it is advanced; also one that has ended answers.`,
  options: {
    input: { short: "i", value: "VALUE", multiple: true, help: "what is asked: key=value, JSON, @FILE or -" },
    agents: { short: "a", value: "FILE", multiple: true, help: "file of agents and activities" },
  },
  examples: [
    ["perdure runs query order-42 total", "what its handler of total says"],
    ['perdure runs query order-42 items --input \'{"status": "open"}\' --json', "with an input, for a program"],
  ],
  run: (invocation) => withConnection(invocation, (connection, project) => ask(invocation, connection, project)),
};

async function ask(invocation: Invocation, connection: Connection, project: Project): Promise<number> {
  const { args, terminal, json } = invocation;
  const id = args.at(0, "ID");
  const name = args.at(1, "the NAME of the query");
  const input = await messageInput("runs query", args);
  const { row, handle } = await findRun(connection, id);
  const runnable = await loadOrigin(project, connection.store, row, args.list("agents"));
  await using engine = await open({
    store: connection.store,
    claims: "own",
    workflows: [runnable.workflow],
    activities: runnable.activities,
    logger: silentLogger,
  });
  const answer: unknown = await (await engine.runs.handle(handle.runId)).query(name, input);
  if (json)
    terminal.line(
      JSON.stringify({ workflowId: row.workflowId, runId: handle.runId, query: name, answer: jsonValue(answer) }),
    );
  else
    for (const line of prettyValue(answer, { lines: Number.POSITIVE_INFINITY, columns: Number.POSITIVE_INFINITY }))
      terminal.line(line);
  return EXIT.ok;
}
