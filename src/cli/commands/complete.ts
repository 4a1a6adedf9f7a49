/** `perdure complete`: settles what waits for a token. */
import type { Connection } from "../../client/connection.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { withConnection } from "../connection.ts";
import { readValue } from "../input-values.ts";
import { usageError } from "../usage-error.ts";

export const complete: Command = {
  name: "complete",
  summary: "settle what waits for a token",
  usage: "TOKEN [--result VALUE | --error TEXT]",
  description: `Whoever got a token from an activity (ctx.completeLater()) or from wf.callback() says with it how the work went. Works from any
process that has the store and its key. A failed attempt is tried again as its retry policy says; a callback takes no --error.`,
  options: {
    result: {
      short: "r",
      value: "VALUE",
      multiple: true,
      help: "the result: key=value, JSON, @FILE or - (standard input); default null",
    },
    error: { value: "TEXT", help: "the attempt failed, for this reason" },
  },
  examples: [
    ['perdure complete "$TOKEN" --result paid=true', "the work is done"],
    ['perdure complete "$TOKEN" --result @report.json', "with a result from a file"],
    ['perdure complete "$TOKEN" --error "out of paper"', "the attempt failed"],
  ],
  run: (invocation) => withConnection(invocation, (connection) => settle(invocation, connection)),
};

async function settle({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  const token = args.only("TOKEN");
  const error = args.text("error");
  const given = args.list("result");
  if (error !== undefined && given.length > 0)
    throw usageError("complete: --result and --error exclude each other", "the attempt either succeeded or failed");
  if (error === undefined) await connection.complete(token, await readValue("result", given));
  else await connection.fail(token, new Error(error));
  const done = error === undefined ? "completed" : "failed";
  if (json) terminal.line(JSON.stringify({ [done]: true }));
  else terminal.line(`${terminal.styles.green("✔")} ${done}; whoever advances the run goes on with it`);
  return EXIT.ok;
}
