/**
 * Random programs under random scripts: the engine does what a simple model of it says. A failure prints a seed and a path;
 * `PERDURE_SEED=… PERDURE_MODEL_PATH=…` run that very case again, `PERDURE_MODEL_RUNS` says how many are tried.
 */
import { expect, test } from "vitest";
import { createMemoryStore } from "../../src/store/memory/memory-store.ts";
import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";
import { openAgeing, postgresForTests } from "../postgres/subject.ts";
import fc from "../properties.ts";
import { scratchFile } from "../store/scratch.ts";
import type { Observation } from "./observation.ts";
import { expected } from "./plain-execution.ts";
import { rootPrograms } from "./program.ts";
import { observed } from "./real-execution.ts";
import { exactScripts, type Move, roughScripts } from "./script.ts";

const { PERDURE_MODEL_RUNS, PERDURE_MODEL_PATH } = process.env;
const RUNS = Number(PERDURE_MODEL_RUNS ?? 150);
const LIMIT_MS = 60_000 + RUNS * 1000;

async function check<T>(property: fc.IAsyncProperty<T>, share: number): Promise<void> {
  await fc.assert(property, {
    numRuns: Math.max(1, Math.round(RUNS * share)),
    endOnFailure: false,
    ...(PERDURE_MODEL_PATH !== undefined && { path: PERDURE_MODEL_PATH }),
  });
}

async function withStore<T>(make: () => Promise<Store>, use: (store: Store) => Promise<T>): Promise<T> {
  const store = await make();
  return use(store).finally(() => store.close());
}

const memory = async (): Promise<Store> => createMemoryStore();
const sqlite = (): Promise<Store> => openStore(`sqlite:${scratchFile()}`, { durability: "relaxed" });

const exactly = (make: () => Promise<Store>, share: number): Promise<void> =>
  check(
    fc.asyncProperty(rootPrograms(true), exactScripts, async (program, script) => {
      const model = await expected(program, script);
      if (model.ambiguous) return;
      const real = await withStore(make, (store) => observed(store, program, script, model.lastsMs));
      expect(exact(real)).toEqual(exact(model.observation));
    }),
    share,
  );

test("left alone, runs do exactly what the model says, at exactly its times", () => exactly(memory, 1), LIMIT_MS);

/** What is first when two things begin in one millisecond is nobody's business. Results are compared as JSON would keep them. */
function exact({ outcome, status, begun, ...rest }: Observation): unknown {
  return {
    ...rest,
    status,
    begun: begun.toSorted(),
    outcome: outcome === undefined ? undefined : JSON.parse(JSON.stringify(outcome)),
  };
}

const rough = (make: () => Promise<Store>, share: number): Promise<void> =>
  check(
    fc.asyncProperty(rootPrograms(false), roughScripts, async (program, script) => {
      const model = await expected(program, script);
      const real = await withStore(make, (store) => observed(store, program, script, undefined));
      expect(loose(real)).toEqual(loose(model.observation));
      checkMessages(real, script);
    }),
    share,
  );

test("crashed, closed, joined and paused, runs come to the same end", () => rough(memory, 1), LIMIT_MS);
test("so they do on SQLite", () => rough(sqlite, 0.2), LIMIT_MS);

const postgres = postgresForTests({ fsync: false, anywhere: true });
const onPostgres = (): Promise<Store> => openAgeing(postgres.url, postgres.freshAddress());
test("so they do on PostgreSQL", () => rough(onPostgres, 0.03), LIMIT_MS);

interface RootResult {
  readonly results: unknown;
  readonly pokes: readonly number[];
  readonly bumps: number;
}

/** What must hold whatever came first. Attempts may be repeated by crashes, but the same work is done. */
function loose({ status, outcome, begun, answers, runs, tags }: Observation): unknown {
  const { results, pokes, bumps } = outcome as RootResult;
  return {
    status,
    results: JSON.parse(JSON.stringify(results), (_, value: unknown) => (typeof value === "number" ? "signal" : value)),
    pokes: [...pokes].sort((a, b) => a - b),
    bumps,
    begun: [...new Set(begun.map((what) => what.slice(what.indexOf(" ") + 1, what.lastIndexOf("#"))))].sort(),
    answers,
    runs,
    tags: Object.keys(tags).sort(),
  };
}

/** Messages of one sender arrive once and in their order. */
function checkMessages({ outcome }: Observation, script: readonly Move[]): void {
  const { pokes, results } = outcome as RootResult;
  const sent = script.flatMap(({ action }, index) => (action.do === "poke" ? [index] : []));
  expect(pokes.filter((n) => n >= 0 && n < 1000)).toEqual(sent);
  const taken = JSON.stringify(results).match(/(?<![\w"#-])\d+(?![\w"])/g) ?? [];
  for (const n of new Set(taken)) expect(taken.filter((one) => one === n).length).toBeLessThanOrEqual(2);
}
