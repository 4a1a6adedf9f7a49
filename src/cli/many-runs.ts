/** Commands on a run that can also be given a filter: then they do the same with every run of it. */
import type { BulkAction } from "../client/bulk.ts";
import type { Connection } from "../client/connection.ts";
import type { RunDescription } from "../client/run-description.ts";
import type { PerdureError } from "../core/errors.ts";
import { EXIT, type Invocation, type OptionSpecs } from "./command.ts";
import { confirmed } from "./confirmation.ts";
import { withConnection } from "./connection.ts";
import { FILTER_OPTIONS, filterOf } from "./run-filter.ts";
import { usageError } from "./usage-error.ts";

/** Options of commands that take many runs. */
export const MANY_OPTIONS: OptionSpecs = {
  ...FILTER_OPTIONS,
  all: { help: "every run that it is possible for" },
  "dry-run": { help: "only show which runs are meant" },
  yes: { short: "y", help: "do not ask" },
};

/** What follows the name of a command that takes many runs. */
export const MANY_USAGE = "ID | --all | --workflow NAME | --where KEY=VALUE | --status STATUS … [--dry-run] [--yes]";

const DONE: Readonly<Record<BulkAction, string>> = {
  cancel: "asked to stop",
  terminate: "terminated, or about to be by the engine that advances it",
  pause: "paused, or about to be as soon as what runs has ended",
  resume: "to go on as soon as an engine takes it",
  retry: "to try again what waits for its next attempt",
  delete: "deleted",
};

/** Whether a command was given a filter rather than a run. @throws PerdureError `INVALID_ARGUMENT` when it was given both. */
export function meansMany({ args }: Invocation): boolean {
  const filtered = Object.keys(FILTER_OPTIONS).some(
    (name) => args.text(name) !== undefined || args.list(name).length > 0,
  );
  const many = filtered || args.flag("all") || args.flag("dry-run");
  if (many && args.positionals.length > 0)
    throw usageError(`${JSON.stringify(args.positionals[0])} is one run, the options mean many: give one or the other`);
  if (args.flag("dry-run") && !filtered && !args.flag("all"))
    throw usageError("--dry-run shows which of many runs are meant", "add --all, --workflow, --where, --status …");
  return many;
}

/** Does something with every run of the filter. Returns the exit code. */
export function withMany(invocation: Invocation, action: BulkAction): Promise<number> {
  if (invocation.args.flag("detach") && action !== "resume")
    throw usageError(`runs ${action}: --detach is for one run`);
  return withConnection(invocation, (connection) => act(invocation, connection, action));
}

const SHOWN = 20;

async function act(
  { args, terminal, json }: Invocation,
  { runs, now }: Connection,
  action: BulkAction,
): Promise<number> {
  const filter = filterOf(args, now());
  const reason = args.text("reason");
  const found: RunDescription[] = [];
  const note = (run: RunDescription): void => {
    if (found.length < SHOWN) found.push(run);
  };
  const { matched } = await runs.bulk(filter, action, { dryRun: true, onRun: note });
  if (args.flag("dry-run")) return planned(matched, found);
  if (matched > 0 && !args.flag("yes") && !(await confirmed(`runs ${action}`, `${action} ${count(matched)}?`))) {
    terminal.line("nothing was done");
    return EXIT.failed;
  }
  const onRun = ({ workflowId }: RunDescription, error?: PerdureError): void => {
    if (error !== undefined && !json) terminal.error(`${workflowId}: ${error.message}`);
  };
  const { done, failed } = await runs.bulk(filter, action, { ...(reason !== undefined && { reason }), onRun });
  if (json) terminal.line(JSON.stringify({ action, matched: done + failed.length, done, failed: failed.map(failure) }));
  else terminal.line(`${terminal.styles.green("✔")} ${count(done)} ${DONE[action]}`);
  return failed.length > 0 ? EXIT.failed : EXIT.ok;

  function planned(total: number, some: readonly RunDescription[]): number {
    if (json) terminal.line(JSON.stringify({ action, matched: total, dryRun: true }));
    else {
      for (const { status, workflow, workflowId, runId } of some)
        terminal.line(`${workflowId}  ${terminal.styles.dim(`${workflow}, ${status}, ${runId}`)}`);
      if (total > some.length) terminal.line(terminal.styles.dim(`… ${total - some.length} more`));
      terminal.line(`would ${action} ${count(total)}`);
    }
    return EXIT.ok;
  }
}

function failure({ workflowId, runId, error }: { workflowId: string; runId: string; error: PerdureError }): object {
  return { workflowId, runId, error: { code: error.code, message: error.message } };
}

function count(runs: number): string {
  return `${runs.toLocaleString("en")} ${runs === 1 ? "run" : "runs"}`;
}
