/** `perdure schedules show` and `perdure schedules preview`: one schedule, and what it will do. */
import type { Connection } from "../../client/connection.ts";
import type { ScheduleDescription } from "../../client/schedules.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { withConnection } from "../connection.ts";
import { entryLine, scheduleRecord, statusPart, whenText } from "../schedule-words.ts";
import type { Terminal } from "../terminal.ts";
import { type Part, renderLine } from "../text/styled-line.ts";
import { tableLines } from "../text/table.ts";
import { clockText, isoTime, spanText } from "../text/time-text.ts";

export const schedulesShow: Command = {
  name: "schedules show",
  summary: "one schedule: what it did, what it skipped and why",
  usage: "NAME",
  options: {},
  examples: [["perdure schedules show nightly", "with its last decisions"]],
  run: (invocation) => withConnection(invocation, (connection) => show(invocation, connection)),
};

export const schedulesPreview: Command = {
  name: "schedules preview",
  summary: "the next ticks of a schedule",
  usage: "NAME [--count 10]",
  options: { count: { value: "COUNT", help: "how many (default 10)" } },
  examples: [["perdure schedules preview nightly --count 3", "the next three"]],
  run: (invocation) => withConnection(invocation, (connection) => preview(invocation, connection)),
};

async function show({ args, terminal, json }: Invocation, { schedules }: Connection): Promise<number> {
  const one = await (await schedules.get(args.only("NAME"))).describe();
  if (json) terminal.line(JSON.stringify(scheduleRecord(one)));
  else print(one, terminal, Date.now());
  return EXIT.ok;
}

function print(one: ScheduleDescription, terminal: Terminal, now: number): void {
  const columns = terminal.live ? terminal.columns : Number.POSITIVE_INFINITY;
  const line = (...parts: Part[]): void => terminal.line(renderLine(parts, terminal.styles, columns));
  line(["bold", one.name], "  ", statusPart(one), `  ${whenText(one)}`);
  if (one.spec.note !== undefined) line(["dim", one.spec.note]);
  line(["dim", "workflow  "], one.workflow);
  line(["dim", "overlap   "], one.spec.overlap);
  if (one.next !== undefined)
    line(
      ["dim", "next      "],
      `${clockText(one.next, now)} (${one.next > now ? `in ${spanText(one.next - now)}` : "due"})`,
    );
  line(["dim", "so far    "], `${one.started} started, ${one.skipped} skipped`);
  if (one.running.length > 0) line(["dim", "running   "], one.running.join(", "));
  if (one.waiting.length > 0)
    line(["dim", "waiting   "], one.waiting.map(({ tick }) => clockText(tick, now)).join(", "));
  if (one.recent.length === 0) return;
  terminal.line("");
  const rows = one.recent.map((entry) => entryLine(entry, now));
  for (const text of tableLines(["TICK", "WHAT BECAME OF IT"], rows, terminal.styles, columns)) terminal.line(text);
}

async function preview({ args, terminal, json }: Invocation, { schedules }: Connection): Promise<number> {
  const name = args.only("NAME");
  const ticks = await (await schedules.get(name)).preview(args.count("count") ?? 10);
  if (json) terminal.line(JSON.stringify({ schedule: name, ticks: ticks.map(isoTime) }));
  else if (ticks.length === 0) terminal.line(`${name} has no ticks any more`);
  else for (const tick of ticks) terminal.line(`${isoTime(tick)}  ${terminal.styles.dim(clockText(tick, Date.now()))}`);
  return EXIT.ok;
}
