/** `perdure runs list`. */

import type { RunDescription } from "../../client/run-handle.ts";
import { parseDuration } from "../../core/duration.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { withConnection } from "../connection.ts";
import { statusPart } from "../progress/progress-lines.ts";
import { runRecord } from "../run-record.ts";
import { statusesOf } from "../status-option.ts";
import type { Part } from "../text/styled-line.ts";
import { tableLines } from "../text/table.ts";
import { agoText, spanText } from "../text/time-text.ts";
import { usageError } from "../usage-error.ts";

export const runsList: Command = {
  name: "runs list",
  summary: "newest runs first",
  usage: "[--status STATUS] [--workflow NAME] [--since 1h] [--limit N]",
  options: {
    status: {
      short: "s",
      value: "STATUS",
      multiple: true,
      help: "only runs in this state; open means all that have not ended",
    },
    workflow: { short: "w", value: "NAME", help: "only runs of this workflow" },
    since: { value: "TIME", help: "only runs started since: 1h, 2d, or 2026-11-21T08:00" },
    limit: { short: "n", value: "N", help: "at most this many (default 20)" },
  },
  examples: [
    ["perdure runs list --status open", "everything that has not ended"],
    ["perdure runs list --workflow etl --status failed --since 1d", "what failed today"],
    ["perdure runs list --json | jq -r '.[].workflowId'", "ids for a script"],
  ],
  run: (invocation) => withConnection(invocation, ({ runs }) => list(invocation, runs)),
};

const DEFAULT_LIMIT = 20;

async function list(
  { args, terminal, json }: Invocation,
  runs: { list(options: object): Promise<RunDescription[]> },
): Promise<number> {
  args.atMost(0);
  const status = args.list("status").flatMap(statusesOf);
  const since = sinceOf(args.text("since"));
  const workflow = args.text("workflow");
  const limit = args.count("limit") ?? DEFAULT_LIMIT;
  const found = await runs.list({
    limit,
    ...(status.length > 0 && { status }),
    ...(since !== undefined && { since }),
    ...(workflow !== undefined && { workflow }),
  });
  if (json) terminal.line(JSON.stringify(found.map(runRecord)));
  else if (found.length === 0) terminal.line("no runs");
  else {
    const now = Date.now();
    const columns = terminal.live ? terminal.columns : Number.POSITIVE_INFINITY;
    for (const line of tableLines(
      HEADER,
      found.map((run) => row(run, now)),
      terminal.styles,
      columns,
    ))
      terminal.line(line);
    if (found.length === limit) terminal.line(terminal.styles.dim(`the newest ${limit}; --limit shows more`));
  }
  return EXIT.ok;
}

const HEADER = ["STATUS", "WORKFLOW", "ID", "STARTED", "TOOK", "RUN"];

function row({ status, workflow, workflowId, createdAt, closedAt, runId }: RunDescription, now: number): Part[] {
  const took = closedAt === undefined ? "" : spanText(closedAt - createdAt);
  return [statusPart(status), workflow, workflowId, agoText(createdAt, now), took, ["dim", runId]];
}

function sinceOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ago = /^\d+$/.test(text) ? undefined : parseDuration(text);
  const at = ago === undefined ? Date.parse(text) : Date.now() - ago;
  if (Number.isNaN(at))
    throw usageError(`--since: ${JSON.stringify(text)} is no time`, "write 30m, 1h, 2d or 2026-11-21T08:00");
  return at;
}
