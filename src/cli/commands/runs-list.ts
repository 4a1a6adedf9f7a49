/** `perdure runs list`. */

import type { Connection } from "../../client/connection.ts";
import type { RunDescription } from "../../client/run-description.ts";
import type { RunsFilter } from "../../client/runs.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { statusPart } from "../progress/progress-lines.ts";
import { FILTER_OPTIONS, filterOf } from "../run-filter.ts";
import { runRecord } from "../run-record.ts";
import type { Part } from "../text/styled-line.ts";
import { tableLines } from "../text/table.ts";
import { agoText, spanText } from "../text/time-text.ts";
import { jsonValue } from "../text/value-text.ts";

export const runsList: Command = {
  name: "runs list",
  summary: "newest runs first",
  usage: "[--status STATUS] [--workflow NAME] [--where KEY=VALUE] [--since 1h] [--limit N]",
  options: {
    ...FILTER_OPTIONS,
    parent: { value: "ID", help: "only children of this run" },
    limit: { short: "n", value: "N", help: "at most this many (default 20)" },
  },
  examples: [
    ["perdure runs list --status open", "everything that has not ended"],
    ["perdure runs list --workflow etl --status failed --since 1d", "what failed today"],
    ["perdure runs list --where customer=42 --where region=eu", "by tags"],
    ["perdure runs list --json | jq -r '.[].workflowId'", "ids for a script"],
  ],
  run: (invocation) => withConnection(invocation, (connection) => list(invocation, connection)),
};

const DEFAULT_LIMIT = 20;
const PAGE = 1000;

async function list({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  args.atMost(0);
  const limit = args.count("limit") ?? DEFAULT_LIMIT;
  const parent = args.text("parent");
  const filter = {
    ...filterOf(args, connection.now()),
    ...(parent !== undefined && { parent: (await findRun(connection, parent)).handle.runId }),
  };
  const found = await newest(connection, filter, limit);
  if (json) terminal.line(JSON.stringify(found.map(runRecord)));
  else if (found.length === 0) terminal.line("no runs");
  else {
    const now = connection.now();
    const columns = terminal.live ? terminal.columns : Number.POSITIVE_INFINITY;
    const shown = columnsFor(found);
    const header = shown.map(({ title }) => title);
    const rows = found.map((run) => shown.map(({ cell }) => cell(run, now)));
    for (const line of tableLines(header, rows, terminal.styles, columns)) terminal.line(line);
    if (found.length === limit) terminal.line(terminal.styles.dim(`the newest ${limit}; --limit shows more`));
  }
  return EXIT.ok;
}

/** Runs, a page at a time. */
async function newest({ runs }: Connection, filter: RunsFilter, limit: number): Promise<RunDescription[]> {
  const found: RunDescription[] = [];
  while (found.length < limit) {
    const size = Math.min(PAGE, limit - found.length);
    const before = found.at(-1)?.runId;
    const page = await runs.list({ ...filter, limit: size, ...(before !== undefined && { before }) });
    found.push(...page);
    if (page.length < size) break;
  }
  return found;
}

interface Column {
  readonly title: string;
  /** Whether it is worth its place. Default always. */
  readonly wanted?: (run: RunDescription) => boolean;
  cell(run: RunDescription, now: number): Part;
}

const COLUMNS: readonly Column[] = [
  { title: "STATUS", cell: ({ status }) => statusPart(status) },
  { title: "WORKFLOW", cell: ({ workflow }) => workflow },
  { title: "ID", cell: ({ workflowId }) => workflowId },
  { title: "STARTED", cell: ({ createdAt }, now) => agoText(createdAt, now) },
  {
    title: "TOOK",
    cell: ({ createdAt, closedAt }) => (closedAt === undefined ? "" : spanText(closedAt - createdAt)),
  },
  { title: "RUN", cell: ({ runId }) => ["dim", runId] },
  {
    title: "TAGS",
    wanted: ({ tags }) => Object.keys(tags).length > 0,
    cell: ({ tags }) =>
      Object.entries(tags)
        .map(([key, value]) => `${key}=${value}`)
        .join(" "),
  },
  {
    title: "PROGRESS",
    wanted: ({ progress }) => progress !== undefined,
    cell: ({ progress }) => (progress === undefined ? "" : ["dim", progressText(progress)]),
  },
];

function columnsFor(runs: readonly RunDescription[]): Column[] {
  return COLUMNS.filter(({ wanted }) => wanted === undefined || runs.some(wanted));
}

function progressText(progress: unknown): string {
  const { message } = (typeof progress === "object" && progress !== null ? progress : {}) as { message?: unknown };
  if (typeof message === "string") return message;
  return typeof progress === "string" ? progress : JSON.stringify(jsonValue(progress));
}
