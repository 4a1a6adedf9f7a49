/** What a chaos run came to, for people and for programs. */
import type { ChaosOptions } from "./chaos.ts";
import { isOutcome } from "./check-histories.ts";
import { groupBy, type Snapshot } from "./snapshot.ts";
import { type Spread, type Takeovers, takeovers } from "./takeovers.ts";
import type { Violation } from "./violation.ts";

export interface ChaosReport {
  readonly seed: number;
  readonly engines: number;
  readonly ttlMs: number;
  readonly seconds: number;
  readonly runs: Readonly<Record<string, number>>;
  readonly scenarios: number;
  readonly steps: number;
  readonly events: number;
  readonly effects: number;
  /** Attempts that did not end: their engine was killed, or lost its lease. */
  readonly lostAttempts: number;
  readonly messages: number;
  readonly transfers: number;
  readonly ticks: number;
  readonly replayed: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly leasesLost: number;
  readonly takeovers: Takeovers;
  /** Violations by invariant. */
  readonly violations: Readonly<Record<string, number>>;
  readonly folder: string;
}

export function reportOf(
  { seed, engines, ttlMs, folder }: ChaosOptions,
  snapshot: Snapshot,
  replayed: number,
  ms: number,
  violations: readonly Violation[],
): ChaosReport {
  const { runs, effects, clients, faults, leases, ledger, ticks, seenMessages } = snapshot;
  const events = runs.flatMap((run) => run.events);
  const begun = effects.filter(({ phase }) => phase === "begin");
  const ended = new Set(effects.filter(({ phase }) => phase === "end" || phase === "fail").map(({ token }) => token));
  return {
    seed,
    engines,
    ttlMs,
    seconds: Math.round(ms / 1000),
    runs: counts(runs, ({ status }) => status),
    scenarios: clients.filter(({ op }) => op === "end").length,
    steps: events.filter(isOutcome).length,
    events: events.length,
    effects: begun.length,
    lostAttempts: begun.filter(({ token }) => !ended.has(token)).length,
    messages: seenMessages.length,
    transfers: ledger.length,
    ticks: ticks.length,
    replayed,
    faults: counts(faults, ({ fault }) => fault),
    leasesLost: leases.filter(({ by, ended_by: endedBy }) => endedBy !== null && endedBy !== by).length,
    takeovers: takeovers(snapshot),
    violations: counts(violations, ({ rule }) => rule),
    folder,
  };
}

function counts<T>(items: readonly T[], of: (item: T) => string): Record<string, number> {
  return Object.fromEntries([...groupBy(items, of)].map(([key, all]) => [key, all.length]).sort());
}

const list = (counted: Readonly<Record<string, number>>): string =>
  Object.entries(counted)
    .map(([what, count]) => `${count} ${what}`)
    .join(", ") || "none";

const times = ({ count, p50Ms, p95Ms, maxMs }: Spread): string =>
  count === 0 ? "none" : `${count}: p50 ${p50Ms} ms, p95 ${p95Ms} ms, max ${maxMs} ms`;

export function reportText(report: ChaosReport): string {
  const { takeovers: taken } = report;
  return [
    `chaos       seed ${report.seed}, ${report.engines} engines, lease ${report.ttlMs} ms, ${report.seconds} s in all`,
    `runs        ${list(report.runs)}; ${report.scenarios} scenarios`,
    `work        ${report.steps} steps, ${report.events} events, ${report.messages} messages, ${report.transfers} transfers, ${report.ticks} ticks`,
    `effects     ${report.effects} attempts, ${report.lostAttempts} of them lost`,
    `faults      ${list(report.faults)}`,
    `leases      ${report.leasesLost} taken away from engines; after kill or freeze ${times(taken.leases)}`,
    `takeovers   ${times(taken.runs)}`,
    `            with nothing else going wrong ${times(taken.undisturbed)}`,
    `replayed    ${report.replayed} histories`,
    `violations  ${list(report.violations)}`,
  ].join("\n");
}

const SHOWN = 20;
const EVIDENCE_LINES = 12;

export function violationsText(violations: readonly Violation[]): string {
  const lines = violations
    .slice(0, SHOWN)
    .flatMap(({ rule, run, what, evidence }) => [
      `${rule} ${run ?? ""}: ${what}`,
      ...evidence.slice(0, EVIDENCE_LINES).map((item) => `    ${JSON.stringify(item)?.slice(0, 400)}`),
    ]);
  if (violations.length > SHOWN) lines.push(`… and ${violations.length - SHOWN} more`);
  return lines.join("\n");
}
