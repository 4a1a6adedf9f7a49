/** What clients do in one simulation: which runs they start, and what they tell them when. Pure data from the seed. */

import type { Rng } from "./prng.ts";
import { type Program, randomChain, randomProgram, SIGNALS } from "./program.ts";

/** Signals one sender sends to one run, each only after the one before was acknowledged. */
export interface SenderScript {
  readonly sender: string;
  readonly signals: readonly { readonly at: number; readonly name: string }[];
}

/** Updates one sender asks for, each only after the one before was answered. */
export interface AskerScript {
  readonly asker: string;
  readonly at: readonly number[];
}

/** Everything that is done to one run from outside. */
export interface RunScript {
  readonly id: string;
  readonly workflow: string;
  readonly program: Program;
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
  return { engines, activeMs, runs };
}

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
  return {
    id,
    workflow: rng.pick(["alpha", "beta"]),
    program: randomProgram(rng.stream("program"), rng.pick(shape.sizes), Math.min(shape.gridMs, 1000)),
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
  return {
    ...script,
    program: randomChain(rng.stream("program"), rng.pick(sizes), Math.min(gridMs, 1000), reach),
    pauseAt: rng.chance(0.25) ? rng.int(from, activeMs) : undefined,
    askers: Array.from({ length: rng.pick([0, 1, 2, 3]) }, (_, index) => ({
      asker: `${script.id}/a${index}`,
      at: Array.from({ length: rng.int(1, 4) }, () => rng.int(from, activeMs)).sort((a, b) => a - b),
    })),
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
