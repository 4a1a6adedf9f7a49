/** Runs that belong together: children and parents agree, runs that continue one another follow each other (I4, I5, I9). */
import { generationAt, isTerminal } from "./check-histories.ts";
import { groupBy, type SeenEvent, type SeenMessage, type SeenRun, type Snapshot } from "./snapshot.ts";
import type { Findings } from "./violation.ts";

export function checkKin(snapshot: Snapshot, found: Findings): void {
  const chains = groupBy(snapshot.runs, ({ chain }) => chain);
  const messages = groupBy(snapshot.seenMessages, ({ tx }) => tx);
  const children = new Map<string, SeenRun[]>();
  for (const run of snapshot.runs) {
    if (run.parent === undefined || run.chain !== run.run) continue;
    const place = `${run.parent.run}/${run.parent.command}/${run.parent.generation}`;
    children.set(place, [...(children.get(place) ?? []), run]);
  }
  for (const [place, all] of children) {
    if (all.length > 1)
      found.add("I5", all[0]!.workflowId, `command ${place} started ${all.length} children`, all.map(rowOf));
    checkChild(snapshot, { child: chains.get(all[0]!.run)!.at(-1)!, place, messages }, found);
  }
  for (const run of snapshot.runs) {
    checkStarted(snapshot, run, found);
    checkSuccessor(chains.get(run.chain)!, run, found);
  }
}

const rowOf = ({ events, ...row }: SeenRun): object => ({ ...row, events: events.length });

interface Child {
  /** The last of its chain. */
  readonly child: SeenRun;
  readonly place: string;
  readonly messages: ReadonlyMap<string, readonly SeenMessage[]>;
}

/** What the parent was told is what became of the child. */
function checkChild({ byRun, runs }: Snapshot, { child, messages }: Child, found: Findings): void {
  const { run, command, generation } = child.parent!;
  const parent = byRun.get(run);
  const end = child.events.findLast(isTerminal);
  if (parent === undefined || end === undefined) {
    found.add("I5", child.workflowId, parent === undefined ? "its parent is not there" : "it has not ended", [
      rowOf(child),
    ]);
    return;
  }
  const kin = new Set(runs.filter(({ chain }) => chain === parent.chain).map((one) => one.run));
  const told = messages.get(end.tx)?.some((message) => message.kind === "outcome" && kin.has(message.run));
  if (told !== true && openAt(runs, kin, end.seenAt))
    found.add("I4", child.workflowId, `it ended and its parent ${parent.workflowId} was not told`, [
      end,
      rowOf(parent),
    ]);
  const outcome = parent.events.find(
    (event) =>
      (event.type === "StepCompleted" || event.type === "StepFailed") &&
      event.data.c === command &&
      generationAt(parent.events, command, event.seq) === generation,
  );
  if (outcome !== undefined && !agree(outcome, child, end))
    found.add("I5", parent.workflowId, `it was told something else of ${child.workflowId} than became of it`, [
      outcome,
      end,
    ]);
}

function openAt(runs: readonly SeenRun[], kin: ReadonlySet<number>, at: number): boolean {
  const ends = runs.filter(({ run }) => kin.has(run)).map(({ events }) => events.at(-1)!.seenAt);
  return Math.max(...ends) > at;
}

function agree({ type, data }: SeenEvent, child: SeenRun, end: SeenEvent): boolean {
  if (type === "StepFailed") return child.status !== "completed";
  return end.type === "RunCompleted" && JSON.stringify(end.data.p) === JSON.stringify(data.p);
}

/** What a history says was started is there. */
function checkStarted({ byRunId }: Snapshot, run: SeenRun, found: Findings): void {
  for (const event of run.events) {
    if (event.type !== "ChildStarted") continue;
    const child = byRunId.get(event.data.h!);
    if (child?.parent?.run !== run.run || child.parent.command !== event.data.c)
      found.add("I5", run.workflowId, `its child ${event.data.h} is not there`, [
        event,
        ...(child === undefined ? [] : [rowOf(child)]),
      ]);
  }
}

function checkSuccessor(chain: readonly SeenRun[], run: SeenRun, found: Findings): void {
  const last = run.events.at(-1);
  const next = chain[chain.indexOf(run) + 1];
  if (next === undefined) {
    if (run.status === "continued_as_new")
      found.add("I4", run.workflowId, "it was continued by no run", [rowOf(run), last]);
    return;
  }
  if (run.status !== "continued_as_new" || next.workflowId !== run.workflowId || !run.superseded)
    found.add("I2", run.workflowId, "two runs of a chain do not follow one another", [rowOf(run), rowOf(next)]);
  const [first] = next.events;
  if (first?.tx !== last?.tx)
    found.add("I4", run.workflowId, "the run that continues it began in another commit", [last, first]);
  if (JSON.stringify(first?.data.p) !== JSON.stringify(last?.data.p))
    found.add("I3", run.workflowId, "the run that continues it began with something else", [last, first]);
}
