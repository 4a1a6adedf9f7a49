/** The command: `npm run sim -- --seed N | --seeds N [--from N] [--store sqlite|postgres] [--off crash,freeze] [--without w0,w2] [--shrink] [--run w1] [--tail N]`. */
import { parseArgs } from "node:util";
import type { DatabaseKind } from "./database.ts";
import { FAULTS, type Fault } from "./faults.ts";
import { type SimOptions, type SimResult, simulate } from "./simulation.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string" },
    from: { type: "string", default: "1" },
    store: { type: "string" },
    off: { type: "string", default: "" },
    without: { type: "string", default: "" },
    shrink: { type: "boolean", default: false },
    grep: { type: "string" },
    tail: { type: "string" },
    trace: { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false },
    stats: { type: "boolean", default: false },
  },
});

const words = (text: string): string[] => text.split(",").filter((word) => word !== "");

function options(seed: number): SimOptions {
  const database = values.store as DatabaseKind | undefined;
  return {
    seed,
    ...(database !== undefined && { database }),
    off: new Set(words(values.off) as Fault[]),
    without: new Set(words(values.without)),
  };
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function describe({
  seed,
  violations,
  runs,
  statuses,
  effects,
  commits,
  asked,
  deleted,
  steps,
  virtualMs,
  traceHash,
}: SimResult): string {
  const ends = Object.entries(statuses).map(([status, count]) => `${count} ${status}`);
  const bad = violations.map(({ check, message, at }) => `\n  at ${at}: [${check}] ${message}`);
  const more = `${asked === 0 ? "" : `, ${asked} asked for`}${deleted === 0 ? "" : `, ${deleted} deleted`}`;
  return `seed ${seed}: ${runs} runs (${ends.join(", ")}), ${effects} effects, ${commits} commits${more}, ${steps} steps, ${virtualMs} ms, trace ${traceHash}${bad.join("")}`;
}

/** Leaves out faults and runs for as long as the same check still fails. */
async function shrink(seed: number): Promise<SimOptions> {
  let best = options(seed);
  const { violations, ids } = await simulate(best);
  const check = violations[0]?.check;
  if (check === undefined) return best;
  const fails = async (candidate: SimOptions): Promise<boolean> =>
    (await simulate(candidate)).violations[0]?.check === check;
  for (let smaller = true; smaller; ) {
    smaller = false;
    const candidates: SimOptions[] = [
      ...FAULTS.filter((fault) => !best.off!.has(fault)).map((fault) => ({
        ...best,
        off: new Set([...best.off!, fault]),
      })),
      ...ids
        .filter((run) => !best.without!.has(run))
        .map((run) => ({ ...best, without: new Set([...best.without!, run]) })),
    ];
    for (const candidate of candidates) {
      if (!(await fails(candidate))) continue;
      best = candidate;
      smaller = true;
      break;
    }
  }
  return best;
}

async function one(seed: number): Promise<boolean> {
  const chosen = values.shrink ? await shrink(seed) : options(seed);
  const result = await simulate({ ...chosen, record: true });
  const failed = result.violations.length > 0;
  if (failed || values.trace) {
    const shown =
      values.grep === undefined ? result.lines : result.lines.filter((line) => new RegExp(values.grep!).test(line));
    print(shown.slice(-Number(values.tail ?? (values.trace ? shown.length : 150))).join("\n"));
  }
  print(describe(result));
  if (values.shrink) print(`  with --off ${[...chosen.off!].join(",")} --without ${[...chosen.without!].join(",")}`);
  return !failed;
}

/** Situations worth meeting, by what a trace says of them. */
const SITUATIONS: Readonly<Record<string, RegExp>> = {
  crash: / CRASHES$/,
  freeze: / FREEZES /,
  "clean close": / is closed$/,
  "lease lost": /lost its lease/,
  "commit: answer lost": / commit .*\[lost\]/,
  "commit: LEASE_LOST": / commit refused: .*lost its lease/,
  "refused for the inbox": /refused \d+: inbox/,
  "refused for the history": /refused \d+: history/,
  "taken over after a crash": / claim happened .*!1/,
  "taken over after two crashes": / claim happened .*!2/,
  "crash loop": /died \d+ times while/,
  "refused to keep a result": / commit refused: .*cannot keep this/,
  "data error": /refused what this run wanted to write/,
  "attempt lost": /AttemptLost/,
  "start in conflict": /conflict with run/,
  "days skipped": / SKIPS /,
  parked: /=> running wake/,
  resumed: /\+Resumed/,
  cancelled: /\+RunCancelled/,
  "step cancelled": /\+StepCancelled/,
  terminated: /\+RunTerminated/,
  "terminated by a client": / e\S+ register terminate/,
  "timed out": /\+RunTimedOut/,
  failed: /\+RunFailed/,
  completed: /\+RunCompleted/,
  "wait timed out": /\+WaitTimedOut/,
  "timer fired": /\+TimerFired/,
  "database restarts": /DATABASE goes down/,
  "cut off": / is cut for /,
  "silence on a connection": / is silent for /,
  "call cut off by a restart": /was cut off by a restart/,
  "call without an answer in time": /took too long/,
  "clock of a machine set": / clock jumps by /,
  "transaction begun": / begin happened/,
  "transaction ended by the database": /the transaction was ended/,
  "transaction refused": / (settle|end) refused/,
  "task claimed": / claimTasks happened run/,
  "task settled": / settleTasks happened .*true/,
  "task settled too late": / settleTasks happened .*false/,
  "start asked for in a transaction": /asks for start/,
  "signal asked for in a transaction": /asks for signal/,
  "transaction of a user committed": /tx\d+ commit$/,
  "transaction of a user rolled back": /^\d+ transaction tx\d+ is rolled back/,
  "savepoint rolled back": /rollback to savepoint/,
  "commit of a user: answer lost": / end tx\d+ commit \[lost\]/,
  "run or signal admitted": / decide happened .*(run|delivered)/,
  "admission refused": / decide happened .*refused/,
  "admission that somebody else had": / decide happened $/,
  "admission: id taken": / decide happened .*conflict/,
  "admission: answer lost": / decide .*\[lost\]/,
  "admission: engine dies": / decide .*\[crash/,
  "told of a start that never was": /is told of .*NOT_FOUND/,
  "old runs deleted": / purge happened deleted \d/,
  "old run that had gone on": / purge happened deleted $/,
  "deleting: engine dies": / purge .*\[crash/,
  "deleting: answer lost": / purge .*\[lost\]/,
  "run archived by a function": / archives \d+ characters/,
  "write to an archive": / appends \d+ to/,
  "write to an archive torn": / appends .*torn/,
  "archive fails": /the archive refused|cannot be written/,
  "resume of a deleted run": / resume run \d+ .*does not exist/,
  "resume of an old run": / resume run \d+ through \S+: done/,
  "fork of a deleted run": / fork from \d+ run \d+ .*does not exist/,
  "fork of an old run": / fork from \d+ run \d+ through \S+: done/,
  "start by a schedule": / commit .* start s\d+@/,
  "entity told": / \+UpdateAccepted add/,
  "signal and timeout at once": /SignalReceived.*WaitTimedOut/,
};

async function many(from: number, count: number): Promise<boolean> {
  const began = performance.now();
  let failed = 0;
  const totals = { runs: 0, effects: 0, commits: 0 };
  const checks = new Map<string, number[]>();
  const met = new Map<string, number>();
  for (let seed = from; seed < from + count; seed++) {
    const result = await simulate({ ...options(seed), record: values.stats });
    for (const [what, pattern] of values.stats ? Object.entries(SITUATIONS) : []) {
      const times = result.lines.filter((line) => pattern.test(line)).length;
      met.set(what, (met.get(what) ?? 0) + times);
    }
    totals.runs += result.runs;
    totals.effects += result.effects;
    totals.commits += result.commits;
    if (result.violations.length > 0) {
      failed++;
      const { check } = result.violations[0]!;
      checks.set(check, [...(checks.get(check) ?? []), seed]);
      print(describe(result));
      if (!values["keep-going"]) break;
    }
    if ((seed - from + 1) % 100 === 0 && process.stdout.isTTY) process.stdout.write(`\r${seed - from + 1} seeds `);
  }
  const seconds = (performance.now() - began) / 1000;
  for (const [what, times] of met) print(`  ${String(times).padStart(7)} ${what}`);
  for (const [check, seeds] of checks) print(`${check}: ${seeds.length} seeds (${seeds.slice(0, 12).join(" ")})`);
  print(
    `${count} seeds from ${from}: ${failed} failed; ${totals.runs} runs, ${totals.effects} effects, ${totals.commits} commits; ${seconds.toFixed(1)} s, ${(count / seconds).toFixed(0)} seeds/s`,
  );
  return failed === 0;
}

const ok =
  values.seed !== undefined
    ? await one(Number(values.seed))
    : await many(Number(values.from), Number(values.seeds ?? 100));
process.exitCode = ok ? 0 : 1;
