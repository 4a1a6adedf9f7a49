/** The workflows and activities that the engine runs. */
import { type ActivityContext, activity } from "../../src/workflow/activity.ts";
import type { WorkflowContext } from "../../src/workflow/context.ts";
import { type AnyWorkflow, workflow } from "../../src/workflow/workflow.ts";
import {
  type ChildInput,
  errorWord,
  interpretChild,
  interpretRoot,
  type Job,
  RETRY_MS,
  type RootInput,
  type Vocabulary,
} from "./interpreter.ts";

/** What attempts see of the world: `ctx.deps`. */
export interface WorkPlace {
  pause(ms: number): Promise<void>;
  began(what: string, key: string): void;
}

async function perform(job: Job, ctx: ActivityContext): Promise<unknown> {
  const place = ctx.deps as WorkPlace;
  place.began(`${job.of}/${job.id}#${ctx.attempt}`, ctx.idempotencyKey);
  await place.pause(job.ms);
  if (ctx.attempt <= job.fails) throw new Error(`failure ${job.id}`);
  return `done ${job.id}`;
}

const retry = (maxAttempts: number) => ({ maxAttempts, initial: RETRY_MS, backoff: "constant", jitter: 0 }) as const;
const work = activity("work", { retry: retry(1) }, perform);

function call(wf: WorkflowContext, job: Job): Promise<unknown> {
  return wf.call(work, job, { retry: retry(job.attempts) });
}

const child = workflow("child", (wf, input: ChildInput) => interpretChild(wf, WORDS, input));
const root = workflow("root", (wf, input: RootInput) => interpretRoot(wf, WORDS, input));

const WORDS: Vocabulary = {
  call,
  step: (wf, job) => wf.step(`step ${job.id}`, (ctx) => perform(job, ctx), { retry: retry(job.attempts) }),
  saga: (wf, jobs, fails) =>
    wf.saga(async (saga) => {
      const results: unknown[] = [];
      for (const job of jobs) {
        const undo = (): Promise<unknown> => call(wf, { ...job, id: -job.id, fails: 0 });
        results.push(await saga.call(work, job, { retry: retry(job.attempts), undo }));
      }
      if (fails) throw new Error("the saga failed");
      return results;
    }),
  map: async (wf, jobs, concurrency, collect) => {
    const each = (job: Job): Promise<unknown> => call(wf, job);
    if (!collect) return wf.map(jobs, each, { concurrency });
    const settled = await wf.map(jobs, each, { concurrency, onError: "collect" });
    return settled.map((one) => (one.status === "completed" ? one.value : { failed: errorWord(one.error) }));
  },
  child: async (wf, { op, policy: onParentClose, awaited }, input) => {
    const options = { id: input.id, onParentClose };
    if (op === "child") return wf.child(child, input, options);
    const handle = await wf.spawn(child, input, options);
    return awaited ? handle.result() : "spawned";
  },
};

export const ROOT: AnyWorkflow = root;
export const WORKFLOWS: readonly AnyWorkflow[] = [root, child];
