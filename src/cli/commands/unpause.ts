/** `perdure unpause`: lets go on what was stopped. */
import type { Connection } from "../../client/connection.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { withConnection } from "../connection.ts";
import { TARGET_OPTIONS, targetOf, targetText } from "../pause-words.ts";

export const unpause: Command = {
  name: "unpause",
  summary: "let go on what was paused",
  usage: "--workflow NAME | --queue NAME | --all",
  description:
    "Lifts one pause; others stay in force. --all lifts the pause of everything, not those of single workflows and queues.",
  options: TARGET_OPTIONS,
  examples: [
    ["perdure unpause --queue mail", "its activities are started again"],
    ["perdure unpause --all", "after perdure pause --all"],
  ],
  run: (invocation) => withConnection(invocation, (connection) => lift(invocation, connection)),
};

async function lift({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  const target = targetOf("unpause", args);
  const was = await connection.unpause(target);
  const left = (await connection.pauses()).map((one) => targetText(one.target));
  if (json) terminal.line(JSON.stringify({ unpaused: was, target }));
  else {
    const { green, dim } = terminal.styles;
    terminal.line(was ? `${green("✔")} ${targetText(target)} goes on` : `· ${targetText(target)} was not paused`);
    if (left.length > 0) terminal.line(dim(`still paused: ${left.join(", ")}`));
  }
  return EXIT.ok;
}
