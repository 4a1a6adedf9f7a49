/**
 * How long a fleet keeps runs, and runs that are there to be deleted: short ones that are started under one workflow id again and again,
 * and resumed or forked just when they may be deleted. Pure data from the seed.
 */
import { type RetentionRules, retentionRules } from "../../src/engine/retention-rules.ts";
import type { Retention } from "../../src/workflow/retention.ts";
import { scheduleWorkflow } from "../../src/workflow/schedule.ts";
import type { ArchiveKind } from "./archive.ts";
import { WORKFLOWS } from "./catalogue.ts";
import type { Rng } from "./prng.ts";
import { type Program, randomErrand } from "./program.ts";

/** What somebody does to a run that has ended. */
export interface MeddlingScript {
  readonly op: "resume" | "fork";
  /** When, as a share of the time it is kept, and more. */
  readonly share: number;
  readonly plusMs: number;
  /** Where a fork begins, as a share of the history. */
  readonly from: number;
}

/** One run. */
export interface LifeScript {
  readonly at: number;
  readonly program: Program;
  readonly meddling: readonly MeddlingScript[];
}

/** A workflow id with one run after another. */
export interface TenantScript {
  readonly id: string;
  readonly workflow: string;
  readonly lives: readonly LifeScript[];
}

/** What a fleet does about old runs. */
export interface RetentionScript {
  /** By slot; the first has all rules. */
  readonly rules: readonly (RetentionRules | undefined)[];
  readonly archive: ArchiveKind;
  readonly tenants: readonly TenantScript[];
}

const SHORT = ["1s", "1s", "3s", "10s"] as const;
const LONG = ["30s", "2m", "1d", undefined] as const;

export function randomRetention(
  rng: Rng,
  { engines, activeMs, gridMs }: { readonly engines: number; readonly activeMs: number; readonly gridMs: number },
): RetentionScript {
  const shape = rng.stream("rules");
  const options: Record<string, Retention | undefined> = { alpha: randomSpan(shape, true), default: randomSpan(shape) };
  if (shape.chance(0.5)) options.beta = randomSpan(shape);
  const workflows = [scheduleWorkflow(""), ...WORKFLOWS];
  const rules = retentionRules(workflows, options);
  const others = [undefined, retentionRules(workflows, { default: "30s" })];
  return {
    rules: Array.from({ length: engines }, (_, slot) => (slot > 0 && shape.chance(0.3) ? shape.pick(others) : rules)),
    archive: shape.pick(["none", "function", "function", "folder", "folder", "folder"] as const),
    tenants: Array.from({ length: shape.int(1, 4) }, (_, index) =>
      randomTenant(rng.stream(`tenant ${index}`), `r${index}`, activeMs, gridMs),
    ),
  };
}

function randomSpan(rng: Rng, isShort = false): Retention | undefined {
  const one = rng.pick(SHORT);
  if (rng.chance(0.4)) return isShort || rng.chance(0.7) ? one : rng.pick(LONG);
  const some = (): Pick<Record<string, (typeof LONG)[number] | (typeof SHORT)[number]>, string> => ({
    completed: rng.pick(SHORT),
    failed: rng.pick([...SHORT, ...LONG]),
    cancelled: rng.pick([...SHORT, ...LONG]),
    continued_as_new: rng.pick([...SHORT, ...LONG]),
    default: rng.pick([...SHORT, ...LONG]),
  });
  const spans = Object.entries(some()).filter(([, span]) => span !== undefined);
  return Object.fromEntries(spans) as Retention;
}

function randomTenant(rng: Rng, id: string, activeMs: number, gridMs: number): TenantScript {
  const times = Array.from({ length: rng.int(1, 4) }, () => rng.int(200, activeMs * 0.9)).sort((a, b) => a - b);
  const snap = (ms: number): number => Math.round(ms / gridMs) * gridMs;
  const lives = times.map((at, index) => ({ at: snap(at), ...randomLife(rng.stream(`life ${index}`), gridMs) }));
  // A fork has random numbers of its own: what they decided in its original would be decided anew.
  const isForked = !JSON.stringify(lives).includes('"branch"');
  const meddling = (life: LifeScript): MeddlingScript[] => life.meddling.filter(({ op }) => isForked || op !== "fork");
  return {
    id,
    workflow: rng.pick(["alpha", "beta"]),
    lives: lives.map((life) => ({ ...life, meddling: meddling(life) })),
  };
}

function randomLife(rng: Rng, gridMs: number): Omit<LifeScript, "at"> {
  const body = randomErrand(rng.stream("errand"), rng.pick([1, 1, 2, 4]), Math.min(gridMs, 1000));
  const program: Program = rng.chance(0.5) ? { op: "seq", parts: [body, { op: "throw" }] } : body;
  const meddling = Array.from(
    { length: rng.pick([0, 1, 1, 2]) },
    (): MeddlingScript => ({
      op: rng.pick(["resume", "fork"]),
      share: rng.pick([0.5, 0.9, 1, 1, 1.1]),
      plusMs: rng.int(0, 1500),
      from: rng.next(),
    }),
  );
  return { program, meddling };
}
