/** `perdure pauses`: what is stopped. */
import type { Connection } from "../../client/connection.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { withConnection } from "../connection.ts";
import { targetText } from "../pause-words.ts";
import type { Part } from "../text/styled-line.ts";
import { tableLines } from "../text/table.ts";
import { agoText, isoTime } from "../text/time-text.ts";

export const pauses: Command = {
  name: "pauses",
  summary: "what is paused, since when and why",
  usage: "",
  options: {},
  examples: [["perdure pauses", "everything that is paused"]],
  run: (invocation) => withConnection(invocation, (connection) => list(invocation, connection)),
};

async function list({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  args.atMost(0);
  const found = await connection.pauses();
  if (json) terminal.line(JSON.stringify(found.map(({ at, ...pause }) => ({ ...pause, since: isoTime(at) }))));
  else if (found.length === 0) terminal.line("nothing is paused");
  else {
    const now = Date.now();
    const columns = terminal.live ? terminal.columns : Number.POSITIVE_INFINITY;
    const rows = found.map(({ target, reason, at }): Part[] => [targetText(target), agoText(at, now), reason]);
    for (const line of tableLines(["PAUSED", "SINCE", "REASON"], rows, terminal.styles, columns)) terminal.line(line);
  }
  return EXIT.ok;
}
