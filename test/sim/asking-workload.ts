/** What users ask for inside their own transactions, and how those end. Pure data from the seed. */
import type { Rng } from "./prng.ts";
import { type Program, randomErrand, SIGNALS } from "./program.ts";

/** One start or signal. */
export type AskScript = {
  /** Workflow id. A signal follows the start before it, of this transaction or an earlier one; or it is for a run that was started otherwise. */
  readonly to: string;
  /** It comes after a savepoint that is rolled back to. */
  readonly undone: boolean;
} & (
  | { readonly op: "signal"; readonly name: string /** The store cannot keep it. */; readonly rotten: boolean }
  | {
      readonly op: "start";
      readonly workflow: string;
      readonly program: Program;
      readonly delayMs: number;
      readonly reuse: "allow" | "failed-only" | "reject";
      readonly conflict: "fail" | "attach" | "terminate";
    }
);

/** One transaction. */
export interface AskingScript {
  readonly at: number;
  readonly asks: readonly AskScript[];
  /** Between its statements. */
  readonly pauseMs: number;
  readonly ends: "commit" | "rollback";
}

/** A user: one transaction after another, each until its fate is known. */
export interface AskerOfTransactions {
  readonly name: string;
  readonly transactions: readonly AskingScript[];
}

/** @param others workflow ids of runs that are started otherwise */
export function randomAsking(
  rng: Rng,
  {
    activeMs,
    gridMs,
    others,
  }: { readonly activeMs: number; readonly gridMs: number; readonly others: readonly string[] },
): AskerOfTransactions[] {
  const ids = Array.from({ length: rng.int(1, 3) }, (_, index) => `x${index}`);
  return Array.from({ length: rng.int(1, 3) }, (_, index) => {
    const own = rng.stream(`user ${index}`);
    const times = Array.from({ length: own.int(1, 4) }, () => own.int(200, activeMs * 0.8)).sort((a, b) => a - b);
    return {
      name: `u${index}`,
      transactions: times.map((at, place) =>
        randomTransaction(own.stream(`transaction ${place}`), Math.round(at / gridMs) * gridMs, {
          ids,
          gridMs,
          others,
        }),
      ),
    };
  });
}

interface Reach {
  readonly ids: readonly string[];
  readonly gridMs: number;
  readonly others: readonly string[];
}

function randomTransaction(rng: Rng, at: number, reach: Reach): AskingScript {
  const count = rng.int(1, 5);
  // A savepoint cuts its end off, if it has one.
  const kept = rng.chance(0.5) ? rng.int(0, count - 1) : count;
  const asks = Array.from({ length: count }, (_, index) =>
    randomAsk(rng.stream(`ask ${index}`), { undone: index >= kept, isFirst: index === 0 }, reach),
  );
  return { at, asks, pauseMs: rng.chance(0.5) ? 0 : rng.span(1, 3000), ends: rng.chance(0.2) ? "rollback" : "commit" };
}

function randomAsk(
  rng: Rng,
  { undone, isFirst }: { readonly undone: boolean; readonly isFirst: boolean },
  { ids, gridMs, others }: Reach,
): AskScript {
  if (rng.chance(isFirst ? 0.3 : 0.65)) {
    const to = others.length > 0 && rng.chance(0.3) ? rng.pick(others) : rng.pick(ids);
    return { op: "signal", to, undone, name: rng.pick(SIGNALS), rotten: rng.chance(0.04) };
  }
  return {
    op: "start",
    to: rng.pick(ids),
    undone,
    workflow: rng.pick(["alpha", "beta"]),
    program: randomErrand(rng.stream("errand"), rng.pick([1, 2, 4]), Math.min(gridMs, 1000)),
    delayMs: rng.chance(0.2) ? rng.span(1, 8000) : 0,
    reuse: rng.pick(["allow", "allow", "failed-only", "reject"]),
    conflict: rng.pick(["fail", "attach", "attach", "terminate"]),
  };
}
