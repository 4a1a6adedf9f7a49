/**
 * What activities did, against what the tables say: effects follow their causes (I1), under a lease (I2), each step under one key of
 * its own, and nothing of a step begins once it has an outcome (I5).
 */

import { generationAt, isOutcome, isTerminal } from "./check-histories.ts";
import type { FaultLine } from "./faults.ts";
import { type EffectLine, groupBy, type SeenEvent, type SeenLease, type SeenRun, type Snapshot } from "./snapshot.ts";
import type { Findings } from "./violation.ts";

/** The clock of processes has whole milliseconds, that of the database has fractions. */
const TICK_MS = 1;
/**
 * A process that is stopped between being allowed to begin and beginning has begun when it goes on: one line, as soon as the machine lets it.
 * No program can close that gap; what comes after it must know better.
 */
const AFTER_THAW_MS = 1000;

/** After a fault an engine may still be finding out what became of a commit. */
const SETTLING_MS = 5000;

interface Begun extends EffectLine {
  /** The lease it was done under. */
  readonly lease: number | undefined;
}

export function checkEffects(snapshot: Snapshot, found: Findings): void {
  const { effects, byRunId } = snapshot;
  const late = lateBegins(snapshot);
  const leases = groupBy(
    snapshot.leases.filter(({ label }) => label !== "terminate"),
    ({ by }) => by,
  );
  for (const look of effects) {
    if (look.phase === "look" && look.seen! < look.cause)
      found.add(
        "I1",
        byRunId.get(look.runId)?.workflowId,
        `an effect of event ${look.cause} began, the database had ${look.seen}`,
        [look],
      );
  }
  const phases = groupBy(effects, ({ token }) => token);
  const keys = groupBy(
    effects.filter(({ phase }) => phase === "begin"),
    ({ key }) => key,
  );
  const commands = new Map<string, string>();
  for (const [key, lines] of keys) {
    const begins = lines
      .filter(({ token }) => !late.has(token))
      .map((line) => ({ ...line, lease: leaseAt(leases.get(line.incarnation), line.at) }));
    if (begins.length === 0) continue;
    const [{ runId, step, workflowId }] = begins as [Begun];
    const run = byRunId.get(runId);
    if (run === undefined) {
      found.add("I1", workflowId, `${step} began and there is no run ${runId}`, begins);
      continue;
    }
    const command = Number(key.slice(runId.length + 1).split(":")[0]);
    const before = commands.get(`${runId}/${step}`);
    if (before !== undefined && before.split(":")[1] !== String(command))
      found.add("I5", workflowId, `${step} has the keys ${before} and ${key}`, begins);
    commands.set(`${runId}/${step}`, key);
    checkStep({ run, key, command, begins, phases, faults: snapshot.faults }, found);
  }
  checkRecorded(snapshot, phases, found);
}

interface Step {
  readonly run: SeenRun;
  readonly key: string;
  readonly command: number;
  readonly begins: readonly Begun[];
  readonly phases: ReadonlyMap<string, readonly EffectLine[]>;
  readonly faults: readonly FaultLine[];
}

function checkStep({ run, key, command, begins, phases, faults }: Step, found: Findings): void {
  const wrong = (rule: string, what: string, ...evidence: unknown[]): void =>
    found.add(rule, run.workflowId, `${begins[0]!.step} (${key}): ${what}`, [...new Set([...evidence, ...begins])]);
  for (const begin of begins) {
    if (begin.workflowId !== run.workflowId || begin.step !== begins[0]!.step)
      wrong("I5", "its key was used by another step");
    if (begin.lease === undefined) wrong("I2", `${begin.token} began without a lease`, begin);
    const cause = run.events[begin.cause - 1];
    if (cause === undefined) wrong("I1", `${begin.token} began for event ${begin.cause}, which is not there`);
    else if (begin.at + TICK_MS < cause.seenAt)
      wrong("I1", `${begin.token} began before event ${begin.cause} was written`, cause);
    if (begin.attempt > begin.max) wrong("I5", `attempt ${begin.attempt} of at most ${begin.max}`);
  }
  checkAttempts(begins, { phases, faults }, wrong);
  const generation = Number(key.split(":")[2] ?? 0);
  const outcome = outcomeOf(run.events, command, generation);
  const end = outcome ?? run.events.findLast(isTerminal);
  for (const begin of begins) {
    if (end !== undefined && begin.at > end.seenAt + TICK_MS)
      wrong(
        "I5",
        `${begin.token} began after ${outcome === undefined ? "the end of its run" : "its outcome"} was written`,
        end,
      );
  }
  const winner = outcome === undefined ? undefined : tokenOf(outcome);
  if (outcome === undefined || winner === undefined) return;
  if ((outcome.data.l ?? outcome.data.n) !== begins[0]!.step)
    wrong("I5", "the outcome is that of another step", outcome);
  if (begins.at(-1)!.token !== winner)
    wrong("I5", `the outcome is that of ${winner}, which was not the last to begin`, outcome);
}

function outcomeOf(events: readonly SeenEvent[], command: number, generation: number): SeenEvent | undefined {
  return events.find(
    (event) => isOutcome(event) && event.data.c === command && generationAt(events, command, event.seq) === generation,
  );
}

/** The attempt an outcome came from, if it says so. */
function tokenOf({ type, data }: SeenEvent): string | undefined {
  if (type === "StepCompleted") return typeof data.p === "string" ? data.p : undefined;
  return /\[(\S+\/\d+)\]/.exec(data.e?.message ?? "")?.[1];
}

/**
 * An engine begins an attempt again under the same lease only after it gave it up, or when a connection of its was lost, with which it may
 * have read the run again.
 */
function checkAttempts(
  begins: readonly Begun[],
  { phases, faults }: Pick<Step, "phases" | "faults">,
  wrong: (rule: string, what: string, ...evidence: unknown[]) => void,
): void {
  for (const [at, begin] of begins.entries()) {
    const before = begins
      .slice(0, at)
      .findLast((one) => one.incarnation === begin.incarnation && one.lease === begin.lease);
    if (before === undefined || begin.attempt > before.attempt) continue;
    const aborted = phases.get(before.token)!.some(({ phase }) => phase === "abort" || phase === "fail");
    if (!aborted && !faults.some((fault) => disturbs(fault, before, begin)))
      wrong("I5", `${begin.incarnation} began attempt ${begin.attempt} twice under one lease`, before, begin);
  }
}

/** Whether a fault may have cost an engine a connection between two attempts. */
function disturbs({ target, at, until }: FaultLine, before: Begun, begin: Begun): boolean {
  const [place] = begin.incarnation.split(".");
  const concerns = target === "database" || target === begin.incarnation || target === `way of ${place}`;
  return concerns && at <= begin.at && until >= before.at - SETTLING_MS;
}

/** Everything recorded as done was done, and had been done when it was recorded. */
function checkRecorded({ runs }: Snapshot, phases: Step["phases"], found: Findings): void {
  for (const { workflowId, runId, events } of runs) {
    for (const event of events) {
      if (event.type !== "StepCompleted" || event.data.k !== "activity") continue;
      const lines = phases.get(String(event.data.p)) ?? [];
      const begin = lines.find(({ phase }) => phase === "begin");
      const end = lines.find(({ phase }) => phase === "end");
      const key = `${runId}:${event.data.c}`;
      if (begin === undefined || end === undefined)
        found.add("I5", workflowId, "a step is recorded that was not done", [event, ...lines]);
      else if (begin.key !== key && !begin.key.startsWith(`${key}:`))
        found.add("I5", workflowId, `the outcome of ${key} is that of ${begin.key}`, [event, begin]);
      else if (end.at > event.seenAt + TICK_MS)
        found.add("I5", workflowId, "a step was recorded before it was done", [event, end]);
    }
  }
}

function leaseAt(leases: readonly SeenLease[] = [], at: number): number | undefined {
  return leases.findLast(({ began, ended }) => began <= at + TICK_MS && (ended === null || at <= ended + TICK_MS))
    ?.engine;
}

/** The first attempt of a process after it was thawed, if it began at once without a lease: see {@link AFTER_THAW_MS}. */
function lateBegins({ effects, faults, leases }: Snapshot): ReadonlySet<string> {
  const late = new Set<string>();
  const begins = groupBy(
    effects.filter(({ phase }) => phase === "begin"),
    ({ incarnation }) => incarnation,
  );
  for (const { fault, target, until } of faults) {
    if (fault !== "freeze" && fault !== "short freeze") continue;
    const first = begins.get(target)?.find(({ at }) => at >= until - TICK_MS);
    if (first === undefined || first.at > until + AFTER_THAW_MS) continue;
    const held = leases.filter(({ by, label }) => by === target && label !== "terminate");
    if (leaseAt(held, first.at) === undefined) late.add(first.token);
  }
  return late;
}
