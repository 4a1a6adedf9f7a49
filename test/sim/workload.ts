/** What clients do in one simulation: which runs they start, and what they tell them when. Pure data from the seed. */

import { SCHEDULE_WORKFLOW, scheduleId } from "../../src/workflow/schedule.ts";
import { OVERLAPS, scheduleSpec } from "../../src/workflow/schedule-spec.ts";
import { type AskerOfTransactions, randomAsking } from "./asking-workload.ts";
import type { Rng } from "./prng.ts";
import { type Program, randomChain, randomErrand, randomProgram, SIGNALS } from "./program.ts";
import { type RetentionScript, randomRetention } from "./retention-workload.ts";
import { TALLY } from "./tally.ts";

/** Signals one sender sends to one run, each only after the one before was acknowledged. */
export interface SenderScript {
  readonly sender: string;
  readonly signals: readonly { readonly at: number; readonly name: string }[];
}

/** Updates one sender asks for, each only after the one before was answered. */
export interface AskerScript {
  readonly asker: string;
  /** Name of the update. */
  readonly asks: string;
  readonly at: readonly number[];
}

/** Everything that is done to one run from outside. */
export interface RunScript {
  readonly id: string;
  readonly workflow: string;
  /** Workflow that a schedule starts. */
  readonly version: string | null;
  /** What it does, if that is not what its workflow does anyway. */
  readonly program: Program;
  /** What it is started with. */
  readonly input: unknown;
  /** When it is started; the second time it is attached to. */
  readonly startAt: readonly number[];
  readonly delayMs: number;
  readonly timeoutMs: number | undefined;
  readonly senders: readonly SenderScript[];
  readonly askers: readonly AskerScript[];
  readonly pauseAt: number | undefined;
  readonly cancelAt: number | undefined;
  readonly terminateAt: number | undefined;
  /** How often it is resumed when it failed, was cancelled or timed out, and how soon. */
  readonly resumes: number;
  readonly resumeAfterMs: number;
}

/** The clients' plan. */
export interface Workload {
  readonly engines: number;
  /** Faults end here; until then clients start and send. */
  readonly activeMs: number;
  readonly runs: readonly RunScript[];
  /** What is asked for inside users' transactions, where the database is one that lends them. */
  readonly asking: readonly AskerOfTransactions[];
  /** Present where engines delete old runs. */
  readonly retention: RetentionScript | undefined;
}

export function randomWorkload(rng: Rng): Workload {
  const engines = rng.pick([1, 2, 2, 3, 3]);
  const activeMs = rng.int(15_000, 50_000);
  const crowd = rng.chance(0.01);
  const count = crowd ? rng.int(64, 90) : rng.pick([1, 2, 3, 4, 6, 10]);
  const gridMs = crowd ? 20_000 : rng.pick([1, 1, 500, 1000]);
  const sizes = crowd ? [1, 2] : [1, 3, 6, 10, 16];
  const runs = Array.from({ length: count }, (_, index) =>
    onGrid(randomRun(rng.stream(`run${index}`), `w${index}`, activeMs, { gridMs, sizes }), gridMs),
  ).map((script) =>
    rng.stream("modern").chance(0.6)
      ? modern(rng.stream(`modern ${script.id}`), script, activeMs, { gridMs, sizes, count })
      : script,
  );
  const shape = { gridMs, sizes };
  const more = rng.stream("more");
  if (more.chance(0.2)) runs.push(randomTally(more.stream("tally"), `t${count}`, activeMs));
  if (more.chance(0.12)) runs.push(randomSchedule(more.stream("schedule"), `s${count}`, activeMs, shape));
  const others = runs.filter(({ workflow }) => workflow !== SCHEDULE_WORKFLOW).map(({ id }) => id);
  const within = { engines, activeMs, gridMs: Math.min(gridMs, 1000) };
  const asking = rng.stream("asking");
  const old = rng.stream("old runs");
  return {
    engines,
    activeMs,
    runs,
    asking: asking.chance(ASKING_SHARE) ? randomAsking(asking, { ...within, others }) : [],
    retention: !crowd && old.chance(RETENTION_SHARE) ? randomRetention(old, within) : undefined,
  };
}

/** How many seeds have more than engines and runs. */
const ASKING_SHARE = 0.3;
const RETENTION_SHARE = 0.25;

/** On a coarse grid of time things often happen in the same millisecond: signals when their waits time out, runs together. */
function onGrid(script: RunScript, gridMs: number): RunScript {
  const snap = (ms: number): number => Math.round(ms / gridMs) * gridMs;
  return {
    ...script,
    startAt: script.startAt.map(snap),
    senders: script.senders.map(({ sender, signals }) => ({
      sender,
      signals: signals.map(({ at, name }) => ({ at: snap(at), name })),
    })),
    cancelAt: script.cancelAt === undefined ? undefined : snap(script.cancelAt),
    terminateAt: script.terminateAt === undefined ? undefined : snap(script.terminateAt),
  };
}

function randomRun(
  rng: Rng,
  id: string,
  activeMs: number,
  shape: { readonly gridMs: number; readonly sizes: readonly number[] },
): RunScript {
  const startAt = [rng.int(200, activeMs * 0.7)];
  if (rng.chance(0.25)) startAt.push(startAt[0]! + (rng.chance(0.5) ? 0 : rng.span(1, 5000)));
  const from = startAt[0]!;
  const workflow = rng.pick(["alpha", "beta"]);
  const program = randomProgram(rng.stream("program"), rng.pick(shape.sizes), Math.min(shape.gridMs, 1000));
  return {
    id,
    workflow,
    version: null,
    program,
    input: program,
    startAt,
    delayMs: rng.chance(0.15) ? rng.span(1, 20_000) : 0,
    timeoutMs: rng.chance(0.08) ? rng.span(500, 40_000) : undefined,
    senders: Array.from({ length: rng.pick([0, 1, 1, 2, 3]) }, (_, index) =>
      randomSender(rng, `${id}/s${index}`, from, activeMs),
    ),
    askers: [],
    pauseAt: undefined,
    cancelAt: rng.chance(0.15) ? rng.int(from, activeMs) : undefined,
    terminateAt: rng.chance(0.1) ? rng.int(from, activeMs) : undefined,
    resumes: rng.pick([0, 1, 2, 3]),
    resumeAfterMs: rng.span(10, 8000),
  };
}

/** The same run, with more of what runs can do. */
function modern(
  rng: Rng,
  script: RunScript,
  activeMs: number,
  { gridMs, sizes, count }: { readonly gridMs: number; readonly sizes: readonly number[]; readonly count: number },
): RunScript {
  const reach = { peers: Array.from({ length: count + 1 }, (_, index) => `w${index}`), depth: 2 };
  const from = script.startAt[0]!;
  const program = randomChain(rng.stream("program"), rng.pick(sizes), Math.min(gridMs, 1000), reach);
  return {
    ...script,
    program,
    input: program,
    pauseAt: rng.chance(0.25) ? rng.int(from, activeMs) : undefined,
    askers: Array.from({ length: rng.pick([0, 1, 2, 3]) }, (_, index) => ({
      asker: `${script.id}/a${index}`,
      asks: "bump",
      at: Array.from({ length: rng.int(1, 4) }, () => rng.int(from, activeMs)).sort((a, b) => a - b),
    })),
  };
}

const NOTHING: Omit<RunScript, "id" | "workflow" | "startAt"> = {
  version: null,
  program: { op: "seq", parts: [] },
  input: undefined,
  delayMs: 0,
  timeoutMs: undefined,
  senders: [],
  askers: [],
  pauseAt: undefined,
  cancelAt: undefined,
  terminateAt: undefined,
  resumes: 0,
  resumeAfterMs: 100,
};

/** Somebody asks for something now and then. */
function randomAsker(rng: Rng, asker: string, asks: string, from: number, activeMs: number): AskerScript {
  const at = Array.from({ length: rng.int(1, 7) }, () => rng.int(from, activeMs));
  return { asker, asks, at: at.sort((a, b) => a - b) };
}

/** An entity that several tell something until it is told to end. */
function randomTally(rng: Rng, id: string, activeMs: number): RunScript {
  const startAt = [rng.int(200, activeMs * 0.5)];
  const askers = Array.from({ length: rng.int(1, 4) }, (_, index) =>
    randomAsker(rng, `${id}/a${index}`, "add", startAt[0]!, activeMs),
  );
  const end = { asker: `${id}/end`, asks: "end", at: [activeMs + rng.int(-3000, 3000)] };
  const pauseAt = rng.chance(0.2) ? rng.int(startAt[0]!, activeMs) : undefined;
  return { ...NOTHING, id, workflow: TALLY.name, startAt, askers: [...askers, end], pauseAt };
}

/** A schedule that ticks until it is stopped. */
function randomSchedule(
  rng: Rng,
  name: string,
  activeMs: number,
  { gridMs, sizes }: { readonly gridMs: number; readonly sizes: readonly number[] },
): RunScript {
  const startAt = [rng.int(200, activeMs * 0.3)];
  const version = rng.pick(["alpha", "beta"]);
  const spec = scheduleSpec(name, {
    workflow: version,
    every: rng.pick([2000, 5000, 9000]),
    overlap: rng.pick(["allow-all", "allow-all", ...OVERLAPS]),
    jitter: rng.pick([0, 0, 1500]),
    input: randomErrand(rng.stream("errand"), Math.min(3, rng.pick(sizes)), Math.min(gridMs, 1000)),
  });
  const asker = (asks: string): AskerScript[] =>
    rng.chance(0.3) ? [randomAsker(rng, `${name}/${asks}`, asks, startAt[0]!, activeMs)] : [];
  return {
    ...NOTHING,
    id: scheduleId(name),
    workflow: SCHEDULE_WORKFLOW,
    version,
    input: { name, spec },
    startAt,
    askers: [...asker("trigger"), ...asker("pause"), ...asker("resume")],
    [rng.pick(["cancelAt", "terminateAt"])]: rng.int(activeMs * 0.8, activeMs),
  };
}

function randomSender(rng: Rng, sender: string, from: number, activeMs: number): SenderScript {
  const count = rng.int(1, 5);
  const burst = rng.chance(0.3);
  let at = rng.int(from, activeMs);
  const signals = Array.from({ length: count }, () => {
    at += burst ? 0 : rng.span(1, 6000);
    return { at, name: rng.pick(SIGNALS) };
  });
  return { sender, signals };
}
