/** `perdure schedules trigger` and `perdure schedules backfill`: starts by hand. */
import type { Connection } from "../../client/connection.ts";
import type { ScheduleEntry } from "../../workflow/schedule-state.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { withConnection } from "../connection.ts";
import { type ScheduleAnswer, scheduleAnswer } from "../schedule-answer.ts";
import { overlapOf } from "../schedule-options.ts";
import { entryLine, entryRecord } from "../schedule-words.ts";
import { renderLine } from "../text/styled-line.ts";
import { usageError } from "../usage-error.ts";

const OPTIONS = {
  overlap: { value: "POLICY", help: "instead of the schedule's own" },
  timeout: { value: "DURATION", help: "how long to wait until the schedule has taken it (default 30s)" },
};

export const schedulesTrigger: Command = {
  name: "schedules trigger",
  summary: "start what a schedule starts, now",
  usage: "NAME [--overlap POLICY]",
  description: "Also while the schedule is paused.",
  options: OPTIONS,
  examples: [
    ["perdure schedules trigger nightly", "unless the run before is still running"],
    ["perdure schedules trigger nightly --overlap allow-all", "whatever is running"],
  ],
  run: (invocation) => withConnection(invocation, (connection) => trigger(invocation, connection)),
};

export const schedulesBackfill: Command = {
  name: "schedules backfill",
  summary: "start what a schedule would have started",
  usage: "NAME --from TIME --to TIME [--overlap POLICY]",
  description:
    "At most 1000 ticks at a time, by default one after another. A tick that was started before is started again.",
  options: {
    from: { value: "TIME", help: "from this time on: 2027-01-31 or 2027-01-31T09:00:00Z" },
    to: { value: "TIME", help: "up to this time" },
    ...OPTIONS,
    overlap: { value: "POLICY", help: "when the run before has not ended (default buffer-all)" },
  },
  examples: [["perdure schedules backfill nightly --from 2027-01-01 --to 2027-01-07", "a week"]],
  run: (invocation) => withConnection(invocation, (connection) => backfill(invocation, connection)),
};

async function trigger(invocation: Invocation, connection: Connection): Promise<number> {
  const { args } = invocation;
  const name = args.only("NAME");
  const overlap = overlapOf(args);
  const handle = await connection.schedules.get(name);
  const told = await scheduleAnswer(connection, args.text("timeout"), (timeout) =>
    handle.trigger({ timeout, ...(overlap !== undefined && { overlap }) }),
  );
  return print(invocation, name, told.taken ? { taken: true, answer: [told.answer] } : told);
}

async function backfill(invocation: Invocation, connection: Connection): Promise<number> {
  const { args } = invocation;
  const name = args.only("NAME");
  const [from, to] = [args.text("from"), args.text("to")];
  if (from === undefined || to === undefined)
    throw usageError("schedules backfill needs both --from and --to", "--from 2027-01-01 --to 2027-01-07T23:59:59Z");
  const overlap = overlapOf(args);
  const handle = await connection.schedules.get(name);
  const told = await scheduleAnswer(connection, args.text("timeout"), (timeout) =>
    handle.backfill({ from, to, timeout, ...(overlap !== undefined && { overlap }) }),
  );
  return print(invocation, name, told);
}

function print({ terminal, json }: Invocation, name: string, told: ScheduleAnswer<ScheduleEntry[]>): number {
  if (json) {
    const entries = told.taken ? told.answer.map(entryRecord) : null;
    terminal.line(JSON.stringify({ schedule: name, taken: told.taken, entries }));
  } else if (!told.taken) {
    terminal.line(`${terminal.styles.green("✔")} ${name} is told`);
    terminal.line(terminal.styles.dim(told.why));
  } else if (told.answer.length === 0) terminal.line("there is no tick in this time");
  else
    for (const entry of told.answer) {
      const [when, what] = entryLine(entry, Date.now());
      terminal.line(renderLine([when!, "  ", what!], terminal.styles, Number.POSITIVE_INFINITY));
    }
  return EXIT.ok;
}
