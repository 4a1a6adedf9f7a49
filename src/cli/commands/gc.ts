/** `perdure gc`: what the runs of a store take, and deleting those that ended long ago. */
import type { Connection } from "../../client/connection.ts";
import { type ClosedStatus, isClosed } from "../../core/status.ts";
import { type Collected, Collector, countWanted, type Wanted } from "../../engine/collector.ts";
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
  summary: "show what runs take, delete or archive old ones",
  usage:
    "[--older-than 30d] [--archive DIR] [--workflow NAME] [--status STATUS] [--limit N] [--dry-run] [--yes] [--compact]",
  description: `Without --older-than it shows how much the runs of each workflow take. With it, runs that ended before that are deleted with their
histories, oldest first and a few at a time, so that others can go on using the store. Open runs are never deleted. With --archive each run is
first appended to DIR/WORKFLOW/DAY.jsonl, a run a line, which perdure replay --history reads. It can be stopped at any time and called
again. An engine does this by itself when it was opened with retention, or a workflow has one.

A SQLite file keeps its size and fills the gaps with new runs; --compact makes it smaller, while everybody else waits.`,
  options: {
    "older-than": { value: "TIME", help: "delete runs that ended before that: 30d, or 2026-11-21" },
    archive: { value: "DIR", help: "write them to files in this folder before" },
    workflow: workflow!,
    status: { ...status!, help: "only runs that ended like this" },
    where: where!,
    limit: { short: "n", value: "N", help: "at most this many, the oldest" },
    "dry-run": { help: "only show how many would be deleted" },
    yes: { short: "y", help: "do not ask" },
    compact: { help: "give free space back to the file system (SQLite)" },
  },
  examples: [
    ["perdure gc", "what takes how much"],
    ["perdure gc --older-than 30d --status completed --dry-run", "how many would go"],
    ["perdure gc --older-than 90d --archive archive --yes", "keep what ended 90 days ago or earlier in files only"],
    ["perdure gc --compact", "make the file of a SQLite store smaller"],
  ],
  run: (invocation) => withConnection(invocation, (connection) => gcOf(invocation, connection)),
};

async function gcOf(invocation: Invocation, connection: Connection): Promise<number> {
  const { args } = invocation;
  args.atMost(0);
  const wanted = wantedOf(invocation, connection.now());
  const compact = args.flag("compact");
  if (compact && connection.store.compact === undefined)
    throw usageError(
      `gc: --compact is for SQLite; a ${connection.store.kind} store looks after its space itself`,
      "on PostgreSQL autovacuum makes room for new rows",
    );
  if (wanted === undefined && !compact) return report(invocation, await sizes(connection, args.text("workflow")));
  const code = wanted === undefined ? EXIT.ok : await collect(invocation, connection, wanted);
  if (code === EXIT.ok && compact && !args.flag("dry-run")) await makeCompact(invocation, connection);
  if (invocation.json && wanted === undefined) invocation.terminal.line(JSON.stringify({ compact: true }));
  return code;
}

/** Undefined when nothing is to be deleted. */
function wantedOf({ args }: Invocation, now: number): Wanted | undefined {
  const { closedBefore, status: statuses, workflow: name, tags } = filterOf(args, now);
  if (closedBefore === undefined) {
    const given = ["status", "where"].filter((option) => args.list(option).length > 0);
    const others = ["archive", "limit"].filter((option) => args.text(option) !== undefined);
    const flags = ["dry-run", "yes"].filter((option) => args.flag(option));
    if (given.length + others.length + flags.length > 0)
      throw usageError(
        "gc: --older-than is missing",
        "perdure gc --older-than 30d deletes; perdure gc alone only shows",
      );
    return undefined;
  }
  const closed = [statuses ?? []].flat().filter((one): one is ClosedStatus => isClosed(one));
  if (statuses !== undefined && closed.length < [statuses].flat().length)
    throw usageError(
      "gc: open runs are never deleted",
      "--status takes completed, failed, cancelled, terminated, timed_out, continued_as_new",
    );
  return {
    closedBefore: Number(closedBefore),
    ...(closed.length > 0 && { status: closed }),
    ...(name !== undefined && { workflow: name }),
    ...(tags !== undefined && {
      tags: Object.fromEntries(Object.entries(tags).map(([key, value]) => [key, String(value)])),
    }),
  };
}

async function collect(invocation: Invocation, connection: Connection, wanted: Wanted): Promise<number> {
  const { args, json, terminal } = invocation;
  const archive = args.text("archive");
  const limit = args.count("limit");
  const matched = await countWanted(connection.store, wanted, limit);
  if (args.flag("dry-run") || matched === 0) {
    if (json) terminal.line(JSON.stringify({ matched, deleted: 0, dryRun: args.flag("dry-run") }));
    else
      terminal.line(
        matched === 0
          ? "nothing is old enough"
          : `${counted(matched, "run")} would be ${archive === undefined ? "" : "archived and "}deleted`,
      );
    return EXIT.ok;
  }
  const question =
    archive === undefined
      ? `delete ${counted(matched, "run")} with their histories?`
      : `move ${counted(matched, "run")} to ${archive}?`;
  if (!args.flag("yes") && !(await confirmed("gc", question))) {
    terminal.line("nothing was deleted");
    return EXIT.failed;
  }
  const collector = new Collector(connection.store, archive);
  const progress = progressOf(invocation, matched);
  const collected = await collector.collect(wanted, {
    ...(limit !== undefined && { limit }),
    onBatch: ({ deleted }) => progress.show(deleted),
    rest: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    monotonic: () => performance.now(),
  });
  progress.end();
  return told(invocation, matched, collected);
}

const TOLD_EVERY = 1000;

/** How far it is: one line that is written over on a terminal, else a line for each thousand on standard error. */
function progressOf({ terminal, json }: Invocation, matched: number): { show(deleted: number): void; end(): void } {
  if (json) return { show: () => {}, end: () => {} };
  const text = (deleted: number): string => `${deleted.toLocaleString("en")} of ${counted(matched, "run")}`;
  if (terminal.live)
    return {
      show: (deleted) => terminal.write(`\r${text(deleted)} `),
      end: () => terminal.write(`\r${" ".repeat(terminal.columns - 1)}\r`),
    };
  let next = TOLD_EVERY;
  return {
    show(deleted) {
      if (deleted < next) return;
      terminal.error(text(deleted));
      next = deleted + TOLD_EVERY - (deleted % TOLD_EVERY);
    },
    end: () => {},
  };
}

function told({ terminal, json, args }: Invocation, matched: number, { deleted, archived }: Collected): number {
  const archive = args.text("archive");
  const failed = Math.max(0, matched - deleted);
  if (json) {
    const report = { matched, deleted, failed, ...(archive !== undefined && { archived, archive }) };
    terminal.line(JSON.stringify(report));
  } else {
    const where = archive === undefined ? "deleted" : `moved to ${archive}`;
    terminal.line(`${terminal.styles.green("✔")} ${counted(deleted, "run")} ${where}`);
    if (failed > 0) terminal.error(`${counted(failed, "run")} changed meanwhile and stayed`);
  }
  return failed > 0 ? EXIT.failed : EXIT.ok;
}

async function makeCompact({ terminal, json }: Invocation, { store }: Connection): Promise<void> {
  if (!json) terminal.error("compacting; engines of this store wait meanwhile");
  await store.compact?.();
  if (!json) terminal.line(`${terminal.styles.green("✔")} compact`);
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
