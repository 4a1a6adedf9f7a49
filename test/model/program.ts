/** Random programs: data that one workflow interprets, generated so that they shrink. */
import fc from "fast-check";

export type Policy = "cancel" | "terminate" | "abandon";

/** What one activity does: it takes `ms`, and its first `fails` of at most `attempts` attempts fail. */
export interface Work {
  readonly id: number;
  readonly ms: number;
  readonly fails: number;
  readonly attempts: number;
}

/** A part that begins after a while, so that parts that run side by side do not act in the same instant. */
export interface Delayed {
  readonly delayMs: number;
  readonly body: Program;
}

export type Program =
  | { readonly op: "call" | "step"; readonly work: Work }
  | { readonly op: "sleep"; readonly ms: number }
  | { readonly op: "wait"; readonly signal: "go" | "stop"; readonly timeoutMs?: number }
  | { readonly op: "until"; readonly pokes: number; readonly timeoutMs?: number }
  | {
      readonly op: "child" | "spawn";
      readonly id: number;
      readonly body: Delayed;
      readonly policy: Policy;
      readonly awaited: boolean;
    }
  | { readonly op: "scope"; readonly timeoutMs?: number; readonly body: Program }
  | { readonly op: "all" | "settled" | "race"; readonly parts: readonly Delayed[] }
  | { readonly op: "seq"; readonly parts: readonly Program[] }
  | { readonly op: "uncancellable" | "try"; readonly body: Program }
  | { readonly op: "saga"; readonly works: readonly Work[]; readonly fails: boolean }
  | { readonly op: "map"; readonly works: readonly Work[]; readonly lanes: number; readonly collect: boolean }
  | { readonly op: "tag"; readonly key: string; readonly id: number }
  | { readonly op: "tell"; readonly id: number; readonly delayMs: number }
  | { readonly op: "throw"; readonly id: number };

/** Runs one after another under one workflow id. */
export interface RootProgram {
  readonly generations: readonly Program[];
  /** Everything is released by a last signal, and failures stay inside: for runs whose timing is not known. */
  readonly patient: boolean;
}

const ms = fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 4900, max: 9000 }));
/** A crash costs an attempt, so that there are many where there are crashes. */
const MANY_ATTEMPTS = 20;

/** @param timed whether what comes of it may depend on what comes first. */
function programs(timed: boolean): fc.Arbitrary<Program> {
  const limit = timed ? fc.option(ms, { nil: undefined }) : fc.constant(undefined);
  const work = fc.record({
    id: fc.constant(0),
    ms,
    fails: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 3 })),
    attempts: timed ? fc.integer({ min: 1, max: 3 }) : fc.constant(MANY_ATTEMPTS),
  });
  const works = fc.array(work, { minLength: 1, maxLength: 4 });
  return fc.letrec<{ program: Program; leaf: Program; inner: Program; delayed: Delayed }>((tie) => {
    const delayed = fc.record({ delayMs: ms, body: tie("program") });
    const parts = fc.array(delayed, { minLength: 1, maxLength: 3 });
    const leaf = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ op: fc.constantFrom("call", "step"), work }),
      },
      { weight: 2, arbitrary: fc.record({ op: fc.constant("sleep"), ms }) },
      {
        weight: 2,
        arbitrary: fc.record({ op: fc.constant("wait"), signal: fc.constantFrom("go", "stop"), timeoutMs: limit }),
      },
      fc.record({ op: fc.constant("until"), pokes: fc.integer({ min: 0, max: 3 }), timeoutMs: limit }),
      fc.record({ op: fc.constant("saga"), works, fails: fc.boolean() }),
      fc.record({
        op: fc.constant("map"),
        works,
        lanes: fc.integer({ min: 1, max: 3 }),
        collect: timed ? fc.boolean() : fc.constant(true),
      }),
      fc.record({ op: fc.constant("tag"), key: fc.constantFrom("a", "b"), id: fc.constant(0) }),
      fc.record({ op: fc.constant("tell"), id: fc.constant(0), delayMs: ms }),
      fc.record({ op: fc.constant("throw"), id: fc.constant(0) }),
    );
    const inner = fc.oneof(
      {
        weight: 2,
        arbitrary: fc.record({ op: timed ? fc.constantFrom("all", "settled", "race") : fc.constant("settled"), parts }),
      },
      { weight: 2, arbitrary: fc.record({ op: fc.constant("try"), body: tie("program") }) },
      fc.record({ op: fc.constant("scope"), timeoutMs: limit, body: tie("program") }),
      fc.record({ op: fc.constant("uncancellable"), body: tie("program") }),
      {
        weight: 3,
        arbitrary: fc.record({
          op: fc.constantFrom("child", "spawn"),
          id: fc.constant(0),
          body: delayed,
          policy: fc.constantFrom("cancel", "terminate", "abandon"),
          awaited: timed ? fc.boolean() : fc.constant(true),
        }),
      },
    );
    return {
      leaf: leaf as fc.Arbitrary<Program>,
      inner: inner as fc.Arbitrary<Program>,
      delayed,
      program: fc
        .array(fc.oneof({ maxDepth: 3, withCrossShrink: true }, tie("leaf"), tie("inner")), {
          minLength: 1,
          maxLength: 3,
        })
        .map((steps): Program => ({ op: "seq", parts: steps })),
    };
  }).program;
}

/** Random root programs, each of their parts with an id of its own. */
export function rootPrograms(timed: boolean): fc.Arbitrary<RootProgram> {
  return fc
    .array(programs(timed), { minLength: 1, maxLength: 2 })
    .map((generations) => ({ generations: numbered(generations, { next: 1 }), patient: !timed }));
}

/**
 * Gives every `id` a number. Children have no waits that only somebody outside can end; a run that tells itself something may end before
 * that arrives.
 */
function numbered<T>(value: T, ids: { next: number }, inChild = false): T {
  if (Array.isArray(value)) return value.map((one: unknown) => numbered(one, ids, inChild)) as T;
  if (typeof value !== "object" || value === null) return value;
  const { op } = value as { op?: string };
  if (inChild && (op === "wait" || op === "until")) return { op: "sleep", ms: 10 } as T;
  if (!inChild && op === "tell") return { op: "sleep", ms: 10 } as T;
  const child = inChild || op === "child" || op === "spawn";
  const entries = Object.entries(value).flatMap(([key, one]: [string, unknown]): [string, unknown][] => {
    if (one === undefined) return [];
    return [[key, key === "id" ? ids.next++ : numbered(one, ids, child)]];
  });
  return Object.fromEntries(entries) as T;
}

/** How many of each signal release every wait of a program. */
export function waitsIn(program: unknown): number {
  return JSON.stringify(program).split('"op":"wait"').length - 1;
}
