/** `perdure runs show`: one run with its steps. */
import type { Connection } from "../../client/connection.ts";
import type { Pause } from "../../client/pause-control.ts";
import { describeRun, type RunDescription } from "../../client/run-description.ts";
import type { HistoryEvent, RunHandle } from "../../client/run-handle.ts";
import { isClosed, RESUMABLE } from "../../core/status.ts";
import type { RunRow } from "../../store/store.ts";
import { SCHEDULE_WORKFLOW, scheduleId } from "../../workflow/schedule.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { pausesOf, pauseText, unpauseCommand } from "../pause-words.ts";
import { pinnedDefinition } from "../pinned-definition.ts";
import { activityOf, awaitedSignals, statusPart, stepLines } from "../progress/progress-lines.ts";
import { shellWord } from "../progress/run-display.ts";
import { RunProgress } from "../progress/run-progress.ts";
import { undoneStep, waysBack } from "../run-ending.ts";
import { revived, runDetails } from "../run-record.ts";
import type { Terminal } from "../terminal.ts";
import { plainText } from "../text/cell-width.ts";
import { errorPlace, errorText } from "../text/error-text.ts";
import { renderLine, type StyledLine } from "../text/styled-line.ts";
import { clockText, spanText } from "../text/time-text.ts";
import { jsonValue, prettyValue } from "../text/value-text.ts";
import { approvalsOf } from "../waiting-approvals.ts";

export const runsShow: Command = {
  name: "runs show",
  summary: "one run: its steps and what it waits for",
  usage: "ID",
  description:
    "ID is a workflow id, a run id, or the unique beginning of one of them. Of many steps of one name in a row that all completed, the first and the last are shown; --json has each.",
  options: {},
  examples: [
    ["perdure runs show order-42", "by workflow id"],
    ["perdure runs show order-42 --json | jq '.steps[] | select(.status == \"failed\")'", "the steps that failed"],
  ],
  run: (invocation) => withConnection(invocation, (connection) => show(invocation, connection)),
};

async function show({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  const { handle, row } = await findRun(connection, args.only("ID"));
  const progress = new RunProgress(await pinnedDefinition(connection.store, row));
  const { first, last } = await readHistory(handle, progress);
  // The handle would go on to the run that continues this one.
  const description =
    row.status === "continued_as_new"
      ? describeRun(row, [], { store: connection.store, codec: undefined }, undefined)
      : await handle.describe();
  progress.applyDescription(description);
  progress.applyChildren(await childrenOf(connection, row));
  const input = first === undefined ? undefined : revived(first.data.p);
  // What is to go back in its history, or to be resumed, has not ended any more.
  const completed = last?.type === "RunCompleted" && description.closedAt !== undefined;
  const output = completed ? revived(last.data.p) : undefined;
  if (json) {
    const pauses = (await pausesOf(connection, description)).map(({ target, reason }) => ({ target, reason }));
    const held = pauses.length === 0 ? {} : { pauses };
    const extra = {
      input: jsonValue(input),
      ...held,
      ...(completed && { output: jsonValue(output) }),
    };
    terminal.line(JSON.stringify(runDetails(description, progress, extra)));
    return EXIT.ok;
  }
  const engines = await connection.store.engines();
  const pauses = await pausesOf(connection, description);
  const columns = terminal.live ? terminal.columns : Number.POSITIVE_INFINITY;
  const steps = stepsOf(progress);
  const lines = [...factLines(description, progress), ...(steps.length === 0 ? [] : [[], ...steps])];
  for (const line of lines) terminal.line(renderLine(line, terminal.styles, columns));
  for (const line of valueLines(terminal, { input, output, description })) terminal.line(line);
  for (const line of [...approvalLines(description), ...pauseLines(pauses)])
    terminal.line(renderLine(line, terminal.styles));
  const undone = row.superseded ? undefined : await undoneStep(handle, description.status);
  for (const line of adviceLines(description, progress, row, { engines: engines.length, undone }))
    terminal.line(renderLine(line, terminal.styles));
  return EXIT.ok;
}

async function readHistory(
  handle: RunHandle,
  progress: RunProgress,
): Promise<{ first: HistoryEvent | undefined; last: HistoryEvent | undefined }> {
  let first: HistoryEvent | undefined;
  let last: HistoryEvent | undefined;
  for await (const event of handle.events()) {
    first ??= event;
    last = event;
    progress.applyHistory(event);
  }
  return { first, last };
}

function factLines(description: RunDescription, progress: RunProgress): StyledLine[] {
  const { workflow, workflowId, runId, version, createdAt, closedAt, crashes, meta } = description;
  const now = Date.now();
  const span = spanText((closedAt ?? now) - createdAt);
  const facts: [string, string][] = [
    ["started", clockText(createdAt, now)],
    ...(closedAt === undefined ? [] : ([["ended", clockText(closedAt, now)]] as [string, string][])),
    ...(version === undefined ? [] : ([["version", version.slice(0, 12)]] as [string, string][])),
    ...(typeof meta.file === "string" ? ([["from", meta.file]] as [string, string][]) : []),
    ...(crashes > 0 ? ([["crashes", `${crashes} since the last progress`]] as [string, string][]) : []),
  ];
  return [
    [
      ["bold", workflow],
      "  ",
      workflowId,
      ["dim", `  ${runId}`],
      "  ",
      statusPart(activityOf(progress)),
      ["dim", ` ${span}`],
    ],
    [["dim", facts.map(([name, value]) => `${name} ${value}`).join(" · ")]],
  ];
}

function stepsOf(progress: RunProgress): StyledLine[] {
  const moment = { now: Date.now(), animated: false, maxLines: Number.POSITIVE_INFINITY, maxAlike: MAX_ALIKE };
  return stepLines(progress, moment);
}

/** Children by the step they are of; a step that was done again has the newest. */
async function childrenOf({ store }: Connection, { run }: RunRow): Promise<{ command: number; workflowId: string }[]> {
  const rows = await store.list({ parent: run, limit: MAX_CHILDREN });
  return rows.map(({ parent, workflowId }) => ({ command: parent!.command, workflowId })).reverse();
}

const MAX_CHILDREN = 1000;
/** Steps of one name in a row that are shown each. */
const MAX_ALIKE = 10;
const VALUE_LINES = 20;

function valueLines(
  { styles, columns }: Terminal,
  { input, output, description }: { input: unknown; output: unknown; description: RunDescription },
): string[] {
  const { status, error, blocked } = description;
  const block = (title: string, lines: readonly string[]): string[] => {
    const [first = "", ...rest] = lines;
    return [`${title}  ${first}`, ...rest.map((line) => `        ${line}`)];
  };
  const limits = { lines: VALUE_LINES, columns: columns - 8 };
  const lines = input === undefined ? [] : block(styles.dim("input "), prettyValue(input, limits));
  if (status === "completed") lines.push(...block(styles.dim("output"), prettyValue(output, limits)));
  if (error !== undefined) {
    lines.push(...block(styles.red("error "), plainText(errorText(error)).trimEnd().split("\n")));
    const place = errorPlace(error);
    if (place !== undefined) lines.push(styles.dim(`        at ${place}`));
  }
  if (blocked !== undefined) lines.push(...block(styles.red("blocked"), plainText(blocked.message).split("\n")));
  return lines.length === 0 ? [] : ["", ...lines];
}

function approvalLines(description: RunDescription): StyledLine[] {
  const id = shellWord(description.workflowId);
  return approvalsOf(description).flatMap(({ name, approvers }, i): StyledLine[] => [
    ...(i === 0 ? [[]] : []),
    [
      ["dim", "decide  "],
      `perdure approvals approve ${id} ${shellWord(name)} --by ${approvers === undefined ? "WHO" : shellWord(approvers[0] ?? "WHO")}`,
      ...(approvers === undefined || approvers.length < 2
        ? []
        : [["dim", ` (or ${approvers.slice(1).join(", ")})`] as const]),
    ],
  ]);
}

function pauseLines(pauses: readonly Pause[]): StyledLine[] {
  const now = Date.now();
  return pauses.flatMap((pause, i): StyledLine[] => [
    ...(i === 0 ? [[]] : []),
    [["yellow", "paused  "], pauseText(pause, now), ["dim", `  ${unpauseCommand(pause.target)} lifts it`]],
  ]);
}

function adviceLines(
  { status, workflowId }: RunDescription,
  progress: RunProgress,
  row: RunRow,
  { engines, undone }: { readonly engines: number; readonly undone: string | undefined },
): StyledLine[] {
  const id = shellWord(workflowId);
  const lines: StyledLine[] = awaitedSignals(progress).map((signal) => [
    ["dim", "answer  "],
    `perdure runs signal ${id} ${shellWord(signal)} [key=value ...]`,
  ]);
  if (undone !== undefined)
    for (const [what, command] of waysBack(workflowId, undone)) lines.push([["dim", `${what} `], command]);
  else if (RESUMABLE.has(status) && !row.superseded) lines.push([["dim", "go on   "], `perdure runs resume ${id}`]);
  else if (!isClosed(status) && row.workflow === SCHEDULE_WORKFLOW)
    lines.push([["dim", "schedule  "], `perdure schedules show ${id.replace(scheduleId(""), "")}`]);
  else if (!isClosed(status) && row.owner === null && engines === 0)
    lines.push([["dim", "nobody advances it now; go on with  "], `perdure runs resume ${id}`]);
  return lines.length === 0 ? [] : [[], ...lines];
}
