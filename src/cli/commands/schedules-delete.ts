/** `perdure schedules delete`. */
import type { Connection } from "../../client/connection.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { withConnection } from "../connection.ts";

export const schedulesDelete: Command = {
  name: "schedules delete",
  summary: "delete a schedule; what it started goes on",
  usage: "NAME",
  description:
    "A schedule that is written in a flow comes back when an engine is opened with the flow: delete it there.",
  options: {},
  examples: [["perdure schedules delete nightly", "its runs stay"]],
  run: (invocation) => withConnection(invocation, (connection) => remove(invocation, connection)),
};

async function remove({ args, terminal, json }: Invocation, { schedules }: Connection): Promise<number> {
  const name = args.only("NAME");
  const handle = await schedules.get(name);
  const { running } = await handle.describe();
  await handle.delete();
  if (json) terminal.line(JSON.stringify({ schedule: name, deleted: true, running }));
  else {
    terminal.line(`${terminal.styles.green("✔")} ${name} deleted`);
    if (running.length > 0) terminal.line(terminal.styles.dim(`still running: ${running.join(", ")}`));
  }
  return EXIT.ok;
}
