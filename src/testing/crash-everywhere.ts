/** One scenario with a crash at every commit: it must come to the same end each time. */
import { AssertionError } from "node:assert";
import { isDeepStrictEqual } from "node:util";
import type { CrashPoint } from "./crash-points.ts";
import { createTestEnv, type TestEnv } from "./test-env.ts";
import type { TestEnvOptions } from "./test-env-options.ts";

/** A scenario: starts runs, answers them, and returns what must be the same whatever crashes. */
export type CrashedScenario<T> = (env: TestEnv) => Promise<T>;

/**
 * Runs a scenario once without a crash, then once for every commit it makes with a crash before that commit, and once with one after.
 *
 * @returns what the scenario returned, and how many crashes it went through.
 * @throws AssertionError naming the commit when the scenario ends in another way.
 *
 * @example
 * await crashEverywhere({ workflows: [order] }, async (env) => (await env.start(order, { id: 1 })).result());
 */
export async function crashEverywhere<T>(
  options: TestEnvOptions,
  scenario: CrashedScenario<T>,
): Promise<{ readonly result: T; readonly crashes: number }> {
  const { result, commits } = await undisturbed(options, scenario);
  let crashes = 0;
  for (let commit = 1; commit <= commits; commit++) {
    for (const point of [{ beforeCommit: commit }, { afterCommit: commit }]) {
      if (await endsTheSame(options, scenario, point, result)) crashes++;
    }
  }
  return { result, crashes };
}

async function undisturbed<T>(
  options: TestEnvOptions,
  scenario: CrashedScenario<T>,
): Promise<{ readonly result: T; readonly commits: number }> {
  await using env = await createTestEnv(options);
  const result = await scenario(env);
  await env.settled();
  return { result, commits: env.commits };
}

async function endsTheSame<T>(
  options: TestEnvOptions,
  scenario: CrashedScenario<T>,
  point: CrashPoint,
  expected: T,
): Promise<boolean> {
  const env = await createTestEnv(options);
  const crash = env.crashAt(point);
  const place = JSON.stringify(point);
  try {
    const actual = await scenario(env);
    await env.settled();
    if (isDeepStrictEqual(actual, expected)) return crash.happened;
    const message = `with a crash at ${place} the scenario ends in another way`;
    throw new AssertionError({ message, actual, expected, operator: "crashEverywhere" });
  } catch (cause) {
    if (cause instanceof AssertionError) throw cause;
    throw new Error(`with a crash at ${place} the scenario fails: ${(cause as Error).message}`, { cause });
  } finally {
    if (!crash.happened) env.forget(crash);
    await env.close();
  }
}
