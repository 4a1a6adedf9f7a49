/** All commands, each loaded only when it is called, so that the help is there at once. */
import type { Command } from "./command.ts";

/** A command before it is loaded. */
export interface Entry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<Command>;
}

/** The commands in the order of the help. */
export const CATALOGUE: readonly (readonly [title: string, entries: readonly Entry[]])[] = [
  [
    "Write",
    [
      entry("init", "write a small working example", async () => (await import("./commands/init.ts")).init),
      entry(
        "validate",
        "find all mistakes in flow files",
        async () => (await import("./commands/validate.ts")).validate,
      ),
      entry(
        "plan",
        "what a flow will do: levels, gates, branches",
        async () => (await import("./commands/plan.ts")).plan,
      ),
      entry("graph", "draw a flow as Mermaid, SVG or DOT", async () => (await import("./commands/graph.ts")).graph),
    ],
  ],
  ["Run", [entry("run", "run a flow or workflow to its end", async () => (await import("./commands/run.ts")).run)]],
  [
    "Look after runs",
    [
      entry("runs list", "newest runs first", async () => (await import("./commands/runs-list.ts")).runsList),
      entry(
        "runs show",
        "one run: its steps and what it waits for",
        async () => (await import("./commands/runs-show.ts")).runsShow,
      ),
      entry(
        "runs history",
        "everything that happened to a run",
        async () => (await import("./commands/runs-history.ts")).runsHistory,
      ),
      entry(
        "runs result",
        "wait for a run's result",
        async () => (await import("./commands/runs-result.ts")).runsResult,
      ),
      entry("runs signal", "answer a waiting run", async () => (await import("./commands/runs-signal.ts")).runsSignal),
      entry("runs query", "ask a run something", async () => (await import("./commands/runs-query.ts")).runsQuery),
      entry(
        "runs update",
        "change a run and wait for its answer",
        async () => (await import("./commands/runs-update.ts")).runsUpdate,
      ),
      entry(
        "runs resume",
        "go on with a run that stopped",
        async () => (await import("./commands/runs-resume.ts")).runsResume,
      ),
      entry("runs pause", "make a run stand still", async () => (await import("./commands/runs-pause.ts")).runsPause),
      entry("runs cancel", "ask a run to stop", async () => (await import("./commands/runs-cancel.ts")).runsCancel),
      entry(
        "runs terminate",
        "end a run at once",
        async () => (await import("./commands/runs-terminate.ts")).runsTerminate,
      ),
      entry(
        "runs fork",
        "start a new run in the middle of another one",
        async () => (await import("./commands/runs-fork.ts")).runsFork,
      ),
      entry(
        "runs reset",
        "take a run back to a step",
        async () => (await import("./commands/runs-reset.ts")).runsReset,
      ),
      entry(
        "runs complete-step",
        "give a step its result by hand",
        async () => (await import("./commands/runs-step.ts")).runsCompleteStep,
      ),
      entry("runs skip-step", "leave a step out", async () => (await import("./commands/runs-step.ts")).runsSkipStep),
      entry(
        "runs fail-step",
        "fail a step without further attempts",
        async () => (await import("./commands/runs-step.ts")).runsFailStep,
      ),
      entry(
        "runs retry-step",
        "start the next attempt of a step now",
        async () => (await import("./commands/runs-step.ts")).runsRetryStep,
      ),
      entry(
        "runs export",
        "write histories to files for tests",
        async () => (await import("./commands/runs-export.ts")).runsExport,
      ),
      entry(
        "runs delete",
        "delete a run with its history",
        async () => (await import("./commands/runs-delete.ts")).runsDelete,
      ),
    ],
  ],
  [
    "Decide and settle",
    [
      entry(
        "approvals list",
        "what waits for a decision",
        async () => (await import("./commands/approvals-list.ts")).approvalsList,
      ),
      entry(
        "approvals approve",
        "say yes to what a run asks for",
        async () => (await import("./commands/approvals-decide.ts")).approvalsApprove,
      ),
      entry(
        "approvals reject",
        "say no to what a run asks for",
        async () => (await import("./commands/approvals-decide.ts")).approvalsReject,
      ),
      entry("complete", "settle what waits for a token", async () => (await import("./commands/complete.ts")).complete),
    ],
  ],
  [
    "Start by the clock",
    [
      entry(
        "schedules create",
        "start a workflow by the clock",
        async () => (await import("./commands/schedules-create.ts")).schedulesCreate,
      ),
      entry(
        "schedules list",
        "schedules, what they start and when next",
        async () => (await import("./commands/schedules-list.ts")).schedulesList,
      ),
      entry(
        "schedules show",
        "one schedule: what it did, what it skipped and why",
        async () => (await import("./commands/schedules-show.ts")).schedulesShow,
      ),
      entry(
        "schedules preview",
        "the next ticks of a schedule",
        async () => (await import("./commands/schedules-show.ts")).schedulesPreview,
      ),
      entry(
        "schedules pause",
        "let a schedule start nothing for a while",
        async () => (await import("./commands/schedules-pause.ts")).schedulesPause,
      ),
      entry(
        "schedules resume",
        "let a paused schedule go on",
        async () => (await import("./commands/schedules-pause.ts")).schedulesResume,
      ),
      entry(
        "schedules trigger",
        "start what a schedule starts, now",
        async () => (await import("./commands/schedules-trigger.ts")).schedulesTrigger,
      ),
      entry(
        "schedules backfill",
        "start what a schedule would have started",
        async () => (await import("./commands/schedules-trigger.ts")).schedulesBackfill,
      ),
      entry(
        "schedules update",
        "change when and how a schedule starts its workflow",
        async () => (await import("./commands/schedules-update.ts")).schedulesUpdate,
      ),
      entry(
        "schedules delete",
        "delete a schedule; what it started goes on",
        async () => (await import("./commands/schedules-delete.ts")).schedulesDelete,
      ),
    ],
  ],
  [
    "Look after the store",
    [
      entry("pause", "stop a workflow, a queue or everything", async () => (await import("./commands/pause.ts")).pause),
      entry("unpause", "let go on what was paused", async () => (await import("./commands/unpause.ts")).unpause),
      entry("pauses", "what is paused, since when and why", async () => (await import("./commands/pauses.ts")).pauses),
      entry(
        "queues list",
        "what waits in which queue, and who serves it",
        async () => (await import("./commands/queues-list.ts")).queuesList,
      ),
      entry(
        "replay",
        "check the code against the histories of runs",
        async () => (await import("./commands/replay.ts")).replay,
      ),
      entry("gc", "show what runs take, delete old ones", async () => (await import("./commands/gc.ts")).gc),
      entry("migrate", "bring the store to this version", async () => (await import("./commands/migrate.ts")).migrate),
      entry("doctor", "check that everything is in place", async () => (await import("./commands/doctor.ts")).doctor),
    ],
  ],
];

function entry(name: string, summary: string, load: () => Promise<Command>): Entry {
  return { name, summary, load };
}

/** All commands. */
export const ENTRIES: readonly Entry[] = CATALOGUE.flatMap(([, entries]) => entries);
