/** `perdure runs history`: every event of a run. */
import type { Connection } from "../../client/connection.ts";
import type { HistoryEvent } from "../../client/run-handle.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { eventRecord, revived } from "../run-record.ts";
import { plainLine } from "../text/cell-width.ts";
import { errorText, headline } from "../text/error-text.ts";
import { type Part, renderLine, type StyledLine } from "../text/styled-line.ts";
import { isoTime, spanText } from "../text/time-text.ts";
import { jsonValue } from "../text/value-text.ts";

export const runsHistory: Command = {
  name: "runs history",
  summary: "everything that happened to a run",
  usage: "ID [--after SEQ]",
  options: { after: { value: "SEQ", help: "only events after this number" } },
  examples: [
    ["perdure runs history order-42", "all events"],
    ["perdure runs history order-42 --json | jq '.[] | select(.type == \"StepFailed\")'", "only failures"],
  ],
  run: (invocation) => withConnection(invocation, (connection) => history(invocation, connection)),
};

async function history({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  const { handle } = await findRun(connection, args.only("ID"));
  const after = args.text("after") === "0" ? 0 : (args.count("after") ?? 0);
  if (json) {
    const records: object[] = [];
    for await (const event of handle.events({ after })) records.push(eventRecord(event));
    terminal.line(JSON.stringify(records));
    return EXIT.ok;
  }
  const columns = terminal.live ? terminal.columns : Number.POSITIVE_INFINITY;
  let before: number | undefined;
  for await (const event of handle.events({ after })) {
    for (const line of eventLines(event, before)) terminal.line(renderLine(line, terminal.styles, columns));
    before = event.at;
  }
  return EXIT.ok;
}

const SEQ_WIDTH = 5;
const TYPE_WIDTH = 16;

function eventLines(event: HistoryEvent, before: number | undefined): StyledLine[] {
  const { seq, type, at, data } = event;
  const since = before === undefined || at - before < 1000 ? "" : ` +${spanText(at - before)}`;
  const indent = " ".repeat(SEQ_WIDTH + 2);
  const notes = (data.o ?? []).map(
    ({ k, ...fields }): StyledLine => [indent, ["dim", `note ${k} ${plainLine(JSON.stringify(fields))}`]],
  );
  const style = type.endsWith("Failed") ? "red" : type.endsWith("Completed") ? "green" : "cyan";
  return [
    ...notes,
    [
      ["dim", `${String(seq).padStart(SEQ_WIDTH)}  ${isoTime(at)}  `],
      [style, type.padEnd(TYPE_WIDTH)],
      " ",
      ...detailsOf(event),
      ["dim", since],
    ],
  ];
}

function detailsOf({ step, data }: HistoryEvent): Part[] {
  const { a, d, e, r, n, s } = data;
  const parts: Part[] = [];
  const name = step ?? n;
  if (name !== undefined) parts.push(["bold", plainLine(name)], " ");
  const facts = [...(d === undefined ? [] : [spanText(d)]), ...(a === undefined ? [] : [`${a} attempts`])];
  if (facts.length > 0) parts.push(["dim", `${facts.join(", ")} `]);
  if (e !== undefined) parts.push(headline(errorText(e)));
  if (r !== undefined && r !== "") parts.push(plainLine(r), s === undefined ? "" : "; ");
  if (s !== undefined) parts.push(`set aside ${s.join(", ") || "nothing"}`);
  if ("p" in data) parts.push(plainLine(JSON.stringify(jsonValue(revived(data.p)))));
  return parts;
}
