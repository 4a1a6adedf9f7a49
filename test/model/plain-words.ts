/** What the model does where it differs from the engine. */
import type { WorkflowContext } from "../../src/workflow/context.ts";
import { errorWord, interpretChild, type Job, RETRY_MS, type Vocabulary } from "./interpreter.ts";
import type { PlainRun } from "./plain-run.ts";

const runOf = (wf: WorkflowContext): PlainRun => (wf as unknown as { run: PlainRun }).run;

function call(wf: WorkflowContext, job: Job): Promise<unknown> {
  const run = runOf(wf);
  const attempt = (number: number): { ms: number; error: Error | undefined; value: unknown } => {
    run.world.begun.push(`${run.world.clock.now()} ${job.of}/${job.id}#${number}`);
    const error = number <= job.fails ? new Error(`failure ${job.id}`) : undefined;
    return { ms: job.ms, error, value: `done ${job.id}` };
  };
  return run.work(attempt, job.attempts, RETRY_MS);
}

/** The last that may have begun is undone first. */
async function saga(wf: WorkflowContext, jobs: readonly Job[], fails: boolean): Promise<unknown> {
  const begun: Job[] = [];
  const whole = wf.scope(async () => {
    try {
      const results: unknown[] = [];
      for (const job of jobs) {
        if (!runOf(wf).refuses) begun.push(job);
        results.push(await call(wf, job));
      }
      if (fails) throw new Error("the saga failed");
      return results;
    } catch (error) {
      await wf.uncancellable(async () => {
        for (const job of begun.reverse()) await call(wf, { ...job, id: -job.id, fails: 0 });
      });
      throw error;
    }
  });
  runOf(wf).finishFirst(whole);
  return whole;
}

async function map(wf: WorkflowContext, jobs: readonly Job[], lanes: number, collect: boolean): Promise<unknown> {
  const results: unknown[] = [];
  let next = 0;
  let failed: { readonly error: unknown } | undefined;
  await wf.scope(async (scope) => {
    const lane = async (): Promise<void> => {
      while (next < jobs.length && failed === undefined) {
        const index = next++;
        try {
          results[index] = await call(wf, jobs[index]!);
        } catch (error) {
          const word = errorWord(error);
          if (collect && word !== "cancelled") results[index] = { failed: word };
          else if (failed === undefined) {
            failed = { error };
            scope.cancel();
          }
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(lanes, jobs.length) }, lane));
  });
  if (failed !== undefined) throw (failed as { error: unknown }).error;
  return results;
}

export const PLAIN_WORDS: Vocabulary = {
  call,
  step: call,
  saga,
  map,
  child: async (wf, { op, policy, awaited }, input) => {
    const code = (inner: WorkflowContext): Promise<unknown> => interpretChild(inner, PLAIN_WORDS, input);
    if (op === "child" || awaited) return runOf(wf).child(input.id, code, input, policy);
    return new Promise((resolve, reject) => {
      runOf(wf)
        .child(input.id, code, input, policy, () => resolve("spawned"))
        .catch(reject);
    });
  },
};
