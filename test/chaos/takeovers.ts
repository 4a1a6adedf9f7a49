/** How long runs stood still after their engine was killed or frozen: until another engine wrote their next event. */
import type { FaultLine } from "./faults.ts";
import { groupBy, type SeenLease, type Snapshot } from "./snapshot.ts";

export interface Spread {
  readonly count: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly maxMs: number;
}

export interface Takeovers {
  /** Runs that another engine went on with. */
  readonly runs: Spread;
  /** Of these, where nothing else went wrong meanwhile. */
  readonly undisturbed: Spread;
  /** From the fault until the lease was taken away. */
  readonly leases: Spread;
}

/** What hardly delays a takeover by others. */
const HARMLESS: ReadonlySet<string> = new Set(["kill client"]);
/** Beyond this the run had something else to wait for. */
const LONGEST_MS = 60_000;

export function takeovers(snapshot: Snapshot): Takeovers {
  const { faults, byRun, leases, ttlMs } = snapshot;
  const all: number[] = [];
  const undisturbed: number[] = [];
  const ended: number[] = [];
  const byIncarnation = groupBy(leases, ({ by }) => by);
  for (const fault of faults) {
    if (fault.fault !== "kill" && fault.fault !== "freeze") continue;
    const quiet = !faults.some((other) => other !== fault && disturbs(other, fault, ttlMs));
    // Frozen for too short a time, and held up by nothing else, it may have kept its lease.
    const lost = byIncarnation.get(fault.target)?.find((lease) => tookAway(lease, fault, ttlMs));
    if (lost === undefined) continue;
    ended.push(lost.ended! - fault.at);
    for (const run of fault.owned ?? []) {
      const next = byRun.get(run)?.events.find(({ seenAt, by }) => seenAt > fault.at && by !== fault.target);
      // What the engine itself wrote after it was thawed was no takeover.
      const own = byRun
        .get(run)
        ?.events.some(({ seenAt, by }) => by === fault.target && seenAt > fault.at && seenAt < (next?.seenAt ?? 0));
      const ms = next === undefined || own === true ? Number.POSITIVE_INFINITY : next.seenAt - fault.at;
      if (ms > LONGEST_MS) continue;
      all.push(ms);
      if (quiet) undisturbed.push(ms);
    }
  }
  return { runs: spread(all), undisturbed: spread(undisturbed), leases: spread(ended) };
}

function tookAway(
  { label, began, ended, ended_by: by }: SeenLease,
  { fault, at, until, target }: FaultLine,
  ttlMs: number,
): boolean {
  if (label === "terminate" || by === target || ended === null || began > at || ended < at) return false;
  return fault === "kill" || ended < until + ttlMs;
}

function disturbs(other: FaultLine, { at }: FaultLine, ttlMs: number): boolean {
  return !HARMLESS.has(other.fault) && other.at < at + 2 * ttlMs && other.until > at - ttlMs;
}

function spread(values: number[]): Spread {
  values.sort((a, b) => a - b);
  const at = (share: number): number =>
    Math.round(values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0);
  return { count: values.length, p50Ms: at(0.5), p95Ms: at(0.95), maxMs: at(1) };
}
