/** `perdure gc`: what the runs of a store take, and deleting those that ended long ago. */
import type { BulkReport } from "../../client/bulk.ts";
import type { Connection } from "../../client/connect.ts";
import type { RunsFilter } from "../../client/runs.ts";
import type { SizeRow } from "../../store/store.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { confirmed } from "../confirmation.ts";
import { withConnection } from "../connection.ts";
import { FILTER_OPTIONS, filterOf } from "../run-filter.ts";
import { sizeText } from "../text/size-text.ts";
import type { Part } from "../text/styled-line.ts";
import { tableLines } from "../text/table.ts";
import { usageError } from "../usage-error.ts";

const { workflow, status, where } = FILTER_OPTIONS;

export const gc: Command = {
  name: "gc",
  summary: "show what runs take, delete old ones",
  usage: "[--older-than 30d] [--workflow NAME] [--status STATUS] [--dry-run] [--yes]",
  description: `Without --older-than it shows how much the runs of each workflow take. With it, runs that ended before that are deleted with their
histories, a few at a time, so that others can go on using the store. Open runs are never deleted. An engine does this by
itself when it was opened with retention, or a workflow has one.`,
  options: {
    "older-than": { value: "TIME", help: "delete runs that ended before that: 30d, or 2026-11-21" },
    workflow: workflow!,
    status: { ...status!, help: "only runs that ended like this" },
    where: where!,
    "dry-run": { help: "only show how many would be deleted" },
    yes: { short: "y", help: "do not ask" },
  },
  examples: [
    ["perdure gc", "what takes how much"],
    ["perdure gc --older-than 30d --status completed --dry-run", "how many would go"],
    ["perdure gc --older-than 90d --yes", "delete what ended 90 days ago or earlier"],
  ],
  run: (invocation) => withConnection(invocation, (connection) => collect(invocation, connection)),
};

async function collect(invocation: Invocation, connection: Connection): Promise<number> {
  const { args, json, terminal } = invocation;
  args.atMost(0);
  const filter = filterOf(args);
  if (filter.closedBefore === undefined) {
    if (args.list("status").length > 0 || args.list("where").length > 0 || args.flag("dry-run") || args.flag("yes"))
      throw usageError(
        "gc: --older-than is missing",
        "perdure gc --older-than 30d deletes; perdure gc alone only shows",
      );
    return report(invocation, await sizes(connection, filter.workflow));
  }
  const { matched } = await connection.runs.bulk(filter, "delete", { dryRun: true });
  if (args.flag("dry-run") || matched === 0) {
    if (json) terminal.line(JSON.stringify({ matched, deleted: 0, dryRun: args.flag("dry-run") }));
    else terminal.line(matched === 0 ? "nothing is old enough" : `${counted(matched, "run")} would be deleted`);
    return EXIT.ok;
  }
  if (!args.flag("yes") && !(await confirmed("gc", `delete ${counted(matched, "run")} with their histories?`))) {
    terminal.line("nothing was deleted");
    return EXIT.failed;
  }
  return told(invocation, await remove(invocation, connection, filter, matched));
}

const TOLD_EVERY = 1000;

async function remove(
  { terminal, json }: Invocation,
  { runs }: Connection,
  filter: RunsFilter,
  matched: number,
): Promise<BulkReport> {
  let seen = 0;
  return runs.bulk(filter, "delete", {
    onRun: () => {
      seen++;
      if (!json && seen % TOLD_EVERY === 0)
        terminal.error(`${seen.toLocaleString("en")} of ${matched.toLocaleString("en")}`);
    },
  });
}

function told({ terminal, json }: Invocation, { matched, done, failed }: BulkReport): number {
  if (json) terminal.line(JSON.stringify({ matched, deleted: done, failed: failed.length }));
  else {
    terminal.line(`${terminal.styles.green("✔")} ${counted(done, "run")} deleted`);
    if (failed.length > 0) terminal.error(`${counted(failed.length, "run")} changed meanwhile and stayed`);
  }
  return failed.length > 0 ? EXIT.failed : EXIT.ok;
}

async function sizes({ store }: Connection, only: string | undefined): Promise<SizeRow[]> {
  const rows = await store.sizes();
  return rows.filter((row) => only === undefined || row.workflow === only).sort((a, b) => b.size - a.size);
}

function report({ terminal, json }: Invocation, rows: readonly SizeRow[]): number {
  if (json) {
    terminal.line(JSON.stringify(rows.map(({ size, ...row }) => ({ ...row, bytes: size }))));
    return EXIT.ok;
  }
  if (rows.length === 0) {
    terminal.line("no runs");
    return EXIT.ok;
  }
  const cells = rows.map((row): Part[] => [
    row.workflow,
    row.status,
    row.runs.toLocaleString("en"),
    row.events.toLocaleString("en"),
    sizeText(row.size),
  ]);
  for (const line of tableLines(HEADER, cells, terminal.styles, Number.POSITIVE_INFINITY)) terminal.line(line);
  const total = rows.reduce((sum, row) => sum + row.size, 0);
  const runs = rows.reduce((sum, row) => sum + row.runs, 0);
  terminal.line(terminal.styles.dim(`${counted(runs, "run")}, ${sizeText(total)} of events`));
  return EXIT.ok;
}

const HEADER = ["WORKFLOW", "STATUS", "RUNS", "EVENTS", "SIZE"];

function counted(count: number, what: string): string {
  return `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
}
