/** `perdure schedules list`: all schedules, what they start and when next. */
import type { Connection } from "../../client/connection.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { withConnection } from "../connection.ts";
import { scheduleRecord, statusPart, whenText } from "../schedule-words.ts";
import type { Part } from "../text/styled-line.ts";
import { tableLines } from "../text/table.ts";
import { clockText } from "../text/time-text.ts";

export const schedulesList: Command = {
  name: "schedules list",
  summary: "schedules, what they start and when next",
  usage: "",
  options: {},
  examples: [
    ["perdure schedules list", "all of them"],
    ["perdure schedules list --json", "for a program"],
  ],
  run: (invocation) => withConnection(invocation, (connection) => list(invocation, connection)),
};

const HEADER = ["STATUS", "SCHEDULE", "WORKFLOW", "WHEN", "NEXT", "STARTED", "SKIPPED"];

async function list({ args, terminal, json }: Invocation, { schedules }: Connection): Promise<number> {
  args.atMost(0);
  const found = await schedules.list();
  if (json) terminal.line(JSON.stringify(found.map(scheduleRecord)));
  else if (found.length === 0) terminal.line("there are no schedules");
  else {
    const now = Date.now();
    const rows = found.map((one): Part[] => {
      const next = one.next === undefined ? "" : clockText(one.next, now);
      return [statusPart(one), one.name, one.workflow, whenText(one), next, String(one.started), String(one.skipped)];
    });
    const columns = terminal.live ? terminal.columns : Number.POSITIVE_INFINITY;
    for (const line of tableLines(HEADER, rows, terminal.styles, columns)) terminal.line(line);
  }
  return EXIT.ok;
}
