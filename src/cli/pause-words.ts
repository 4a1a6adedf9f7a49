/** Pauses of workflows, queues and everything, as they are typed and told. */
import type { Connection } from "../client/connection.ts";
import type { Pause, PauseTarget } from "../client/pause-control.ts";
import type { RunDescription } from "../client/run-description.ts";
import { isClosed } from "../core/status.ts";
import type { Arguments } from "./arguments.ts";
import type { OptionSpecs } from "./command.ts";
import { shellWord } from "./progress/run-display.ts";
import { plainLine } from "./text/cell-width.ts";
import { agoText } from "./text/time-text.ts";
import { usageError } from "./usage-error.ts";

/** The options that say what is meant. */
export const TARGET_OPTIONS: OptionSpecs = {
  workflow: { short: "w", value: "NAME", help: "the runs of this workflow" },
  queue: {
    short: "q",
    value: "NAME",
    help: "the activities of this queue: etl for etl/extract; default without a slash",
  },
  all: { help: "everything in the store" },
};

/** What `--workflow X`, `--queue X` or `--all` means. */
export function targetOf(command: string, args: Arguments): PauseTarget {
  args.atMost(0);
  const workflow = args.text("workflow");
  const queue = args.text("queue");
  const given = [
    ...(workflow === undefined ? [] : [{ workflow }]),
    ...(queue === undefined ? [] : [{ queue }]),
    ...(args.flag("all") ? (["all"] as const) : []),
  ];
  if (given.length === 1) return given[0]!;
  throw usageError(
    `${command}: ${given.length === 0 ? "nothing says what is meant" : "only one can be meant at a time"}`,
    "write --workflow NAME, --queue NAME or --all",
  );
}

/** `workflow order`, `queue etl`, `everything`. */
export function targetText(target: PauseTarget): string {
  if (target === "all") return "everything";
  return "workflow" in target ? `workflow ${target.workflow}` : `queue ${target.queue}`;
}

/** What is typed to lift it. */
export function unpauseCommand(target: PauseTarget): string {
  if (target === "all") return "perdure unpause --all";
  return "workflow" in target
    ? `perdure unpause --workflow ${shellWord(target.workflow)}`
    : `perdure unpause --queue ${shellWord(target.queue)}`;
}

/** `workflow order, 3m ago: prices are wrong`. */
export function pauseText({ target, reason, at }: Pause, now: number): string {
  return `${targetText(target)}, ${agoText(at, now)}${reason === "" ? "" : `: ${plainLine(reason)}`}`;
}

/** The pauses that may hold a run back: those of queues as soon as one of its activities is held back. */
export async function pausesOf(connection: Connection, run: RunDescription): Promise<Pause[]> {
  if (isClosed(run.status)) return [];
  const held = run.open.some((step) => step.held && step.kind === "activity");
  return (await connection.pauses()).filter(({ target }) => {
    if (target === "all") return true;
    return "workflow" in target ? target.workflow === run.workflow : held;
  });
}
