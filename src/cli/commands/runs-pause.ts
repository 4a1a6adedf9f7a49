/** `perdure runs pause`: makes runs stand still. */
import type { Connection } from "../../client/connection.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { MANY_OPTIONS, MANY_USAGE, meansMany, withMany } from "../many-runs.ts";
import { shellWord } from "../progress/run-display.ts";

export const runsPause: Command = {
  name: "runs pause",
  summary: "make a run stand still",
  usage: `${MANY_USAGE} [--reason TEXT]`,
  description: `What runs ends, nothing new is started. Messages are kept, timers fire when it goes on.
perdure runs resume lets it go on; perdure pause stops whole workflows and queues.`,
  options: { reason: { value: "TEXT", help: "why, for those who look at it later" }, ...MANY_OPTIONS },
  examples: [
    ['perdure runs pause order-42 --reason "waiting for stock"', "pause one run"],
    ["perdure runs pause --workflow etl --where region=eu --yes", "pause many"],
  ],
  run: (invocation) =>
    meansMany(invocation)
      ? withMany(invocation, "pause")
      : withConnection(invocation, (connection) => pause(invocation, connection)),
};

async function pause({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  const { handle } = await findRun(connection, args.only("ID"));
  await handle.pause(args.text("reason") ?? "");
  const { workflowId, runId } = handle;
  const paused = (await handle.status()) === "paused";
  if (json) terminal.line(JSON.stringify({ paused, workflowId, runId }));
  else {
    const when = paused ? "stands still" : "stands still as soon as what runs has ended";
    terminal.line(`${terminal.styles.green("✔")} ${workflowId} ${when}`);
    terminal.line(terminal.styles.dim(`perdure runs resume ${shellWord(workflowId)} lets it go on`));
  }
  return EXIT.ok;
}
