/** `perdure runs signal`: answers a run, wherever it is advanced. */
import type { Connection } from "../../client/connection.ts";
import { didYouMean } from "../../core/suggestion.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { isPair, readValue } from "../input-values.ts";
import { pinnedDefinition } from "../pinned-definition.ts";
import { shellWord } from "../progress/run-display.ts";
import { usageError } from "../usage-error.ts";

export const runsSignal: Command = {
  name: "runs signal",
  summary: "answer a waiting run",
  usage: "ID NAME [key=value ...] [--data VALUE]",
  description:
    "The signal is kept until the run asks for it, so it may come early. The run may be advanced by another process.",
  options: {
    data: {
      short: "d",
      value: "VALUE",
      multiple: true,
      help: "the payload: key=value, JSON, @FILE or - (standard input)",
    },
    key: { value: "KEY", help: "sending again with the same key is the same as once" },
  },
  examples: [
    ["perdure runs signal order-42 approved ok=true by=ada", "a payload of two fields"],
    ["perdure runs signal order-42 approved --data '{\"ok\": true}'", "as JSON"],
    ["perdure runs signal order-42 approved --data @answer.json --key answer-1", "from a file, at most once"],
  ],
  run: (invocation) => withConnection(invocation, (connection) => signal(invocation, connection)),
};

async function signal({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  const id = args.at(0, "ID");
  const name = args.at(1, "the NAME of the signal");
  const pairs = args.positionals.slice(2);
  const stray = pairs.find((text) => !isPair(text));
  if (stray !== undefined)
    throw usageError(
      `runs signal: one argument too many: ${JSON.stringify(stray)}`,
      "the payload is written key=value or --data JSON",
    );
  const { handle, row } = await findRun(connection, id);
  const definition = await pinnedDefinition(connection.store, row);
  const names = definition?.steps.flatMap((step) => (step.kind === "signal" ? [step.signal.name] : []));
  if (names !== undefined && !names.includes(name)) {
    const hint =
      didYouMean(name, names) ?? (names.length === 0 ? "it waits for none" : `it waits for ${names.join(", ")}`);
    throw usageError(`${row.workflow} waits for no signal ${JSON.stringify(name)}`, hint);
  }
  const payload = await readValue("data", [...args.list("data"), ...pairs]);
  const key = args.text("key");
  await handle.signal(name, payload, key === undefined ? {} : { key });
  const { workflowId, runId } = handle;
  if (json) terminal.line(JSON.stringify({ sent: true, workflowId, runId, signal: name }));
  else {
    terminal.line(`${terminal.styles.green("✔")} ${name} sent to ${workflowId}`);
    if (row.owner === null && (await connection.store.engines()).length === 0)
      terminal.line(
        terminal.styles.dim(
          `no engine is running now; perdure runs resume ${shellWord(workflowId)} goes on with the run`,
        ),
      );
  }
  return EXIT.ok;
}
