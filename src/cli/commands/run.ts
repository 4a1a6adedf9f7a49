/** `perdure run`: runs a flow or workflow in this process, to its end. */
import { relative } from "node:path";
import { connect } from "../../client/connect.ts";
import type { Perdure } from "../../client/perdure.ts";
import type { RunHandle } from "../../client/run-handle.ts";
import { type Duration, durationMs } from "../../core/duration.ts";
import { isPerdureError, PerdureError } from "../../core/errors.ts";
import { isClosed, RESUMABLE } from "../../core/status.ts";
import { isFlow } from "../../flow/flow.ts";
import { openStore } from "../../store/open.ts";
import type { RunRow } from "../../store/store.ts";
import type { Command, Invocation } from "../command.ts";
import { isPair, readValue } from "../input-values.ts";
import { shellWord } from "../progress/run-display.ts";
import { loadProject, type Project } from "../project.ts";
import { endingOf, exitCodeOf, printEnding } from "../run-ending.ts";
import { superviseRun } from "../run-supervisor.ts";
import { loadOrigin, loadRunnable, type Runnable } from "../runnable.ts";
import { readSecrets } from "../secret-values.ts";
import { usageError } from "../usage-error.ts";

export const run: Command = {
  name: "run",
  summary: "run a flow or workflow to its end",
  usage: "FILE|NAME [key=value ...] [options]",
  description: `FILE is a flow (.yaml, .yml, .json) or a module (.ts, .js) that exports a workflow or flow. NAME is that of a flow in
flows/, .parac/workflows/ or perdure.config.ts. Agents come from the flow, --agents, or an agents file beside it.

Every finished step is kept. After a crash the same command with the same --id goes on with the first unfinished step.
ctrl-C cancels the run; ctrl-C twice, or ctrl-\\ once, leaves it to be gone on with later.`,
  options: {
    id: { value: "ID", help: "the run's workflow id; calling again with it is the same run (default: a UUID)" },
    input: { short: "i", value: "VALUE", multiple: true, help: "key=value, JSON, @FILE or - (standard input)" },
    agents: {
      short: "a",
      value: "FILE",
      multiple: true,
      help: "file of agents and activities: YAML, JSON, TypeScript, JavaScript",
    },
    workflow: { short: "w", value: "NAME", help: "which workflow of a module that exports several" },
    secret: {
      value: "NAME[=VALUE]",
      multiple: true,
      help: "a secret for the steps; without VALUE from the environment",
    },
    serves: {
      value: "QUEUE,...",
      help: "run activities of these queues here, leave the others to engines that serve them (default: all here)",
    },
    timeout: { value: "DURATION", help: "longest life of the run, waits included: 90s, 2h, 3d" },
    durability: { value: "LEVEL", help: "full (default) or relaxed: faster, but a power cut may lose the last steps" },
  },
  examples: [
    ["perdure run flows/hello.yaml --input name=Ada", "run a flow with an input"],
    ["perdure run etl.yaml --id etl-2026-11-21 --agents agents.yaml", "an id makes it safe to call again"],
    ["perdure run order.ts --workflow order --input @order.json --secret API_KEY", "a workflow written in TypeScript"],
    ["perdure run data-pipeline --json | tail -1 | jq .output", "a flow by its name; its result for a program"],
  ],
  run: runCommand,
};

async function runCommand(invocation: Invocation): Promise<number> {
  const { args } = invocation;
  const target = args.at(0, "FILE");
  const pairs = args.positionals.slice(1);
  const stray = pairs.find((text) => !isPair(text));
  if (stray !== undefined)
    throw usageError(`run: one argument too many: ${JSON.stringify(stray)}`, "inputs are written key=value");
  const input = await readValue("input", [...args.list("input"), ...pairs]);
  const secrets = readSecrets(args.list("secret"));
  const timeout = timeoutOf(args.text("timeout"));
  const durability = durabilityOf(args.text("durability"));
  const project = await loadProject(invocation);
  const runnable = await loadRunnable(project, {
    target,
    workflow: args.text("workflow"),
    agents: args.list("agents"),
  });
  assertSecrets(runnable, secrets);
  const id = args.text("id");
  const before = id === undefined ? undefined : await earlierRun(project, id);
  if (before !== undefined) return again(invocation, project, runnable, before, durability);
  warn(invocation, runnable);
  const options = { ...(id !== undefined && { id }), ...(timeout !== undefined && { timeout }), secrets };
  const obtain = (engine: Perdure): Promise<RunHandle> => start(engine, runnable, input, options);
  return superviseRun({
    invocation,
    runnable,
    store: project.store,
    queues: project.config.queues,
    durability,
    obtain,
  });
}

async function start(
  engine: Perdure,
  { workflow, origin }: Runnable,
  input: unknown,
  options: { id?: string; timeout?: Duration; secrets: Record<string, string> },
): Promise<RunHandle> {
  try {
    return await engine.start<unknown>(workflow.name, input, {
      ...options,
      meta: { ...origin },
      reuse: "reject",
      conflict: "attach",
    });
  } catch (error) {
    if (isPerdureError(error, "ALREADY_EXISTS") && options.id !== undefined) return engine.handle(options.id);
    throw error;
  }
}

function timeoutOf(text: string | undefined): Duration | undefined {
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) throw usageError(`--timeout ${text} has no unit`, `write --timeout ${text}s`);
  return durationMs(text as Duration, "--timeout");
}

function durabilityOf(text: string | undefined): "full" | "relaxed" {
  if (text === undefined || text === "full" || text === "relaxed") return text ?? "full";
  throw usageError(`--durability is full or relaxed, not ${JSON.stringify(text)}`);
}

function assertSecrets({ workflow }: Runnable, secrets: Readonly<Record<string, string>>): void {
  const missing = isFlow(workflow) ? workflow.secrets.filter((name) => !(name in secrets)) : [];
  if (missing.length === 0) return;
  const options = missing.map((name) => `--secret ${name}`).join(" ");
  throw usageError(
    `${workflow.name} asks for ${missing.length === 1 ? "the secret" : "the secrets"} ${missing.join(", ")}`,
    `give them with ${options} (taken from the environment)`,
  );
}

function warn({ terminal }: Invocation, { warnings }: Runnable): void {
  for (const { file, line, message } of warnings)
    terminal.error(
      `${terminal.errorStyles.yellow("warning")} ${[file, line].filter((part) => part !== undefined).join(":")}: ${message}`,
    );
}

/** A run that has the id already. The store is made and migrated, as the engine that follows would do. */
async function earlierRun({ store: address }: Project, id: string): Promise<RunRow | undefined> {
  const store = await openStore(address);
  try {
    return await store.find({ workflowId: id });
  } finally {
    await store.close();
  }
}

/** The id has run before: an open run goes on, a completed one gives its result, any other is left to `runs resume`. */
async function again(
  invocation: Invocation,
  project: Project,
  runnable: Runnable,
  row: RunRow,
  durability: "full" | "relaxed",
): Promise<number> {
  const { terminal, json, args } = invocation;
  const id = row.workflowId;
  if (row.workflow !== runnable.workflow.name) {
    const message = `${id} is a run of ${row.workflow}, not of ${runnable.workflow.name}`;
    throw new PerdureError("CONFLICT", message, { details: { hint: "choose another --id" } });
  }
  if (stands(row)) return tell(invocation, project, row);
  const changed = row.version !== (runnable.workflow.version ?? null);
  if (changed) warnChanged(invocation, runnable, id);
  const pinned = changed ? await pinnedRunnable(project, row, args.list("agents")) : runnable;
  if (!json) terminal.line(`${id} is open; going on with its first unfinished step`);
  const { store, config } = project;
  return superviseRun({
    invocation,
    runnable: pinned,
    store,
    queues: config.queues,
    durability,
    obtain: (engine) => engine.handle(id),
  });
}

function stands({ status }: RunRow): boolean {
  return isClosed(status) || status === "blocked" || status === "paused";
}

async function tell({ terminal, json }: Invocation, { store }: Project, row: RunRow): Promise<number> {
  await using connection = await connect({ store });
  const ending = await endingOf(await connection.handle(row.workflowId));
  if (!json) terminal.line(earlier(row, ending.undone !== undefined));
  printEnding(ending, terminal, json);
  return exitCodeOf(ending);
}

function earlier({ workflowId, status }: RunRow, undone: boolean): string {
  if (status === "completed")
    return `${workflowId} has completed before; this is its result. Another --id starts it anew.`;
  const how =
    status === "blocked" || status === "paused" ? `is ${status}` : `has ended before: ${status.replaceAll("_", " ")}`;
  const resume =
    RESUMABLE.has(status) && !undone ? `perdure runs resume ${shellWord(workflowId)} goes on with it; ` : "";
  return `${workflowId} ${how}. ${resume}another --id starts it anew.`;
}

function warnChanged({ terminal }: Invocation, { origin, workflow }: Runnable, id: string): void {
  const what = origin.file === undefined ? workflow.name : relative(origin.cwd ?? "", origin.file);
  terminal.error(
    `${terminal.errorStyles.yellow("warning")} ${what} has changed since ${id} was started; the run keeps the definition it was started with`,
  );
}

async function pinnedRunnable(
  { store, ...project }: Project,
  row: RunRow,
  agents: readonly string[],
): Promise<Runnable> {
  await using connection = await connect({ store });
  return await loadOrigin({ store, ...project }, connection.store, row, agents);
}
