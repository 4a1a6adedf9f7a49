/** The workflows that are measured. Their activities do next to nothing: what is left is the engine. */
import { type Activity, activity, type Workflow, workflow } from "perdure";

/** Answers at once. */
export const noop: Activity<number, { ok: boolean; i: number }> = activity("noop", async (i: number) => ({
  ok: true,
  i,
}));

/** Steps one after the other. */
export const sequence: Workflow<number, number> = workflow("sequence", async (wf, steps: number) => {
  let sum = 0;
  for (let i = 0; i < steps; i++) sum += (await wf.call(noop, i)).i;
  return sum;
});

/** Steps all at once. */
export const fanOut: Workflow<number, number> = workflow("fan-out", async (wf, steps: number) => {
  const results = await Promise.all(Array.from({ length: steps }, (_, i) => wf.call(noop, i)));
  return results.length;
});

/** Waits for an hour. */
export const nap: Workflow<undefined, void> = workflow("nap", async (wf) => {
  await wf.sleep("1h");
});
