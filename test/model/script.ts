/** Random scripts: what is done to a run from outside, and when. */
import fc from "fast-check";

export type Action =
  | { readonly do: "signal"; readonly name: "go" | "stop" }
  | { readonly do: "poke" | "query" | "cancel" | "terminate" }
  | { readonly do: "update"; readonly negative: boolean }
  /** What disturbs: the engine vanishes and another one is opened, it is closed first, one more joins, the run is paused or resumed. */
  | { readonly do: "crash" | "reopen" | "join" | "pause" | "resume" };

export interface Move {
  readonly afterMs: number;
  readonly action: Action;
}

const afterMs = fc.oneof(fc.integer({ min: 1, max: 2500 }), fc.integer({ min: 2500, max: 15_000 }));
const talk: fc.WeightedArbitrary<Action>[] = [
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("signal" as const), name: fc.constantFrom("go" as const, "stop" as const) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("poke" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("update" as const), negative: fc.boolean() }) },
];
const ends = fc.record({
  do: fc.constantFrom("query" as const, "query" as const, "cancel" as const, "terminate" as const),
});
const disturbances = fc.record({
  do: fc.constantFrom("crash" as const, "reopen" as const, "join" as const, "pause" as const, "resume" as const),
});

/** Scripts that only talk and end runs, at exact times. */
export const exactScripts: fc.Arbitrary<readonly Move[]> = fc.array(
  fc.record({ afterMs, action: fc.oneof(...talk, { weight: 2, arbitrary: ends }) }),
  { maxLength: 8 },
);

/** Scripts under which time does not pass evenly. */
export const roughScripts: fc.Arbitrary<readonly Move[]> = fc.array(
  fc.record({ afterMs, action: fc.oneof(...talk, { weight: 6, arbitrary: disturbances }) }),
  { maxLength: 10 },
);
