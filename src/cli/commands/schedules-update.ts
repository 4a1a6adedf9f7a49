/** `perdure schedules update`: changes when and how a schedule starts its workflow. */
import type { Connection } from "../../client/connection.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { withConnection } from "../connection.ts";
import { scheduleAnswer } from "../schedule-answer.ts";
import { TIMING_OPTIONS, timingOf } from "../schedule-options.ts";

export const schedulesUpdate: Command = {
  name: "schedules update",
  summary: "change when and how a schedule starts its workflow",
  usage: "NAME --cron EXPRESSION | --every DURATION | --at TIME [options]",
  description: "What is not given has its default again. The workflow stays the same.",
  options: {
    ...TIMING_OPTIONS,
    timeout: { value: "DURATION", help: "how long to wait until the schedule has taken it (default 30s)" },
  },
  examples: [['perdure schedules update nightly --cron "0 4 * * *"', "an hour later, in UTC"]],
  run: (invocation) => withConnection(invocation, (connection) => update(invocation, connection)),
};

async function update({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  const name = args.only("NAME");
  const timing = await timingOf(args);
  const handle = await connection.schedules.get(name);
  const told = await scheduleAnswer(connection, args.text("timeout"), (timeout) => handle.update(timing, { timeout }));
  if (json) terminal.line(JSON.stringify({ schedule: name, updated: true, taken: told.taken }));
  else {
    terminal.line(`${terminal.styles.green("✔")} ${name} ${told.taken ? "changed" : "is to change"}`);
    if (!told.taken) terminal.line(terminal.styles.dim(told.why));
  }
  return EXIT.ok;
}
