/** `perdure runs export`: histories as files, to be replayed by tests. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Connection } from "../../client/connection.ts";
import { parseRunId } from "../../core/ids.ts";
import { formatHistory } from "../../engine/recorded-history.ts";
import { recordRun } from "../../engine/recording.ts";
import { makeFolder } from "../../store/folder.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { statusesOf } from "../status-option.ts";
import { usageError } from "../usage-error.ts";

export const runsExport: Command = {
  name: "runs export",
  summary: "write histories to files for tests",
  usage: "[ID...] [--workflow NAME] [--status STATUS] [--out DIR]",
  description: `Writes the history of each run to DIR/WORKFLOW-ID.json, for perdure replay --history and for replays in tests. Secrets are
never in a history; inputs and results are.`,
  options: {
    workflow: { short: "w", value: "NAME", help: "runs of this workflow" },
    status: {
      short: "s",
      value: "STATUS",
      multiple: true,
      help: "runs in this state; open means all that have not ended",
    },
    limit: { short: "n", value: "N", help: "at most this many, newest first (default 20; not with ID)" },
    out: { short: "o", value: "DIR", help: "folder to write to (default histories)" },
  },
  examples: [
    ["perdure runs export order-42 --out test/histories", "one run"],
    ["perdure runs export --workflow order --status completed --limit 50", "the newest fifty"],
  ],
  run: (invocation) => withConnection(invocation, (connection) => exportRuns(invocation, connection)),
};

const DEFAULT_LIMIT = 20;

async function exportRuns(invocation: Invocation, connection: Connection): Promise<number> {
  const { args, terminal, json } = invocation;
  const folder = args.text("out") ?? "histories";
  const runs = await wantedRuns(invocation, connection);
  const written: { workflowId: string; runId: string; file: string }[] = [];
  const names = new Set<string>();
  for (const run of runs) {
    const recorded = await recordRun(connection.store, run);
    if (recorded === undefined) continue;
    const { workflowId, runId } = recorded;
    const file = join(folder, `${freeName(workflowId, runId, names)}.json`);
    write(folder, file, formatHistory(recorded));
    written.push({ workflowId, runId, file });
    if (!json) terminal.line(`${terminal.styles.green("✔")} ${file}`);
  }
  if (json) terminal.line(JSON.stringify(written));
  else if (written.length === 0) terminal.line("no runs");
  return EXIT.ok;
}

function write(folder: string, file: string, text: string): void {
  try {
    makeFolder(folder);
    writeFileSync(file, text);
  } catch (error) {
    throw usageError(`${file} cannot be written: ${(error as Error).message}`);
  }
}

async function wantedRuns({ args }: Invocation, connection: Connection): Promise<number[]> {
  const { store } = connection;
  const workflow = args.text("workflow");
  const status = args.list("status").flatMap(statusesOf);
  const ids = args.positionals;
  if (ids.length === 0 && workflow === undefined && status.length === 0)
    throw usageError("say which runs: IDs, --workflow or --status", args.helpHint);
  if (ids.length > 0) {
    const found = await Promise.all(ids.map((id) => findRun(connection, id)));
    return [...new Set(found.map(({ handle }) => parseRunId(store.id, handle.runId) ?? 0))];
  }
  const limit = args.count("limit") ?? DEFAULT_LIMIT;
  const rows = await store.list({
    limit,
    ...(workflow !== undefined && { workflow }),
    ...(status.length > 0 && { status }),
  });
  return rows.map(({ run }) => run);
}

/** The workflow id as a file name; with the run id where several runs have it. */
function freeName(workflowId: string, runId: string, names: Set<string>): string {
  const safe = workflowId
    .replaceAll(/[^\w.@-]+/g, "_")
    .replace(/^\.+/, "_")
    .slice(0, 150);
  const name = safe === "" || names.has(safe) ? `${safe}_${runId}` : safe;
  names.add(name);
  return name;
}
