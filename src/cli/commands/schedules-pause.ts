/** `perdure schedules pause` and `perdure schedules resume`. */
import type { Connection } from "../../client/connection.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { withConnection } from "../connection.ts";
import { scheduleAnswer } from "../schedule-answer.ts";

const TIMEOUT = { value: "DURATION", help: "how long to wait until the schedule has taken it (default 30s)" };

export const schedulesPause: Command = {
  name: "schedules pause",
  summary: "let a schedule start nothing for a while",
  usage: "NAME [--note TEXT]",
  description: "Ticks that pass meanwhile are skipped. What runs goes on. It can still be triggered.",
  options: { note: { value: "TEXT", help: "why; perdure schedules list shows it" }, timeout: TIMEOUT },
  examples: [['perdure schedules pause nightly --note "the warehouse moves"', "with a reason"]],
  run: (invocation) => withConnection(invocation, (connection) => tell(invocation, connection, "pause")),
};

export const schedulesResume: Command = {
  name: "schedules resume",
  summary: "let a paused schedule go on",
  usage: "NAME",
  options: { timeout: TIMEOUT },
  examples: [["perdure schedules resume nightly", "from the next tick on"]],
  run: (invocation) => withConnection(invocation, (connection) => tell(invocation, connection, "resume")),
};

async function tell(
  { args, terminal, json }: Invocation,
  connection: Connection,
  what: "pause" | "resume",
): Promise<number> {
  const name = args.only("NAME");
  const note = what === "pause" ? (args.text("note") ?? "") : "";
  const handle = await connection.schedules.get(name);
  const told = await scheduleAnswer(connection, args.text("timeout"), (timeout) => handle[what](note, { timeout }));
  const paused = what === "pause";
  if (json) terminal.line(JSON.stringify({ schedule: name, paused, ...(paused && { note }), taken: told.taken }));
  else {
    const done = paused ? "paused" : "goes on";
    const later = paused ? "is to pause" : "is to go on";
    terminal.line(`${terminal.styles.green("✔")} ${name} ${told.taken ? done : later}`);
    if (!told.taken) terminal.line(terminal.styles.dim(told.why));
  }
  return EXIT.ok;
}
