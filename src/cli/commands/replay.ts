/** `perdure replay`: whether the code at hand agrees with the histories of a store. */
import { open, readFile } from "node:fs/promises";
import type { Connection } from "../../client/connection.ts";
import { type ReplayFilter, type ReplayReport, replayRuns } from "../../client/replays.ts";
import { parseRunId } from "../../core/ids.ts";
import { OPEN_STATUSES } from "../../core/status.ts";
import { ARCHIVE_BEGINS, HistoryReader, type RecordedHistory } from "../../engine/recorded-history.ts";
import { Replayer } from "../../engine/replayer.ts";
import { CodeAtHand, codeName } from "../code-at-hand.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { loadProject } from "../project.ts";
import { ReplaySummary } from "../replay-summary.ts";
import { usageError } from "../usage-error.ts";

export const replay: Command = {
  name: "replay",
  summary: "check the code against the histories of runs",
  usage: "[FILE...] [--all] [--workflow NAME] [--run ID] [--history FILE]",
  description: `Replays runs against the code at hand, before it is deployed: nothing is written, no step runs. The code is that of FILES
(modules and flows), else what perdure.config.ts and flows/ have, else the files the runs were started from. A run that has ended must
also end the same way again. The exit code is 1 when code and history disagree somewhere.`,
  options: {
    all: { help: "runs that have ended, too" },
    open: { help: "runs that have not ended (default)" },
    workflow: { short: "w", value: "NAME", help: "only runs of this workflow" },
    run: { value: "ID", multiple: true, help: "only this run" },
    limit: { short: "n", value: "N", help: "at most this many, newest first" },
    history: {
      value: "FILE",
      multiple: true,
      help: "a history from runs export, instead of a store; archives from gc (.jsonl) need no --history",
    },
    agents: { short: "a", value: "FILE", multiple: true, help: "file of agents and activities" },
  },
  examples: [
    ["perdure replay", "all open runs, before a deploy"],
    ["perdure replay src/order.ts --all --workflow order", "every run of a workflow against a file"],
    ["perdure replay --history test/histories/order-42.json", "a recorded history"],
    ["perdure replay order.ts archive/order/*.jsonl", "everything that was archived of a workflow"],
  ],
  run: runReplay,
};

async function runReplay(invocation: Invocation): Promise<number> {
  const { args } = invocation;
  if (args.flag("all") && args.flag("open")) throw usageError("--all and --open exclude one another");
  const summary = new ReplaySummary(invocation);
  const histories = historiesOf(invocation);
  if (histories.length > 0) await replayFiles(invocation, histories, summary);
  else await withConnection(invocation, (connection) => replayStore(invocation, connection, summary));
  summary.finish();
  return summary.different > 0 ? EXIT.failed : EXIT.ok;
}

async function replayStore(invocation: Invocation, connection: Connection, summary: ReplaySummary): Promise<void> {
  const { store } = connection;
  const code = await loadCode(invocation);
  const filter = await filterOf(invocation, connection);
  for await (const report of replayRuns(store, (run) => code.find(run, store), filter)) summary.add(report);
  summary.problems.push(...code.problems);
}

async function loadCode(invocation: Invocation): Promise<CodeAtHand> {
  const { args } = invocation;
  const files = args.positionals.filter((file) => !isArchive(file));
  return CodeAtHand.load(await loadProject(invocation), files, args.list("agents"));
}

/** Archives are histories wherever they stand: of `--history archive/*.jsonl` a shell makes one value and many arguments. */
function historiesOf({ args }: Invocation): string[] {
  return [...args.list("history"), ...args.positionals.filter(isArchive)];
}

function isArchive(file: string): boolean {
  return file.endsWith(".jsonl");
}

async function filterOf({ args }: Invocation, connection: Connection): Promise<ReplayFilter> {
  const ids = args.list("run");
  const limit = args.count("limit");
  if (ids.length > 0) {
    const found = await Promise.all(ids.map((id) => findRun(connection, id)));
    return { runs: found.map(({ handle }) => parseRunId(connection.store.id, handle.runId) ?? 0) };
  }
  return { workflow: args.text("workflow"), status: args.flag("all") ? "all" : OPEN_STATUSES, limit };
}

async function replayFiles(invocation: Invocation, files: readonly string[], summary: ReplaySummary): Promise<void> {
  const code = await loadCode(invocation);
  const replayer = new Replayer();
  try {
    for (const file of files) {
      const reader = new HistoryReader(file);
      for await (const text of textsOf(file)) {
        const recorded = reader.read(text);
        if (recorded !== undefined) summary.add(await replayRecorded(replayer, code, recorded));
      }
      if (reader.torn > 0) summary.problems.push(`${file}: left out ${reader.torn} torn by a crash`);
    }
  } finally {
    replayer.close();
  }
  summary.problems.push(...code.problems);
}

/** The texts of a file: all of it, or line by line when it is an archive, whatever its size. */
async function* textsOf(file: string): AsyncGenerator<string> {
  try {
    const handle = await open(file, "r");
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(ARCHIVE_BEGINS.length), 0, ARCHIVE_BEGINS.length, 0);
      if (buffer.toString("utf8", 0, bytesRead) !== ARCHIVE_BEGINS) yield await readFile(file, "utf8");
      else for await (const line of handle.readLines({ start: 0, autoClose: false })) yield line;
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw usageError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

async function replayRecorded(replayer: Replayer, code: CodeAtHand, recorded: RecordedHistory): Promise<ReplayReport> {
  const { workflow, version, workflowId, runId, status, definition, events } = recorded;
  const definitions = {
    definition: async (hash: string) =>
      definition === null ? undefined : { hash, name: workflow, body: definition, createdAt: 0 },
  };
  const about = { workflow, version: version ?? undefined, workflowId, runId, status, length: events.length };
  const found = await code.find({ workflow, version, meta: null }, definitions);
  if (found === undefined)
    throw usageError(
      `${workflowId} needs ${codeName({ workflow, version })}, which is not here`,
      `there is ${code.names.join(", ") || "no workflow"}`,
    );
  const replayed = await replayer.replayRecorded(recorded, found.definition, found.registry);
  return replayed.ok
    ? { ...about, result: "same", blockage: undefined }
    : { ...about, result: "different", blockage: replayed.blockage };
}
