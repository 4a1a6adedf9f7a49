/** Replays histories with fresh machines, as an engine that never saw them would: no effects, nothing written. */

import type { Ending } from "../../src/core/ending.ts";
import { parseEvent } from "../../src/core/events.ts";
import { type Command, Machine } from "../../src/core/machine.ts";
import { reviveParsed } from "../../src/core/payload.ts";
import { planReplay } from "../../src/core/resume.ts";
import { type CommandSpec, isStep } from "../../src/engine/command-spec.ts";
import type { ContextHost } from "../../src/engine/context-host.ts";
import { silentLogger } from "../../src/engine/log.ts";
import { runInScope } from "../../src/engine/run-scope.ts";
import { Turns } from "../../src/engine/turns.ts";
import { RunContext } from "../../src/engine/workflow-context.ts";
import type { EventRow, RunRow } from "../../src/store/store.ts";
import { definitionOf } from "./catalogue.ts";

/** What a replay needs to know of a run beside its history. */
export type ReplayedRun = Pick<RunRow, "run" | "workflow" | "version" | "workflowId" | "createdAt">;

/** A history that was replayed, and where the code stands after it. */
export interface Replayed<Row extends ReplayedRun = ReplayedRun> {
  readonly row: Row;
  readonly history: readonly EventRow[];
  readonly machine: Machine<CommandSpec>;
  /** Every step the code asked for, by command. */
  readonly steps: ReadonlyMap<number, Command<CommandSpec>>;
  /** How many waits for a signal were answered, by its name. */
  readonly answered: ReadonlyMap<string, number>;
  /** What handlers of updates came to, by the number of the message. */
  readonly endings: ReadonlyMap<number, Ending>;
  /** Updates that were accepted although the validator says no where they are in the history. */
  readonly unacceptable: readonly number[];
  /** A timer that fired or a wait that timed out before it was due. */
  readonly early: string | undefined;
}

/** Answers for rejections that a replay leaves alone. */
const NOBODY = { rejected: (): void => {} };
const NO_HOST: ContextHost = {
  activity: () => undefined,
  workflow: (of) => definitionOf(typeof of === "string" ? of : of.name),
  send: async () => {},
  callbackToken: () => "",
  callbackUrl: () => undefined,
  taskQueue: () => undefined,
  provide: () => {},
  outputs: () => {},
};

/** Replays all of these in turns of one event each. */
export async function replayAll<Row extends ReplayedRun>(
  storeId: string,
  runs: readonly { readonly row: Row; readonly history: readonly EventRow[] }[],
): Promise<Replayed<Row>[]> {
  const turns = new Turns(() => {});
  const replays = runs.map(({ row, history }) => replayOne(storeId, row, history, turns));
  turns.run();
  return Promise.all(replays);
}

function replayOne<Row extends ReplayedRun>(
  storeId: string,
  row: Row,
  history: readonly EventRow[],
  turns: Turns,
): Promise<Replayed<Row>> {
  const plan = planReplay(history);
  const runId = `${storeId}-${row.run.toString(36)}`;
  const definition = definitionOf(row.workflow, row.version)!;
  let context: RunContext | undefined;
  const info = {
    workflow: row.workflow,
    version: undefined,
    workflowId: row.workflowId,
    runId,
    startedAt: row.createdAt,
    parent: undefined,
    historyLength: 0,
  };
  const machine: Machine<CommandSpec> = new Machine<CommandSpec>({
    runId,
    codec: undefined,
    generation: plan.generation,
    start: (self, input) => {
      const place = { owner: NOBODY, scope: self.scope, guarded: undefined };
      const wf = new RunContext(self, NO_HOST, { codeLog: silentLogger, replays: true }, info, place);
      context = wf;
      countAnswers(wf, answered);
      return runInScope(place, () => definition.run(wf, input));
    },
    onBlocked: () => {},
    onCancelled: (reason) => context?.cancelled(reason),
    rejecting: (reject) => reject(),
    onNote: () => {},
    onSettled: () => {},
    onAnswered: (message, ending) => endings.set(message, ending),
  });
  const endings = new Map<number, Ending>();
  const unacceptable: number[] = [];
  const answered = new Map<string, number>();
  const steps = new Map<number, Command<CommandSpec>>();
  let next = 0;
  let early: string | undefined;
  return new Promise((resolve, reject) => {
    turns.add({
      takeTurn: () => {
        const event = plan.rows[next++];
        if (event === undefined) return;
        early ??= tooEarly(event, machine);
        if (event.type === "UpdateAccepted" && event.verify) checkAccepted(event, machine, unacceptable);
        machine.openTurn();
        machine.apply(event, event.verify);
      },
      drained: () => machine.drained(),
      endTurn: () => {
        machine.closeTurn();
        for (const command of machine.takeCommands()) if (isStep(command.spec)) steps.set(command.id, command);
        machine.takeNotes();
        return next < plan.rows.length && machine.blockage === undefined;
      },
      turnsDone: () => resolve({ row, history, machine, early, answered, steps, endings, unacceptable }),
      broke: reject,
    });
  });
}

/** Listens to what waits come to without coming between them and the code: promises keep their order. */
function countAnswers(context: RunContext, answered: Map<string, number>): void {
  const waitFor = context.waitFor.bind(context) as (signal: string, options?: object) => Promise<unknown>;
  context.waitFor = ((signal: string, options?: object) => {
    const answer = waitFor(signal, options);
    answer.then(
      (value) => value !== undefined && answered.set(signal, (answered.get(signal) ?? 0) + 1),
      () => {},
    );
    return answer;
  }) as typeof context.waitFor;
}

function checkAccepted(row: EventRow, machine: Machine<CommandSpec>, unacceptable: number[]): void {
  const { n, p, m } = parseEvent(row).data;
  if (machine.ending !== undefined || machine.blockage !== undefined) return;
  if (machine.messages.validate(n!, reviveParsed(p)) !== undefined) unacceptable.push(m!);
}

function tooEarly(row: EventRow, machine: Machine<CommandSpec>): string | undefined {
  if (row.type !== "TimerFired" && row.type !== "WaitTimedOut") return undefined;
  const { data } = parseEvent(row);
  const spec = machine.open.get(data.c!)?.spec;
  const due = spec !== undefined && "due" in spec ? spec.due : undefined;
  return due === undefined || row.at >= due
    ? undefined
    : `${row.type} of command ${data.c} at ${row.at}, due at ${due}`;
}
